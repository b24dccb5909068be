//! The person at the terminal: who it is, and what they answer.

use super::exit::{Exit, Failure};
use super::out::tell_line;
use crate::report::console::Console;
use indexmap::IndexMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use surefoot_engine::action::{Question, TestMode};
use surefoot_engine::check::Step;
use surefoot_engine::compile::Program;
use surefoot_engine::model::{RunState, StepId, TaskName};
use surefoot_engine::notify::Notifier;
pub use surefoot_engine::session::operator_name;
use tokio::sync::mpsc;

/// Refuses where nobody can answer.
pub fn can_ask() -> Result<(), Failure> {
    match io::stdin().is_terminal() {
        true => Ok(()),
        false => Err(Exit::WrongInput.because("there is no terminal to ask at: add `--yes` to start without asking")),
    }
}

/// Asks before a run; refuses where nobody can answer.
pub fn confirm(question: &str) -> Result<(), Failure> {
    can_ask()?;
    if answered(question) == Some(true) { Ok(()) } else { Err(Exit::WrongInput.because("not started")) }
}

/// Says before anything is done which steps will ask and hear no: nobody is at a terminal, and they are not approved.
pub fn warn_of_denials(program: &Program, state: &RunState, approved: &[String]) {
    let is_open = |step: &&Step| state.of_step(step.id.as_str()).all(|(_, task)| !task.state.has_passed());
    let asks = program.steps.iter().filter(|step| step.kind.tested == TestMode::Answered).filter(is_open);
    let asks = asks.filter(|step| !approved.iter().any(|name| name == "all" || step.id.as_str() == name));
    let names: Vec<&str> = asks.map(|step| step.id.as_str()).collect();
    if !names.is_empty() {
        let (all, words) = (names.join(", "), names.join(" --approve "));
        let note = format!(
            "note: nobody can be asked here, and that is a no to {all}, if it comes to that: `--approve {words}` says yes"
        );
        // The hosts are held already: nothing may wait here.
        drop(tokio::task::spawn_blocking(move || tell_line!("{note}")));
    }
}

/// Answers a run's questions.
#[derive(Clone)]
pub struct Operator {
    approved: Arc<[String]>,
    console: Option<Arc<Console>>,
    waiting: PendingQuestions,
    notifier: Option<Arc<Notifier>>,
    /// Whether somebody was there as the engine began. They may answer from elsewhere, too.
    somebody: bool,
}

/// Questions that wait for an answer, whoever gives it first.
#[derive(Clone, Default)]
pub struct PendingQuestions(Arc<Mutex<IndexMap<TaskName, Question>>>);

impl PendingQuestions {
    fn add(&self, question: Question) {
        self.open().insert(question.task.clone(), question);
    }

    /// Whether a question waited for this answer.
    pub fn answer(&self, task: &TaskName, answer: Option<String>) -> bool {
        self.open().shift_remove(task).is_some_and(|question| question.answer.send(answer).is_ok())
    }

    /// Says yes to every question of a step; whether any waited.
    pub fn approve(&self, step: &StepId, by: &str) -> bool {
        self.answer_all(step, Some(by.to_owned()))
    }

    /// Says no to every question of a step; whether any waited.
    pub fn refuse(&self, step: &StepId) -> bool {
        self.answer_all(step, None)
    }

    fn answer_all(&self, step: &StepId, answer: Option<String>) -> bool {
        let tasks: Vec<TaskName> = self.open().keys().filter(|task| task.step == *step).cloned().collect();
        let answered: Vec<bool> = tasks.iter().map(|task| self.answer(task, answer.clone())).collect();
        answered.contains(&true)
    }

    fn open(&self) -> MutexGuard<'_, IndexMap<TaskName, Question>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operator {
    /// `approved`: steps that may pass, or `all`. A console asks by itself. Where nobody was there, the answer is no.
    pub fn new(
        approved: Vec<String>,
        console: Option<Arc<Console>>,
        waiting: PendingQuestions,
        notifier: Option<Arc<Notifier>>,
        somebody: bool,
    ) -> Self {
        Operator { approved: approved.into(), console, waiting, notifier, somebody }
    }

    /// Answers as long as the run asks. A question dropped unanswered means no.
    pub async fn answer(self, mut asked: mpsc::Receiver<Question>) {
        while let Some(question) = asked.recv().await {
            let step = question.task.step.as_str();
            if self.approved.iter().any(|name| name == "all" || name == step) {
                // The task may have ended meanwhile; then nobody needs the answer.
                let _ = question.answer.send(Some(format!("{}, beforehand", operator_name())));
            } else if self.somebody {
                let (me, task, text) = (self.clone(), question.task.clone(), question.text.clone());
                self.notifier.iter().for_each(|notifier| notifier.waiting(&task, &text));
                self.waiting.add(question);
                match &self.console {
                    // It shows what waits by itself.
                    Some(_) => {}
                    // The terminal is gone: `surefoot approve` or `attach` answers it.
                    None if !io::stdin().is_terminal() => {}
                    // Reading blocks; a question that is never answered must not hold the others up.
                    None => drop(tokio::task::spawn_blocking(move || me.at_terminal(&task, &text))),
                }
            }
        }
    }

    fn at_terminal(&self, task: &TaskName, text: &str) {
        // A terminal that went away has not said no: the question waits for `surefoot approve`, or ends with the engine.
        let Some(yes) = answered(&format!("\n{}: {text}", task.step)) else { return };
        // Another terminal may have answered meanwhile.
        self.waiting.answer(task, yes.then(operator_name));
    }
}

/// Only a whole `yes` counts; none where there is no line to read.
fn answered(question: &str) -> Option<bool> {
    let mut out = io::stderr().lock();
    write!(out, "{question} [yes/no] ").and_then(|()| out.flush()).ok()?;
    drop(out);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).ok().filter(|read| *read > 0)?;
    Some(line.trim().eq_ignore_ascii_case("yes"))
}
