//! `surefoot new`: a first runbook, its test, and its rehearsal.

use super::exit::Exit;
use super::out::say;
use crate::lab::Name;
use std::io::Write;
use std::path::Path;

const RUNBOOK: &str = include_str!("new/runbook.yaml");
const TEST: &str = include_str!("new/test.yaml");
const REHEARSAL: &str = include_str!("new/rehearse.yaml");

pub fn main(name: &Name) -> Exit {
    let file = |kind: &str, text| (format!("{name}.{kind}"), text);
    let files = [file("yaml", RUNBOOK), file("test.yaml", TEST), file("rehearse.yaml", REHEARSAL)];
    if let Some((file, _)) = files.iter().find(|(file, _)| Path::new(file).exists()) {
        return Exit::WrongInput.because(format!("{file} is there already"));
    }
    for (file, text) in &files {
        if let Err(error) = write(Path::new(file), &text.replace("NAME", name.as_str())) {
            return Exit::Failed.because(format!("{file}: {error}"));
        }
    }
    say!(
        "{name}.yaml is a runbook, {name}.test.yaml says how it behaves, {name}.rehearse.yaml how it is tried on throw-away \
         hosts. Next:\n\n  surefoot check {name}.yaml\n  surefoot graph {name}.yaml\n  surefoot test {name}.test.yaml\n  \
         surefoot rehearse {name}.yaml\n"
    );
    Exit::Done
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}
