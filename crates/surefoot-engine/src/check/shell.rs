//! Shell text, as far as it takes to tell which commands can fail unheard: a pipeline fails only if its last one does.
//!
//! Reads quotes, substitutions, here-documents and compound commands. Of a text that it cannot follow it says nothing.

use std::ops::Range;

/// Commands that fail on nothing that an author has in mind.
const SPEAKERS: &[&str] = &["comm", "echo", "head", "printf", "yes", "true", ":"];
/// Commands at the end of a pipeline that keep nothing: what they say of no input tells enough.
const LISTENERS: &[&str] = &["cut", "grep", "head", "openssl", "sed", "sort", "tail", "tr", "uniq", "wc"];
/// Of those, the ones that end well without input, and so make an empty file or text of a failure.
const COPIERS: &[&str] = &["cut", "head", "sed", "sort", "tail", "tr", "uniq"];
/// Commands that, in the middle of a pipeline, work on what the one before them says.
const FILTERS: &[&str] =
    &["awk", "base64", "cat", "cut", "grep", "head", "sed", "sort", "tail", "tee", "tr", "uniq", "wc"];

/// Of each pipeline, the first command whose failure is lost; byte ranges. A pipeline into a listener counts as
/// heard, unless what it says is turned round, or kept in a file or a variable.
pub(super) fn ignored_failures(text: &str) -> Vec<Range<usize>> {
    let mut scanner = Scanner {
        text,
        at: 0,
        word: 0,
        depth: 0,
        documents: Vec::new(),
        kept: false,
        assigned: false,
        found: Vec::new(),
    };
    // Whoever turns it on knows.
    if text.contains("pipefail") || scanner.list(false, false).is_none() {
        return Vec::new();
    }
    scanner.found.sort_by_key(|range| range.start);
    scanner.found
}

/// Commands and substitutions within one another, at most.
const DEEPEST: usize = 50;

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// Where the word begins that is being read.
    word: usize,
    depth: usize,
    /// The ends of here-documents that begin with the next line.
    documents: Vec<&'t str>,
    /// What the command says that is being read goes to a file.
    kept: bool,
    /// What these commands say becomes a variable's value, and nobody looks whether it is empty.
    assigned: bool,
    found: Vec<Range<usize>>,
}

enum Token {
    Word(Range<usize>),
    Pipe,
    /// `;`, `&`, `&&`, `||`.
    Break,
    Line,
    Open,
    Close,
    End,
}

/// One command of a pipeline.
#[derive(Default)]
struct PipelineCommand {
    words: Vec<Range<usize>>,
    /// A loop, a group and the like: what it does with failures is its own.
    compound: bool,
}

#[derive(Default)]
struct Pipeline {
    before: Vec<PipelineCommand>,
    last: PipelineCommand,
    negated: bool,
}

impl PipelineCommand {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && !self.compound
    }

    /// What is run, rather than the variables set for it.
    fn name<'t>(&self, text: &'t str) -> Option<&'t str> {
        let word = |range: &Range<usize>| &text[range.clone()];
        self.words.iter().map(word).find(|word| !is_assignment(word))
    }

    fn is_heard(&self, text: &str, first: bool) -> bool {
        let Some(name) = self.name(text).filter(|_| !self.compound) else { return true };
        SPEAKERS.contains(&name) || (!first && FILTERS.contains(&name)) || (name == "cat" && self.words.len() == 1)
    }
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether something tells that a variable is empty: it stands within `[ ]`, after `case`, or as `${NAME:?}`.
fn is_tested(text: &str, name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let told = |line: &str, at: usize| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        let is_whole = !before.ends_with(inner) && !after.starts_with(inner);
        let in_brackets = before.rfind("[ ") > before.rfind(" ]");
        let in_case = before.trim_end_matches(['"', '$', '{']).ends_with("case ");
        is_whole && (in_brackets || in_case || (before.ends_with("${") && after.starts_with(":?")))
    };
    text.lines().any(|line| line.match_indices(name).any(|(at, _)| told(line, at)))
}

impl<'t> Scanner<'t> {
    /// Reads commands up to the end of the text, or to the `)` that closes these. `None` where it cannot follow.
    fn list(&mut self, closed: bool, assigned: bool) -> Option<()> {
        self.depth += 1;
        let outer = (self.word, std::mem::take(&mut self.kept), std::mem::replace(&mut self.assigned, assigned));
        let found = if self.depth > DEEPEST { None } else { self.commands(closed) };
        (self.word, self.kept, self.assigned) = outer;
        self.depth -= 1;
        found
    }

    /// Whether the word so far is `NAME=`, and no test of that variable tells an empty value.
    fn assigns(&self) -> bool {
        let word = &self.text[self.word..self.at];
        is_assignment(word) && word.split_once('=').is_some_and(|(name, _)| !is_tested(self.text, name))
    }

    fn commands(&mut self, closed: bool) -> Option<()> {
        let mut outer: Vec<(&str, Pipeline)> = Vec::new();
        let mut line = Pipeline::default();
        loop {
            match self.token()? {
                Token::Word(range) if line.last.is_empty() => match &self.text[range.clone()] {
                    "!" => line.negated = true,
                    "then" | "do" | "else" | "elif" => {}
                    word @ ("if" | "while" | "until" | "for" | "case" | "{") => {
                        outer.push((word, std::mem::take(&mut line)));
                    }
                    "fi" | "done" | "esac" | "}" => {
                        self.end(&line);
                        line = outer.pop()?.1;
                        line.last.compound = true;
                    }
                    _ => line.last.words.push(range),
                },
                Token::Word(range) => line.last.words.push(range),
                Token::Pipe if line.last.is_empty() => return None,
                Token::Pipe => {
                    self.kept = false;
                    line.before.push(std::mem::take(&mut line.last));
                }
                Token::Line if line.last.is_empty() && !line.before.is_empty() => {}
                Token::Break | Token::Line => self.end(&std::mem::take(&mut line)),
                // `NAME()`: what follows is its body.
                Token::Open if line.last.words.len() == 1 => match self.token()? {
                    Token::Close => line.last = PipelineCommand::default(),
                    _ => return None,
                },
                Token::Open => {
                    self.list(true, self.assigned)?;
                    line.last.compound = true;
                }
                Token::Close if outer.last().is_some_and(|(word, _)| *word == "case") => line = Pipeline::default(),
                Token::Close | Token::End if !outer.is_empty() => return None,
                Token::Close => return closed.then(|| self.end(&line)),
                Token::End => return (!closed).then(|| self.end(&line)),
            }
        }
    }

    fn end(&mut self, line: &Pipeline) {
        let kept = std::mem::take(&mut self.kept) || self.assigned;
        let hears = |name| LISTENERS.contains(&name) && !(kept && COPIERS.contains(&name));
        if line.last.name(self.text).is_some_and(hears) && !line.negated {
            return;
        }
        let lost = line.before.iter().enumerate().find(|(at, command)| !command.is_heard(self.text, *at == 0));
        if let Some((_, PipelineCommand { words, .. })) = lost
            && let (Some(first), Some(last)) = (words.first(), words.last())
        {
            self.found.push(first.start..last.end);
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Goes past a text if it is what comes next.
    fn past(&mut self, what: &str) -> bool {
        let is_next = self.rest().starts_with(what);
        self.at += if is_next { what.len() } else { 0 };
        is_next
    }

    fn past_char(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn past_blanks(&mut self) {
        while self.past(" ") || self.past("\t") || self.past("\r") || self.past("\\\n") {}
    }

    fn token(&mut self) -> Option<Token> {
        loop {
            self.past_blanks();
            match self.rest().chars().next() {
                None => return Some(Token::End),
                Some('#') => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                Some('\n') => {
                    self.at += 1;
                    self.past_documents();
                    return Some(Token::Line);
                }
                Some('<' | '>') => self.redirection()?,
                Some('(') => return self.past("(").then_some(Token::Open),
                Some(')') => return self.past(")").then_some(Token::Close),
                Some('|') if !self.rest().starts_with("||") => return self.past("|").then_some(Token::Pipe),
                Some('|' | '&' | ';') => {
                    let double = ["||", "&&", ";;"].iter().any(|both| self.past(both));
                    self.at += usize::from(!double);
                    return Some(Token::Break);
                }
                Some(_) => {
                    let start = self.at;
                    self.word()?;
                    let digits = self.text[start..self.at].bytes().all(|b| b.is_ascii_digit());
                    if !(digits && self.rest().starts_with(['<', '>'])) {
                        return Some(Token::Word(start..self.at));
                    }
                }
            }
        }
    }

    /// `> FILE`, `2>&1`, `<<END` and the like, with what follows.
    fn redirection(&mut self) -> Option<()> {
        let of_errors = self.text[..self.at].ends_with('2');
        let document = self.past("<<-") || self.past("<<");
        let mut writes = false;
        if !document {
            writes = self.past_char()? == '>' && !of_errors;
            writes &= ![">", "&", "|"].iter().any(|more| self.past(more) && *more == "&");
        }
        self.past_blanks();
        let start = self.at;
        self.word()?;
        self.kept |= writes && !self.text[start..self.at].starts_with("/dev/");
        if document {
            self.documents.push(self.text[start..self.at].trim_matches(['\'', '"', '\\']));
        }
        Some(())
    }

    /// Past the lines of here-documents.
    fn past_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            while !self.rest().is_empty() {
                let line = self.rest().split_inclusive('\n').next().unwrap_or("");
                self.at += line.len();
                if line.trim_end_matches('\n').trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }

    fn word(&mut self) -> Option<()> {
        self.word = self.at;
        while let Some(next) = self.rest().chars().next() {
            match next {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\'' => self.at += self.rest()[1..].find('\'')? + 2,
                '"' => {
                    self.at += 1;
                    while !self.past("\"") {
                        self.part()?;
                    }
                }
                _ => self.part()?,
            }
        }
        Some(())
    }

    /// One character of a word, or a whole substitution.
    fn part(&mut self) -> Option<()> {
        match self.past_char()? {
            '\\' => drop(self.past_char()?),
            '`' => while self.past_char()? != '`' {},
            '$' if self.past("((") => self.at += self.rest().find("))")? + 2,
            '$' if self.past("(") => self.list(true, self.assigns())?,
            '$' if self.past("{") => {
                self.depth += 1;
                while !self.past("}") {
                    (self.depth <= DEEPEST).then_some(())?;
                    self.part()?;
                }
                self.depth -= 1;
            }
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::ignored_failures;

    fn lost(text: &str) -> Vec<&str> {
        ignored_failures(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn what_comes_before_the_last_command_fails_unheard() {
        assert_eq!(lost("curl -sf x | tar -x"), ["curl -sf x"]);
        assert_eq!(lost("a 2>&1 |\n  # why\n  b; c && d | e"), ["a", "d"]);
        assert_eq!(lost("A=1 pg_dump -U 'a | b' db | gzip > x"), ["A=1 pg_dump -U 'a | b' db"]);
        assert_eq!(lost("printf x | etcdctl put a | gzip"), ["etcdctl put a"]);
        assert_eq!(lost("x=$(df \"$(a | b)\" | gzip)"), ["df \"$(a | b)\"", "a"]);
        assert_eq!(lost("if ! lsblk | grep -q x; then exit; fi"), ["lsblk"]);
        assert_eq!(lost("f() { df | gzip; }\nfor x in 1 2; do rm x | tee y; done | sort"), ["df", "rm x"]);
        assert_eq!(lost("cat <<END | b | c\nx | y\nEND\nd | e"), ["b", "d"]);
        assert_eq!(
            lost("pg_dump db | sort >x; a | b 2>x | cut -c1 >>x; c | sed s/a/b/ 2>/dev/null"),
            ["pg_dump db", "a"]
        );
        assert_eq!(lost("a >x | sort; b | sort >/dev/null; c | grep x >y; d | head >$(e | sort)"), ["d"]);
        assert_eq!(lost("x=$(a | sed s/a/b/); y=\"is $(b | cut -c1)\"; z=$( (c | tail -1) )"), ["a", "b", "c"]);
        assert_eq!(lost("case $x in a|b) c | d ;; *) e ;; esac"), ["c"]);
    }

    #[test]
    fn what_cannot_be_lost_or_followed_is_let_be() {
        let fine = [
            "echo x | a",
            "a || b",
            "printf '%s|%s' x y | b",
            "systemctl list-units | grep -q etcd",
            "{ a || true; } | b",
            "(a) | b",
            "while read -r x; do echo; done | sort",
            "case a|b in a|b) c ;; esac",
            "echo $((1 | 2)) \"a | b\" 'c | d' e\\|f # g | h",
            "set -o pipefail; a | b",
            "cat <<'END'\na | b\nEND\n",
            "a >| b",
            "x=$(a | sed s/a/b/)\n[ -n \"$x\" ] || exit 1",
            "free=$(df / | tail -1)\n[ $((free + 1)) -ge \"$SIZE\" ] || exit 1",
            "x=$(a | cut -c1)\ncase $x in b) exit 1 ;; esac",
            "x=$(a | tail -1); : \"${x:?}\"",
            "x=$(a | grep b)",
            "[ \"$(a | cut -c1)\" = x ] && echo \"$(b | head -1)\"",
            "a | b 'unfinished",
            "fi | x",
            "| x",
        ];
        for text in fine {
            assert_eq!(lost(text), [""; 0], "{text}");
        }
    }
}
