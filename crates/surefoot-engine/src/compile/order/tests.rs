use super::*;
use crate::action::{Action, ActionKind, Cx, Inspection, UndoSupport};
use crate::check::Need;
use crate::model::{Effect, Fault, FileId, Span, TaskName};
use crate::template::Templated;
use petgraph::algo::{has_path_connecting, is_cyclic_directed};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::LazyLock;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

impl Action for Nothing {
    const NAME: &'static str = "nothing";
    const EXAMPLE: &'static str = "nothing: {}";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = ();
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        Ok(Inspection::Unchanged(()))
    }

    async fn apply(&self, _: &Cx<'_>, _: &()) -> Result<(), Fault> {
        Ok(())
    }
}

static NOTHING: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Nothing>()));

fn step(id: &str, needs: Option<Vec<Need>>, gate: Gate) -> Step {
    let args = Templated::Value(serde_json::json!({}));
    Step { needs, gate, ..Step::plain(id.into(), Span::new(FileId(0), 0..0), NOTHING.clone(), args) }
}

fn need(step: &str) -> Need {
    Need { step: step.into(), same_host: false }
}

/// Tasks of steps on so many hosts each, `a` first.
fn tasks(steps: &[Step], hosts: &[usize]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (index, (step, hosts)) in steps.iter().zip(hosts).enumerate() {
        tasks.extend((0..*hosts).map(|host| Task {
            name: TaskName { step: step.id.clone(), host: format!("h{host}").into(), item: None },
            step: index as u32,
            args: Arc::new(step.args.clone()),
            item: None,
        }));
    }
    tasks
}

/// Whether the task `to` waits for the task `from`, both as `step@host`.
fn waits(graph: &DiGraph<GraphNode, ()>, tasks: &[Task], from: &str, to: &str) -> bool {
    let node = |name: &str| {
        let task = tasks.iter().position(|t| t.name.to_string() == name).unwrap();
        NodeIndex::new(task)
    };
    has_path_connecting(graph, node(from), node(to), None)
}

#[test]
fn a_runbook_reads_top_to_bottom_on_every_host() {
    let steps = [step("a", None, Gate::Open), step("b", None, Gate::Open), step("c", None, Gate::Open)];
    let tasks = tasks(&steps, &[2, 3, 1]);
    let graph = graph(&steps, &tasks, steps.len(), &mut IndexMap::new());
    for (from, to) in [("a@h0", "b@h2"), ("a@h1", "b@h0"), ("b@h2", "c@h0"), ("a@h1", "c@h0")] {
        assert!(waits(&graph, &tasks, from, to), "{from} before {to}");
    }
    assert!(!waits(&graph, &tasks, "a@h0", "a@h1"));
}

#[test]
fn empty_needs_start_at_once_and_later_steps_still_wait() {
    let steps = [step("a", None, Gate::Open), step("b", Some(vec![]), Gate::Open), step("c", None, Gate::Open)];
    let tasks = tasks(&steps, &[1, 1, 1]);
    let graph = graph(&steps, &tasks, steps.len(), &mut IndexMap::new());
    assert!(!waits(&graph, &tasks, "a@h0", "b@h0"));
    assert!(waits(&graph, &tasks, "a@h0", "c@h0") && waits(&graph, &tasks, "b@h0", "c@h0"));
}

#[test]
fn the_same_host_is_the_only_one_waited_for() {
    let same = Need { step: "a".into(), same_host: true };
    let steps = [step("a", None, Gate::Open), step("b", Some(vec![same]), Gate::Open), step("c", None, Gate::Open)];
    let tasks = tasks(&steps, &[3, 2, 1]);
    let graph = graph(&steps, &tasks, steps.len(), &mut IndexMap::new());
    assert!(waits(&graph, &tasks, "a@h0", "b@h0") && !waits(&graph, &tasks, "a@h1", "b@h0"));
    assert!(waits(&graph, &tasks, "a@h2", "c@h0"), "a host that b does not have is waited for by c");
}

#[test]
fn a_barrier_holds_back_even_what_needs_nothing() {
    let steps = [
        step("a", None, Gate::Open),
        step("b", Some(vec![]), Gate::Open),
        step("wall", Some(vec![]), Gate::Barrier),
        step("c", Some(vec![]), Gate::Open),
    ];
    let tasks = tasks(&steps, &[2, 2, 1, 2]);
    let graph = graph(&steps, &tasks, steps.len(), &mut IndexMap::new());
    for (from, to) in [("a@h0", "wall@h0"), ("b@h1", "wall@h0"), ("wall@h0", "c@h1"), ("a@h1", "c@h0")] {
        assert!(waits(&graph, &tasks, from, to), "{from} before {to}");
    }
}

#[test]
fn a_step_without_hosts_passes_the_order_on() {
    let steps = [step("a", None, Gate::Open), step("none", None, Gate::Open), step("c", None, Gate::Open)];
    let tasks = tasks(&steps, &[2, 0, 1]);
    assert!(waits(&graph(&steps, &tasks, steps.len(), &mut IndexMap::new()), &tasks, "a@h1", "c@h0"));
}

#[test]
fn needs_may_point_forward() {
    let steps = [step("a", Some(vec![need("b")]), Gate::Open), step("b", Some(vec![]), Gate::Open)];
    let tasks = tasks(&steps, &[1, 1]);
    assert!(waits(&graph(&steps, &tasks, steps.len(), &mut IndexMap::new()), &tasks, "b@h0", "a@h0"));
}

proptest! {
    #[test]
    fn any_order_is_acyclic_and_keeps_what_needs_say(
        spec in prop::collection::vec((0usize..4, prop::option::of(prop::collection::vec(any::<prop::sample::Index>(), 0..3)), any::<u8>()), 1..12)
    ) {
        let steps: Vec<Step> = spec.iter().enumerate().map(|(i, (_, needs, gate))| {
            let needs = needs.as_ref().filter(|_| i > 0).map(|n| n.iter().map(|x| need(&format!("s{}", x.index(i)))).collect());
            step(&format!("s{i}"), needs, if gate % 8 == 0 { Gate::Barrier } else { Gate::Open })
        }).collect();
        let hosts: Vec<usize> = spec.iter().map(|(hosts, ..)| *hosts).collect();
        let tasks = tasks(&steps, &hosts);
        let graph = graph(&steps, &tasks, steps.len(), &mut IndexMap::new());
        prop_assert!(!is_cyclic_directed(&graph));
        for (i, later) in steps.iter().enumerate() {
            for (j, earlier) in steps.iter().enumerate().take(i) {
                let must = match &later.needs {
                    None => true,
                    Some(needs) => later.gate == Gate::Barrier || earlier.gate == Gate::Barrier
                        || needs.iter().any(|n| n.step == earlier.id),
                };
                for from in tasks.iter().filter(|t| t.step == j as u32 && must) {
                    for to in tasks.iter().filter(|t| t.step == i as u32) {
                        prop_assert!(waits(&graph, &tasks, &from.name.to_string(), &to.name.to_string()));
                    }
                }
            }
        }
    }
}
