//! YAML laid out in one style. What it means stays as it is: that is looked at afterwards, not assumed.

use super::config::CONFIG;
use super::inventory::INVENTORY;
use super::{file, yaml};
use crate::model::{Diagnostic, Sources};
use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions, LineBreak};
use std::panic::catch_unwind;
use std::path::Path;

/// Longer flow maps and lists are broken into lines.
const WIDTH: usize = 120;

/// Why a file is left as it is.
#[derive(Debug)]
pub enum Unformatted {
    /// It is no YAML that we read.
    Wrong(Vec<Diagnostic>),
    /// Another layout would have changed what it means.
    Refused(String),
}

/// A file's text, and the same in our style.
pub fn formatted(path: &Path, sources: &mut Sources) -> Result<(String, String), Unformatted> {
    let file = file::read(path, sources).map_err(Unformatted::Wrong)?;
    let text = sources.get(file).text.to_string();
    let before = meaning(&text, sources, path)?;
    let options = FormatOptions {
        layout: LayoutOptions { print_width: WIDTH, indent_width: 2, line_break: LineBreak::Lf },
        language: LanguageOptions { trailing_comma: false, ..LanguageOptions::default() },
    };
    // It counts indentation in the bits of a number, and panics beyond them.
    let new = catch_unwind(|| pretty_yaml::format_text(&text, &options))
        .map_err(|_| Unformatted::Refused("its indentation is more than the formatter can count".into()))?
        .map_err(|error| Unformatted::Refused(error.to_string()))?;
    match meaning(&new, sources, path) {
        Ok(after) if after == before => Ok((text, new)),
        _ => Err(Unformatted::Refused("another layout would change what it means".into())),
    }
}

/// All values in their order, as one text.
fn meaning(text: &str, sources: &mut Sources, path: &Path) -> Result<Option<String>, Unformatted> {
    let file = sources.add(path, text);
    let ours = [&INVENTORY, &CONFIG].into_iter().flat_map(|shape| shape.names());
    let keys: Vec<&str> = ours.chain(["runbook", "steps", "cases", "lab"]).collect();
    file::show_only_with(file, &keys, sources);
    let root = yaml::parse_or_empty(file, text).map_err(Unformatted::Wrong)?;
    Ok(root.map(|root| root.to_json().to_string()))
}
