//! Text from hosts, as a terminal may show it: whatever a command prints must not move a cursor, hide what is there or
//! name a window.

/// Text as it may be shown: no escape sequences, no control characters, nothing that reorders or hides what stands beside it.
pub fn clean(text: &str) -> String {
    let kept = |c: char| match c {
        '\t' => Some(' '),
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => None,
        c => (!c.is_control()).then_some(c),
    };
    anstream::adapter::strip_str(text).to_string().chars().filter_map(kept).collect()
}

/// The same of several lines.
pub fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_prints_moves_no_cursor_and_hides_nothing() {
        let evil = "a\x1b[2J\x1b]0;title\x07b\u{9b}31mc\rd\u{202e}e\u{8}\tf";
        let shown = clean(evil);
        assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
        assert!(shown.starts_with('a') && shown.ends_with("e f"), "{shown:?}");
        assert_eq!(clean_lines("one\x1b[1m\ntwo\r\n"), "one\ntwo");
    }
}
