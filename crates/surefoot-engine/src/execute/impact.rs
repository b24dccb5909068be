//! Changes that a plan foresees, and whether a look at something else tells anything once they are made.
//!
//! Errs on the side of doubt: what only its author knows may change anything on its host, what runs on the controller
//! anything anywhere, and a look that does not say what it is about may be about anything.

use crate::compile::{GraphNode, Program};
use crate::model::{HostName, StepId};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// What a task will change.
pub(super) struct PendingChange {
    pub host: HostName,
    /// The things on its host; none where nobody knows.
    pub things: Option<Vec<String>>,
    /// The run's own folder, where all of them lie in it: only commands, and who names it, look there.
    folder: Option<String>,
}

/// What a task is about.
pub(super) struct TaskSubject<'a> {
    pub host: &'a HostName,
    /// The things on its host; empty where it may be about anything.
    pub things: Vec<String>,
    /// Every text in its parameters.
    pub texts: Vec<String>,
    /// Nobody knows where it looks.
    pub command: bool,
}

impl PendingChange {
    pub fn new(host: HostName, things: Vec<String>, run_dir: &str) -> PendingChange {
        let own = !things.is_empty() && things.iter().all(|thing| thing.starts_with(run_dir));
        let folder = own.then(|| run_dir.to_owned());
        // What a unit runs makes and changes files of its own.
        let known = things.iter().all(|thing| thing.starts_with('/') || thing.starts_with(CONTROLLER));
        PendingChange { host, folder, things: (known && !things.is_empty()).then_some(things) }
    }

    pub fn anything(host: HostName) -> PendingChange {
        PendingChange { host, things: None, folder: None }
    }

    /// Whether it may change what a look at the subject finds.
    pub fn concerns(&self, subject: &TaskSubject<'_>) -> bool {
        let named = |thing: &String| {
            let path = thing.strip_prefix(CONTROLLER).unwrap_or(thing);
            subject.texts.iter().any(|text| text.contains(path))
        };
        let Some(things) = &self.things else {
            let names_it = || subject.texts.iter().any(|text| *text == self.host.as_str());
            return self.host == *subject.host || self.host.is_controller() || subject.things.is_empty() || names_it();
        };
        if things.iter().any(named) {
            return true;
        }
        if let Some(folder) = &self.folder {
            let looks_there = subject.texts.iter().any(|text| text.contains(folder));
            return looks_there || subject.command && self.host == *subject.host;
        }
        let overlap = |thing: &String| subject.things.iter().any(|own| is_same(own, thing) || is_same(thing, own));
        subject.things.is_empty() || self.host == *subject.host && things.iter().any(overlap)
    }
}

/// How an action says that it makes something on the controller.
const CONTROLLER: &str = "controller:";

/// Whether a thing is another or lies in it; or is a unit whose file may be the other.
fn is_same(thing: &str, other: &str) -> bool {
    let unit_file = thing.starts_with("unit ") && other.contains("/systemd/");
    unit_file || thing.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every text in there.
pub(super) fn texts(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::String(text) => found.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Json::Object(entries) => entries.values().for_each(|entry| texts(entry, found)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// The changes that come before each task.
pub(super) struct Pending<'p> {
    program: &'p Program,
    /// The order, with the batches that were chosen so far.
    graph: DiGraph<GraphNode, ()>,
    nodes: Vec<NodeIndex>,
    /// By step: its tasks that change something.
    changes: HashMap<u32, Vec<PendingChange>>,
    changing: BTreeSet<u32>,
    /// For each node that was asked about, the steps before it of which a task changes something.
    before: HashMap<NodeIndex, Rc<BTreeSet<u32>>>,
}

impl<'p> Pending<'p> {
    pub fn new(program: &'p Program) -> Pending<'p> {
        let graph = program.graph.clone();
        let mut nodes = vec![NodeIndex::end(); program.tasks.len()];
        for node in graph.node_indices() {
            if let GraphNode::Task(task) = graph[node] {
                nodes[task as usize] = node;
            }
        }
        let (changes, changing, before) = Default::default();
        Pending { program, graph, nodes, changes, changing, before }
    }

    pub fn add_arrows(&mut self, arrows: &[(NodeIndex, NodeIndex)]) {
        for (from, to) in arrows {
            self.graph.add_edge(*from, *to, ());
        }
    }

    pub fn add(&mut self, task: u32, change: PendingChange) {
        self.changing.insert(task);
        self.changes.entry(self.program.tasks[task as usize].step).or_default().push(change);
    }

    /// The steps before a task that may change what a look at the subject finds, in the order of the file. All that
    /// comes before it was looked at.
    pub fn before(&mut self, task: u32, subject: &TaskSubject<'_>) -> Vec<StepId> {
        let steps = match self.program.is_finally(&self.program.tasks[task as usize]) {
            true => Rc::new(self.changes.keys().copied().collect()),
            false => self.steps_before(self.nodes[task as usize]),
        };
        let concerns = |step: &&u32| self.changes[*step].iter().any(|change| change.concerns(subject));
        steps.iter().filter(concerns).map(|step| self.program.steps[*step as usize].id.clone()).collect()
    }

    fn steps_before(&mut self, node: NodeIndex) -> Rc<BTreeSet<u32>> {
        // No recursion: a chain may be as long as a program.
        let mut open = vec![node];
        while let Some(at) = open.last().copied() {
            if self.before.contains_key(&at) {
                open.pop();
                continue;
            }
            let earlier: Vec<NodeIndex> = self.graph.neighbors_directed(at, Direction::Incoming).collect();
            let unknown: Vec<NodeIndex> =
                earlier.iter().copied().filter(|node| !self.before.contains_key(node)).collect();
            if !unknown.is_empty() {
                open.extend(unknown);
                continue;
            }
            let steps = self.union(&earlier);
            self.before.insert(at, steps);
            open.pop();
        }
        self.before[&node].clone()
    }

    fn union(&self, earlier: &[NodeIndex]) -> Rc<BTreeSet<u32>> {
        let own = |node: &NodeIndex| match self.graph[*node] {
            GraphNode::Task(task) => self.changing.contains(&task).then_some(self.program.tasks[task as usize].step),
            GraphNode::Join(_) => None,
        };
        if let [only] = earlier
            && own(only).is_none()
        {
            return self.before[only].clone();
        }
        let mut steps = BTreeSet::new();
        for node in earlier {
            steps.extend(self.before[node].iter().copied().chain(own(node)));
        }
        Rc::new(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concerns(change: (&str, &[&str]), subject: (&str, &[&str], &[&str])) -> bool {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let change = PendingChange::new(change.0.into(), all(change.1), "/run/own");
        let (host, things, texts) = (HostName::from(subject.0), all(subject.1), all(subject.2));
        change.concerns(&TaskSubject { host: &host, things, texts, command: false })
    }

    #[test]
    fn a_change_concerns_what_is_about_the_same_thing() {
        let file = ("a", &["/etc/x/y"][..]);
        assert!(concerns(file, ("a", &["/etc/x/y"], &[])) && concerns(file, ("a", &["/etc/x"], &[])));
        assert!(!concerns(file, ("a", &["/etc/z"], &[])) && !concerns(file, ("b", &["/etc/x/y"], &[])));
        assert!(concerns(file, ("b", &[], &[])), "what may be about anything");
        assert!(concerns(file, ("b", &["/tmp/z"], &["cat /etc/x/y"])), "what names it");
    }

    #[test]
    fn who_runs_a_unit_may_have_changed_anything_there() {
        let unit = ("a", &["unit etcd"][..]);
        assert!(concerns(unit, ("a", &["/var/lib/etcd"], &[])) && !concerns(unit, ("b", &["/var/lib/etcd"], &[])));
        assert!(concerns(("a", &["/etc/systemd/system/etcd.service"]), ("a", &["unit etcd"], &[])));
    }

    #[test]
    fn what_lies_in_the_folder_of_the_run_is_seen_by_who_names_it() {
        let own = ("a", &["/run/own/db"][..]);
        assert!(!concerns(own, ("a", &[], &["members"])) && concerns(own, ("b", &[], &["/run/own/db"])));
        assert!(concerns(own, ("a", &[], &["/run/own"])), "what names the folder");
        let (host, change) =
            (HostName::from("a"), PendingChange::new("a".into(), vec!["/run/own/db".into()], "/run/own"));
        assert!(change.concerns(&TaskSubject { host: &host, things: vec![], texts: vec!["ls".into()], command: true }));
    }

    #[test]
    fn nobody_knows_what_a_command_changes() {
        let anything = |host: &str| PendingChange::anything(host.into());
        let subject = |host: &'static str, texts: &[&str]| {
            (HostName::from(host), texts.iter().map(|t| (*t).to_owned()).collect())
        };
        let concerns = |change: PendingChange, (host, texts): (HostName, Vec<String>)| {
            change.concerns(&TaskSubject { host: &host, things: vec!["/etc/x".into()], texts, command: false })
        };
        assert!(concerns(anything("a"), subject("a", &[])) && concerns(anything("controller"), subject("a", &[])));
        assert!(!concerns(anything("b"), subject("a", &[])) && concerns(anything("b"), subject("a", &["b"])));
    }
}
