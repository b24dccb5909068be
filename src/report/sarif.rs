//! Diagnostics as SARIF 2.1.0, the form of findings that code hosts and editors read.
//!
//! Paths are relative to the current folder where they lie within it. No text of a file is in it but what a fix writes.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use surefoot_engine::check::{CODES, explanation};
use surefoot_engine::model::{Diagnostic, Fix, Label, Severity, Sources, Span};

/// One log with one run of this program.
pub fn sarif(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    let used: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    let rules: Vec<&str> = used.into_iter().collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(diagnostic, &rules, sources)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What is said of a code: its line of the table, its part of the page.
fn rule(code: &str) -> Value {
    let meaning = CODES.iter().find(|(known, _)| *known == code).map_or("", |(_, meaning)| meaning);
    let page = explanation(code).unwrap_or(meaning);
    let about = page.split_once("\n\n").map_or(page, |(_, about)| about);
    let level = if code.starts_with('W') { "warning" } else { "error" };
    json!({
        "id": code,
        "shortDescription": { "text": meaning },
        "help": { "text": about, "markdown": about },
        "defaultConfiguration": { "level": level },
    })
}

fn result(diagnostic: &Diagnostic, rules: &[&str], sources: &Sources) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let text = match &diagnostic.help {
        Some(help) => format!("{}\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let mut result = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": rules.iter().position(|code| *code == diagnostic.code),
        "level": level,
        "message": { "text": text },
    });
    let mut places = diagnostic.labels.iter().map(|label| location(label, sources));
    result["locations"] = places.by_ref().take(1).collect();
    let related: Vec<Value> = places.collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if let Some(fix) = diagnostic.fix.as_ref().filter(|_| !diagnostic.concealed) {
        result["fixes"] = json!([self::fix(fix, diagnostic.help.as_deref(), sources)]);
    }
    result
}

fn location(label: &Label, sources: &Sources) -> Value {
    let file = sources.path(label.span.file);
    let physical = json!({ "artifactLocation": { "uri": uri(file) }, "region": region(label.span, sources) });
    match label.text.is_empty() {
        true => json!({ "physicalLocation": physical }),
        false => json!({ "physicalLocation": physical, "message": { "text": label.text } }),
    }
}

fn fix(fix: &Fix, help: Option<&str>, sources: &Sources) -> Value {
    json!({
        "description": { "text": help.unwrap_or("write this") },
        "artifactChanges": [{
            "artifactLocation": { "uri": uri(sources.path(fix.span.file)) },
            "replacements": [{
                "deletedRegion": region(fix.span, sources),
                "insertedContent": { "text": fix.text },
            }],
        }],
    })
}

fn region(span: Span, sources: &Sources) -> Value {
    let source = sources.get(span.file);
    let (line, column) = source.position(span.start as usize);
    let (end_line, end_column) = source.position(span.end as usize);
    json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
}

/// A path as a URI: relative within the current folder, `file:` elsewhere.
fn uri(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(path);
    let path = path.strip_prefix(".").unwrap_or(path);
    let mut uri = if path.is_absolute() { "file://".to_owned() } else { String::new() };
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => uri.push(char::from(*byte)),
            other => uri += &format!("%{other:02X}"),
        }
    }
    uri
}
