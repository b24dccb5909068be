//! Which steps are certainly finished before another starts, and which wait for one another.
//!
//! Works on the graph of waiting: a step without `needs` waits for a *prefix*, which stands for all steps up to one,
//! so that the graph stays as small as the list.

use super::checked::{Gate, Need};
use super::context::CheckContext;
use super::parsed_step::ParsedStep;
use crate::model::Diagnostic;
use petgraph::algo::toposort;
use petgraph::graph::DiGraph;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};

/// The steps that have an id, by it.
pub(super) type Ids<'d> = HashMap<&'d str, usize>;

/// Waits for a node: for all its hosts, or for the same host only.
#[derive(Clone, Copy)]
struct WaitsFor {
    node: usize,
    same_host: bool,
}

/// The graph of waiting over some steps. Nodes `0..n` are steps, `n + i` is the prefix up to step `i`.
pub(super) struct WaitGraph<'d> {
    drafts: &'d [ParsedStep],
    waits: Vec<Vec<WaitsFor>>,
    /// The steps that need a step below them.
    forward: Vec<usize>,
    /// What is finished before a step, by step.
    finished: RefCell<HashMap<usize, Finished>>,
}

/// What is certainly finished at some point.
#[derive(Default)]
struct Finished {
    /// All steps before this one, on all hosts.
    below: usize,
    /// Others, on all hosts.
    everywhere: HashSet<usize>,
    /// Others, on the same host.
    here: HashSet<usize>,
}

/// Finds the ids; refuses those given twice.
pub(super) fn ids<'d>(reader: &mut CheckContext, drafts: &'d [ParsedStep]) -> Ids<'d> {
    let mut ids = Ids::new();
    for (index, draft) in drafts.iter().enumerate() {
        let Some(span) = draft.named else { continue };
        if let Some(first) = ids.get(draft.id.as_str()) {
            let problem = Diagnostic::error("E0302", span, format!("another step has the id `{}`", draft.id));
            let first: &ParsedStep = &drafts[*first];
            reader.problems.push(problem.here("again").label(first.span, "first here"));
            continue;
        }
        ids.insert(draft.id.as_str(), index);
    }
    ids
}

impl<'d> WaitGraph<'d> {
    /// Builds the graph, refusing unknown steps in `needs` and cycles.
    pub fn of(reader: &mut CheckContext, drafts: &'d [ParsedStep], ids: &Ids) -> Self {
        let n = drafts.len();
        let mut waits: Vec<Vec<WaitsFor>> = vec![Vec::new(); 2 * n];
        let all = |node| WaitsFor { node, same_host: false };
        let mut barrier = None;
        for (i, draft) in drafts.iter().enumerate() {
            waits[n + i].push(all(i));
            let above = i.checked_sub(1).map(|above| all(n + above));
            waits[n + i].extend(above);
            waits[i].extend(in_one_roll(drafts, i).then(|| all(i - 1)));
            match &draft.needs {
                Some(needs) if draft.gate == Gate::Open => {
                    waits[i].extend(barrier.map(all));
                    waits[i].extend(needs.iter().filter_map(|need| resolve(reader, draft, need, drafts, ids)));
                }
                Some(needs) => {
                    waits[i].extend(above);
                    waits[i].extend(needs.iter().filter_map(|need| resolve(reader, draft, need, drafts, ids)));
                }
                None => waits[i].extend(above),
            }
            if draft.gate == Gate::Barrier {
                barrier = Some(i);
            }
        }
        let is_forward = |i: &usize| waits[*i].iter().any(|wait| wait.node < n && wait.node > *i);
        let forward = (0..n).filter(is_forward).collect();
        let order = WaitGraph { drafts, waits, forward, finished: RefCell::default() };
        order.refuse_cycles(reader, ids);
        order
    }

    /// Whether `target` is certainly finished when `step` starts: on every host, or on the step's own host only.
    pub fn is_finished(&self, step: usize, target: usize, every_host: bool) -> bool {
        if self.drafts[step].needs.is_none() {
            return target < step;
        }
        let mut known = self.finished.borrow_mut();
        let found = known.entry(step).or_insert_with(|| self.finished_before(step));
        target < found.below || found.everywhere.contains(&target) || (!every_host && found.here.contains(&target))
    }

    fn finished_before(&self, step: usize) -> Finished {
        let n = self.drafts.len();
        let mut found = Finished::default();
        let mut open = vec![(step, false)];
        while let Some((at, every)) = open.pop() {
            for wait in self.waits[at].iter().filter(|wait| self.counts(at, **wait)) {
                // The controller is one host: there, the same is every.
                let every = every || !wait.same_host || self.drafts[at].on.is_none();
                if wait.node >= n {
                    // A prefix is all its steps, and what those need below it.
                    let new = found.below..wait.node - n + 1;
                    open.extend(self.forward.iter().filter(|i| new.contains(*i)).map(|i| (*i, true)));
                    found.below = found.below.max(new.end);
                } else if wait.node >= found.below {
                    let set = if every { &mut found.everywhere } else { &mut found.here };
                    if set.insert(wait.node) {
                        open.push((wait.node, every));
                    }
                }
            }
        }
        found
    }

    /// A wait for the same host counts only between steps that run on the same hosts.
    fn counts(&self, from: usize, wait: WaitsFor) -> bool {
        !wait.same_host || self.drafts[from].on == self.drafts[wait.node].on
    }

    /// Every cycle has a step that needs itself or one below it.
    fn refuse_cycles(&self, reader: &mut CheckContext, ids: &Ids) {
        if !self.has_cycle() {
            return;
        }
        let mut told: HashSet<Vec<usize>> = HashSet::new();
        for (i, draft) in self.drafts.iter().enumerate() {
            for (need, span) in draft.needs.iter().flatten() {
                let Some(&target) = ids.get(need.step.as_str()).filter(|target| **target >= i) else { continue };
                let Some(path) = self.path(target, i) else { continue };
                let mut members = path.clone();
                members.sort_unstable();
                if told.insert(members) {
                    reader.problems.push(self.cycle(i, &path, *span));
                }
            }
        }
    }

    /// Whether there may be a cycle at all, by the waits for every host and for the same host alike.
    fn has_cycle(&self) -> bool {
        let waits = self.waits.iter().enumerate();
        let edges = waits.flat_map(|(node, waits)| waits.iter().map(move |wait| (node, wait.node)));
        toposort(&DiGraph::<(), (), usize>::from_edges(edges), None).is_err()
    }

    /// The steps on the shortest way of waits from one step to another, both included.
    fn path(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut came: HashMap<usize, usize> = HashMap::from([(from, from)]);
        let mut open = VecDeque::from([from]);
        while let Some(at) = open.pop_front() {
            if at == to {
                let mut path = vec![at];
                let mut at = at;
                while at != from {
                    at = came[&at];
                    path.push(at);
                }
                path.reverse();
                path.retain(|node| *node < self.drafts.len());
                return Some(path);
            }
            for wait in self.waits[at].iter().filter(|wait| self.counts(at, **wait)) {
                came.entry(wait.node).or_insert_with(|| {
                    open.push_back(wait.node);
                    at
                });
            }
        }
        None
    }

    /// `path` leads from what `first` needs back to `first`.
    fn cycle(&self, first: usize, path: &[usize], span: crate::model::Span) -> Diagnostic {
        let id = |at: usize| &self.drafts[at].id;
        if path.len() == 1 {
            return Diagnostic::error("E0401", span, format!("`{}` waits for itself", id(first)));
        }
        let names: Vec<String> = path.iter().map(|at| format!("`{}`", id(*at))).collect();
        let message = format!("steps wait for one another: `{}`, {}", id(first), names.join(", "));
        let mut problem =
            Diagnostic::error("E0401", span, message).here(format!("`{}` waits for `{}`", id(first), id(path[0])));
        for pair in path.windows(2) {
            problem =
                problem.label(self.drafts[pair[0]].span, format!("`{}` waits for `{}`", id(pair[0]), id(pair[1])));
        }
        problem.help("without `needs` a step waits for every step above it")
    }
}

fn resolve(
    reader: &mut CheckContext,
    draft: &ParsedStep,
    (need, span): &(Need, crate::model::Span),
    drafts: &[ParsedStep],
    ids: &Ids,
) -> Option<WaitsFor> {
    let Some(&node) = ids.get(need.step.as_str()) else {
        let message = format!("no step has the id `{}`", need.step);
        let user = need.step.as_str().split_once('.').and_then(|(user, _)| ids.get_key_value(user));
        match user.filter(|(_, index)| drafts[**index].used.is_some()) {
            Some((user, _)) => {
                let problem = Diagnostic::error("E0303", *span, message);
                let help = format!("what is within a used runbook is its own: wait for all of `{user}`");
                reader.problems.push(problem.help(help).fix(*span, *user));
            }
            None => reader.unknown("E0303", *span, message, need.step.as_str(), ids.keys().copied()),
        }
        return None;
    };
    if need.same_host && (drafts[node].roll.is_some() || draft.roll.is_some()) {
        let problem = Diagnostic::error("E0404", *span, "a roll waits, and is waited for, as a whole");
        reader.problems.push(problem.help("leave `host: same` away"));
        return None;
    }
    let on = &drafts[node].on;
    if need.same_host && *on != draft.on && (on.is_none() || draft.on.is_none()) {
        let message = format!("`{}` runs on other hosts: there is no same host to wait for", need.step);
        reader.error("E0404", *span, message);
        return None;
    }
    Some(WaitsFor { node: end(drafts, node), same_host: need.same_host })
}

/// Whether a step follows another of its own roll.
fn in_one_roll(drafts: &[ParsedStep], step: usize) -> bool {
    step > 0 && drafts[step].roll.is_some() && drafts[step].roll_id() == drafts[step - 1].roll_id()
}

/// The step that is waited for where this one is: of a roll, its last.
fn end(drafts: &[ParsedStep], step: usize) -> usize {
    (step..).find(|step| step + 1 == drafts.len() || !in_one_roll(drafts, step + 1)).expect("a list ends")
}
