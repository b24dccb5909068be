//! The example of an action's manual, in the smallest runbook that it can stand in.

use surefoot::action::Kind;

/// With what examples may name: the role `members`, a role `source` of one host, and these parameters.
pub fn runbook(kind: &Kind) -> String {
    let step = kind.example.replace('\n', "\n    ");
    format!(
        "runbook: example\nparams:\n  snapshot: {{ type: file }}\n  mirror: {{ type: string }}\n  sha256: {{ type: string }}\n  archive: {{ type: file }}\n\
         hosts:\n  members: {{ min: 1 }}\n  source: {{ min: 1, max: 1 }}\nsteps:\n  - id: example\n    {step}\n"
    )
}
