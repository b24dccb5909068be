//! Every fault at every moment of every step, or a sample of that, over as many labs as there are.

use super::case::{CaseResult, FaultCase, cases_of};
use super::engine::EngineExit;
use super::error::RehearsalError;
use super::fault::InjectedFault;
use super::point::{StepTrace, traces};
use super::prepared_lab::{PreparedLab, RehearsedProgram};
use super::results::Results;
use super::second_engine;
use super::starts;
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use surefoot_engine::model::StepId;

pub struct Matrix {
    subject: RehearsedProgram,
    scenes: Vec<PreparedLab>,
    /// Below it, each case has a folder.
    folder: PathBuf,
    passages: Vec<StepTrace>,
}

/// Which cases.
#[derive(Clone, Debug, Default)]
pub struct CaseSelection {
    /// All where empty.
    pub faults: Vec<InjectedFault>,
    pub step: Option<StepId>,
    /// How many at random, every fault as often as every other; all where none is given.
    pub sample: Option<usize>,
    pub seed: u64,
}

impl Matrix {
    /// Runs the runbook once undisturbed: that shows its moments.
    pub fn new(subject: RehearsedProgram, scenes: Vec<PreparedLab>, folder: PathBuf) -> Result<Matrix, RehearsalError> {
        let mut matrix = Matrix { subject, scenes, folder, passages: Vec::new() };
        matrix.passages = matrix.run_without_fault()?;
        Ok(matrix)
    }

    fn run_without_fault(&self) -> Result<Vec<StepTrace>, RehearsalError> {
        let folder = self.folder.join("undisturbed");
        let (subject, scene) = (&self.subject, &self.scenes[0]);
        let work = scene.begin(subject, &folder, false)?;
        let mut engine = work.run(subject, work.state(), second_engine::LONG_LEASE)?;
        let ended = engine.end();
        let run =
            engine.run.clone().ok_or_else(|| RehearsalError::Other("the undisturbed run did not begin".into()))?;
        let failed = |what: String| Err(RehearsalError::Other(format!("{what}: look at {}", work.folder().display())));
        if ended != EngineExit::Code(0) {
            return failed(format!("the undisturbed run failed ({ended})"));
        }
        if !work.proves(subject)? {
            return failed("the undisturbed run ended well, and the rehearsal's `proof` failed after it".to_owned());
        }
        let (events, _) = work.record(&run)?;
        let acted: HashSet<StepId> =
            starts::all(scene, &work, &run)?.into_iter().map(|start| start.task.step).collect();
        work.discard()?;
        Ok(traces(&events, |step| acted.contains(step)))
    }

    /// All that there are.
    pub fn cases(&self) -> Vec<FaultCase> {
        let hosts = self.scenes[0].hosts().len();
        let of_step =
            |(place, passage)| InjectedFault::all().flat_map(move |fault| cases_of(fault, place, passage, hosts));
        self.passages.iter().enumerate().flat_map(of_step).collect()
    }

    pub fn choose(&self, choice: &CaseSelection) -> Vec<FaultCase> {
        let wanted = |case: &FaultCase| {
            (choice.faults.is_empty() || choice.faults.contains(&case.fault))
                && choice.step.as_ref().is_none_or(|step| case.point.step == *step)
        };
        let cases: Vec<FaultCase> = self.cases().into_iter().filter(wanted).collect();
        match choice.sample {
            None => cases,
            Some(count) => sample(cases, count, choice.seed),
        }
    }

    /// Carries cases out, one on each lab at a time; `tell` hears of each. Those that the results hold are left out.
    pub fn carry_out(
        &self,
        cases: Vec<FaultCase>,
        results: Results,
        tell: &(dyn Fn(&CaseResult) + Sync),
    ) -> Result<Results, RehearsalError> {
        let left = cases.into_iter().filter(|case| !results.holds(case)).collect::<VecDeque<_>>();
        let (left, results) = (Mutex::new(left), Mutex::new(results));
        let next = || left.lock().expect("no panic while it is held").pop_front();
        let work = |scene: &PreparedLab| -> Result<(), RehearsalError> {
            while let Some(case) = next() {
                let verdict = case.carry_out(&self.subject, scene, self.trace_of(&case), &self.folder_of(&case));
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

    fn trace_of(&self, case: &FaultCase) -> &StepTrace {
        self.passages.iter().find(|passage| passage.step == case.point.step).expect("cases are made from passages")
    }

    /// Where a case's files are, as long as it is carried out and where something was wrong.
    pub fn folder_of(&self, case: &FaultCase) -> PathBuf {
        self.folder.join(format!("{}.{}.{}", case.fault, case.point.step, case.point.moment))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Some at random, each fault in its turn.
fn sample(mut cases: Vec<FaultCase>, count: usize, seed: u64) -> Vec<FaultCase> {
    let mut state = seed;
    for end in (1..cases.len()).rev() {
        cases.swap(end, (random(&mut state) % (end as u64 + 1)) as usize);
    }
    let mut of_fault: Vec<VecDeque<FaultCase>> =
        InjectedFault::all().map(|fault| cases.iter().filter(|case| case.fault == fault).cloned().collect()).collect();
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
    use crate::rehearse::point::{FaultMoment, Point};

    fn cases() -> Vec<FaultCase> {
        let point = |n: usize| Point { step: format!("s{n}").into(), moment: FaultMoment::Start };
        InjectedFault::all()
            .flat_map(|fault| (0..5).map(move |n| FaultCase { fault, point: point(n), host: 0 }))
            .collect()
    }

    #[test]
    fn a_sample_has_every_fault_and_nothing_twice() {
        let (faults, seeds) = (InjectedFault::all().len(), 0..50);
        for seed in seeds {
            let chosen = sample(cases(), 2 * faults, seed);
            let distinct: HashSet<&FaultCase> = chosen.iter().collect();
            assert_eq!((chosen.len(), distinct.len()), (2 * faults, 2 * faults));
            assert!(InjectedFault::all().all(|fault| chosen.iter().filter(|case| case.fault == fault).count() == 2));
            assert_eq!(chosen, sample(cases(), 2 * faults, seed), "the seed says all");
        }
        assert_ne!(sample(cases(), 5, 1), sample(cases(), 5, 2));
        assert_eq!(sample(cases(), 1000, 1).len(), cases().len());
    }
}
