//! Renders what is known before a run: parameters, hosts, items, and the vars made of those. Secrets are not.

use super::program::{RunbookScope, Task};
use super::roll::Roll;
use super::scopes::HostValues;
use crate::action::ActionKind;
use crate::action::Period;
use crate::check::{BatchChoice, RollPart, Schemas, Step, fit_so_far};
use crate::model::{Diagnostic, HostName, TaskName, TextPosition};
use crate::template::{LazyVars, Ref, Scope, Seg, Template, TemplateFault, Templated};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// When the value of a reference is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BindingTime {
    /// The same for every task: parameters, roles.
    Always,
    /// Once host and item are chosen.
    PerTask,
    /// Only in the run.
    Late,
}

/// Settles the steps of one frame.
pub(super) struct PartialEvaluator<'a> {
    scope: Scope,
    hosts: &'a HostValues,
    vars: HashMap<&'a str, BindingTime>,
    /// Parameters that are known only in the run.
    late: HashSet<String>,
    /// Whether all of the frame may be skipped.
    frame_may_be_skipped: bool,
    /// Made once for each kind of action.
    schemas: RefCell<HashMap<&'static str, Rc<Schemas>>>,
}

impl<'a> PartialEvaluator<'a> {
    /// `secrets` are parameters of the first frame; `outer` settles the frame around this one.
    pub fn new<'s>(
        vars: &'a LazyVars,
        frame: &'s RunbookScope,
        secrets: impl Iterator<Item = &'s String>,
        hosts: &'a HostValues,
        outer: Option<&PartialEvaluator>,
    ) -> Self {
        let late = frame.params.iter().filter(|param| param.is_late()).map(|param| &param.name);
        let mut settler = PartialEvaluator {
            scope: frame.scope.clone(),
            hosts,
            vars: HashMap::new(),
            late: late.chain(secrets).cloned().collect(),
            frame_may_be_skipped: frame.when.is_some() || outer.is_some_and(|outer| outer.frame_may_be_skipped),
            schemas: RefCell::default(),
        };
        for name in vars.keys() {
            settler.var(name, vars);
        }
        settler
    }

    fn var(&mut self, name: &'a str, vars: &'a LazyVars) -> BindingTime {
        if let Some(known) = self.vars.get(name) {
            return *known;
        }
        // The check has refused cycles; this bound keeps a mistake there from becoming an endless loop.
        self.vars.insert(name, BindingTime::Late);
        let mut known = BindingTime::Always;
        let mut inner = Vec::new();
        vars[name].each_ref(&mut |r| match (r.name(0), r.name(1)) {
            (Some("vars"), Some(other)) => inner.push(other),
            _ => known = known.max(self.of(r)),
        });
        let inner = inner.into_iter().filter_map(|other| vars.get_key_value(other));
        let known = inner.map(|(other, _)| self.var(other, vars)).fold(known, BindingTime::max);
        self.vars.insert(name, known);
        known
    }

    fn of(&self, r: &Ref) -> BindingTime {
        match (r.name(0), r.name(1)) {
            (Some("params"), Some(name)) if self.late.contains(name) => BindingTime::Late,
            (Some("params"), None) if !self.late.is_empty() => BindingTime::Late,
            (Some("params" | "hosts"), _) => BindingTime::Always,
            (Some("host" | "item"), _) => BindingTime::PerTask,
            (Some("vars"), Some(name)) => self.vars.get(name).copied().unwrap_or(BindingTime::Late),
            _ => BindingTime::Late,
        }
    }

    /// What a step with these `vars` passes on to the runbook that it uses, as far as it is known by now.
    pub fn known(&self, given: &Templated, scope: &Scope, vars: &LazyVars) -> Result<Templated, Diagnostic> {
        let own = |r: &Ref| r.name(0) == Some("vars") && r.name(1).is_none_or(|name| vars.contains_key(name));
        match given.simplify(scope, &|r| !own(r) && self.of(r) == BindingTime::Always) {
            Err(_) if self.frame_may_be_skipped => Ok(given.clone()),
            settled => settled.map_err(diagnostic),
        }
    }

    /// How many of so many hosts a batch of a roll has at most.
    pub fn batch(&self, step: &Step, choice: &BatchChoice, hosts: usize) -> Result<usize, Diagnostic> {
        let mut late = false;
        choice.batch.each_ref(&mut |r| late |= self.of(r) == BindingTime::Late);
        if late {
            return Err(Diagnostic::error("E0502", step.span, "`batch` must be known before the run"));
        }
        let batch = choice.batch.render(&self.scope).map_err(diagnostic)?;
        BatchChoice::size_of(&batch, hosts).map_err(|why| Diagnostic::error("E0508", step.span, why))
    }

    /// A step's tasks: hosts times items, or times the batches of its roll. Every template that fails on the way is
    /// told.
    pub fn tasks(
        &mut self,
        index: u32,
        step: &Step,
        on: &[HostName],
        roll: Option<&Roll>,
    ) -> Result<Vec<Task>, Vec<Diagnostic>> {
        let part = step.roll.as_ref().map(|place| &place.part);
        match (roll, part) {
            (Some(roll), Some(RollPart::Choice(_))) => Ok(choices(index, step, roll)),
            (Some(roll), Some(RollPart::Gate)) => {
                let tasks = self.plain(index, step, on)?;
                let passes =
                    |task: &Task| (0..roll.passes() as u32).map(|pass| numbered(task, pass)).collect::<Vec<_>>();
                Ok(tasks.iter().flat_map(passes).collect())
            }
            _ => self.plain(index, step, on),
        }
    }

    fn plain(&mut self, index: u32, step: &Step, on: &[HostName]) -> Result<Vec<Task>, Vec<Diagnostic>> {
        let shared = self.step_args(step).map_err(|fault| vec![diagnostic(fault)])?;
        if let Some(args) = &shared
            && self.takes_place(step, &self.scope, BindingTime::Always).map_err(|d| vec![d])?
        {
            self.fits(args, step).map_err(|d| vec![d])?;
        }
        let mut tasks = Vec::with_capacity(on.len());
        let mut problems = Vec::new();
        for host in on {
            match self.host_tasks(index, step, host, shared.as_ref()) {
                Ok(made) => tasks.extend(made),
                Err(problem) if problems.contains(&problem) => {}
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(tasks) } else { Err(problems) }
    }

    /// The parameters, where they are the same for every task of the step.
    fn step_args(&self, step: &Step) -> Result<Option<Arc<Templated>>, TemplateFault> {
        let mut per_task = !step.vars.is_empty();
        step.args.each_ref(&mut |r| per_task |= self.of(r) == BindingTime::PerTask);
        if per_task {
            return Ok(None);
        }
        self.simplify(step, &self.scope, &|r| self.of(r) == BindingTime::Always).map(|args| Some(Arc::new(args)))
    }

    fn host_tasks(
        &self,
        index: u32,
        step: &Step,
        host: &HostName,
        shared: Option<&Arc<Templated>>,
    ) -> Result<Vec<Task>, Diagnostic> {
        let scope = self.scope.with("host", Value::from(Serde(&self.hosts[host])));
        let Some(items) = self.items(step, &scope)? else {
            return Ok(vec![self.task(index, step, host, None, shared, &scope)?]);
        };
        let items = items.into_iter().enumerate();
        items.map(|(at, item)| self.task(index, step, host, Some((at as u32, item)), shared, &scope)).collect()
    }

    fn items(&self, step: &Step, scope: &Scope) -> Result<Option<Vec<Json>>, Diagnostic> {
        let Some(list) = &step.for_each else { return Ok(None) };
        let mut late = None;
        list.each_ref(&mut |r| late = late.or((self.of(r) == BindingTime::Late).then_some(r)));
        if let Some(name) = late.map(|r| r.path.iter().filter_map(Seg::as_name).collect::<Vec<_>>().join(".")) {
            let message = format!(
                "`for_each` must be known before the run, and `{name}` is not: the step that uses this runbook reads it from others"
            );
            return Err(Diagnostic::error("E0502", step.span, message));
        }
        match list.render(scope).map_err(diagnostic)? {
            Json::Array(items) => Ok(Some(items)),
            other => Err(Diagnostic::error("E0509", step.span, format!("`for_each` needs a list, not {other}"))),
        }
    }

    fn task(
        &self,
        index: u32,
        step: &Step,
        host: &HostName,
        item: Option<(u32, Json)>,
        shared: Option<&Arc<Templated>>,
        scope: &Scope,
    ) -> Result<Task, Diagnostic> {
        let name = TaskName { step: step.id.clone(), host: host.clone(), item: item.as_ref().map(|(at, _)| *at) };
        let item = item.map(|(_, item)| item);
        let scope = item.iter().fold(scope.clone(), |s, item| s.with("item", Value::from(Serde(item))));
        let takes_place = self.takes_place(step, &scope, BindingTime::PerTask)?;
        let args = match shared {
            Some(args) => args.clone(),
            None => {
                let known = |r: &Ref| !is_own(step, r) && self.of(r) <= BindingTime::PerTask;
                let args = Arc::new(self.simplify(step, &scope, &known).map_err(diagnostic)?);
                if takes_place {
                    self.fits(&args, step)?;
                }
                args
            }
        };
        if takes_place {
            self.settings(step, step, &scope)?;
            step.undo.iter().chain(step.reconcile.as_deref()).try_for_each(|inner| self.inner(inner, step, &scope))?;
        }
        Ok(Task { name, step: index, args, item })
    }

    /// Parameters that are known must make an action now, not in the middle of a run; where some are not, each of the
    /// others must be one that the action takes.
    fn fits(&self, args: &Templated, step: &Step) -> Result<(), Diagnostic> {
        let kind = &step.kind;
        let fits = match args.as_value() {
            Some(value) => (kind.decode)(value.clone()).map(drop),
            None => fit_so_far(&self.schemas(kind), args),
        };
        fits.map_err(|why| Diagnostic::error("E0508", step.span, format!("`{}`: {why}", kind.name)))
    }

    fn schemas(&self, kind: &ActionKind) -> Rc<Schemas> {
        self.schemas.borrow_mut().entry(kind.name).or_insert_with(|| Rc::new(Schemas::of(kind))).clone()
    }

    /// A step of an undo, or a probe, as far as it is known. `own` are the keys of the step that it belongs to.
    fn inner(&self, inner: &Step, own: &Step, scope: &Scope) -> Result<(), Diagnostic> {
        let known = |r: &Ref| !is_own(own, r) && !is_own(inner, r) && self.of(r) <= BindingTime::PerTask;
        let mut waits = false;
        inner.args.each_ref(&mut |_| waits = true);
        // The check has seen what reads nothing.
        if waits && let Ok(args) = inner.args.simplify(scope, &known) {
            self.fits(&args, inner)?;
        }
        self.settings(inner, own, scope)
    }

    /// The keys beside a step's action, as far as they are known, give what the run needs. `own`: the step whose `vars`
    /// are seen there, too.
    fn settings(&self, step: &Step, own: &Step, scope: &Scope) -> Result<(), Diagnostic> {
        let known = |r: &Ref| !is_own(own, r) && !is_own(step, r) && self.of(r) <= BindingTime::PerTask;
        let keys = [("become", &step.user), ("stdin", &step.stdin), ("cwd", &step.cwd)];
        let keys = keys.into_iter().filter_map(|(key, late)| Some((key, late.as_ref()?)));
        let keys = keys.chain(step.env.iter().map(|(name, late)| (name.as_str(), late)));
        let within = step.retry.as_ref().and_then(|retry| retry.within.as_ref()).map(|late| ("for", late));
        for (key, late) in keys.chain(within).filter(|(_, late)| late.waits_only_for(&known)) {
            let text = match late.text(scope) {
                Err(_) if step.when.is_some() || own.when.is_some() || self.may_be_skipped(own) => continue,
                Err(fault) => {
                    return Err(Diagnostic::error("E0507", fault.span, format!("`{key}`: {}", fault.message)));
                }
                Ok(text) => text,
            };
            if within.is_some_and(|(_, within)| std::ptr::eq(within, late))
                && let Err(why) = text.parse::<Period>()
            {
                return Err(Diagnostic::error("E0510", late.place().unwrap_or(step.span), format!("`for`: {why}")));
            }
        }
        Ok(())
    }

    /// Whether the task takes place, as far as its `when` is known by then. One that reads the run may.
    fn takes_place(&self, step: &Step, scope: &Scope, by: BindingTime) -> Result<bool, Diagnostic> {
        let Some(when) = &step.when else { return Ok(true) };
        if when.refs.iter().any(|r| is_own(step, r) || self.of(r) > by) {
            return Ok(true);
        }
        match when.holds(scope) {
            Err(_) if self.may_be_skipped(step) => Ok(true),
            held => held.map_err(diagnostic),
        }
    }

    /// Whether a `when` around the step, of its frame or its roll, may keep its own from ever being needed.
    fn may_be_skipped(&self, step: &Step) -> bool {
        self.frame_may_be_skipped || step.roll.as_ref().is_some_and(|place| place.when.is_some())
    }

    /// Renders what is known. A template that cannot be rendered is a mistake, unless a `when` may keep it from ever
    /// being needed: then it waits.
    fn simplify(&self, step: &Step, scope: &Scope, known: &dyn Fn(&Ref) -> bool) -> Result<Templated, TemplateFault> {
        match step.args.simplify(scope, known) {
            Err(_) if step.when.is_some() || self.may_be_skipped(step) => Ok(step.args.clone()),
            settled => settled,
        }
    }
}

/// Whether it reads one of the step's own `vars`, which are made in the run.
fn is_own(step: &Step, r: &Ref) -> bool {
    r.name(0) == Some("vars") && r.name(1).is_some_and(|name| step.vars.contains_key(name))
}

/// What chooses each batch of a roll, from those that were chosen before.
fn choices(index: u32, step: &Step, roll: &Roll) -> Vec<Task> {
    let done = Template::parse("{{ batch.done }}", TextPosition::whole(step.span)).expect("it is a template");
    let mut args = vec![
        ("hosts".to_owned(), Templated::Value(json!(roll.hosts))),
        ("size".to_owned(), Templated::Value(json!(roll.size))),
        ("done".to_owned(), Templated::Text(done)),
    ];
    if let Templated::Map(named) = &step.args {
        args.extend(named.iter().cloned());
    }
    let name = TaskName { step: step.id.clone(), host: HostName::controller(), item: None };
    let task = Task { name, step: index, args: Arc::new(Templated::Map(args)), item: None };
    (0..roll.batches() as u32).map(|batch| numbered(&task, batch)).collect()
}

/// The same task for one batch of a roll.
fn numbered(task: &Task, batch: u32) -> Task {
    Task { name: TaskName { item: Some(batch), ..task.name.clone() }, ..task.clone() }
}

fn diagnostic(fault: TemplateFault) -> Diagnostic {
    Diagnostic::error("E0507", fault.span, fault.message)
}
