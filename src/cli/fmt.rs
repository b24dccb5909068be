//! `surefoot fmt`: files in one style.

use super::args::Fmt as Args;
use super::exit::{CommandResult, Exit, Failure, printed};
use super::out::say;
use super::rewrite::rewrite;
use std::path::Path;
use surefoot_engine::load::{Unformatted, formatted};
use surefoot_engine::model::Sources;

pub fn main(args: &Args) -> CommandResult {
    let mut worst = Exit::Done;
    for path in &args.files {
        let exit = printed(match path.as_os_str() == "-" {
            true => stdin(),
            false => file(path, args.check),
        });
        if exit != Exit::Done {
            worst = exit;
        }
    }
    Ok(worst)
}

fn stdin() -> CommandResult {
    let (_, new) = read(Path::new("/dev/stdin"))?;
    super::out::exactly(&new);
    Ok(Exit::Done)
}

fn file(path: &Path, check: bool) -> CommandResult {
    let (old, new) = read(path)?;
    if old == new {
        return Ok(Exit::Done);
    }
    if check {
        say!("{}\n", path.display());
        return Ok(Exit::Failed);
    }
    rewrite(path, &new).map_err(|error| Exit::Failed.because(format!("{}: {error}", path.display())))?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<(String, String), Failure> {
    let mut sources = Sources::default();
    formatted(path, &mut sources).map_err(|why| match why {
        Unformatted::Wrong(problems) => Failure::mistakes(&problems, &sources),
        Unformatted::Refused(why) => Exit::Failed.because(format!("{} is left as it is: {why}", path.display())),
    })
}
