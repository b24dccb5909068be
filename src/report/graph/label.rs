//! The label of a step in a picture.

use surefoot_engine::plan::graph::{StepMark, StepNode};

/// `push on members`.
pub(super) fn label(node: &StepNode) -> String {
    let name = match node.mark {
        StepMark::Checkpoint => format!("checkpoint {}", node.name),
        StepMark::Irreversible => format!("{} ! no return", node.name),
        StepMark::ReadOnly | StepMark::Changes => node.name.clone(),
    };
    match node.on {
        Some(on) => format!("{name} on {on}"),
        None => name,
    }
}
