//! The verdicts of a matrix, kept as they come, so that one that was cut off goes on where it was.

use super::case::{CaseResult, FaultCase};
use super::error::RehearsalError;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

pub struct Results {
    file: Option<File>,
    verdicts: Vec<CaseResult>,
}

impl Results {
    /// In memory only.
    pub fn unkept() -> Results {
        Results { file: None, verdicts: Vec::new() }
    }

    /// One verdict on each line of a file, which may be there already. The last word on a case counts.
    pub fn load(path: &Path) -> Result<Results, RehearsalError> {
        let open = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = open.map_err(RehearsalError::io(path.display().to_string()))?;
        let text = std::fs::read_to_string(path).map_err(RehearsalError::io(path.display().to_string()))?;
        let mut results = Results { file: None, verdicts: Vec::new() };
        // A torn last line is of a case that is carried out again.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|verdict| results.take(verdict));
        Ok(Results { file: Some(file), ..results })
    }

    /// Whether a case has passed.
    pub fn holds(&self, case: &FaultCase) -> bool {
        self.verdicts.iter().any(|verdict| verdict.is_of(case) && verdict.passed())
    }

    pub fn add(&mut self, verdict: CaseResult) -> Result<(), RehearsalError> {
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(&verdict).expect("a verdict is plain data");
            writeln!(file, "{line}").map_err(RehearsalError::io("keep the results"))?;
        }
        self.take(verdict);
        Ok(())
    }

    fn take(&mut self, verdict: CaseResult) {
        let key = |v: &CaseResult| (v.fault.clone(), v.step.clone(), v.moment.clone());
        self.verdicts.retain(|other| key(other) != key(&verdict));
        self.verdicts.push(verdict);
    }

    pub fn verdicts(&self) -> &[CaseResult] {
        &self.verdicts
    }

    /// Of these cases only, in their order.
    pub fn of(&self, cases: &[FaultCase]) -> Vec<&CaseResult> {
        cases.iter().filter_map(|case| self.verdicts.iter().find(|verdict| verdict.is_of(case))).collect()
    }
}
