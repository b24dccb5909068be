//! `surefoot new`: a runbook to start from, its test, and its rehearsal.

use super::args::New as Args;
use super::catalog::{catalog, resolve};
use super::exit::{CommandResult, Exit, Failure};
use super::out::say;
use super::starter::Starter;
use std::path::Path;
use surefoot_engine::catalog::{Catalog, Location};
use surefoot_engine::load::{self, Node};
use surefoot_engine::model::{Diagnostic, Fix, Sources};

const RUNBOOK: &str = include_str!("new/runbook.yaml");
const TEST: &str = include_str!("new/test.yaml");
const REHEARSAL: &str = include_str!("new/rehearse.yaml");

/// What stands behind a runbook's name in the names of its files.
const KINDS: [&str; 3] = ["yaml", "test.yaml", "rehearse.yaml"];

pub fn main(args: &Args) -> CommandResult {
    match &args.from {
        None => {
            let named = |text: &str| text.replace("NAME", args.name.as_str());
            write(args, [RUNBOOK, TEST, REHEARSAL].map(named).map(Some))
        }
        Some(word) => from(args, word, &catalog(None)?),
    }
}

fn from(args: &Args, word: &Path, catalog: &Catalog) -> CommandResult {
    let mut sources = Sources::default();
    let texts = resolve(word, catalog, &mut sources).and_then(|found| {
        let [runbook, test, rehearsal] = KINDS.map(|kind| found.location.beside(kind));
        let text = |location: &Location, sources: &mut Sources| renamed(location, args.name.as_str(), sources);
        let runbook = text(&runbook, &mut sources)?;
        let mut beside = |location: Location| location.exists().then(|| text(&location, &mut sources)).transpose();
        Ok([Some(runbook), beside(test)?, beside(rehearsal)?])
    });
    match texts {
        Ok(texts) => write(args, texts),
        Err(problems) => Err(Failure::mistakes(&problems, &sources)),
    }
}

/// The text of a runbook, its test or its rehearsal under another name. What it uses is named so that it is found from
/// anywhere.
fn renamed(location: &Location, name: &str, sources: &mut Sources) -> Result<String, Vec<Diagnostic>> {
    let root = load::map(location, "a runbook", &["runbook", "steps"], sources)?;
    let mut fixes: Vec<Fix> = root.get("runbook").map(|node| replaced(node, name.to_owned())).into_iter().collect();
    let lists = ["steps", "setup", "damage"].into_iter().filter_map(|key| root.get(key));
    fixes.extend(lists.flat_map(load::uses).filter_map(|node| {
        let used = location.absolute().relative(node.as_str()?);
        let elsewhere = node.as_str().is_some_and(|text| !surefoot_engine::catalog::is_name(text));
        elsewhere.then(|| replaced(node, from_anywhere(&used)))
    }));
    let (text, _) = load::patched(&sources.get(root.span.file).text, &fixes.iter().collect::<Vec<_>>());
    let old = location.path().file_name().and_then(|file| file.to_str()?.split('.').next().map(str::to_owned));
    Ok(comments_renamed(&text, &old.unwrap_or_default(), name))
}

fn replaced(node: &Node, text: String) -> Fix {
    Fix { span: node.span, text, certain: true }
}

fn from_anywhere(used: &Location) -> String {
    match used {
        Location::File(path) => path.to_string_lossy().into_owned(),
        Location::BuiltIn(path) => path.with_extension("").to_string_lossy().into_owned(),
    }
}

/// Comments that name the files.
fn comments_renamed(text: &str, old: &str, new: &str) -> String {
    let line = |line: &str| match line.trim_start().starts_with('#') {
        true => KINDS
            .iter()
            .fold(line.to_owned(), |line, kind| line.replace(&format!("{old}.{kind}"), &format!("{new}.{kind}"))),
        false => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

fn write(args: &Args, texts: [Option<String>; 3]) -> CommandResult {
    let name = &args.name;
    let mut starter = Starter::below(Path::new(""));
    let files = KINDS.iter().zip(&texts).filter_map(|(kind, text)| Some((format!("{name}.{kind}"), text.as_ref()?)));
    files.for_each(|(file, text)| starter.add(file, text));
    starter.write()?;
    let [_, test, rehearsal] = &texts;
    say!("{name}.yaml is a runbook");
    test.iter().for_each(|_| say!(", {name}.test.yaml says how it behaves"));
    rehearsal.iter().for_each(|_| say!(", {name}.rehearse.yaml how it is tried on disposable hosts"));
    say!("; schemas/ is for editors. Next:\n\n  surefoot check {name}.yaml\n  surefoot graph {name}.yaml\n");
    test.iter().for_each(|_| say!("  surefoot test {name}.test.yaml\n"));
    rehearsal.iter().for_each(|_| say!("  surefoot rehearse {name}.yaml\n"));
    Ok(Exit::Done)
}
