//! `surefoot check --fix`: mistakes fixed that can have meant one thing only.

use super::check::found;
use super::rewrite::rewrite;
use std::io::{self, Write};
use std::path::Path;
use surefoot_engine::bounded;
use surefoot_engine::catalog::{Catalog, Location};
use surefoot_engine::load::{Inventory, patched};
use surefoot_engine::model::{Fix, Sources};

/// One fixed mistake may bring the next to light; a file that needs more rounds is left for its author.
const ROUNDS: usize = 10;

/// What is larger is no runbook, in bytes.
const LARGEST: u64 = 4 << 20;

/// Mends a file as far as that is certain. What is left is not said here. The runbooks that it uses are left alone.
pub fn text(location: &Location, inventory: Option<&Inventory>, catalog: &Catalog) -> io::Result<()> {
    let Location::File(path) = location else {
        return Err(io::Error::other(
            "a built-in runbook stays as it is: `surefoot runbooks copy` writes a copy to change",
        ));
    };
    let Ok(old) = bounded::read_text(path, LARGEST) else { return Ok(()) };
    let mut text = old.clone();
    let mut made = 0;
    for _ in 0..ROUNDS {
        let (new, more) = fixed(path, &text, inventory, catalog)?;
        if more == 0 {
            break;
        }
        (text, made) = (new, made + more);
    }
    if text != old {
        rewrite(path, &text)?;
        crate::cli::out::tell_line!("{}: {made} fixed", path.display());
    }
    Ok(())
}

/// One round over a text that stands where the file does, for what it says about other files.
fn fixed(path: &Path, text: &str, inventory: Option<&Inventory>, catalog: &Catalog) -> io::Result<(String, usize)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let mut draft = tempfile::Builder::new().prefix(".").suffix(name).tempfile_in(folder)?;
    draft.write_all(text.as_bytes())?;
    let mut sources = Sources::default();
    let problems = found(&Location::File(draft.path().to_owned()), inventory, catalog, &mut sources);
    let own = |fix: &&Fix| fix.certain && sources.path(fix.span.file) == draft.path();
    let fixes: Vec<&Fix> = problems.iter().filter_map(|problem| problem.fix.as_ref()).filter(own).collect();
    Ok(patched(text, &fixes))
}
