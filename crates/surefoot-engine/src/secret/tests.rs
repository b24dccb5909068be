use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

fn masks(secret: &str) -> Masks {
    let masks = Masks::default();
    masks.learn(secret);
    masks
}

fn masked(secret: &str, text: &str) -> String {
    masks(secret).text(text.to_owned())
}

const HARD: &str = "p4ss \"w'rd\\/<&>$é+%=~{x},";

#[test]
fn other_notations_are_masked() {
    let quoted = crate::world::quote::quote(HARD);
    let percent = "p4ss%20%22w%27rd%5C%2F%3C%26%3E%24%C3%A9%2B%25%3D~%7Bx%7D%2C";
    let json = serde_json::to_string(HARD).unwrap();
    let disguises = [
        HARD.to_owned(),
        HARD.to_uppercase().replace('É', "é"),
        quoted,
        json.clone(),
        serde_json::to_string(&json).unwrap(),
        percent.to_owned(),
        percent.to_lowercase(),
        percent.replace("%20", "+"),
        HARD.bytes().map(|byte| format!("{byte:02X}")).collect(),
        json.replace('é', "\\u00e9").replace('<', "\\u003C").replace('>', "\\u003E").replace('&', "\\u0026"),
        "p4ss\\ \\\"w\\'rd\\\\/\\<\\&\\>\\$é+%=~\\{x\\}\\,".to_owned(),
        HARD.replace('\'', "'\"'\"'"),
    ];
    for disguise in disguises {
        let text = masked(HARD, &format!("before {disguise} after"));
        assert!(text.len() < 26, "{disguise}: {text}");
    }
}

#[test]
fn lines_are_masked_one_by_one_and_indented() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n";
    assert_eq!(masked(key, "see MIIEvQIBADANBgkq!"), "see ***!");
    assert_eq!(masked(key, &format!("key: |\n  {}", key.replace('\n', "\n  "))).trim(), "key: |\n  ***");
    // A line that is too short to be known again stays.
    assert_eq!(masked("abc\nlonger one", "abc longer one"), "abc ***");
}

#[test]
fn a_secret_that_is_a_part_of_another_hides_neither() {
    let masks = masks("abcd");
    masks.learn("cdefgh");
    assert_eq!(masks.text("-abcdefgh-".into()), "-***-");
    assert_eq!(masks.text("-abcd-cdefgh-".into()), "-***-***-");
}

#[test]
fn numbers_and_keys_are_masked() {
    let out = serde_json::json!({ "a": [471147, 5], "471147": true });
    assert_eq!(masks("471147").json(out), serde_json::json!({ "a": ["***", 5], "***": true }));
}

#[test]
fn without_secrets_nothing_is_held_back() {
    let mut stream = Masks::default().stream();
    assert_eq!(*stream.push(b"any"), *b"any");
    assert_eq!(stream.end(), b"");
}

#[test]
fn what_looks_like_a_beginning_is_held_back_and_no_more() {
    let mut stream = masks("hunter2").stream();
    assert_eq!(*stream.push(b"a line\nhun"), *b"a line\n");
    assert_eq!(*stream.push(b"gry"), *b"hungry");
    assert_eq!(*stream.push(b"hunter"), *b"");
    assert_eq!(*stream.push(b"2!"), *b"***!");
}

#[test]
fn a_secret_learnt_in_the_middle_is_masked_from_there_on() {
    let masks = Masks::default();
    let mut stream = masks.stream();
    assert_eq!(*stream.push(b"later-1 "), *b"later-1 ");
    masks.learn("later-1");
    assert_eq!([stream.push(b"later-1").into_owned(), stream.end()].concat(), b"***");
}

proptest! {
    // Each case makes a matcher of its own.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn base64_is_masked_wherever_it_begins(
        secret in "[ -~]{8,80}", before in prop::collection::vec(any::<u8>(), 0..9),
        after in prop::collection::vec(any::<u8>(), 0..5), wrap in prop::option::of(Just(76usize)),
    ) {
        let all = [&before[..], secret.as_bytes(), &after].concat();
        for text in [STANDARD.encode(&all), URL_SAFE_NO_PAD.encode(&all)] {
            let wrapped: String = match wrap {
                Some(width) => text.as_bytes().chunks(width).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect(),
                None => text,
            };
            let shown = masked(&secret, &wrapped);
            prop_assert!(shown.contains(MASK));
            // What neighbours share of a digit may stay, and the neighbours themselves.
            let rest = shown.replace(MASK, "").replace(['\n', '='], "").len();
            prop_assert!(rest <= (before.len() * 8).div_ceil(6) + (after.len() * 8).div_ceil(6) + 2, "{shown}");
        }
    }

    #[test]
    fn a_stream_in_pieces_is_masked_like_the_whole(
        secrets in prop::collection::vec("[ab\n]{4,9}", 1..4), text in "[ab\nc]{0,60}", cut in 1usize..9,
    ) {
        let masks = Masks::default();
        secrets.iter().for_each(|secret| masks.learn(secret));
        let mut stream = masks.stream();
        let mut shown: Vec<u8> = text.as_bytes().chunks(cut).flat_map(|piece| stream.push(piece).into_owned()).collect();
        shown.extend(stream.end());
        prop_assert_eq!(String::from_utf8(shown).unwrap(), masks.text(text));
    }
}
