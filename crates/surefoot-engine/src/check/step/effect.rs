//! What a step's effect demands of it: an id, a rollback, no blind repetition; only looking in some places.

use super::common::Common;
use super::enclosing::StepContext;
use crate::action::{ActionKind, UndoSupport};
use crate::check::context::CheckContext;
use crate::model::{Diagnostic, Effect, Span};

/// A step with its action, as far as its effect is concerned.
pub(super) struct Acting<'a, 'n> {
    pub common: &'a Common<'n>,
    pub kind: &'a ActionKind,
    pub effect: Effect,
    pub undoing: UndoSupport,
    /// Where the action's name stands.
    pub action: Span,
    /// Where the step stands.
    pub step: Span,
    /// Whether it has an id of its own.
    pub named: bool,
}

impl Acting<'_, '_> {
    pub fn check(&self, reader: &mut CheckContext, within: StepContext) {
        self.author_word(reader);
        match within {
            StepContext::Steps | StepContext::Batch(_) => {
                self.id(reader);
                self.repeating(reader);
                self.undo_settings(reader);
            }
            StepContext::Finally => {
                self.id(reader);
                self.repeating(reader);
            }
            StepContext::Verify | StepContext::Gate(_) | StepContext::Reconcile(_) => self.only_looks(reader, within),
            StepContext::Undo(_) => {}
        }
    }

    /// `reads` is for commands, of which only the author knows what they do.
    fn author_word(&self, reader: &mut CheckContext) {
        if let Some((key, true)) = self.common.reads
            && !is_opaque(self.kind)
        {
            let message = format!("`{}` knows by itself what it changes", self.kind.name);
            let problem = Diagnostic::error("E0209", key.span, message);
            reader.problems.push(problem.help("`reads` is your word about a command; remove it here"));
        }
    }

    fn only_looks(&self, reader: &mut CheckContext, within: StepContext) {
        if self.effect == Effect::ReadOnly {
            return;
        }
        let message = "only looking is allowed here, this may change something";
        let problem = Diagnostic::error("E0211", self.action, message);
        reader.problems.push(match within {
            StepContext::Verify | StepContext::Gate(_) if is_opaque(self.kind) => {
                problem.help("say `reads: true` if the command changes nothing")
            }
            _ => problem,
        });
    }

    fn id(&self, reader: &mut CheckContext) {
        let why = match self.effect {
            _ if self.named => return,
            Effect::Opaque if !is_opaque(self.kind) => "the journal and `settle` call it by that",
            Effect::Opaque => "the journal and `settle` call it by that; a command that only looks says `reads: true`",
            _ if self.common.undo.is_some() => "what has an `undo` is called by its id when it is undone",
            _ => return,
        };
        let problem = Diagnostic::error("E0207", self.step, "this step needs an `id`").here("add `id: NAME`");
        reader.problems.push(problem.help(why));
    }

    fn repeating(&self, reader: &mut CheckContext) {
        if self.effect == Effect::Opaque
            && let Some((retry, _)) = self.common.retry
            && self.common.reconcile.is_none()
        {
            let message = "repeating this command blindly may do its work twice";
            let help = match is_opaque(self.kind) {
                true => "add `reconcile`, a probe that tells whether it took effect, or `reads: true`",
                false => "add `reconcile`, a probe that tells whether it took effect",
            };
            let problem = Diagnostic::error("E0208", retry.span, message).label(self.action, "this command");
            reader.problems.push(problem.help(help));
        }
    }

    fn undo_settings(&self, reader: &mut CheckContext) {
        if self.common.undo.is_some() || self.common.irreversible.is_some() {
            return;
        }
        match (self.effect, self.undoing) {
            (Effect::ReadOnly, _) => {}
            (Effect::Opaque, _) if !is_opaque(self.kind) => {
                let message = "this says neither how to undo it nor that nothing can";
                reader.warn("W0201", self.action, message, "add `undo`, or `irreversible: REASON`");
            }
            _ if is_opaque(self.kind) => {
                let message = "this command says neither how to undo it nor that nothing can";
                reader.warn("W0201", self.action, message, "add `undo`, `irreversible: REASON`, or `reads: true`");
            }
            (_, UndoSupport::Unsupported(why)) => {
                let message = format!("nothing undoes this: {why}");
                reader.warn("W0201", self.action, message, "add `undo`, or `irreversible: REASON`");
            }
            (_, UndoSupport::Supported(_) | UndoSupport::NotNeeded(_)) => {}
        }
    }
}

/// Whether only its author knows what the action does.
pub(super) fn is_opaque(kind: &ActionKind) -> bool {
    kind.effect([], false) == Effect::Opaque
}
