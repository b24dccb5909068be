//! What makes other changes take effect, such as a restart, is undone after them.

use super::engines::{Theatre, deed, mark, turn};
use super::sittings::{back_to, play};
use super::stage::{needs, roll, step};
use serde_json::json;
use surefoot_engine::check::Step;
use surefoot_engine::execute::Goal;
use surefoot_engine::execute::rollback::{self, RollbackTarget};
use surefoot_engine::model::*;

/// The tasks that a whole rollback passes: as it was planned, and as they were undone.
async fn way_back(theatre: &Theatre) -> [Vec<String>; 2] {
    assert_eq!(theatre.engage(Goal::Start, None).await.unwrap().unwrap(), Outcome::Done);
    let state = theatre.state();
    let way = rollback::plan(&theatre.program, &state, &RollbackTarget::Start, false);
    let changed = |name: &TaskName| state.task(name).is_some_and(TaskRecord::has_changed);
    let planned = rollback::in_order(&theatre.program, &state, &way).into_iter().map(|task| &task.name);
    let planned: Vec<String> = planned.filter(|name| changed(name)).map(TaskName::to_string).collect();

    assert_eq!(theatre.engage(back_to(RollbackTarget::Start), None).await.unwrap().unwrap(), Outcome::RolledBack);
    let events = theatre.events();
    let undone = events.iter().filter_map(|stamped| match &stamped.event {
        Event::Task { task, what: TaskEvent::Undone { .. } } => Some(task.to_string()),
        _ => None,
    });
    [planned, undone.collect()]
}

#[test]
fn a_restart_is_undone_after_the_changes_above_it_and_before_what_they_need() {
    play(async {
        let steps = vec![
            Step { on: Some("controller".into()), ..mark("first", "", "") },
            mark("setting", "", ""),
            deed("more", "", ""),
            turn("restart", "", ""),
            mark("after", "", ""),
        ];
        let expected = ["after@a", "more@a", "setting@a", "restart@a", "first@controller"];
        assert_eq!(way_back(&Theatre::new(steps, 1, |_| {})).await, [expected, expected]);
    });
}

#[test]
fn in_a_roll_it_follows_the_changes_of_its_own_batch() {
    play(async {
        let mut steps = vec![Step { on: Some("a".into()), ..mark("before", "", "") }];
        steps.extend(roll("roll", json!(1), "", Vec::new(), vec![mark("setting", "", ""), turn("restart", "", "")]));
        let expected = ["setting@b", "restart@b", "setting@a", "restart@a", "before@a"];
        assert_eq!(way_back(&Theatre::new(steps, 2, |_| {})).await, [expected, expected]);
    });
}

#[test]
fn one_with_an_undo_of_its_own_stays_where_it_was_put() {
    play(async {
        let own = vec![step("own", &super::stage::ACT, "drop restart")];
        let steps = vec![mark("setting", "", ""), Step { undo: own, ..turn("restart", "", "") }];
        assert_eq!(way_back(&Theatre::new(steps, 1, |_| {})).await, [["restart@a", "setting@a"]; 2]);
    });
}

#[test]
fn what_nothing_orders_is_left_alone() {
    play(async {
        let side = Step { needs: needs(&[]), ..mark("side", "sleep 500", "sleep 900") };
        let restart = Step { needs: needs(&["setting"]), ..turn("restart", "", "") };
        let setting = Step { needs: needs(&[]), ..mark("setting", "", "") };
        let [_, undone] = way_back(&Theatre::new(vec![setting, restart, side], 1, |_| {})).await;
        assert_eq!(undone, ["setting@a", "restart@a", "side@a"]);
    });
}
