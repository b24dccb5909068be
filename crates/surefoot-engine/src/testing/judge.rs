//! What a case expects, held against what happened.

use super::fixtures::Fixtures;
use super::suite::{Expected, TaskPattern};
use super::trace::Story;
use crate::compile::Program;
use crate::model::{Fault, HostName, RunState, Span, TaskName, TaskState};
use crate::secret::Masks;
use indexmap::IndexSet;
use serde_json::{Map, Value as Json};

/// Where a case went otherwise. No secrets are in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Where it is expected.
    pub span: Span,
    /// The key, and the step where it is about one: `ran`, `out of now@etcd-1`.
    pub what: String,
    /// Lines.
    pub expected: String,
    pub got: String,
}

/// All that a stage is judged by.
pub(super) struct Judge<'j> {
    pub program: &'j Program,
    pub story: &'j Story,
    pub state: &'j RunState,
    pub scene: &'j Fixtures,
    pub absent: &'j [HostName],
    pub masks: &'j Masks,
}

impl Judge<'_> {
    pub fn mismatches(&self, expected: &[(Span, Expected)]) -> Vec<Mismatch> {
        expected.iter().flat_map(|(span, expected)| self.one(*span, expected)).collect()
    }

    fn one(&self, span: Span, expected: &Expected) -> Vec<Mismatch> {
        let story = self.story;
        let list = |what: &str, names: &[TaskPattern], got: &[TaskName]| {
            let wanted: Vec<String> = names.iter().map(TaskPattern::to_string).collect();
            self.differ(span, what, lines(&wanted), lines(&self.named(got, names)))
        };
        let found = match expected {
            Expected::Outcome(ending) => {
                self.differ(span, "outcome", ending.word().to_owned(), story.ending.word().to_owned())
            }
            Expected::Ran(names) => list("ran", names, &story.ran),
            Expected::Order(names) => list("order", names, &covered(&story.ran, names)),
            Expected::Never(names) => {
                let got = self.named(&covered(&story.ran, names), names);
                self.differ(span, "never", String::new(), lines(&got))
            }
            Expected::Skipped(names) => list("skipped", names, &story.skipped),
            Expected::Undone(names) => list("undone", names, &story.undone),
            Expected::Kept(names) => list("kept", names, &story.kept),
            Expected::Failed(named) => self.failed(span, named),
            Expected::Command(name, text) => {
                let sent = |task: &TaskName| self.scene.command(task).unwrap_or_else(|| self.instead(task));
                return self.each(span, "the command of", name, |task| {
                    (text.trim_end().to_owned(), sent(task).trim_end().to_owned())
                });
            }
            Expected::Parameters(name, wanted) => {
                return self.each(span, "the parameters of", name, |task| {
                    self.part(wanted, self.scene.parameters(task), task)
                });
            }
            Expected::Out(name, wanted) => {
                return self.each(span, "out of", name, |task| self.part(wanted, self.out(task), task));
            }
        };
        found.into_iter().collect()
    }

    /// Each name once.
    fn named(&self, tasks: &[TaskName], names: &[TaskPattern]) -> Vec<String> {
        let all: IndexSet<String> = tasks.iter().map(|task| self.called(task, tasks, names)).collect();
        all.into_iter().collect()
    }

    /// A task as the author calls it: by the name that means just it, else by its step where all of that is among
    /// `tasks`, else by its own.
    fn called(&self, task: &TaskName, tasks: &[TaskName], names: &[TaskPattern]) -> String {
        let mut exact = names.iter().filter(|name| name.host.is_some() && name.step == task.step).peekable();
        let by_step = exact.peek().is_none();
        let all = self.program.tasks.iter().map(|other| &other.name).filter(|other| other.step == task.step);
        let mut there = all.filter(|other| !self.absent.contains(&other.host));
        match exact.find(|name| name.covers(task)) {
            Some(name) => name.to_string(),
            None if by_step && there.all(|other| tasks.contains(other)) => task.step.to_string(),
            None => task.to_string(),
        }
    }

    fn differ(&self, span: Span, what: &str, expected: String, got: String) -> Option<Mismatch> {
        let (expected, got) = (self.masks.text(expected), self.masks.text(got));
        (expected != got).then(|| Mismatch { span, what: what.to_owned(), expected, got })
    }

    /// For each task that a name means, what is expected and what was got.
    fn each(
        &self,
        span: Span,
        what: &str,
        name: &TaskPattern,
        texts: impl Fn(&TaskName) -> (String, String),
    ) -> Vec<Mismatch> {
        let tasks = self.program.tasks.iter().map(|task| &task.name).filter(|task| name.covers(task));
        let tasks = tasks.filter(|task| !self.absent.contains(&task.host));
        let one = |task: &TaskName| {
            let (expected, got) = texts(task);
            self.differ(span, &format!("{what} {task}"), expected, got)
        };
        tasks.filter_map(one).collect()
    }

    /// A fault that says what is expected of it is as it was expected.
    fn failed(&self, span: Span, wanted: &[(TaskPattern, String)]) -> Option<Mismatch> {
        let line = |name: &str, text: &str| if text.is_empty() { name.to_owned() } else { format!("{name}: {text}") };
        let expected: Vec<String> = wanted.iter().map(|(name, text)| line(&name.to_string(), text)).collect();
        let names: Vec<TaskPattern> = wanted.iter().map(|(name, _)| name.clone()).collect();
        let tasks: Vec<TaskName> = self.story.failed.keys().cloned().collect();
        let one = |(task, fault): (&TaskName, &Fault)| {
            let fits = |(name, text): &&(TaskPattern, String)| {
                name.covers(task) && says(fault, &self.masks.text(text.clone()))
            };
            let text = wanted.iter().find(fits).map_or(fault.message.as_str(), |(_, text)| text);
            line(&self.called(task, &tasks, &names), text)
        };
        let got: IndexSet<String> = self.story.failed.iter().map(one).collect();
        let mut got: Vec<String> = got.into_iter().collect();
        // What failed side by side has no order.
        got.sort_by_key(|line| expected.iter().position(|other| other == line).unwrap_or(usize::MAX));
        self.differ(span, "failed", lines(&expected), lines(&got))
    }

    fn out(&self, task: &TaskName) -> Option<Json> {
        match self.state.task(task)?.state.forward() {
            TaskState::Done { out, .. } => Some(Json::Object((**out).clone())),
            _ => None,
        }
    }

    /// Of what was got, the parts that are expected.
    fn part(&self, wanted: &Json, got: Option<Json>, task: &TaskName) -> (String, String) {
        let got = match got {
            Some(got) => text(&self.masks.json(within(&got, wanted))),
            None => self.instead(task),
        };
        (text(&self.masks.json(wanted.clone())), got)
    }

    /// In the place of what a task did not give.
    fn instead(&self, task: &TaskName) -> String {
        let word = self.state.task(task).map_or("pending", |record| record.state.word());
        format!("(nothing: it is {word})")
    }
}

fn covered(tasks: &[TaskName], names: &[TaskPattern]) -> Vec<TaskName> {
    tasks.iter().filter(|task| names.iter().any(|name| name.covers(task))).cloned().collect()
}

fn says(fault: &Fault, text: &str) -> bool {
    fault.message.contains(text) || fault.detail.as_ref().is_some_and(|detail| detail.contains(text))
}

fn lines(all: &[String]) -> String {
    all.join("\n")
}

fn text(json: &Json) -> String {
    format!("{json:#}")
}

/// Of `got` the keys that `wanted` has, at every depth.
fn within(got: &Json, wanted: &Json) -> Json {
    match (got, wanted) {
        (Json::Object(got), Json::Object(wanted)) => {
            let keys = wanted.iter().filter_map(|(key, wanted)| Some((key.clone(), within(got.get(key)?, wanted))));
            Json::Object(keys.collect::<Map<_, _>>())
        }
        _ => got.clone(),
    }
}
