//! Where in its runbook a task stands, for what goes wrong in it: as a mistake in the text would be shown.
//!
//! The record has no text of the runbook: it comes from the files as they were loaded, or from the run's own copies.

use super::diagnostic::{place, snippets};
use serde_json::Value as Json;
use std::collections::HashMap;
use surefoot_engine::check::Step;
use surefoot_engine::compile::Program;
use surefoot_engine::model::{Fault, Label, Sources, Span, StepId, TaskName};
use surefoot_engine::secret::Masks;

/// The places of every step. By default of none: where a run's runbook is not to be had.
#[derive(Default)]
pub struct Places {
    sources: Sources,
    /// Of a step its own, then where each runbook is named that led to it.
    steps: HashMap<StepId, Vec<Span>>,
    masks: Masks,
}

impl Places {
    /// `sources` are what the program was made from.
    pub fn of(program: &Program, sources: Sources, masks: Masks) -> Places {
        let places = |step: &Step| [step.span].into_iter().chain(program.call_sites(step)).collect();
        let steps = program.steps.iter().map(|step| (step.id.clone(), places(step))).collect();
        Places { sources, steps, masks }
    }

    /// Lines that show where a task's fault comes from; none where that is not known.
    pub fn snippet(&self, task: &TaskName, fault: &Fault) -> String {
        let labels = self.labels(task, fault);
        if labels.is_empty() {
            return String::new();
        }
        let plain = snippets(&labels, &self.sources, false);
        let masked = self.masks.text(plain.clone());
        // Styles would tear a secret to pieces that no mask fits.
        if masked == plain { snippets(&labels, &self.sources, true) } else { masked }
    }

    /// The same for programs: `places`, each as in a diagnostic, and `snippet`.
    pub fn json(&self, task: &TaskName, fault: &Fault) -> Vec<(String, Json)> {
        let labels = self.labels(task, fault);
        if labels.is_empty() {
            return Vec::new();
        }
        let places = labels.iter().map(|label| place(label.span, &label.text, &self.sources)).collect();
        let snippet = self.masks.text(snippets(&labels, &self.sources, false));
        vec![("places".to_owned(), places), ("snippet".to_owned(), snippet.into())]
    }

    fn labels(&self, task: &TaskName, fault: &Fault) -> Vec<Label> {
        let Some((own, led_there)) = self.steps.get(&task.step).and_then(|places| places.split_first()) else {
            return Vec::new();
        };
        let first = fault.at.filter(|place| self.sources.has(*place)).unwrap_or(*own);
        let used = led_there.iter().map(|span| Label { span: *span, text: "used here".to_owned() });
        [Label { span: first, text: String::new() }].into_iter().chain(used).collect()
    }
}
