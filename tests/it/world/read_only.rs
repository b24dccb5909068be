//! A world that is only looked at refuses whatever is no read, whoever tries.

use super::*;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use surefoot::cli::ACTIONS;
use surefoot_engine::action::{CommandSettings, Cx};
use surefoot_engine::model::{Fault, FaultKind, TaskName};
use surefoot_engine::world::{Claim, EngineIdentity, ReadOnly, World};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

async fn looked_at(bench: &Bench) -> (Arc<SshHost>, ReadOnly) {
    let host = bench.host().await;
    let mut world = World::default();
    world.add(host.clone());
    (host, ReadOnly::of(&world))
}

fn refused<T>(result: Result<T, Fault>) -> bool {
    matches!(result, Err(fault) if fault.kind == FaultKind::Refused)
}

#[tokio::test]
async fn every_act_is_refused_and_every_read_is_not() {
    let bench = Bench::new();
    let (real, world) = looked_at(&bench).await;
    let host = world.world().hosts().next().unwrap();
    let at = |name: &str| bench.sshd.path().join(name).display().to_string();
    std::fs::write(at("there"), "x").unwrap();
    let there = at("there");
    assert!(host.looks_only() && !real.looks_only());
    assert!(refused(host.act(&id("act"), Script::new("touch \"$1\"").arg(at("new")), &Silent).await));
    assert!(refused(host.kill(&id("act"), None).await));
    assert!(refused(host.put(Path::new(&there), &at("new"), None, &Silent).await));
    assert!(refused(host.get(&there, Path::new(&at("new")), None, &Silent).await));
    let incoming = host.open(&there, None).await.expect("a file may be read");
    assert!(refused(host.write(incoming, &at("new"), None, &Silent).await));
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let claim = Claim { run: bench.run.clone(), holder: "me".into(), since: now, engine: EngineIdentity::this() };
    assert!(refused(host.hold(&claim, Duration::from_secs(9), None).await));
    assert!(refused(host.renew().await) && refused(host.release().await));
    assert!(host.attach(&id("act"), None, &Silent).await.expect("it was never started").is_none());
    let read = host.probe(Script::new("cat \"$1\"").arg(there)).await.expect("it may be looked at");
    assert_eq!(read.text(), "x");
    assert!(!Path::new(&at("new")).exists() && !Path::new(real.run_dir()).exists(), "nothing was made");
}

#[tokio::test]
async fn by_its_authors_word_a_command_runs_and_nothing_of_it_is_kept() {
    let bench = Bench::new();
    let (real, world) = looked_at(&bench).await;
    let host = world.by_word(real.name()).expect("the same host");
    let said = Recorder::default();
    let output = host.act(&id("read"), Script::new("echo hello"), &said).await.expect("it runs");
    assert_eq!((output.text().as_ref(), said.out()), ("hello", b"hello\n".to_vec()));
    assert!(!Path::new(real.run_dir()).exists());
    assert!(refused(host.put(Path::new("/etc/hostname"), "/tmp/new", None, &Silent).await));
}

#[tokio::test]
async fn an_action_that_tries_is_refused() {
    let bench = Bench::new();
    let (_, world) = looked_at(&bench).await;
    let world = world.world();
    let host = world.hosts().next().unwrap();
    let path = bench.sshd.path().join("made").display().to_string();
    let file = ACTIONS.find("file").expect("a kind");
    let action = (file.decode)(json!({ "path": path, "content": "x" })).expect("it fits");
    let (settings, questions) = (CommandSettings::default(), mpsc::channel(1).0);
    let task = TaskName { step: "make".into(), host: host.name().clone(), item: None };
    let cx = Cx {
        task: &task,
        attempt: 1,
        run: &bench.run,
        host,
        world,
        settings: &settings,
        deadline: None,
        sink: &Silent,
        folder: bench.sshd.path(),
        questions: &questions,
        acts: AtomicU32::new(0),
        taken_up: false,
        set_aside: false,
        end: CancellationToken::new(),
    };
    let surefoot_engine::action::ErasedSeen::Change(change) = action.inspect(&cx).await.expect("looking is allowed")
    else {
        panic!("there is nothing yet");
    };
    assert_ne!(change.before, Json::Null);
    assert!(refused(action.apply(&cx, &change.before).await));
    assert!(refused(action.undo(&cx, &json!({ "path": path, "kept": "k", "beside": "/b", "was": "absent" })).await));
    assert!(!Path::new(&path).exists());
}
