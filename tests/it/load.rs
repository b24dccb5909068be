//! The loader: places, exact scalars, and no input that breaks it.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use surefoot_engine::load::{self, Node, NodeValue};
use surefoot_engine::model::{Diagnostic, Sources};

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.yaml");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn tree(text: &str) -> (Node, Sources) {
    let (_dir, path) = written(text.as_bytes());
    let mut sources = Sources::default();
    let document = load::runbook(&path, &mut sources).unwrap();
    (document.root, sources)
}

fn problems(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let (_dir, path) = written(bytes);
    let mut sources = Sources::default();
    let found = load::runbook(&path, &mut sources).unwrap_err();
    found.iter().map(|problem| (problem.code, at(problem, &sources))).collect()
}

fn at(problem: &Diagnostic, sources: &Sources) -> String {
    let span = problem.labels[0].span;
    let (line, column) = sources.get(span.file).position(span.start as usize);
    format!("{line}:{column}")
}

fn one(bytes: &[u8]) -> (&'static str, String) {
    let mut all = problems(bytes);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn only_true_and_false_are_booleans() {
    let (root, _) = tree("a: yes\nb: on\nc: true\nd: \"true\"\non: x\n");
    assert_eq!(root.get("a").unwrap().as_str(), Some("yes"));
    assert_eq!(root.get("b").unwrap().as_str(), Some("on"));
    assert_eq!(root.get("c").unwrap().value, NodeValue::Bool(true));
    assert_eq!(root.get("d").unwrap().as_str(), Some("true"));
    assert_eq!(root.get("on").unwrap().as_str(), Some("x"));
}

#[test]
fn what_a_lab_cannot_be_is_told_with_its_place() {
    let lab = b"lab:\n  hosts: [web-1, Web-2]\n  etcd: '3.3'\n  packages: [nginx-light, 'nginx=1.2']\n  disk: log\n";
    let (_dir, path) = written(lab);
    let mut sources = Sources::default();
    let found = surefoot_lab::rehearse::load(&path, &mut sources).unwrap_err();
    let found: Vec<_> = found.iter().map(|problem| (problem.code, at(problem, &sources))).collect();
    assert_eq!(
        found,
        [("E0501", "2:18"), ("E0501", "3:9"), ("E0501", "4:27"), ("E0501", "5:9")].map(|(c, p)| (c, p.to_owned()))
    );
}

#[test]
fn integers_of_64_bits_are_exact_and_larger_ones_refused() {
    let (root, _) = tree("a: 18446744073709551615\nb: -9223372036854775808\n");
    assert_eq!(root.get("a").unwrap().to_json(), serde_json::json!(u64::MAX));
    assert_eq!(root.get("b").unwrap().to_json(), serde_json::json!(i64::MIN));
    assert_eq!(one(b"a: 18446744073709551616\n"), ("E0110", "1:4".into()));
}

#[test]
fn a_number_keeps_its_digits_where_text_is_wanted() {
    let (root, sources) = tree("mode: 0600\nversion: 1.10\nblock: |-\n  12\n");
    assert_eq!(root.get("mode").unwrap().text(&sources), Some("0600"));
    assert_eq!(root.get("version").unwrap().text(&sources), Some("1.10"));
    assert_eq!(root.get("block").unwrap().text(&sources), Some("12"));
}

#[test]
fn a_piece_of_a_text_is_found_in_the_file() {
    let text =
        "plain: say {{ word }}\nquoted: 'say {{ word }}'\nblock: |\n  first\n\n    {{ word }}\n  last {{ word }}\n";
    let (root, sources) = tree(text);
    for key in ["plain", "quoted", "block"] {
        let node = root.get(key).unwrap();
        let decoded = node.text(&sources).unwrap();
        for (offset, word) in decoded.match_indices("word") {
            let span = node.place(&sources).of(decoded, offset..offset + word.len());
            assert_eq!(sources.text(span), "word", "in {key}");
        }
    }
}

#[test]
fn a_piece_of_an_escaped_text_is_the_whole_scalar() {
    let (root, sources) = tree("a: \"x\\ty\"\nb: >\n  one\n  two\n");
    assert_eq!(root.get("a").unwrap().place(&sources).lines, None);
    assert_eq!(root.get("b").unwrap().place(&sources).lines, None);
}

#[test]
fn a_duplicate_key_is_shown_with_both_places() {
    let (_dir, path) = written(b"a: 1\nb:\n  c: 1\n  c: 2\na: 2\n");
    let mut sources = Sources::default();
    let found = load::runbook(&path, &mut sources).unwrap_err();
    let places: Vec<Vec<String>> =
        found.iter().map(|d| d.labels.iter().map(|l| sources.place(l.span)).collect()).collect();
    let here = |place: &str| format!("{}:{place}", path.display());
    assert_eq!(places, [[here("4:3"), here("3:3")], [here("5:1"), here("1:1")]]);
}

#[test]
fn what_is_not_our_yaml_is_refused_with_its_place() {
    for (text, code, place) in [
        ("", "E0104", "1:1"),
        ("# nothing\n", "E0104", "1:1"),
        ("- a\n", "E0109", "1:1"),
        ("a: 1\n---\nb: 2\n", "E0105", "2:1"),
        ("a: &x 1\nb: *x\n", "E0108", "1:4"),
        ("a: *x\n", "E0108", "1:4"),
        ("a:\n  <<: { b: c }\n", "E0108", "2:3"),
        ("a: !mine x\n", "E0108", "1:10"),
        ("1: x\n", "E0107", "1:1"),
        ("a: {{ x }}\n", "E0107", "1:5"),
        ("a:\n\tb: 1\n", "E0100", "2:2"),
        ("a: b: c\n", "E0100", "1:5"),
        ("a: [1, 2\nb: 3\n", "E0100", "2:2"),
        ("é: 'x\n", "E0100", "2:1"),
        ("a: 1e999\n", "E0110", "1:4"),
    ] {
        assert_eq!(one(text.as_bytes()), (code, place.to_owned()), "{text:?}");
    }
    assert_eq!(one(b"a: 1\nb: \xff\n"), ("E0103", "2:4".into()));
    assert_eq!(one(b"\xff\xfea\0"), ("E0103", "1:1".into()));
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_mistake() {
    let (root, sources) = tree("\u{feff}a: 1\r\nb: |\r\n  x\r\n  {{ y }}\r\n");
    assert_eq!(root.get("a").unwrap().to_json(), 1);
    let block = root.get("b").unwrap();
    assert_eq!(block.as_str(), Some("x\n{{ y }}\n"));
    assert_eq!(sources.text(block.place(&sources).of("x\n{{ y }}\n", 5..6)), "y");
}

#[test]
fn too_deep_and_too_large_are_refused() {
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(one(deep.as_bytes()).0, "E0102");
    let large = format!("a: {}\n", "x".repeat(4 << 20));
    assert_eq!(one(large.as_bytes()).0, "E0102");
}

#[test]
fn a_missing_file_is_named() {
    let found = load::runbook(Path::new("/nowhere/at/all.yaml"), &mut Sources::default()).unwrap_err();
    assert_eq!(found[0].code, "E0101");
}

#[test]
fn an_argument_is_yaml_where_it_is_some() {
    let mut sources = Sources::default();
    let mut value = |text: &str| load::argument(text, &mut sources).unwrap().value.to_json();
    assert_eq!(value("n=5"), 5);
    assert_eq!(value("l=[a, b]"), serde_json::json!(["a", "b"]));
    assert_eq!(value("s=a: b: c"), "a: b: c");
    assert_eq!(value("u=https://x/?a=b"), "https://x/?a=b");
    assert_eq!(value("e="), "");
    assert_eq!(load::argument("novalue", &mut Sources::default()).unwrap_err()[0].code, "E0601");
}

#[test]
fn an_inventory_applies_defaults_and_the_most_exact_etcd_entry() {
    let text = "defaults: { user: root, port: 22, identity: keys/id, become: true }\n\
                hosts:\n  a: { address: 192.0.2.1, port: 2222, become: false, vars: { zone: x } }\n  b:\n  c: { user: 007 }\n\
                groups:\n  g: [c, b]\n\
                etcd:\n  b: { ca: \"host:/b.pem\" }\n  all: { ca: all.pem }\n  g: { ca: /g.pem }\n";
    let (dir, path) = written(text.as_bytes());
    let inventory = load::inventory(&path, &mut Sources::default()).unwrap();
    let host = |name: &str| &inventory.hosts[name];
    assert_eq!((host("a").port, host("b").port), (Some(2222), Some(22)));
    assert_eq!((host("a").address.as_deref(), host("b").address.as_deref()), (Some("192.0.2.1"), None));
    assert_eq!((host("a").become_user.as_deref(), host("b").become_user.as_deref()), (None, Some("root")));
    assert_eq!(host("c").user.as_deref(), Some("007"));
    assert_eq!(host("b").identity.as_deref(), Some(dir.path().join("keys/id").as_path()));
    assert_eq!(host("a").vars["zone"], "x");
    let ca = |name: &str| host(name).etcd.as_ref().and_then(|etcd| etcd.ca.clone()).unwrap();
    assert_eq!(ca("a"), dir.path().join("all.pem").to_str().unwrap());
    assert_eq!((ca("b").as_str(), ca("c").as_str()), ("host:/b.pem", "/g.pem"));
    assert_eq!(inventory.groups["g"], ["c".into(), "b".into()]);
}

/// Bytes that look like YAML more often than chance would have it.
fn yaml_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "a", ": ", "- ", "\n", "  ", "\t", "{", "}", "[", "]", "\"", "'", "|", ">", "&x", "*x", "<<", "!t ", "#", "%",
        "---\n", "{{ x }}", "é", "\u{feff}", "0600", "1e9", "~", "? ", ",", "\r\n", "\\", "\0",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

fn loads_or_refuses(bytes: &[u8]) {
    let (_dir, path) = written(bytes);
    let mut sources = Sources::default();
    let results = [
        load::runbook(&path, &mut sources).map(|document| walk(&document.root, &sources)),
        load::inventory(&path, &mut sources).map(drop),
        load::params(&path, &mut sources).map(drop),
        load::argument(&String::from_utf8_lossy(bytes), &mut sources).map(drop),
    ];
    for problem in results.into_iter().filter_map(Result::err).flatten() {
        surefoot::report::render(&problem, &sources);
        surefoot::report::json(&problem, &sources);
    }
}

/// Every place is one of the file, and every piece of a text has one.
fn walk(node: &Node, sources: &Sources) {
    sources.text(node.span);
    if let Some(text) = node.text(sources) {
        for (start, c) in text.char_indices() {
            sources.text(node.place(sources).of(text, start..start + c.len_utf8()));
        }
    }
    match &node.value {
        NodeValue::Seq(items) => items.iter().for_each(|item| walk(item, sources)),
        NodeValue::Map(entries) => entries.iter().for_each(|(_, node)| walk(node, sources)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_bytes_load_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        loads_or_refuses(&bytes);
    }

    #[test]
    fn anything_like_yaml_loads_or_is_refused(bytes in yaml_like()) {
        loads_or_refuses(&bytes);
    }
}
