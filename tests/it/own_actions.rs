//! Actions of one's own: written in YAML beside a runbook, and native ones that a program registers.

use crate::support::lab_bed::LabBed;
use crate::support::program::Program;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surefoot_engine::action::{Action, ActionRegistry, Change, Cx, Inspection, UndoSupport};
use surefoot_engine::catalog::Catalog;
use surefoot_engine::execute::{Goal, Limits, Signals};
use surefoot_engine::journal::Store;
use surefoot_engine::model::{Effect, Fault, Outcome};
use surefoot_engine::session::{Frontend, LeaseOptions, Request, Session};
use surefoot_engine::world::Script;
use surefoot_lab::lab::Etcd;

/// The action that the guide shows.
const GUIDE: &str = include_str!("../../docs/writing.md");

fn sysctl() -> &'static str {
    let start = GUIDE.find("# actions/sysctl.yaml\n").expect("the guide shows it");
    GUIDE[start..].split("```").next().unwrap()
}

const STEPS: &str = "  - { id: set, on: HOST, sysctl: { name: net.ipv4.tcp_keepalive_time, value: '3600' } }\n  \
                     - { id: read, on: HOST, reads: true, sh: \"test '{{ steps.set.out.file }}' = \
                     /proc/sys/net/ipv4/tcp_keepalive_time\" }";

/// A host, and a runbook whose action is written in YAML.
fn bed(stem: &str) -> LabBed {
    let bed = LabBed::new(stem, Etcd::None);
    std::fs::create_dir(bed.at("actions")).unwrap();
    std::fs::write(bed.at("actions/sysctl.yaml"), sysctl()).unwrap();
    bed.runbook(STEPS);
    bed
}

const NOW: &str = "cat /proc/sys/net/ipv4/tcp_keepalive_time";

#[test]
fn an_action_in_yaml_plans_converges_finds_drift_and_is_rolled_back() {
    let bed = bed("yaml-action");
    let before = bed.inside(NOW);
    let (code, plan) = bed.on_host("plan", &["--format", "json"]);
    assert!(code == Some(0) && plan.contains(&format!("-{before}\\n+3600\\n")), "{plan}");
    assert_eq!(bed.inside(NOW), before);

    let (code, said) = bed.on_host("run", &["--yes"]);
    assert_eq!((code, bed.inside(NOW).as_str()), (Some(0), "3600"), "{said}");
    // It is so already, and says so.
    let (code, plan) = bed.on_host("plan", &["--detailed-exitcode"]);
    assert_eq!(code, Some(0), "{plan}");

    // The first run again: others have changed it.
    bed.inside("echo 1800 >/proc/sys/net/ipv4/tcp_keepalive_time");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.inside(NOW).as_str()), (Some(4), "1800"), "{said}");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]);
    assert_eq!((code, bed.inside(NOW)), (Some(0), before), "{said}");
}

#[test]
fn a_run_keeps_its_actions_in_yaml_and_resumes_without_them() {
    let bed = bed("kept-action");
    bed.runbook(&format!("{STEPS}\n  - {{ id: last, on: HOST, reads: true, sh: test -e /go-on }}"));
    assert_eq!(bed.on_host("run", &["--yes"]).0, Some(1));
    std::fs::remove_dir_all(bed.at("actions")).unwrap();
    // What is not as it was left is applied again.
    bed.inside("echo 1800 >/proc/sys/net/ipv4/tcp_keepalive_time; touch /go-on");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, Some(130));
    let (code, said) = bed.surefoot(&["resume", "last", "--reapply", "all"]);
    assert_eq!((code, bed.inside(NOW).as_str()), (Some(0), "3600"), "{said}");
}

#[test]
fn an_action_in_yaml_has_a_page_a_schema_and_a_hash() {
    let program = Program::new();
    std::fs::create_dir(program.path("actions")).unwrap();
    program.write("actions/sysctl.yaml", sysctl());
    let book = program.write("book.yaml", "runbook: a\nsteps:\n  - sysctl: { name: a.b, value: '1' }\n");
    let page = program.call(["actions", "sysctl"]);
    assert!(page.code == Some(0) && page.out.contains("net.ipv4.tcp_keepalive_time"), "{page:?}");
    assert!(program.call(["actions"]).out.lines().any(|line| line.contains("sysctl")));
    let schema = program.call(["schema".as_ref(), "runbook".as_ref(), "--of".as_ref(), book.as_os_str()]);
    let schema: serde_json::Value = serde_json::from_str(&schema.out).unwrap();
    assert!(schema.to_string().contains("Such as net.ipv4"), "{schema}");

    let checked = program.call(["check".as_ref(), book.as_os_str(), program.path("actions/sysctl.yaml").as_os_str()]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let hash = || {
        let plan = program.call(["plan".as_ref(), "--offline".as_ref(), "--format=json".as_ref(), book.as_os_str()]);
        serde_json::from_str::<serde_json::Value>(&plan.out).unwrap()["runbook_sha256"].to_string()
    };
    let first = hash();
    program.write("actions/sysctl.yaml", &format!("{}# changed\n", sysctl()));
    assert_ne!(first, hash());
}

#[test]
fn mistakes_in_an_action_in_yaml_are_told_before_any_host_is_touched() {
    let program = Program::new();
    std::fs::create_dir(program.path("actions")).unwrap();
    let book = program.write("book.yaml", "runbook: a\nsteps:\n  - { reads: true, sh: touch begun }\n");
    let wrong = [
        ("sh", "action: sh\napply: \"true\"\n", "E0510"),
        ("other", "action: mine\napply: \"true\"\n", "E0510"),
        ("Mine", "action: Mine\napply: \"true\"\n", "E0510"),
        ("mine", "action: mine\ninspect: \"true\"\n", "E0203"),
        ("mine", "action: mine\napply: \"true\"\nundo: \"true\"\n", "E0510"),
        ("mine", "action: mine\napply: \"true\"\ninspect: echo\nexpect: a\n", "E0510"),
        ("mine", "action: mine\nreads: true\napply: \"true\"\ninspect: echo\nundo: \"true\"\n", "E0510"),
        ("mine", "action: mine\napply: \"true\"\nparams: { before: { type: string } }\n", "E0510"),
        ("mine", "action: mine\napply: \"true\"\nparams: { a: { type: file } }\n", "E0501"),
        ("mine", "action: mine\napply: \"true\"\nresources: [\"{{ steps.a }}\"]\n", "E0308"),
        (
            "mine",
            "action: mine\napply: \"true\"\nparams: { a: { type: secret } }\nresources: [\"{{ params.a }}\"]\n",
            "E0511",
        ),
        ("mine", "action: mine\napply: \"true\"\nresources: [\"{{ params.a \"]\n", "E0503"),
        ("mine", "action: mine\napply: [a]\n", "E0501"),
        ("mine", "action: mine\naply: \"true\"\n", "E0201"),
    ];
    for (file, text, code) in wrong {
        let path = program.write(&format!("actions/{file}.yaml"), text);
        for called in [
            program.call(["check".as_ref(), path.as_os_str()]),
            program.call(["run".as_ref(), book.as_os_str(), "--yes".as_ref()]),
        ] {
            assert!(called.code == Some(2) && called.err.contains(code), "{text}: {called:?}");
        }
        assert!(!program.path("begun").exists());
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_an_action_in_yaml_prints_of_a_secret_is_refused() {
    let program = Program::new();
    std::fs::create_dir(program.path("actions")).unwrap();
    let text = "action: mine\nparams: { word: { type: secret } }\ninspect: printf %s \"$word\"\napply: \"true\"\n";
    program.write("actions/mine.yaml", text);
    let book = program.write(
        "book.yaml",
        "runbook: a\nparams: { word: { type: secret } }\nsteps:\n  - { id: a, irreversible: x, mine: { word: \"{{ params.word }}\" } }\n",
    );
    program.write("word", "a-long-secret");
    let ran = program.run(&book, ["-p", &format!("word=file:{}", program.path("word").display())]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(!format!("{:?}", ran.events).contains("a-long-secret"));
}

/// The same as the guide's, in Rust.
#[derive(Debug, Deserialize, JsonSchema)]
struct NativeSysctl {
    /// Such as net.ipv4.tcp_keepalive_time.
    name: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
struct Before {
    value: String,
}

impl NativeSysctl {
    fn path(&self) -> String {
        format!("/proc/sys/{}", self.name.replace('.', "/"))
    }

    async fn write(&self, cx: &Cx<'_>, value: &str) -> Result<(), Fault> {
        let script = Script::new(r#"printf '%s\n' "$1" >"$2""#).args([value, &self.path()]);
        cx.act(script).await?.ok("set a kernel parameter").map(drop)
    }
}

impl Action for NativeSysctl {
    const NAME: &'static str = "sysctl";
    const EXAMPLE: &'static str = "sysctl: { name: vm.swappiness, value: '10' }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("sets the value that was there before");
    type Out = ();
    type Before = Before;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let output = cx.probe(Script::new(r#"cat -- "$1""#).arg(self.path())).await?.ok("read a kernel parameter")?;
        let value = output.text().into_owned();
        match value == self.value {
            true => Ok(Inspection::Unchanged(())),
            false => {
                let (summary, diff) = (format!("set {}", self.name), None);
                Ok(Inspection::Change(Change { summary, diff, before: Before { value } }))
            }
        }
    }

    async fn apply(&self, cx: &Cx<'_>, _: &Before) -> Result<(), Fault> {
        self.write(cx, &self.value).await
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Before) -> Result<(), Fault> {
        self.write(cx, &before.value).await
    }

    fn resources(&self) -> Vec<String> {
        vec![format!("sysctl {}", self.name)]
    }
}

#[tokio::test]
async fn a_native_action_is_registered_with_one_call() {
    let bed = LabBed::new("native-action", Etcd::None);
    bed.runbook("  - { id: set, on: HOST, sysctl: { name: net.ipv4.tcp_keepalive_time, value: '3600' } }");
    let mut actions = ActionRegistry::core().unwrap();
    actions.register::<NativeSysctl>().unwrap();
    assert!(actions.register::<NativeSysctl>().is_err());
    let session = Session::new(Arc::new(actions), Catalog::default(), Store::at(bed.at("state")));
    let inventory = Some(bed.inventory().into());
    let request = Request { runbook: bed.at("r.yaml"), inventory, folder: bed.at(""), ..Request::default() };
    let prepared = session.prepare(&session.resolve(&request.runbook).unwrap().found, &request).unwrap();
    let secrets = session.secrets(&prepared).unwrap();
    let ready = session.connect(prepared, secrets, false).await.unwrap();
    let active = ready.begin(Goal::Start, &LeaseOptions::default()).await.unwrap();
    let (questions, _) = tokio::sync::mpsc::channel(1);
    let frontend = Frontend {
        observers: Vec::new(),
        questions,
        signals: Signals::listen().unwrap(),
        limits: Limits::default(),
        folder: bed.at(""),
        state: Arc::default(),
    };
    assert_eq!(active.drive(frontend).await.unwrap().outcome, Outcome::Done);
    assert_eq!(bed.inside(NOW), "3600");
}
