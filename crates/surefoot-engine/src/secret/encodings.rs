//! The disguises of a secret: how the same value is written in other notations.
//!
//! Letters are compared without their case, and line breaks (with the blanks after them) do not count: so wrapped
//! base64 and indented lines are found too ([`super::matcher`]).

use super::matcher::squeezed;
use super::value::SHORTEST;
use crate::world::quote::quote;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;

/// Above this many bytes, a value of several lines is looked for by its lines only.
const LONG: usize = 4 << 10;

/// Every form of a value to be looked for, as [`squeezed`] leaves it: of the whole, and of each line of several.
pub fn of(value: &str) -> BTreeSet<Vec<u8>> {
    let lines: Vec<&str> = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST).collect();
    let whole = value.trim_end_matches(['\r', '\n']);
    // Of what is long, each notation of the whole is found line by line.
    let wholes = [value, whole].into_iter().filter(|whole| whole.len() <= LONG || lines.len() < 2);
    let parts = wholes.chain(lines.iter().copied()).filter(|part| part.len() >= SHORTEST);
    let forms = parts.flat_map(part).map(|form| squeezed(form.as_bytes()).bytes);
    forms.filter(|form| form.len() >= SHORTEST).collect()
}

fn part(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    base64_forms(text.as_bytes(), &mut forms);
    forms.push(text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")));
    percent_forms(text, &mut forms);
    shell_forms(text, &mut forms);
    forms.push(text.replace('\'', "''")); // YAML, SQL
    for once in json_forms(text) {
        forms.extend(json_forms(&once));
        forms.push(once);
    }
    forms
}

/// Base64 of anything that has the value in it. It may begin at each of the three places of a group: the digits that
/// depend on its neighbours are left away, unless it ends there.
fn base64_forms(bytes: &[u8], forms: &mut Vec<String>) {
    for shift in 0..3 {
        let shifted = [&[0; 3][..shift], bytes].concat();
        for digits in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            // A digit holds 6 bits: those of the shift are not ours, nor is one that is shared with it.
            let first = (shift * 8).div_ceil(6);
            let own = shifted.len() * 8 / 6;
            let padding = "=".repeat((3 - shifted.len() % 3) % 3);
            forms.push(digits[first..own].to_owned());
            forms.push(format!("{}{padding}", &digits[first..]));
            forms.push(digits[first..].to_owned());
        }
    }
}

/// URL-encoded: encoders differ in what they leave as it is, and in how they write a space.
fn percent_forms(text: &str, forms: &mut Vec<String>) {
    const KEPT: &[(&str, bool)] = &[
        ("-_.~", false),                 // RFC 3986
        ("-_.~/", false),                // of a path
        ("-_.!~*'()", false),            // encodeURIComponent
        ("-_.!~*'();,/?:@&=+$#", false), // encodeURI
        ("-_.*", true),                  // application/x-www-form-urlencoded
        ("-_.~", true),                  // the same, as Go and Python write it
    ];
    for (kept, plus) in KEPT {
        let mut form = String::new();
        for byte in text.bytes() {
            match byte {
                b' ' if *plus => form.push('+'),
                _ if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) => form.push(char::from(byte)),
                _ => form += &format!("%{byte:02x}"),
            }
        }
        forms.push(form);
    }
}

/// Within single quotes (two ways out of them), within double quotes, and without any.
fn shell_forms(text: &str, forms: &mut Vec<String>) {
    let word = quote(text);
    forms.push(word[1..word.len() - 1].to_owned());
    forms.push(text.replace('\'', "'\"'\"'"));
    let escaped = |special: &str| {
        text.chars().fold(String::new(), |mut form, c| {
            form.extend(special.contains(c).then_some('\\'));
            form.push(c);
            form
        })
    };
    forms.push(escaped("\\\"$`"));
    forms.push(escaped(" \t'\"\\|&;()<>!{}*[]?^$`,"));
    forms.push(escaped(" \t'\"\\|&;()<>!{}*[]?^$`,#~="));
}

/// The inside of a JSON text, as encoders write it that spare more or less than they must.
fn json_forms(text: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for choice in 0..8 {
        let (ascii, html, slash) = (choice & 1 != 0, choice & 2 != 0, choice & 4 != 0);
        let mut form = String::new();
        for c in text.chars() {
            match c {
                '"' | '\\' => form.extend(['\\', c]),
                '\n' => form.push_str("\\n"),
                '\r' => form.push_str("\\r"),
                '\t' => form.push_str("\\t"),
                '\u{8}' => form.push_str("\\b"),
                '\u{c}' => form.push_str("\\f"),
                '/' if slash => form.push_str("\\/"),
                '<' | '>' | '&' | '\'' if html => form += &format!("\\u{:04x}", u32::from(c)),
                _ if c.is_control() || ascii && !c.is_ascii() => {
                    c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| form += &format!("\\u{unit:04x}"));
                }
                _ => form.push(c),
            }
        }
        // What Go escapes for HTML leaves the single quote alone.
        forms.insert(form.replace("\\u0027", "'"));
        forms.insert(form);
    }
    forms
}
