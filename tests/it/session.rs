//! The engine as a library: prepare, plan, run, resume, roll back, and its errors as values.

use crate::support::program::Program;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use surefoot::cli::ACTIONS;
use surefoot_engine::catalog::Catalog;
use surefoot_engine::execute::{Goal, Limits, Signals};
use surefoot_engine::journal::JournalError;
use surefoot_engine::model::{Outcome, RunId, TaskState};
use surefoot_engine::session::{
    Frontend, LeaseOptions, OpenedRun, ReadyRun, Request, RollbackPreview, RollbackRequest, RunEnding, Session,
    SessionError,
};

fn session(program: &Program) -> Session {
    Session::new(ACTIONS.clone(), Catalog::default(), program.store())
}

fn request(program: &Program, text: &str) -> Request {
    Request { runbook: program.write("book.yaml", text), folder: program.path(""), ..Request::default() }
}

async fn ready(session: &Session, request: &Request) -> Result<ReadyRun, SessionError> {
    let mut prepared = session.prepare(&session.resolve(&request.runbook)?.found, request)?;
    session.read_files(&mut prepared, &request.folder)?;
    let secrets = session.secrets(&prepared)?;
    session.connect(prepared, secrets, false).await
}

async fn drive(ready: ReadyRun, goal: Goal, folder: &Path) -> Result<RunEnding, SessionError> {
    let (questions, _) = tokio::sync::mpsc::channel(1);
    let frontend = Frontend {
        observers: Vec::new(),
        questions,
        signals: Signals::listen().unwrap(),
        limits: Limits::default(),
        folder: folder.to_owned(),
        state: Arc::default(),
    };
    ready.begin(goal, &LeaseOptions::default()).await?.drive(frontend).await
}

async fn reopened(session: &Session, opened: OpenedRun, goal: Goal) -> Result<RunEnding, SessionError> {
    let (secrets, folder) = (opened.secrets()?, opened.inputs.origin.call.folder.clone());
    drive(opened.connect(session, secrets, &[], false).await?, goal, &folder).await
}

/// `cargo test` builds it, with this binary's own features; `cargo test --test it` does not.
fn example() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_surefoot")).with_file_name("examples").join("run_runbook");
    if !built.exists() {
        let build = ["build", "--quiet", "--locked", "--package", "surefoot-engine", "--example", "run_runbook"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    }
    built
}

#[test]
fn the_example_program_runs_a_runbook() {
    let program = Program::new();
    let book = program.write("book.yaml", "runbook: a\nsteps:\n  - { id: one, reads: true, sh: \"true\" }\n");
    let inventory = program.write("site.yaml", "hosts: {}\n");
    let called = Command::new(example()).args([&book, &inventory, &program.state_folder()]).output().unwrap();
    let out = String::from_utf8_lossy(&called.stdout);
    assert!(called.status.success(), "{called:?}");
    assert_eq!(out.lines().collect::<Vec<_>>(), ["1 tasks", "one@controller: done", "Done"]);
}

#[tokio::test]
async fn a_run_is_planned_run_and_rolled_back_through_the_library() {
    let program = Program::new();
    let file = program.path("file");
    let text = format!(
        "runbook: a\nsteps:\n  - {{ id: write, file: {{ path: {0}, content: x, mode: \"0600\" }} }}\n  \
         - {{ id: fail, reads: true, sh: test ! -e {0} }}\n",
        file.display()
    );
    let (session, request) = (session(&program), request(&program, &text));
    let first = ready(&session, &request).await.unwrap();
    assert_eq!(first.plan(&request.folder).await.tasks().count(), 2);
    assert!(!file.exists());
    let ending = drive(first, Goal::Start, &request.folder).await.unwrap();
    assert_eq!((ending.outcome, file.exists()), (Outcome::Failed, true));

    let opened = session.open(&RunId::from("last")).unwrap();
    let (program_of_run, state) = (opened.inputs.prepared.program.clone(), opened.state.clone());
    let goal = RollbackRequest::default().goal(&program_of_run, &state).unwrap();
    let preview = RollbackPreview::of(&program_of_run, &state, &goal);
    assert_eq!(preview.steps.iter().filter(|step| step.undone).count(), 1);
    let ending = reopened(&session, opened, goal).await.unwrap();
    assert_eq!((ending.outcome, file.exists()), (Outcome::RolledBack, false));
}

#[tokio::test]
async fn a_failed_run_is_resumed_through_the_library() {
    let program = Program::new();
    let flag = program.path("flag");
    let text = format!("runbook: a\nsteps:\n  - {{ id: look, reads: true, sh: test -e {} }}\n", flag.display());
    let (session, request) = (session(&program), request(&program, &text));
    let ending = drive(ready(&session, &request).await.unwrap(), Goal::Start, &request.folder).await.unwrap();
    assert_eq!(ending.outcome, Outcome::Failed);
    std::fs::write(&flag, "").unwrap();
    let opened = session.open(&RunId::from("last")).unwrap();
    let ending = reopened(&session, opened, Goal::Resume { drifted: false }).await.unwrap();
    assert_eq!(ending.outcome, Outcome::Done);
    let state = ending.state.read().unwrap();
    assert!(state.tasks().all(|(_, task)| matches!(task.state, TaskState::Done { .. })));
}

#[tokio::test]
async fn what_is_wrong_comes_back_as_a_value() {
    let program = Program::new();
    let session = session(&program);
    let wrong = ready(&session, &request(&program, "runbook: a\nsteps: [{ ssh: x }]\n")).await.err().unwrap();
    assert!(matches!(&wrong, SessionError::Mistakes(mistakes) if mistakes.diagnostics[0].code.starts_with('E')));

    let text = "runbook: a\nparams: { word: { type: secret } }\nsteps: [{ reads: true, sh: \"true\" }]\n";
    let params = vec!["word=env:SUREFOOT_TEST_NOT_SET".to_owned()];
    let wrong = ready(&session, &Request { params, ..request(&program, text) }).await.err().unwrap();
    assert!(matches!(&wrong, SessionError::Secret(_)), "{wrong:?}");

    let wrong = session.open(&RunId::from("20260102-030405-none")).err().unwrap();
    assert!(matches!(&wrong, SessionError::Journal(JournalError::NoRun { .. })), "{wrong:?}");
    assert!(program.store().runs().unwrap().is_empty());
}

#[tokio::test]
async fn a_run_that_is_held_cannot_be_opened_twice() {
    let program = Program::new();
    let (session, text) = (session(&program), "runbook: a\nsteps: [{ id: a, reads: true, sh: \"false\" }]\n");
    let request = request(&program, text);
    drive(ready(&session, &request).await.unwrap(), Goal::Start, &request.folder).await.unwrap();
    let held = session.open(&RunId::from("last")).unwrap();
    let wrong = session.open(&held.run).err().unwrap();
    assert!(matches!(&wrong, SessionError::Journal(JournalError::Held { .. })), "{wrong:?}");
}
