//! The command of a static pod's manifest: a list of words, one on each line.

use super::change::{self, WantedFlags, WordChange};
use crate::model::Fault;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::ops::Range;

#[derive(Deserialize)]
struct PodManifest {
    spec: ManifestSpec,
}

#[derive(Deserialize)]
struct ManifestSpec {
    containers: Vec<ManifestContainer>,
}

#[derive(Deserialize)]
struct ManifestContainer {
    #[serde(default)]
    command: Vec<Spanned<String>>,
    #[serde(default)]
    args: Vec<Spanned<String>>,
}

/// One word of the command and the bytes that say it.
struct CommandWord {
    said: String,
    range: Range<usize>,
}

/// The manifest with the flags of its one container as wanted, all else byte for byte. `path` is for messages.
pub fn edit(path: &str, text: &str, wanted: &WantedFlags) -> Result<String, Fault> {
    let (old, read) = (items(path, text)?, |value: &str| value.to_owned());
    let made = change::changes(&said(&old), wanted, &read);
    if made.is_empty() {
        return Ok(text.to_owned());
    }
    let new = written(text, &old, &made);
    change::settled(&said(&old), &made, &said(&items(path, &new)?), wanted, &read)?;
    Ok(new)
}

fn said(items: &[CommandWord]) -> Vec<String> {
    items.iter().map(|item| item.said.clone()).collect()
}

fn items(path: &str, text: &str) -> Result<Vec<CommandWord>, Fault> {
    let pod: PodManifest = serde_saphyr::from_str(text)
        .map_err(|e| Fault::value(format!("{path} is no manifest of a pod")).detail(e.to_string()))?;
    let count = pod.spec.containers.len();
    let [container] = <[ManifestContainer; 1]>::try_from(pod.spec.containers)
        .map_err(|_| Fault::refused(format!("{path} has {count} containers, not one")))?;
    if container.command.is_empty() && container.args.is_empty() {
        return Err(Fault::refused(format!("the container of {path} has no `command`")));
    }
    let mut starts = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let words = container.command.into_iter().chain(container.args);
    words.map(|word| item(text, &starts, word).ok_or_else(|| in_lines(path))).collect()
}

fn in_lines(path: &str) -> Fault {
    let fault = Fault::refused(format!("the command in {path} is not a list with one word on each line"));
    fault.hint("write it as `- --name=value` lines, then run this again")
}

/// A word that stands alone on its line, behind `- `.
fn item(text: &str, starts: &[usize], word: Spanned<String>) -> Option<CommandWord> {
    let place = word.defined;
    let start = *starts.get(usize::try_from(place.line()).ok()?.checked_sub(1)?)?;
    let line = text[start..].lines().next()?;
    let dash = line.len() - line.trim_start().len();
    let rest = line[dash..].strip_prefix('-')?;
    let from = line.len() - rest.trim_start().len();
    let says = |token: &str| serde_saphyr::from_str::<String>(token).is_ok_and(|said| said == word.value);
    let token = line[from..].trim_end();
    // Without the comment behind it.
    let bare = token.rfind(" #").map(|at| token[..at].trim_end()).filter(|bare| says(bare)).unwrap_or(token);
    says(bare).then(|| CommandWord { said: word.value.clone(), range: start + from..start + from + bare.len() })
}

fn written(text: &str, items: &[CommandWord], made: &[WordChange]) -> String {
    let line = |at: usize| {
        let Range { start, end } = items[at].range;
        let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
        from..text[end..].find('\n').map_or(text.len(), |at| end + at + 1)
    };
    let last = change::end(&said(items)).saturating_sub(1);
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for change in made {
        edits.push(match change {
            WordChange::Put(at, new) => (items[*at].range.clone(), scalar(new)),
            WordChange::Take(at) => (line(*at), String::new()),
            WordChange::Add(new) => {
                let (lead, end) = (&text[line(last).start..items[last].range.start], line(last).end);
                let gap = if text[..end].ends_with('\n') { "" } else { "\n" };
                (end..end, format!("{gap}{lead}{}\n", scalar(new)))
            }
        });
    }
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut new = text.to_owned();
    for (range, word) in edits.into_iter().rev() {
        new.replace_range(range, &word);
    }
    new
}

/// Plain where YAML reads it back as this text.
fn scalar(text: &str) -> String {
    let plain = text.starts_with("--") && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./:,=@%+-".contains(c));
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "# static\napiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: etcd:3.5\n    command:\n    - etcd\n    - --name=a # the first\n    - \"--data-dir\"\n    - /var/lib/etcd\n    livenessProbe:\n      exec:\n        command: [etcd, --name=no]\n    name: etcd\n";

    fn edited(text: &str, set: &[(&str, &str)], remove: &[&str]) -> Result<String, Fault> {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        edit("etcd.yaml", text, &WantedFlags { set, remove: remove.iter().map(|name| (*name).to_owned()).collect() })
    }

    #[test]
    fn only_the_lines_of_a_flag_change() {
        assert_eq!(edited(POD, &[("name", "a"), ("data-dir", "/var/lib/etcd")], &["none"]).unwrap(), POD);
        assert_eq!(edited(POD, &[("name", "b")], &[]).unwrap(), POD.replace("--name=a", "--name=b"));
        assert_eq!(edited(POD, &[("data-dir", "/d")], &[]).unwrap(), POD.replace("/var/lib/etcd", "\"/d\""));
        let gone = POD.replace("    - \"--data-dir\"\n    - /var/lib/etcd\n", "");
        assert_eq!(edited(POD, &[], &["data-dir"]).unwrap(), gone);
        let more = POD.replace("/var/lib/etcd\n", "/var/lib/etcd\n    - --quota=5\n    - \"--x=a b: c\"\n");
        assert_eq!(edited(POD, &[("quota", "5"), ("x", "a b: c")], &[]).unwrap(), more);
    }

    #[test]
    fn a_command_that_is_not_one_word_on_each_line_is_refused() {
        for command in ["    command: [etcd, --name=a]\n", "    command:\n    - >-\n      etcd\n", "    command: []\n"]
        {
            let pod = format!("spec:\n  containers:\n  - name: x\n{command}");
            assert!(edited(&pod, &[("name", "b")], &[]).is_err(), "{command}");
        }
        assert!(edited("spec: 5\n", &[("name", "b")], &[]).is_err());
    }
}
