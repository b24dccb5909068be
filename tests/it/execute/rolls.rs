//! Rolls: batch by batch, with a gate between, forward and back; whatever cuts them off.

use super::engines::{Cut, Theatre, deed, mark, turn};
use super::sittings::{audit, back_to, play, reach, sit, sittings};
use super::stage::{LOOK, needs, on_failure, retry, roll, step};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use surefoot_engine::check::{OnFailure, Step};
use surefoot_engine::compile::Roll;
use surefoot_engine::execute::Goal;
use surefoot_engine::execute::rollback::RollbackTarget;
use surefoot_engine::model::*;

fn gate(words: &str) -> Step {
    Step { on: None, ..step("gate", &LOOK, words) }
}

/// The hosts that each choice has come to, newest run first to last.
fn batches(theatre: &Theatre, state: &RunState) -> Vec<Vec<String>> {
    let roll = &theatre.program.rolls["roll"];
    let chosen = roll.choices.iter().map_while(|choice| {
        let task = state.task(&theatre.program.tasks[*choice as usize].name)?;
        let TaskState::Done { out, .. } = &task.state else { return None };
        Some(serde_json::from_value(out["hosts"].clone()).unwrap())
    });
    chosen.collect()
}

/// Reads the journal as an auditor who knows only what a roll promises.
struct Auditor<'t> {
    theatre: &'t Theatre,
    roll: &'t Roll,
    state: RunState,
    /// Passes of the gate since the run was last turned.
    passed: BTreeSet<u32>,
}

impl Auditor<'_> {
    fn record(&self, task: u32) -> &TaskRecord {
        self.state.task(&self.theatre.program.tasks[task as usize].name).unwrap()
    }

    fn work_on(&self, hosts: &[String]) -> impl Iterator<Item = &TaskRecord> {
        let on = |task: &&u32| hosts.contains(&self.theatre.program.tasks[**task as usize].name.host.to_string());
        self.roll.work.iter().flatten().filter(on).map(|task| self.record(*task)).collect::<Vec<_>>().into_iter()
    }

    fn changed(&self, batches: &[Vec<String>]) -> bool {
        batches.iter().any(|batch| self.work_on(batch).any(TaskRecord::has_changed))
    }

    fn is_work(&self, task: &TaskName) -> bool {
        let all = self.roll.work.iter().flatten();
        all.clone().any(|index| self.theatre.program.tasks[*index as usize].name == *task)
    }

    fn event(&mut self, stamped: &Stamped) {
        let before = batches(self.theatre, &self.state);
        self.state.apply(stamped).unwrap();
        match &stamped.event {
            Event::RollingBack { .. } | Event::RunResumed { .. } => self.passed.clear(),
            Event::Task { task, what } if task.step.as_str() == "gate" => self.gate(task.item.unwrap(), what),
            Event::Task { task, what: TaskEvent::Done { .. } } if task.step.as_str() == "roll" => {
                self.choice(task.item.unwrap() as usize, &before);
            }
            Event::Task { task, what } if self.is_work(task) => self.work(task, what),
            _ => {}
        }
    }

    fn choice(&self, batch: usize, before: &[Vec<String>]) {
        assert_eq!(batch, before.len(), "a batch is chosen once, after the one before");
        let all = batches(self.theatre, &self.state);
        let mut hosts: Vec<&String> = all.iter().flatten().collect();
        assert!(all[batch].len() <= self.roll.size && !all[batch].is_empty());
        hosts.sort();
        hosts.dedup();
        assert_eq!(hosts.len(), all.iter().flatten().count(), "no host is in two batches");
    }

    fn gate(&mut self, pass: u32, what: &TaskEvent) {
        let batches = batches(self.theatre, &self.state);
        let at = (pass as usize).min(batches.len());
        match what {
            TaskEvent::Started { .. } => {
                assert!(!self.changed(&batches[at..]), "a gate is passed with a batch after it changed");
                let back = self.state.back.is_some();
                let done = |record: &TaskRecord| matches!(record.state, TaskState::Done { .. });
                let whole = batches[..at].iter().all(|batch| self.work_on(batch).all(done));
                assert!(back || whole, "a gate is passed before the batch above it is done");
            }
            TaskEvent::Done { .. } => drop(self.passed.insert(pass)),
            _ => {}
        }
    }

    fn work(&self, task: &TaskName, what: &TaskEvent) {
        let batches = batches(self.theatre, &self.state);
        let place = batches.iter().position(|batch| batch.contains(&task.host.to_string()));
        let gate = |pass: usize| {
            let mut tasks = self.roll.gates.get(pass).into_iter().flatten();
            tasks.all(|task| self.record(*task).state.has_passed())
        };
        match what {
            TaskEvent::Started { .. } => {
                let place = place.expect("what begins has been chosen");
                assert_eq!(place + 1, batches.len(), "only the newest batch is worked on");
                assert!(gate(place), "{task} begins before its gate is passed");
                let done = |record: &TaskRecord| matches!(record.state, TaskState::Done { .. });
                assert!(batches[..place].iter().all(|batch| self.work_on(batch).all(done)), "two batches at once");
            }
            TaskEvent::Undoing { .. } => {
                let place = place.expect("what is undone has been chosen");
                assert!(!self.changed(&batches[place + 1..]), "{task} is undone before a later batch");
                let walk = self.state.back.as_ref().unwrap();
                let asked = walk.gates.iter().any(|gate| gate.item == Some(place as u32 + 1));
                assert!(!asked || self.passed.contains(&(place as u32 + 1)), "{task} is undone before its gate");
                let newer = batches.len() > place + 1;
                assert!(
                    asked || !newer || !self.whole(&batches[place]) || self.roll.gates.is_empty(),
                    "{task}: no gate"
                );
            }
            _ => {}
        }
    }

    /// Whether nothing of a batch has been undone yet.
    fn whole(&self, batch: &[String]) -> bool {
        self.work_on(batch).all(TaskRecord::has_changed)
    }
}

fn audit_roll(theatre: &Theatre) {
    audit(theatre);
    let roll = &theatre.program.rolls["roll"];
    let mut auditor = Auditor { theatre, roll, state: RunState::default(), passed: BTreeSet::new() };
    theatre.events().iter().for_each(|stamped| auditor.event(stamped));
}

/// How often each task with this name was started.
fn story(theatre: &Theatre) -> Vec<String> {
    let events = theatre.events().into_iter();
    let told = events.filter_map(|stamped| match stamped.event {
        Event::Task { task, what: TaskEvent::Done { .. } } => Some(task.to_string()),
        Event::Task { task, what: TaskEvent::Undone { .. } } => Some(format!("-{task}")),
        Event::Task { task, what: TaskEvent::Failed { .. } } => Some(format!("!{task}")),
        _ => None,
    });
    told.collect()
}

async fn ends(theatre: &Theatre, goal: Goal) -> Outcome {
    theatre.engage(goal, None).await.unwrap().unwrap()
}

#[test]
fn a_roll_goes_host_by_host_with_its_gate_before_between_and_after() {
    play(async {
        let work = vec![mark("x", "sleep 10", ""), deed("y", "sleep 5", "sleep 5")];
        let theatre = Theatre::new(roll("roll", json!(1), "", vec![gate("sleep 1")], work), 3, |_| {});
        assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Done);
        let expected = "gate@controller[0] roll@controller[0] x@a y@a gate@controller[1] roll@controller[1] x@b y@b \
                        gate@controller[2] roll@controller[2] x@c y@c gate@controller[3]";
        assert_eq!(story(&theatre).join(" "), expected);
        audit_roll(&theatre);

        assert_eq!(ends(&theatre, back_to(RollbackTarget::Start)).await, Outcome::RolledBack);
        let back = "gate@controller[3] -y@c -x@c gate@controller[2] -y@b -x@b gate@controller[1] -y@a -x@a \
                    gate@controller[0]";
        assert_eq!(story(&theatre).join(" "), format!("{expected} {back}"));
        audit_roll(&theatre);

        assert_eq!(ends(&theatre, Goal::Resume { drifted: false }).await, Outcome::Done);
        assert_eq!(story(&theatre).join(" "), format!("{expected} {back} {expected}"), "and forward again, all of it");
        audit_roll(&theatre);
    });
}

#[test]
fn who_is_last_is_asked_again_before_each_batch() {
    play(async {
        // Each time another host leads: the one of the batches so far.
        let last = "{{ ['a', 'c', 'b'][steps.gate.out.stdout | int - 1] }}";
        let leads = Step { on: None, ..step("gate", &LOOK, "time") };
        let theatre = Theatre::new(roll("roll", json!(1), last, vec![leads], vec![mark("x", "", "")]), 3, |_| {});
        assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Done);
        assert_eq!(batches(&theatre, &theatre.state()), [["b"], ["a"], ["c"]]);
        audit_roll(&theatre);
    });
}

#[test]
fn batches_may_be_of_several_hosts_and_a_percentage_is_rounded_down() {
    for (batch, expected) in [(json!(2), vec![2, 2, 1]), (json!("40%"), vec![2, 2, 1]), (json!("1%"), vec![1; 5])] {
        play(async {
            let work = vec![mark("x", "sleep 10", ""), mark("y", "sleep 10", "")];
            let theatre = Theatre::new(roll("roll", batch, "a", vec![gate("")], work), 5, |_| {});
            assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Done);
            let chosen = batches(&theatre, &theatre.state());
            assert_eq!(chosen.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            assert!(chosen.last().unwrap().contains(&"a".to_owned()));
            assert_eq!(ends(&theatre, back_to(RollbackTarget::Start)).await, Outcome::RolledBack);
            audit_roll(&theatre);
        });
    }
}

#[test]
fn the_failed_batch_is_undone_those_done_stay_and_those_after_are_not_touched() {
    play(async {
        let bad = "{{ 'fail 1' if host.name == 'b' else 'sleep 1' }}";
        let work = vec![mark("x", "", ""), deed("y", bad, ""), mark("z", "", "")];
        let steps = on_failure(roll("roll", json!(1), "", vec![gate("")], work), OnFailure::Rollback);
        let theatre = Theatre::new(steps, 3, |_| {});
        assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Failed);
        assert_eq!((theatre.marks("a").len(), theatre.marks("b").len(), theatre.marks("c").len()), (3, 0, 0));
        assert!(theatre.acts("c").is_empty());
        let told = story(&theatre).join(" ");
        assert!(told.ends_with("x@b !y@b -y@b -x@b gate@controller[1]"), "{told}");
        audit_roll(&theatre);

        assert_eq!(ends(&theatre, Goal::Resume { drifted: false }).await, Outcome::Done);
        let told = story(&theatre).join(" ");
        let again = "gate@controller[1] gate@controller[1] roll@controller[1] x@b y@b z@b gate@controller[2] roll@";
        assert!(told.contains(again), "its gate looks again, its batch is chosen anew: {told}");
        audit_roll(&theatre);
    });
}

#[test]
fn a_roll_that_has_failed_can_be_undone_as_a_whole() {
    play(async {
        let bad = "{{ 'fail 1' if host.name == 'b' else 'sleep 1' }}";
        let work = vec![mark("x", "", ""), deed("y", bad, "")];
        let steps = on_failure(roll("roll", json!(1), "", vec![gate("")], work), OnFailure::Rollback);
        let theatre = Theatre::new(steps, 3, |_| {});
        assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Failed);
        let spared: Vec<String> = theatre.state().spared().map(ToString::to_string).collect();
        assert_eq!(spared, ["x@a", "y@a"]);
        assert_eq!(ends(&theatre, back_to(RollbackTarget::Start)).await, Outcome::RolledBack);
        assert!(theatre.marks("a").is_empty());
        audit_roll(&theatre);

        // Where the first batch fails, nothing is left of the run.
        let work = vec![deed("y", "fail 1", "")];
        let steps = on_failure(roll("roll", json!(1), "", vec![gate("")], work), OnFailure::Rollback);
        let theatre = Theatre::new(steps, 3, |_| {});
        assert_eq!(ends(&theatre, Goal::Start).await, Outcome::RolledBack);
    });
}

#[test]
fn a_gate_that_fails_after_a_batch_fails_the_batch() {
    play(async {
        let bad = Step { on: None, ..step("gate", &LOOK, "{{ 'fail 1 again' if batch.index == 2 else 'fine' }}") };
        let work = vec![mark("x", "", "")];
        let steps = on_failure(roll("roll", json!(1), "", vec![bad], work), OnFailure::Rollback);
        let theatre = Theatre::new(steps, 3, |_| {});
        assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Failed);
        assert_eq!((theatre.marks("a").len(), theatre.marks("b").len(), theatre.marks("c").len()), (1, 0, 0));
        audit_roll(&theatre);
        assert_eq!(ends(&theatre, Goal::Resume { drifted: false }).await, Outcome::Done);
        audit_roll(&theatre);
    });
}

#[test]
fn a_gate_that_fails_during_the_rollback_holds_it_up_until_it_passes() {
    play(async {
        // The second look at pass 1 is during the rollback.
        let moody = Step { on: None, ..step("gate", &LOOK, "{{ 'fail 0' if batch.index != 1 else 'has good' }}") };
        let before = Step { on: None, ..mark("good", "", "") };
        let steps = [before].into_iter().chain(roll("roll", json!(1), "", vec![moody], vec![mark("x", "", "")]));
        let theatre = Theatre::new(steps.collect(), 2, |_| {});
        assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Done);
        theatre.unmark("controller", "good");
        assert_eq!(ends(&theatre, back_to(RollbackTarget::Start)).await, Outcome::Stuck);
        assert_eq!((theatre.marks("a").len(), theatre.marks("b").len()), (1, 0), "the first batch stays");
        audit_roll(&theatre);
        theatre.remark("controller", "good");
        assert_eq!(ends(&theatre, back_to(RollbackTarget::Start)).await, Outcome::RolledBack);
        assert!(theatre.marks("a").is_empty());
        audit_roll(&theatre);
    });
}

#[test]
fn a_gate_between_two_attempts_is_waited_for_during_the_rollback() {
    play(async {
        let patient = Step { retry: Some(retry(Some(10), 100)), ..gate("has good") };
        let before = Step { on: None, ..mark("good", "", "") };
        let steps = [before].into_iter().chain(roll("roll", json!(1), "", vec![patient], vec![mark("x", "", "")]));
        let theatre = Theatre::new(steps.collect(), 2, |_| {});
        assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Done);
        theatre.unmark("controller", "good");
        let fixes = async {
            tokio::time::sleep(Duration::from_millis(450)).await;
            theatre.remark("controller", "good");
        };
        let (outcome, ()) = tokio::join!(ends(&theatre, back_to(RollbackTarget::Start)), fixes);
        assert_eq!(outcome, Outcome::RolledBack);
        assert!(theatre.marks("a").is_empty() && theatre.marks("b").is_empty());
        audit_roll(&theatre);
    });
}

#[test]
fn cut_at_every_entry_and_taken_up_again_a_roll_ends_in_the_same_state_and_chooses_nothing_twice() {
    let whole = |cut: Option<usize>, goal: Option<Goal>| {
        let mut found = None;
        play(async {
            let work = vec![mark("x", "sleep 10", "sleep 3"), deed("y", "sleep 5", "sleep 5")];
            let theatre = Theatre::new(roll("roll", json!(2), "a", vec![gate("sleep 1")], work), 3, |_| {});
            if goal.is_some() {
                assert_eq!(ends(&theatre, Goal::Start).await, Outcome::Done);
            }
            let before = theatre.events().len();
            let (first, outcome) = match goal {
                Some(back) => (back, Outcome::RolledBack),
                None => (Goal::Start, Outcome::Done),
            };
            theatre.engage(first.clone(), cut.map(Cut::Events)).await;
            if theatre.state().outcome != Some(outcome) {
                let then = if first == Goal::Start { Goal::Resume { drifted: false } } else { first };
                assert_eq!(ends(&theatre, then).await, outcome, "cut at {cut:?}");
            }
            audit_roll(&theatre);
            let chosen = theatre.events().into_iter().filter(|stamped| {
                matches!(&stamped.event, Event::Task { task, what: TaskEvent::Done { .. } } if task.step.as_str() == "roll")
            });
            let marks: Vec<_> = ["a", "b", "c"].map(|host| theatre.marks(host)).into();
            found = Some((theatre.events().len() - before, chosen.count(), marks));
        });
        found.unwrap()
    };
    let (events, chosen, marks) = whole(None, None);
    assert_eq!(chosen, 2);
    for cut in 0..events - 1 {
        let (_, chosen, cut_marks) = whole(Some(cut), None);
        assert_eq!((chosen, &cut_marks), (2, &marks), "cut at {cut}");
    }
    let (events, ..) = whole(None, Some(back_to(RollbackTarget::Start)));
    for cut in 0..events {
        let (.., marks) = whole(Some(cut), Some(back_to(RollbackTarget::Start)));
        assert!(marks.iter().all(Vec::is_empty), "cut at {cut}");
    }
}

#[derive(Clone, Debug)]
struct Recipe {
    make: fn(&str, &str, &str) -> Step,
    run: String,
    back: String,
    rolls_back: bool,
}

fn words(weight: u32) -> impl Strategy<Value = String> {
    let ending = prop_oneof![weight => Just(""), 1 => Just(" fail 1"), 1 => Just(" forget 1")];
    (0u64..4, ending).prop_map(|(pause, ending)| format!("sleep {}{ending}", pause * 100))
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let makes: [fn(&str, &str, &str) -> Step; 3] = [mark, turn, deed];
    let parts = (prop::sample::select(makes.to_vec()), words(8), words(12), prop::bool::weighted(0.1));
    parts.prop_map(|(make, run, back, rolls_back)| Recipe { make, run, back, rolls_back })
}

fn gates() -> impl Strategy<Value = Vec<Step>> {
    let words = prop_oneof![4 => Just("sleep 20"), 1 => Just("fail 1"), 1 => Just("{{ batch.done | length }} fail 1")];
    prop::collection::vec(words, 0..3).prop_map(|all| {
        let gate = |(at, words): (usize, &str)| {
            let id = if at == 0 { "gate" } else { "gate2" };
            Step { on: (at > 0).then(|| "all".to_owned()), ..step(id, &LOOK, words) }
        };
        all.into_iter().enumerate().map(gate).collect()
    })
}

fn made((index, recipe): (usize, &Recipe)) -> Step {
    let id = format!("s{index}");
    let base = (recipe.make)(&id, &recipe.run, &recipe.back);
    let policy = if recipe.rolls_back { OnFailure::Rollback } else { OnFailure::Stop };
    Step { on_failure: policy, ..base }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_cuts_a_roll_off_it_ends_whole_or_as_if_it_had_never_been(
        recipes in prop::collection::vec(recipe(), 1..4),
        gates in gates(),
        (hosts, batch) in (1usize..5, 1usize..4),
        last in prop::option::of(0usize..4),
        (takes_back, rolls_back) in (prop::bool::weighted(0.4), prop::bool::weighted(0.2)),
        (beside, around) in (any::<bool>(), any::<bool>()),
        sittings in sittings(),
        ends_back in any::<bool>(),
    ) {
        play(async {
            let names = ["a", "b", "c", "d"];
            let last = last.map_or("", |last| names[last % hosts]);
            let work = recipes.iter().enumerate().map(made).collect();
            let policy = if takes_back { OnFailure::Rollback } else { OnFailure::Stop };
            let mut steps = on_failure(roll("roll", json!(batch), last, gates, work), policy);
            if beside {
                steps.insert(0, Step { needs: needs(&[]), ..mark("side", "sleep 250", "sleep 40") });
                steps[1].needs = needs(&[]);
                for step in &mut steps[2..] {
                    step.needs = needs(&[]);
                }
            }
            if around {
                steps.insert(0, mark("pre", "sleep 20", "sleep 30"));
                steps.push(deed("post", "sleep 30", "sleep 20"));
            }
            let marks: BTreeSet<String> = steps
                .iter()
                .filter(|step| step.kind.name != "look" && step.kind.name != "rolling")
                .map(|step| step.id.to_string())
                .collect();
            let policy = if rolls_back { OnFailure::Rollback } else { OnFailure::Stop };
            let theatre = Theatre::new(steps, hosts, |program| program.on_failure = policy);
            sit(&theatre, sittings, true).await;
            let (goal, outcome) = match ends_back {
                true => (back_to(RollbackTarget::Start), Outcome::RolledBack),
                false => (Goal::Resume { drifted: false }, Outcome::Done),
            };
            reach(&theatre, goal, outcome).await;
            audit_roll(&theatre);
            for host in names.into_iter().take(hosts) {
                let expected = if ends_back { BTreeSet::new() } else { marks.clone() };
                assert_eq!(theatre.marks(host).into_iter().collect::<BTreeSet<_>>(), expected, "on {host}");
            }
        });
    }
}
