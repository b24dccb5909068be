//! What each diagnostic code means, at length: the parts of one page of the documentation.

/// The page. A test runs every example in it.
const PAGE: &str = include_str!("../../../../docs/diagnostics.md");

/// The part about a code, Markdown without its heading's `## `. `None` where there is no such code.
pub fn explanation(code: &str) -> Option<&'static str> {
    let start = PAGE.find(&format!("\n## {code}: "))? + "\n## ".len();
    let rest = &PAGE[start..];
    Some(rest.find("\n## ").map_or(rest, |end| &rest[..end]).trim_end())
}
