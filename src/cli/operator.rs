//! The person at the terminal: who it is, and what they answer.

use super::exit::Exit;
use crate::action::Question;
use crate::report::Live;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

/// `user@machine`.
pub fn operator_name() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).or_else(|_| std::env::var("LOGNAME"));
    let user = user.unwrap_or_else(|_| format!("uid-{}", rustix::process::getuid().as_raw()));
    format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
}

/// Asks before a run; refuses where nobody can answer.
pub fn confirm(question: &str) -> Result<(), Exit> {
    if !io::stdin().is_terminal() {
        return Err(Exit::WrongInput.because("there is no terminal to ask at: add `--yes` to start without asking"));
    }
    if yes(question) { Ok(()) } else { Err(Exit::WrongInput.because("not started")) }
}

/// Answers a run's questions.
pub struct Operator {
    approved: Vec<String>,
    live: Option<Arc<Live>>,
}

impl Operator {
    /// `approved`: steps that may pass, or `all`.
    pub fn new(approved: Vec<String>, live: Option<Arc<Live>>) -> Self {
        Operator { approved, live }
    }

    /// Answers as long as the run asks. A question dropped unanswered means no.
    pub async fn answer(self, mut asked: mpsc::Receiver<Question>) {
        let me = Arc::new(self);
        while let Some(question) = asked.recv().await {
            let step = question.task.step.as_str();
            if me.approved.iter().any(|name| name == "all" || name == step) {
                // The task may have ended meanwhile; then nobody needs the answer.
                let _ = question.answer.send(Some(format!("{}, beforehand", operator_name())));
            } else if io::stdin().is_terminal() {
                let me = me.clone();
                // Reading blocks; a question that is never answered must not hold the others up.
                tokio::task::spawn_blocking(move || me.at_terminal(question));
            }
        }
    }

    fn at_terminal(&self, question: Question) {
        self.live.iter().for_each(|live| live.hide());
        let answer = yes(&format!("\n{}: {}", question.task.step, question.text)).then(operator_name);
        self.live.iter().for_each(|live| live.unhide());
        let _ = question.answer.send(answer);
    }
}

/// Only a whole `yes` counts.
fn yes(question: &str) -> bool {
    let mut out = io::stderr().lock();
    let asked = write!(out, "{question} [yes/no] ").and_then(|()| out.flush());
    drop(out);
    let mut line = String::new();
    asked.is_ok() && io::stdin().lock().read_line(&mut line).is_ok() && line.trim().eq_ignore_ascii_case("yes")
}
