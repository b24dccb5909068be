//! A unified diff of two texts, for people.

use similar::TextDiff;
use std::time::Duration;

/// After so long a diff need not be the shortest one.
const PATIENCE: Duration = Duration::from_millis(500);

/// The changes from `old` to `new` with three lines around them; `None` where they are equal.
pub fn unified(old: &str, new: &str) -> Option<String> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    (old != new).then(|| diff.unified_diff().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_no_diff() {
        assert_eq!(unified("a\n", "a\n"), None);
    }

    #[test]
    fn a_changed_line_shows_with_what_is_around_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\n5\nsix\n7\n8\n9\n";
        assert_eq!(unified(old, new).as_deref(), Some("@@ -3,7 +3,7 @@\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n 9\n"));
    }

    #[test]
    fn a_missing_line_break_at_the_end_shows() {
        let diff = "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n";
        assert_eq!(unified("a", "a\n").as_deref(), Some(diff));
    }

    #[test]
    fn a_new_file_is_all_added() {
        assert_eq!(unified("", "a\nb\n").as_deref(), Some("@@ -0,0 +1,2 @@\n+a\n+b\n"));
    }
}
