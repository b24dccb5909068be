//! What a case says of steps, hosts and outputs, held against the program that it plays.

use super::suite::{Act, Answers, Expected, Reply, StubbedAnswer, TaskPattern, TestCase};
use crate::action::TestMode;
use crate::check::{RollPart, Step};
use crate::compile::{Program, Task};
use crate::load::did_you_mean;
use crate::model::{Diagnostic, Effect, HostName, Span};
use serde_json::Value as Json;

/// Every mistake of a case.
pub(super) fn mistakes(case: &TestCase, program: &Program) -> Vec<Diagnostic> {
    let mut fit = Fit { program, problems: Vec::new() };
    case.unreachable.iter().for_each(|(host, span)| fit.unreachable(host, *span));
    fit.answers(&case.answers);
    for stage in &case.stages {
        if let Act::Rollback(Some((name, span))) = &stage.act {
            fit.checkpoint(name, *span);
        }
        fit.answers(&stage.answers);
        stage.expected.iter().for_each(|(_, expected)| fit.expected(expected));
    }
    fit.problems
}

/// The step of a checkpoint, by its name or the step's id.
pub(super) fn checkpoint<'p>(program: &'p Program, name: &str) -> Option<&'p Step> {
    program.steps.iter().find(|step| step.checkpoint().is_some_and(|own| own == name || step.id.as_str() == name))
}

/// Whether a step is there for the order of others only.
pub(super) fn only_orders(step: &Step) -> bool {
    let chooses = step.roll.as_ref().is_some_and(|place| matches!(place.part, RollPart::Choice(_)));
    step.checkpoint().is_some() || step.closes.is_some() || chooses
}

struct Fit<'p> {
    program: &'p Program,
    problems: Vec<Diagnostic>,
}

impl<'p> Fit<'p> {
    fn tasks(&self, step: usize) -> impl Iterator<Item = &'p Task> {
        self.program.tasks.iter().filter(move |task| task.step as usize == step)
    }

    /// The step that a name means, where it and its tasks are there.
    fn step(&mut self, name: &TaskPattern) -> Option<&'p Step> {
        let Some(index) = self.program.steps.iter().position(|step| step.id == name.step) else {
            let known = self.program.steps.iter().filter(|step| !only_orders(step)).map(|step| step.id.as_str());
            let message = format!("the runbook has no step `{}`", name.step);
            self.problems.push(unknown("E0303", name.span, message, name.step.as_str(), known));
            return None;
        };
        if !self.tasks(index).any(|task| name.covers(&task.name)) && (name.host.is_some() || name.item.is_some()) {
            let message = format!("the step `{}` has no task `{name}`", name.step);
            let known: Vec<String> = self.tasks(index).map(|task| task.name.to_string()).collect();
            let known = known.iter().map(String::as_str);
            self.problems.push(unknown("E0801", name.span, message, &name.to_string(), known));
            return None;
        }
        Some(&self.program.steps[index])
    }

    fn unreachable(&mut self, host: &HostName, span: Span) {
        if !self.program.hosts.contains_key(host) {
            let known = self.program.hosts.keys().map(HostName::as_str);
            let message = format!("there is no host `{host}`");
            self.problems.push(unknown("E0703", span, message, host.as_str(), known));
        } else if !self.program.may_be_missing.contains(host) {
            let message = format!("a run cannot do without `{host}`: it would be refused at its start");
            let help = "only hosts of roles that say `unreachable: skip` may be missing";
            self.problems.push(Diagnostic::error("E0804", span, message).help(help));
        }
    }

    fn checkpoint(&mut self, name: &str, span: Span) {
        if checkpoint(self.program, name).is_none() {
            let known: Vec<String> = self.program.steps.iter().filter_map(Step::checkpoint).collect();
            let message = format!("the runbook has no checkpoint `{name}`");
            let known = known.iter().map(String::as_str);
            self.problems.push(unknown("E0303", span, message, name, known));
        }
    }

    fn answers(&mut self, answers: &Answers) {
        for (name, all) in answers {
            let Some(step) = self.step(name) else { continue };
            all.iter().for_each(|answer| self.answer(name, step, answer));
        }
    }

    fn answer(&mut self, name: &TaskPattern, step: &Step, answer: &StubbedAnswer) {
        let before = self.problems.len();
        for (key, span) in &answer.keys {
            if let Some(why) = unanswerable(step, key) {
                let message = format!("`{}` is `{}`, {why}", name.step, step.kind.name);
                self.problems.push(Diagnostic::error("E0802", *span, message));
            }
        }
        if answer.took_effect.is_some() && !matches!(answer.reply, Reply::Unknown(_)) {
            let message = "`took_effect` goes with `unknown`";
            self.problems.push(Diagnostic::error("E0802", name.span, message));
        }
        if self.problems.len() == before {
            answer.out_keys.iter().for_each(|(key, span)| self.output(step, key, *span));
        }
    }

    fn output(&mut self, step: &Step, key: &str, span: Span) {
        let schema = (step.kind.out_schema)().to_value();
        let Some(known) = schema.get("properties").and_then(Json::as_object) else { return };
        if !known.contains_key(key) {
            let message = format!("`{}` does not give `{key}`", step.kind.name);
            self.problems.push(unknown("E0305", span, message, key, known.keys().map(String::as_str)));
        }
    }

    fn all_steps<'n>(&mut self, names: impl IntoIterator<Item = &'n TaskPattern>) {
        for name in names {
            self.step(name);
        }
    }

    fn expected(&mut self, expected: &Expected) {
        match expected {
            Expected::Outcome(_) => {}
            Expected::Ran(names)
            | Expected::Order(names)
            | Expected::Never(names)
            | Expected::Skipped(names)
            | Expected::Undone(names)
            | Expected::Kept(names) => self.all_steps(names.iter()),
            Expected::Failed(names) => self.all_steps(names.iter().map(|(name, _)| name)),
            Expected::Parameters(name, _) | Expected::Out(name, _) => self.all_steps([name]),
            Expected::Command(name, _) => {
                if let Some(step) = self.step(name)
                    && step.kind.tested != TestMode::StubbedCommand
                {
                    let message = format!("`{}` is `{}`, which is no command", name.step, step.kind.name);
                    let help = "`parameters` says what an action is given";
                    self.problems.push(Diagnostic::error("E0802", name.span, message).help(help));
                }
            }
        }
    }
}

/// Why a step cannot be answered so.
fn unanswerable(step: &Step, key: &str) -> Option<&'static str> {
    let reads = step.effect == Effect::ReadOnly;
    match (step.kind.tested, key) {
        (TestMode::Real, _) => Some("which runs as it is: it takes no answer"),
        (TestMode::Answered, "yes" | "no") => None,
        (TestMode::Answered, _) => Some("which is answered with `yes` or `no`"),
        (_, "yes" | "no") => Some("which asks nobody"),
        (TestMode::StubbedCommand, "out") => {
            Some("which gives what its command prints: say `exit`, `stdout`, `stderr`")
        }
        (TestMode::StubbedCommand, "refuses") => Some("which does not look before it runs: say `fails`"),
        (TestMode::Stubbed, "exit" | "stdout" | "stderr") => Some("which is no command: say `out`, or `fails`"),
        (_, "clean" | "unknown" | "took_effect" | "undo_fails") if reads => Some("which only looks"),
        (_, "clean") if step.effect == Effect::Opaque => {
            Some("which always runs: it has neither `creates` nor `unless`")
        }
        (_, "took_effect") if step.reconcile.is_none() => Some("and it has no `reconcile`"),
        _ => None,
    }
}

/// A name that is not known, with those that are.
fn unknown<'n>(
    code: &'static str,
    span: Span,
    message: String,
    wrong: &str,
    known: impl IntoIterator<Item = &'n str> + Clone,
) -> Diagnostic {
    let problem = Diagnostic::error(code, span, message);
    match did_you_mean(wrong, known) {
        Some(help) => problem.help(help),
        None => problem,
    }
}
