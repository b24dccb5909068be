//! The user's own file, `config.yaml`: what is so for all their runs.

use super::fields::Fields;
use super::hint::suggested;
use super::node::{Node, NodeValue};
use super::shape::{Form, SCALAR, Shape, fields};
use crate::action::Period;
use crate::http::Url;
use crate::model::{Diagnostic, Sources};
use crate::secret::SecretSource;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct UserConfig {
    /// Who is told of what becomes of runs.
    pub notify: Vec<Notify>,
    /// Folders that runbooks are named from; absolute.
    pub runbooks: Vec<PathBuf>,
    /// After a run that is done: runs that are over for longer than that go away, as by `surefoot tidy --older`.
    pub tidy: Option<Duration>,
}

/// Somebody who is told.
#[derive(Clone, Debug)]
pub struct Notify {
    /// Of what; not empty.
    pub on: Vec<NoticeKind>,
    pub to: To,
}

/// What somebody may be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    Start,
    Waiting,
    Failed,
    Unknown,
    Ended,
}

/// How somebody is told.
#[derive(Clone, Debug)]
pub enum To {
    /// A program and its arguments. A program with a slash in its name is a path, absolute here.
    Command(Vec<String>),
    Webhook {
        url: Webhook,
        /// What the server knows us by.
        token: Option<SecretSource>,
    },
}

#[derive(Clone, Debug)]
pub enum Webhook {
    Url(Url),
    /// The address is a secret itself.
    Secret(SecretSource),
}

impl NoticeKind {
    pub const ALL: [NoticeKind; 5] =
        [NoticeKind::Start, NoticeKind::Waiting, NoticeKind::Failed, NoticeKind::Unknown, NoticeKind::Ended];

    /// In the same order.
    const WORDS: [&str; 5] = ["start", "waiting", "failed", "unknown", "ended"];

    pub fn word(self) -> &'static str {
        NoticeKind::WORDS[self as usize]
    }
}

/// The file's keys.
pub static CONFIG: Shape = Shape {
    name: "config",
    what: "a config",
    about: "What is so for all runs of one user: `~/.config/surefoot/config.yaml`.",
    groups: &[fields! {
        optional "notify": Form::List(&Form::Shape(&NOTIFY)), "[{ on: [failed, ended], command: [notify-send, surefoot] }]",
            "Who is told of what becomes of a run. A notice never holds a run up, and never fails it.";
        optional "runbooks": Form::List(&ARGUMENT), "[~/runbooks]",
            "Folders of runbooks, the first that has a name wins: `~/runbooks/web/restart.yaml` is `surefoot run web/restart`. Those of `SUREFOOT_RUNBOOKS` go before, what is built in comes after.";
        optional "tidy": Form::Shape(&TIDY), "{ older: 30d }",
            "What goes away after a run that is done.";
    }],
};

static TIDY: Shape = Shape {
    name: "tidy",
    what: "`tidy`",
    about: "What goes away after a run that is done.",
    groups: &[fields! {
        required "older": Form::Duration, "30d",
            "Runs that are over for longer than that: what they keep on their hosts, and their records. Nothing that a run has set aside.";
    }],
};

static NOTIFY: Shape = Shape {
    name: "notify",
    what: "an entry of `notify`",
    about: "Somebody who is told, by a command or by a webhook.",
    groups: &[fields! {
        optional "on": Form::Some(&Form::OneOf(&NoticeKind::WORDS)), "[waiting, ended]",
            "Of what: that a run starts or goes on, that it waits for an approval, that it has failed and stops, that an outcome cannot be known, that it has ended. Default: all of it.";
        optional "command": Form::Some(&ARGUMENT), "[notify-send, surefoot]",
            "A program and its arguments. The notice is its input, as JSON; `SUREFOOT_TEXT` and some other variables have parts of it.";
        optional "webhook": Form::Pattern { pattern: r"^(https?://|env:.|file:.|cmd:.)", wanted: WEBHOOK, types: &["string"] }, "https://hooks.example.org/surefoot",
            "An address that the notice is sent to, as JSON: `https://...`, or where it is found if it is secret: `env:NAME`, `file:PATH` or `cmd:COMMAND`.";
        optional "token": Form::Pattern { pattern: r"^(env:.|file:.|cmd:.)", wanted: TOKEN, types: &["string"] }, "env:HOOK_TOKEN",
            "Where the webhook's token is found: `env:NAME`, `file:PATH` or `cmd:COMMAND`. It is sent as `Authorization: Bearer`.";
    }],
};

const ARGUMENT: Form = Form::Pattern { pattern: "", wanted: "A text is wanted.", types: SCALAR };
const WEBHOOK: &str = "an address is wanted, or where one is found: https://..., env:NAME, file:PATH or cmd:COMMAND";
const TOKEN: &str = "a token is never written out: env:NAME, file:PATH or cmd:COMMAND says where it is";

/// Relative paths in it start from `folder`.
pub(super) fn decode(root: &Node, folder: &Path, sources: &Sources) -> Result<UserConfig, Vec<Diagnostic>> {
    let mut reader = ConfigReader { folder, sources, problems: Vec::new() };
    let config = reader.config(root);
    config.filter(|_| reader.problems.is_empty()).ok_or(reader.problems)
}

struct ConfigReader<'r> {
    folder: &'r Path,
    sources: &'r Sources,
    problems: Vec<Diagnostic>,
}

impl ConfigReader<'_> {
    fn config(&mut self, root: &Node) -> Option<UserConfig> {
        let mut fields = Fields::of(root, &CONFIG, &mut self.problems)?;
        let entries = fields.take("notify").map(|node| self.items(node)).unwrap_or_default();
        let folders = fields.take("runbooks").map(|node| self.texts(node)).unwrap_or_default();
        let runbooks = folders.iter().map(|folder| self.path(folder)).collect();
        let tidy = fields.take("tidy").and_then(|node| self.tidy(node));
        fields.finish(&mut self.problems);
        Some(UserConfig { notify: entries.iter().filter_map(|node| self.notify(node)).collect(), runbooks, tidy })
    }

    fn tidy(&mut self, node: &Node) -> Option<Duration> {
        let mut fields = Fields::of(node, &TIDY, &mut self.problems)?;
        let older = fields.take("older");
        fields.finish(&mut self.problems);
        let older = older?;
        match older.text(self.sources).unwrap_or_default().parse::<Period>() {
            Ok(period) => Some(period.0),
            Err(why) => self.wrong("E0510", older.span, &why),
        }
    }

    fn notify(&mut self, node: &Node) -> Option<Notify> {
        let mut fields = Fields::of(node, &NOTIFY, &mut self.problems)?;
        let on = fields.take("on").map(|node| self.moments(node)).unwrap_or(NoticeKind::ALL.to_vec());
        let (command, webhook) = (fields.entry("command"), fields.entry("webhook"));
        let token = fields.entry("token");
        fields.finish(&mut self.problems);
        let to = match (command, webhook, token) {
            (Some(_), Some((key, _)), _) => {
                return self.wrong("E0206", key.span, "either `command` or `webhook` stands in one entry");
            }
            (Some(_), None, Some((key, _))) => return self.wrong("E0206", key.span, "`token` is for a `webhook`"),
            (None, None, _) => {
                return self.wrong("E0203", node.span, "an entry of `notify` needs `command` or `webhook`");
            }
            (Some((_, command)), None, None) => To::Command(self.command(command)?),
            (None, Some((_, webhook)), token) => {
                let url = self.webhook(webhook);
                // What is wrong with it is said, and the file refused.
                let token = token.and_then(|(_, node)| self.token(node));
                To::Webhook { url: url?, token }
            }
        };
        Some(Notify { on, to })
    }

    fn moments(&mut self, node: &Node) -> Vec<NoticeKind> {
        let mut moments = Vec::new();
        for item in self.some(node) {
            let word = item.as_str().unwrap_or_default();
            match NoticeKind::ALL.into_iter().find(|moment| moment.word() == word) {
                Some(moment) => moments.push(moment),
                None => {
                    let problem = Diagnostic::error("E0510", item.span, "nobody is told of that");
                    self.problems.push(suggested(problem, Some(item.span), word, NoticeKind::WORDS));
                }
            }
        }
        moments
    }

    fn texts(&mut self, node: &Node) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.items(node) {
            match item.text(self.sources).filter(|text| !text.is_empty()) {
                Some(text) => texts.push(text.to_owned()),
                None => {
                    let message = format!("text is wanted, this is {}", item.kind());
                    self.problems.push(Diagnostic::error("E0501", item.span, message));
                }
            }
        }
        texts
    }

    fn command(&mut self, node: &Node) -> Option<Vec<String>> {
        let mut words = Vec::new();
        for item in self.some(node) {
            match item.text(self.sources) {
                Some(word) => words.push(word.to_owned()),
                None => return self.wrong("E0501", item.span, &format!("text is wanted, this is {}", item.kind())),
            }
        }
        let program = words.first_mut()?;
        if program.contains('/') {
            *program = self.path(program).to_string_lossy().into_owned();
        }
        Some(words)
    }

    fn path(&self, text: &str) -> PathBuf {
        match text.strip_prefix("~/") {
            Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
            None => self.folder.join(text),
        }
    }

    fn webhook(&mut self, node: &Node) -> Option<Webhook> {
        let text = node.text(self.sources).unwrap_or_default();
        let secret = SecretSource::parse(text, self.folder).filter(SecretSource::is_found_alone);
        match (secret, text.parse()) {
            (Some(source), _) => Some(Webhook::Secret(source)),
            (None, Ok(url)) => Some(Webhook::Url(url)),
            (None, Err(_)) => {
                self.problems.push(Diagnostic::error("E0510", node.span, WEBHOOK).redact());
                None
            }
        }
    }

    /// Nobody may be there to be asked for it.
    fn token(&mut self, node: &Node) -> Option<SecretSource> {
        let source = node.text(self.sources).and_then(|text| SecretSource::parse(text, self.folder));
        let source = source.filter(SecretSource::is_found_alone);
        if source.is_none() {
            self.problems.push(Diagnostic::error("E0606", node.span, TOKEN).redact());
        }
        source
    }

    fn some<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        let items = self.items(node);
        if node.value == NodeValue::Seq(Vec::new()) {
            self.problems.push(Diagnostic::error("E0501", node.span, "this list is empty"));
        }
        items
    }

    fn items<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match &node.value {
            NodeValue::Seq(items) => items,
            _ => {
                let message = format!("a list is wanted, this is {}", node.kind());
                self.problems.push(Diagnostic::error("E0202", node.span, message));
                &[]
            }
        }
    }

    fn wrong<T>(&mut self, code: &'static str, span: crate::model::Span, message: &str) -> Option<T> {
        self.problems.push(Diagnostic::error(code, span, message));
        None
    }
}
