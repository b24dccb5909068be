//! Whether a plan has told the truth: what the run did that came after it.

use crate::support::program::Ran;
use serde_json::Value as Json;
use std::collections::HashMap;
use surefoot_engine::model::{HostName, TaskName, TaskState};

/// One task, as a plan has it.
#[derive(Debug)]
pub struct Said {
    pub task: TaskName,
    pub verdict: String,
    pub json: Json,
}

/// Every task of a plan.
pub fn said(plan: &Json) -> Vec<Said> {
    let mut all = Vec::new();
    for step in plan["steps"].as_array().unwrap() {
        let mut items: HashMap<String, u32> = HashMap::new();
        for task in step["tasks"].as_array().unwrap() {
            let host = task["host"].as_str().unwrap().to_owned();
            let place = items.entry(host.clone()).or_insert(0);
            // The tasks of one host come in the order of their items; gates and choices of a roll are counted.
            let counted =
                task.get("item").is_some() || matches!(step["roll"]["part"].as_str(), Some("gate" | "choice"));
            let item = counted.then_some(*place);
            *place += 1;
            let task_name = TaskName { step: step["id"].as_str().unwrap().into(), host: HostName::from(host), item };
            let verdict = task["verdict"].as_str().expect("it was looked at").to_owned();
            all.push(Said { task: task_name, verdict, json: task.clone() });
        }
    }
    all
}

/// Every task of the run was what the plan has said: none that had nothing to do has changed anything, none that was to
/// change something had nothing to do. What was not known yet may be either, and says until when.
#[track_caller]
pub fn holds(plan: &Json, ran: &Ran) {
    let all = said(plan);
    let stops = |said: &Said| said.verdict == "fails" && said.json["goes_on"] != true;
    let fails = all.iter().any(stops);
    let mut failed = 0;
    for Said { task, verdict, json } in &all {
        let state = &ran.state.task(task).unwrap_or_else(|| panic!("no {task} in the run")).state;
        let changed = match state {
            TaskState::Done { changed, .. } => Some(*changed),
            // A run that was to fail does not come to all of it.
            TaskState::Pending if fails => continue,
            _ => None,
        };
        let right = match verdict.as_str() {
            "read_only" | "nothing_to_do" => changed == Some(false),
            "changes" => changed == Some(true),
            "asks" => changed.is_some(),
            "skipped" => *state == TaskState::Skipped,
            "excluded" => *state == TaskState::Unreachable,
            "fails" => matches!(state, TaskState::Failed { .. }),
            "not_known" => !json["why"].as_str().unwrap().is_empty(),
            other => panic!("{other}"),
        };
        failed += usize::from(matches!(state, TaskState::Failed { .. }));
        assert!(right, "{task} was said to be `{verdict}` and is {state:?}\n{json}\n{}", ran.story());
    }
    let expected = all.iter().filter(|said| said.verdict == "fails").count();
    assert!(fails == (ran.code != Some(0)) && (failed > 0) == (expected > 0), "{}", ran.story());
}
