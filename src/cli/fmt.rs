//! `surefoot fmt`: files in one style.

use super::args::Fmt as Args;
use super::exit::Exit;
use super::out::say;
use super::prepare::show;
use super::rewrite::rewrite;
use std::path::Path;
use surefoot_engine::load::{Unformatted, formatted};
use surefoot_engine::model::Sources;

pub fn main(args: &Args) -> Exit {
    let mut worst = Exit::Done;
    for path in &args.files {
        let exit = match path.as_os_str() == "-" {
            true => stdin(),
            false => file(path, args.check),
        };
        if exit != Exit::Done {
            worst = exit;
        }
    }
    worst
}

fn stdin() -> Exit {
    match read(Path::new("/dev/stdin")) {
        Ok((_, new)) => {
            super::out::exactly(&new);
            Exit::Done
        }
        Err(exit) => exit,
    }
}

fn file(path: &Path, check: bool) -> Exit {
    match read(path) {
        Ok((old, new)) if old == new => Exit::Done,
        Ok(_) if check => {
            say!("{}\n", path.display());
            Exit::Failed
        }
        Ok((_, new)) => match rewrite(path, &new) {
            Ok(()) => Exit::Done,
            Err(error) => Exit::Failed.because(format!("{}: {error}", path.display())),
        },
        Err(exit) => exit,
    }
}

fn read(path: &Path) -> Result<(String, String), Exit> {
    let mut sources = Sources::default();
    formatted(path, &mut sources).map_err(|why| match why {
        Unformatted::Wrong(problems) => show(&problems, &sources),
        Unformatted::Refused(why) => Exit::Failed.because(format!("{} is left as it is: {why}", path.display())),
    })
}
