//! Every template and expression of a step, and what each may refer to.

use super::checked::{InRoll, RollPart, Step};
use crate::model::{Span, TextPosition};
use crate::template::{Call, Expr, Ref, Template, Templated};
use std::ops::Range;

/// One template or expression.
#[derive(Clone, Copy)]
pub(super) struct TemplateSite<'s> {
    pub source: &'s str,
    pub place: &'s TextPosition,
    pub refs: &'s [Ref],
    pub calls: &'s [Call],
    pub when: When,
}

/// When a site is evaluated, as far as that decides what it may refer to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// As the step starts.
    Start,
    /// While the run is compiled.
    Compile,
    /// After each attempt: `out` is this attempt's.
    Attempt,
    /// As the step is undone.
    Undo,
}

impl TemplateSite<'_> {
    pub fn span(&self, range: Range<usize>) -> Span {
        self.place.of(self.source, range)
    }

    /// Where the `at`th part of a reference's path is written.
    pub fn part(&self, r: &Ref, at: usize) -> Span {
        let mut from = r.range.start;
        let mut found = r.range.clone();
        for name in (0..=at).filter_map(|i| r.name(i)) {
            let Some(next) = self.source[from..r.range.end].find(name) else { return self.span(r.range.clone()) };
            found = from + next..from + next + name.len();
            from = found.end;
        }
        self.span(found)
    }
}

/// All sites of a step, with those of its `vars`, its undo and its probe.
pub(super) fn of_step(step: &Step) -> Vec<TemplateSite<'_>> {
    let mut sites = Vec::new();
    collect(step, When::Start, &mut sites);
    if let Some(late) = &step.for_each {
        of_late(late, When::Compile, &mut sites);
    }
    if let Some(until) = step.retry.as_ref().and_then(|retry| retry.until.as_ref()) {
        of_expr(until, When::Attempt, &mut sites);
    }
    if let Some(InRoll { when, part: RollPart::Choice(choice), .. }) = &step.roll {
        when.iter().for_each(|expr| of_expr(expr, When::Start, &mut sites));
        of_late(&choice.batch, When::Compile, &mut sites);
    }
    step.undo.iter().for_each(|undo| collect(undo, When::Undo, &mut sites));
    step.reconcile.iter().for_each(|probe| collect(probe, When::Start, &mut sites));
    sites
}

fn collect<'s>(step: &'s Step, when: When, sites: &mut Vec<TemplateSite<'s>>) {
    let lates = [&step.title, &step.user, &step.stdin, &step.cwd];
    lates.into_iter().flatten().chain([&step.args]).for_each(|late| of_late(late, when, sites));
    step.env.iter().for_each(|(_, late)| of_late(late, when, sites));
    step.vars.values().for_each(|late| of_late(late, when, sites));
    step.when.iter().for_each(|expr| of_expr(expr, when, sites));
    step.retry.iter().flat_map(|retry| &retry.within).for_each(|late| of_late(late, when, sites));
}

/// The sites in a tree of values.
pub(super) fn of_late<'s>(late: &'s Templated, when: When, sites: &mut Vec<TemplateSite<'s>>) {
    match late {
        Templated::Value(_) => {}
        Templated::Text(Template { source, place, refs, calls, .. }) => {
            sites.push(TemplateSite { source, place, refs, calls, when });
        }
        Templated::Condition(expr) => of_expr(expr, when, sites),
        Templated::Hosts(inner) | Templated::Path(inner, _) => of_late(inner, when, sites),
        Templated::Seq(items) => items.iter().for_each(|item| of_late(item, when, sites)),
        Templated::Map(entries) => entries.iter().for_each(|(_, late)| of_late(late, when, sites)),
    }
}

fn of_expr<'s>(expr: &'s Expr, when: When, sites: &mut Vec<TemplateSite<'s>>) {
    let Expr { source, place, refs, calls, .. } = expr;
    sites.push(TemplateSite { source, place, refs, calls, when });
}
