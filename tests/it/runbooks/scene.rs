//! An example and its lab, in the starting state that its own rehearsal makes.

use crate::support::program::{Called, Program, Ran, Running};
use std::path::{Path, PathBuf};
use surefoot_engine::load;
use surefoot_engine::model::Sources;
use surefoot_lab::lab::{LabGuard, LabName};

pub struct Scene {
    pub lab: LabGuard,
    pub program: Program,
    pub runbook: PathBuf,
    /// Inventory, roles, and the answers to questions.
    words: Vec<String>,
    /// The rehearsal's own parameters.
    params: Vec<String>,
}

impl Scene {
    /// In a lab that is named after `stem`.
    pub fn set(stem: &str, example: &str) -> Scene {
        Scene::of(stem, &format!("examples/{example}"))
    }

    /// Any shipped runbook that has a rehearsal, such as `etcd/tune-leader`.
    pub fn of(stem: &str, shipped: &str) -> Scene {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(shipped);
        let rehearsal = shipped.with_extension("rehearse.yaml");
        let rehearsal = surefoot_lab::rehearse::load(&rehearsal, &mut Sources::default()).unwrap();
        let name = LabName::of_this_process(stem).unwrap();
        let lab = LabGuard::up(&rehearsal.lab.clone().spec(name), &|_| {}).unwrap();
        let mut words = vec!["-i".to_owned(), lab.inventory().display().to_string()];
        words.extend(rehearsal.binds.iter().flat_map(|bind| ["--bind".to_owned(), bind.clone()]));
        words.extend(["--approve", "all"].map(str::to_owned));
        let text = |given: &load::GivenParameter| match given.value.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let params = rehearsal.params.iter().map(|given| format!("{}={}", given.key.text, text(given)));
        let params = params.flat_map(|given| ["-p".to_owned(), given]).collect();
        let runbook = shipped.with_extension("yaml");
        let scene = Scene { lab, program: Program::new(), runbook, words, params };
        // What a setup uses lies beside its rehearsal.
        let mut copy = std::process::Command::new("cp");
        copy.arg("-r").arg(shipped.parent().unwrap().join(".")).arg(scene.program.path(""));
        assert!(copy.status().unwrap().success());
        for stage in [rehearsal.setup, rehearsal.damage].into_iter().flatten() {
            // JSON is YAML.
            let stage = scene.program.write("stage.yaml", &stage.root.to_json().to_string());
            scene.program.run(&stage, &scene.words).done();
        }
        scene
    }

    /// The example, with the roles and parameters of its rehearsal as far as these words say no others.
    pub fn run(&self, more: &[&str]) -> Ran {
        self.program.run(&self.runbook, self.all(more))
    }

    /// What it would do.
    pub fn plan(&self, more: &[&str]) -> Called {
        // Nobody is asked in a plan.
        let asks = self.words.iter().position(|word| word == "--approve").expect("every scene approves");
        let words = self.words[..asks].iter().chain(&self.words[asks + 2..]).chain(&self.params).cloned();
        let plan = ["plan".to_owned(), self.runbook.display().to_string()].into_iter().chain(words);
        self.program.call(plan.chain(more.iter().map(|word| (*word).to_owned())))
    }

    pub fn start(&self, more: &[&str]) -> Running {
        self.program.start(&self.runbook, self.all(more))
    }

    fn all(&self, more: &[&str]) -> Vec<String> {
        let more = more.iter().map(|word| (*word).to_owned());
        self.words.iter().chain(&self.params).cloned().chain(more).collect()
    }

    /// `resume` or `rollback` of the last run.
    pub fn go_on(&self, verb: &str) -> Called {
        self.program.call([verb, "last", "--yes", "--approve", "all"])
    }

    #[track_caller]
    pub fn back(&self) {
        let back = self.go_on("rollback");
        assert_eq!(back.code, Some(0), "{}{}", back.out, back.err);
    }

    /// From now on, the example with one place of it replaced; gives the one before.
    pub fn alter(&mut self, place: &str, by: &str) -> PathBuf {
        let text = std::fs::read_to_string(&self.runbook).unwrap();
        assert_eq!(text.matches(place).count(), 1, "{place}");
        let altered = self.program.write("altered.yaml", &text.replace(place, by));
        std::mem::replace(&mut self.runbook, altered)
    }

    /// A script on a host, past ssh: to break something, or to look.
    #[track_caller]
    pub fn inside(&self, host: &str, script: &str) -> String {
        let output = self.lab.enter(&host.parse().unwrap(), &["sh", "-ec", script]).unwrap().output().unwrap();
        assert!(output.status.success(), "{host}: {script}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub fn address(&self, host: &str) -> std::net::Ipv4Addr {
        self.lab.address(&host.parse().unwrap()).unwrap()
    }
}
