//! Words of a command line, each with where it stands in its text.

use std::ops::Range;

/// A character that a text says, and the bytes that say it: a line that goes on after `\` is one blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Char {
    pub said: char,
    pub range: Range<usize>,
}

/// One word: all its bytes, quotes included, and what it says without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellWord {
    pub range: Range<usize>,
    pub said: Vec<Char>,
}

impl ShellWord {
    pub fn text(&self) -> String {
        self.said.iter().map(|c| c.said).collect()
    }
}

/// The characters of a part of a text, as they are.
pub fn chars(text: &str, range: Range<usize>) -> impl Iterator<Item = Char> {
    let start = range.start;
    text[range].char_indices().map(move |(at, said)| {
        let at = start + at;
        Char { said, range: at..at + said.len_utf8() }
    })
}

/// Splits as a shell does: at blanks, with quotes and backslashes taken away. What a word says can be split again:
/// `sh -c "etcd --name=a"` holds a command line in its third word.
pub fn words(chars: &[Char]) -> Vec<ShellWord> {
    let mut words = Vec::new();
    let mut word: Option<ShellWord> = None;
    let mut quote: Option<char> = None;
    let mut rest = chars.iter();
    while let Some(next) = rest.next() {
        if quote.is_none() && next.said.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_with(|| ShellWord { range: next.range.clone(), said: Vec::new() });
        word.range.end = next.range.end;
        match (quote, next.said) {
            (Some(open), c) if c == open => quote = None,
            (None, c @ ('"' | '\'')) => quote = Some(c),
            (None | Some('"'), '\\') => {
                if let Some(escaped) = rest.next() {
                    word.range.end = escaped.range.end;
                    word.said.push(Char { said: escaped.said, range: next.range.start..escaped.range.end });
                }
            }
            _ => word.said.push(next.clone()),
        }
    }
    words.extend(word);
    words
}

/// The words of a text on its own.
pub fn split(text: &str) -> Vec<String> {
    let chars: Vec<Char> = chars(text, 0..text.len()).collect();
    words(&chars).iter().map(ShellWord::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_knows_its_bytes_and_what_it_says() {
        let text = r#"sh -c "x --a=\"b c\"" d'e'f"#;
        let chars: Vec<Char> = chars(text, 0..text.len()).collect();
        let outer = words(&chars);
        let seen: Vec<(String, &str)> = outer.iter().map(|word| (word.text(), &text[word.range.clone()])).collect();
        assert_eq!(seen[2], (r#"x --a="b c""#.to_owned(), r#""x --a=\"b c\"""#));
        assert_eq!(seen[3], ("def".to_owned(), "d'e'f"));
        let inner = words(&outer[2].said);
        assert_eq!((inner[1].text().as_str(), &text[inner[1].range.clone()]), ("--a=b c", r#"--a=\"b c\""#));
    }
}
