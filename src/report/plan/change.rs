//! What is not as it was when a plan was made, in words.

use super::verdict_text::word;
use surefoot_engine::session::plan_file::PlanChange;

/// One line.
pub fn change(change: &PlanChange) -> String {
    match change {
        PlanChange::Runbook(path) => format!("the runbook {} has changed", path.display()),
        PlanChange::UsedRunbook => "a runbook that it uses has changed".to_owned(),
        PlanChange::OwnAction => "an action in `actions/` has changed".to_owned(),
        PlanChange::Inventory => "the inventory has changed".to_owned(),
        PlanChange::InputsMoved => "the inputs are in other places".to_owned(),
        PlanChange::Parameter(name) => format!("the parameter `{name}` has another value"),
        PlanChange::Secret(name) => format!("the secret `{name}` has another value, or cannot be compared"),
        PlanChange::File(path) => format!("{} has changed", path.display()),
        PlanChange::UnreadableFile(why) => format!("a file that it was made from cannot be read: {why}"),
        PlanChange::OtherMachine(host) => format!("{host} is another machine now"),
        PlanChange::Rebooted(host) => format!("{host} was booted again since"),
        PlanChange::User { host, was, now } => format!("{host}: we are {now} there now, not {was}"),
        PlanChange::Reachable(host) => format!("{host} can be reached now"),
        PlanChange::Unreachable(host) => format!("{host} cannot be reached any more"),
        PlanChange::Verdict { task, was, now } => format!("{task}: it was `{}`, now it is `{}`", word(was), word(now)),
        PlanChange::TaskParameters(task) => format!("{task}: it would be done with other parameters"),
        PlanChange::Effect(task) => format!("{task}: it would change something else"),
    }
}
