//! Every fault at every moment of every step, or a sample of that, over as many labs as there are.

use super::Error;
use super::case::{Case, Verdict, cases_of};
use super::engine::Ended;
use super::fault::Fault;
use super::point::{Passage, passages};
use super::results::Results;
use super::rivals;
use super::scene::{Scene, Subject};
use super::starts;
use crate::model::StepId;
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub struct Matrix {
    subject: Subject,
    scenes: Vec<Scene>,
    /// Below it, each case has a folder.
    folder: PathBuf,
    passages: Vec<Passage>,
}

/// Which cases.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// All where empty.
    pub faults: Vec<Fault>,
    pub step: Option<StepId>,
    /// How many at random, every fault as often as every other; all where none is given.
    pub sample: Option<usize>,
    pub seed: u64,
}

impl Matrix {
    /// Runs the runbook once undisturbed: that shows its moments.
    pub fn new(subject: Subject, scenes: Vec<Scene>, folder: PathBuf) -> Result<Matrix, Error> {
        let mut matrix = Matrix { subject, scenes, folder, passages: Vec::new() };
        matrix.passages = matrix.undisturbed()?;
        Ok(matrix)
    }

    fn undisturbed(&self) -> Result<Vec<Passage>, Error> {
        let folder = self.folder.join("undisturbed");
        let (subject, scene) = (&self.subject, &self.scenes[0]);
        let work = scene.begin(subject, &folder, false)?;
        let mut engine = work.run(subject, work.state(), rivals::LONG_LEASE)?;
        let ended = engine.end();
        let run = engine.run.clone().ok_or_else(|| Error::Other("the undisturbed run did not begin".into()))?;
        let failed = |what: String| Err(Error::Other(format!("{what}: look at {}", work.folder().display())));
        if ended != Ended::Code(0) {
            return failed(format!("the undisturbed run failed ({ended})"));
        }
        if !work.proves(subject)? {
            return failed("the undisturbed run ended well, and the rehearsal's `proof` failed after it".to_owned());
        }
        let (events, _) = work.record(&run)?;
        let acted: HashSet<StepId> =
            starts::all(scene, &work, &run)?.into_iter().map(|start| start.task.step).collect();
        work.discard()?;
        Ok(passages(&events, |step| acted.contains(step)))
    }

    /// All that there are.
    pub fn cases(&self) -> Vec<Case> {
        let hosts = self.scenes[0].hosts().len();
        let of_step = |(place, passage)| Fault::all().flat_map(move |fault| cases_of(fault, place, passage, hosts));
        self.passages.iter().enumerate().flat_map(of_step).collect()
    }

    pub fn choose(&self, choice: &Choice) -> Vec<Case> {
        let wanted = |case: &Case| {
            (choice.faults.is_empty() || choice.faults.contains(&case.fault))
                && choice.step.as_ref().is_none_or(|step| case.point.step == *step)
        };
        let cases: Vec<Case> = self.cases().into_iter().filter(wanted).collect();
        match choice.sample {
            None => cases,
            Some(count) => sample(cases, count, choice.seed),
        }
    }

    /// Carries cases out, one on each lab at a time; `tell` hears of each. Those that the results hold are left out.
    pub fn carry_out(
        &self,
        cases: Vec<Case>,
        results: Results,
        tell: &(dyn Fn(&Verdict) + Sync),
    ) -> Result<Results, Error> {
        let left = cases.into_iter().filter(|case| !results.holds(case)).collect::<VecDeque<_>>();
        let (left, results) = (Mutex::new(left), Mutex::new(results));
        let next = || left.lock().expect("no panic while it is held").pop_front();
        let work = |scene: &Scene| -> Result<(), Error> {
            while let Some(case) = next() {
                let verdict = case.carry_out(&self.subject, scene, self.passage(&case), &self.folder_of(&case));
                tell(&verdict);
                results.lock().expect("no panic while it is held").add(verdict)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = self.scenes.iter().map(|scene| scope.spawn(|| work(scene))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("a case does not panic"))
        })?;
        Ok(results.into_inner().expect("no panic while it was held"))
    }

    fn passage(&self, case: &Case) -> &Passage {
        self.passages.iter().find(|passage| passage.step == case.point.step).expect("cases are made from passages")
    }

    /// Where a case's files are, as long as it is carried out and where something was wrong.
    pub fn folder_of(&self, case: &Case) -> PathBuf {
        self.folder.join(format!("{}.{}.{}", case.fault, case.point.step, case.point.moment))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Some at random, each fault in its turn.
fn sample(mut cases: Vec<Case>, count: usize, seed: u64) -> Vec<Case> {
    let mut state = seed;
    for end in (1..cases.len()).rev() {
        cases.swap(end, (random(&mut state) % (end as u64 + 1)) as usize);
    }
    let mut of_fault: Vec<VecDeque<Case>> =
        Fault::all().map(|fault| cases.iter().filter(|case| case.fault == fault).cloned().collect()).collect();
    let all = of_fault.iter().map(VecDeque::len).sum::<usize>();
    let mut chosen = Vec::new();
    while chosen.len() < count.min(all) {
        let round = of_fault.iter_mut().filter_map(VecDeque::pop_front);
        chosen.extend(round.take(count - chosen.len()).collect::<Vec<_>>());
    }
    chosen
}

/// SplitMix64, as its authors (Steele, Lea, Flood 2014) give it.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::point::{Moment, Point};

    fn cases() -> Vec<Case> {
        let point = |n: usize| Point { step: format!("s{n}").into(), moment: Moment::Start };
        Fault::all().flat_map(|fault| (0..5).map(move |n| Case { fault, point: point(n), host: 0 })).collect()
    }

    #[test]
    fn a_sample_has_every_fault_and_nothing_twice() {
        let (faults, seeds) = (Fault::all().len(), 0..50);
        for seed in seeds {
            let chosen = sample(cases(), 2 * faults, seed);
            let distinct: HashSet<&Case> = chosen.iter().collect();
            assert_eq!((chosen.len(), distinct.len()), (2 * faults, 2 * faults));
            assert!(Fault::all().all(|fault| chosen.iter().filter(|case| case.fault == fault).count() == 2));
            assert_eq!(chosen, sample(cases(), 2 * faults, seed), "the seed says all");
        }
        assert_ne!(sample(cases(), 5, 1), sample(cases(), 5, 2));
        assert_eq!(sample(cases(), 1000, 1).len(), cases().len());
    }
}
