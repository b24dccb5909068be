//! `surefoot check`: every mistake, without touching a host.

use super::args::{Check, Format};
use super::exit::Exit;
use super::pipeline::show;
use crate::check::check;
use crate::load;
use crate::model::Sources;

pub fn main(args: &Check) -> Exit {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    for path in &args.runbooks {
        match load::runbook(path, &mut sources) {
            Ok(document) => problems.extend(check(&document, None, &sources).diagnostics),
            Err(more) => problems.extend(more),
        }
    }
    let exit = show(&problems, &sources, args.format);
    if exit == Exit::Done && args.format == Format::Text {
        println!("{}: no mistakes found", count(args.runbooks.len()));
    }
    exit
}

fn count(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}
