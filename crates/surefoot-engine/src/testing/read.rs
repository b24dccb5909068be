//! From a test file's tree to a [`Suite`], as its tables say.

use super::shapes::{ANSWER, CASE, DOINGS, EXPECT, TEST, THEN, WORDS};
use super::suite::{
    Act, Answers, Expected, ExpectedOutcome, ExpectedText, Reply, StubbedAnswer, Suite, TaskPattern, TestCase,
    TestStage,
};
use crate::action::Period;
use crate::catalog::Location;
use crate::load::{self, Fields, GivenParameter, Inventory, Node, NodeKey, NodeValue, closest};
use crate::model::{Diagnostic, HostName, Outcome, Sources, Span};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn suite(location: &Location, sources: &mut Sources) -> Result<Suite, Vec<Diagnostic>> {
    let keys: Vec<&str> = TEST.names().collect();
    let root = load::map(location, TEST.what, &keys, sources)?;
    let mut reader = SuiteReader { sources, problems: Vec::new() };
    let suite = reader.suite(&root, &location.absolute());
    suite.filter(|_| reader.problems.is_empty()).ok_or(reader.problems)
}

/// `NAME.yaml` beside `NAME.test.yaml`.
fn default_runbook(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{}.yaml", name.strip_suffix(".test.yaml").unwrap_or(&name)))
}

/// Keys and what they make of their value.
type Makers<From, To> = &'static [(&'static str, fn(From) -> To)];

const FAULTS: Makers<String, Reply> =
    &[("fails", Reply::Fails), ("refuses", Reply::Refuses), ("unknown", Reply::Unknown)];

const LISTS: Makers<Vec<TaskPattern>, Expected> = &[
    ("ran", Expected::Ran),
    ("order", Expected::Order),
    ("never", Expected::Never),
    ("skipped", Expected::Skipped),
    ("undone", Expected::Undone),
    ("kept", Expected::Kept),
];

const MAPS: Makers<(TaskPattern, Json), Expected> = &[
    ("parameters", |(name, wanted)| Expected::Parameters(name, wanted)),
    ("out", |(name, wanted)| Expected::Out(name, wanted)),
];

struct SuiteReader<'s> {
    sources: &'s Sources,
    problems: Vec<Diagnostic>,
}

impl SuiteReader<'_> {
    fn suite(&mut self, root: &Node, location: &Location) -> Option<Suite> {
        let folder = location.folder().unwrap_or(Path::new("/")).to_owned();
        if root.get("steps").is_some() && root.get("cases").is_none() {
            let problem = Diagnostic::error("E0203", root.span, "this is a runbook, not the test of one");
            let stem = location.path().file_stem().unwrap_or_default().to_string_lossy();
            self.problems.push(problem.help(format!("its cases stand in {stem}.test.yaml")));
            return None;
        }
        let mut fields = Fields::of(root, &TEST, &mut self.problems)?;
        let runbook = fields.take("runbook").and_then(|node| self.text(node, "`runbook`"));
        let inventory = fields.take("inventory").map(|node| load::inventory_within(node, &folder, self.sources));
        let inventory = inventory.unwrap_or_else(|| Ok(Inventory::default())).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Inventory::default()
        });
        let params = fields.take("params").map(|node| self.params(node)).unwrap_or_default();
        let binds = fields.take("bind").filter(|node| self.is_map(node, "`bind`"));
        let binds = binds.map(|node| load::binds(node, &mut self.problems)).unwrap_or_default();
        let answers = fields.take("answers").map(|node| self.answers(node)).unwrap_or_default();
        let cases = fields.take("cases").map(|node| self.cases(node, &answers)).unwrap_or_default();
        fields.finish(&mut self.problems);
        let runbook = runbook.map_or_else(|| location.with(default_runbook), |name| location.relative(&name));
        Some(Suite { runbook, folder, inventory, params, binds, cases })
    }

    fn cases(&mut self, node: &Node, answers: &Answers) -> Vec<TestCase> {
        let items = self.list(node, "`cases`");
        if items.is_empty() && matches!(node.value, NodeValue::Seq(_)) {
            self.problems.push(Diagnostic::error("E0202", node.span, "`cases` is a list with one case at least"));
        }
        let mut cases: Vec<(TestCase, Span)> = Vec::new();
        for item in items {
            let Some((case, span)) = self.case(item, answers) else { continue };
            if let Some((_, other)) = cases.iter().find(|(other, _)| other.name == case.name) {
                let message = format!("two cases are called `{}`", case.name);
                self.problems.push(Diagnostic::error("E0803", span, message).label(*other, "the first"));
            }
            cases.push((case, span));
        }
        cases.into_iter().map(|(case, _)| case).collect()
    }

    fn case(&mut self, node: &Node, answers: &Answers) -> Option<(TestCase, Span)> {
        let mut fields = Fields::of(node, &CASE, &mut self.problems)?;
        let name = fields.take("case");
        let span = name.map_or(node.span, |node| node.span);
        let name = name.and_then(|node| self.text(node, "`case`")).unwrap_or_default();
        let params = fields.take("params").map(|node| self.params(node)).unwrap_or_default();
        let unreachable = fields.take("unreachable").map(|node| self.texts(node, "`unreachable`")).unwrap_or_default();
        let unreachable = unreachable.into_iter().map(|(host, span)| (HostName::from(host), span)).collect();
        let first = self.played(&mut fields, Act::Run, span);
        let then = fields.take("then").map(|node| self.list(node, "`then`")).unwrap_or_default();
        let then: Vec<TestStage> = then.iter().filter_map(|node| self.then(node)).collect();
        fields.finish(&mut self.problems);
        let stages = [first].into_iter().chain(then).collect();
        Some((TestCase { name, params, unreachable, answers: answers.clone(), stages }, span))
    }

    fn then(&mut self, node: &Node) -> Option<TestStage> {
        let mut fields = Fields::of(node, &THEN, &mut self.problems)?;
        let doing = fields.take("do").and_then(|node| Some((self.word(node, "`do`", DOINGS)?, node.span)));
        let to = fields.take("to").and_then(|to| Some((self.text(to, "`to`")?, to.span)));
        let (word, span) = doing.unwrap_or_else(|| ("rollback".to_owned(), node.span));
        let act = match (word.as_str(), to) {
            ("resume", Some((_, span))) => {
                self.problems.push(Diagnostic::error("E0206", span, "`to` goes with `do: rollback`"));
                Act::Resume
            }
            ("resume", None) => Act::Resume,
            (_, to) => Act::Rollback(to),
        };
        let stage = self.played(&mut fields, act, span);
        fields.finish(&mut self.problems);
        Some(stage)
    }

    /// What the run and what comes after it have in common. `span` is where an outcome is expected that is not said.
    fn played(&mut self, fields: &mut Fields, act: Act, span: Span) -> TestStage {
        let answers = fields.take("answers").map(|node| self.answers(node)).unwrap_or_default();
        let mut expected = fields.take("expect").map(|node| self.expect(node)).unwrap_or_default();
        if !expected.iter().any(|(_, one)| matches!(one, Expected::Outcome(_))) {
            let outcome = if matches!(act, Act::Rollback(_)) { Outcome::RolledBack } else { Outcome::Done };
            expected.insert(0, (span, Expected::Outcome(ExpectedOutcome::Run(outcome))));
        }
        TestStage { act, answers, expected }
    }

    fn answers(&mut self, node: &Node) -> Answers {
        if !self.is_map(node, "`answers`") {
            return Answers::new();
        }
        let one = |(key, node): &(NodeKey, Node)| (TaskPattern::parse(&key.text, key.span), self.several(node));
        node.entries().iter().map(one).collect()
    }

    /// An answer, or a list of them.
    fn several(&mut self, node: &Node) -> Vec<StubbedAnswer> {
        let nodes = match &node.value {
            NodeValue::Seq(items) if items.is_empty() => {
                self.problems.push(Diagnostic::error("E0202", node.span, "a list of answers has one at least"));
                &[]
            }
            NodeValue::Seq(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        nodes.iter().filter_map(|node| self.answer(node)).collect()
    }

    fn answer(&mut self, node: &Node) -> Option<StubbedAnswer> {
        if !matches!(node.value, NodeValue::Map(_)) {
            let word = self.word(node, "an answer", WORDS)?;
            let reply = match word.as_str() {
                "clean" => Reply::Clean,
                "yes" => Reply::Yes,
                "no" => Reply::No,
                _ => Reply::Done,
            };
            return Some(StubbedAnswer { reply, keys: vec![(word, node.span)], ..StubbedAnswer::default() });
        }
        let mut fields = Fields::of(node, &ANSWER, &mut self.problems)?;
        let mut keys = Vec::new();
        for (key, value) in node.entries() {
            if ANSWER.has(&key.text) && value.value != NodeValue::Null {
                keys.push((key.text.clone(), key.span));
            }
        }
        let printed = self.printed(&mut fields);
        let out = fields.take("out").filter(|node| self.is_map(node, "`out`"));
        let out_keys = out.iter().flat_map(|node| node.entries()).map(|(key, _)| (key.text.clone(), key.span));
        let mut replies = self.replies(&mut fields);
        if let [_, .., (_, last)] = replies.as_slice() {
            let message = "an answer is one of `clean`, `fails`, `refuses` and `unknown`";
            self.problems.push(Diagnostic::error("E0802", *last, message).label(replies[0].1, "and this is another"));
        }
        let answer = StubbedAnswer {
            output: keys.iter().any(|(key, _)| ["exit", "stdout", "stderr"].contains(&key.as_str())).then_some(printed),
            out: out.and_then(|node| node.to_json().as_object().cloned()).unwrap_or_default(),
            takes: fields.take("takes").and_then(|node| self.duration(node)).unwrap_or_default(),
            took_effect: fields.take("took_effect").and_then(|node| self.boolean(node, "`took_effect`")),
            undo_fails: fields.take("undo_fails").and_then(|node| self.text(node, "`undo_fails`")),
            out_keys: out_keys.collect(),
            reply: replies.pop().map(|(reply, _)| reply).unwrap_or_default(),
            keys,
        };
        fields.finish(&mut self.problems);
        Some(answer)
    }

    fn printed(&mut self, fields: &mut Fields) -> ExpectedText {
        ExpectedText {
            code: fields.take("exit").and_then(|node| self.exit_code(node)).unwrap_or_default(),
            stdout: fields.take("stdout").and_then(|node| self.text(node, "`stdout`")).unwrap_or_default(),
            stderr: fields.take("stderr").and_then(|node| self.text(node, "`stderr`")).unwrap_or_default(),
        }
    }

    /// Each that is given, with its place.
    fn replies(&mut self, fields: &mut Fields) -> Vec<(Reply, Span)> {
        let mut found = Vec::new();
        if let Some(node) = fields.take("clean")
            && self.boolean(node, "`clean`") == Some(true)
        {
            found.push((Reply::Clean, node.span));
        }
        for (key, reply) in FAULTS {
            if let Some(node) = fields.take(key)
                && let Some(text) = self.text(node, &format!("`{key}`"))
            {
                found.push((reply(text), node.span));
            }
        }
        found
    }

    fn expect(&mut self, node: &Node) -> Vec<(Span, Expected)> {
        let mut found = Vec::new();
        let Some(mut fields) = Fields::of(node, &EXPECT, &mut self.problems) else { return found };
        if let Some((key, node)) = fields.entry("outcome") {
            let ending =
                self.word(node, "`outcome`", ExpectedOutcome::WORDS).and_then(|word| ExpectedOutcome::of_word(&word));
            found.extend(ending.map(|ending| (key.span, Expected::Outcome(ending))));
        }
        for (word, expected) in LISTS {
            if let Some((key, node)) = fields.entry(word) {
                let names = self.texts(node, &format!("`{word}`"));
                let names = names.into_iter().map(|(name, span)| TaskPattern::parse(&name, span)).collect();
                found.push((key.span, expected(names)));
            }
        }
        if let Some((key, node)) = fields.entry("failed") {
            let failed = self.named(node, "`failed`");
            let failed = failed.into_iter().filter_map(|(name, node)| Some((name, self.text(node, "a fault")?)));
            found.push((key.span, Expected::Failed(failed.collect())));
        }
        for (name, node) in fields.take("commands").map(|node| self.named(node, "`commands`")).unwrap_or_default() {
            let text = self.text(node, "a command");
            found.extend(text.map(|text| (name.span, Expected::Command(name, text))));
        }
        for (word, expected) in MAPS {
            for (name, node) in fields.take(word).map(|node| self.named(node, &format!("`{word}`"))).unwrap_or_default()
            {
                if self.is_map(node, &format!("what `{word}` says of a step")) {
                    found.push((name.span, expected((name, node.to_json()))));
                }
            }
        }
        fields.finish(&mut self.problems);
        found
    }

    fn named<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(TaskPattern, &'n Node)> {
        self.is_map(node, what);
        node.entries().iter().map(|(key, node)| (TaskPattern::parse(&key.text, key.span), node)).collect()
    }

    fn params(&mut self, node: &Node) -> Vec<GivenParameter> {
        if self.is_map(node, "`params`") { load::given(node) } else { Vec::new() }
    }

    fn wrong(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("{what} is {wanted}, this is {}", node.kind());
        self.problems.push(Diagnostic::error("E0501", node.span, message));
    }

    fn is_map(&mut self, node: &Node, what: &str) -> bool {
        let is = matches!(node.value, NodeValue::Map(_));
        if !is {
            let message = format!("{what} is a map, this is {}", node.kind());
            self.problems.push(Diagnostic::error("E0202", node.span, message));
        }
        is
    }

    fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            NodeValue::Seq(items) => items,
            _ => {
                let message = format!("{what} is a list, this is {}", node.kind());
                self.problems.push(Diagnostic::error("E0202", node.span, message));
                &[]
            }
        }
    }

    fn texts(&mut self, node: &Node, what: &str) -> Vec<(String, Span)> {
        let items = self.list(node, what).iter();
        items.filter_map(|item| Some((self.text(item, "a name in this list")?, item.span))).collect()
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = node.text(self.sources).map(str::to_owned);
        if text.is_none() {
            self.wrong(node, what, "text");
        }
        text
    }

    fn word(&mut self, node: &Node, what: &str, words: &'static [&'static str]) -> Option<String> {
        let text = node.as_str().unwrap_or_default();
        if words.contains(&text) {
            return Some(text.to_owned());
        }
        let all = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let problem = Diagnostic::error("E0501", node.span, format!("{what} is one of {all}"));
        self.problems.push(match closest(text, words.iter().copied()) {
            Some(close) => problem.help(format!("did you mean `{close}`?")).fix(node.span, close),
            None => problem,
        });
        None
    }

    fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.value {
            NodeValue::Bool(yes) => Some(yes),
            _ => {
                self.wrong(node, what, "`true` or `false`");
                None
            }
        }
    }

    fn exit_code(&mut self, node: &Node) -> Option<i32> {
        let code = match &node.value {
            NodeValue::Number(number) => number.as_u64().filter(|code| *code <= 255),
            _ => None,
        };
        if code.is_none() {
            self.wrong(node, "`exit`", "a whole number from 0 to 255");
        }
        code.map(|code| code as i32)
    }

    fn duration(&mut self, node: &Node) -> Option<Duration> {
        let period = node.as_str().unwrap_or_default().parse::<Period>();
        if let Err(why) = &period {
            let why = node
                .as_str()
                .map_or_else(|| format!("`takes` is a text such as `90s`, this is {}", node.kind()), |_| why.clone());
            self.problems.push(Diagnostic::error("E0501", node.span, why));
        }
        period.ok().map(|period| period.0)
    }
}
