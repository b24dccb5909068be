//! The verdicts of a matrix, kept as they come, so that one that was cut off goes on where it was.

use super::Error;
use super::case::{Case, Verdict};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

pub struct Results {
    file: Option<File>,
    verdicts: Vec<Verdict>,
}

impl Results {
    /// In memory only.
    pub fn unkept() -> Results {
        Results { file: None, verdicts: Vec::new() }
    }

    /// One verdict on each line of a file, which may be there already. The last word on a case counts.
    pub fn kept(path: &Path) -> Result<Results, Error> {
        let open = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = open.map_err(Error::io(path.display().to_string()))?;
        let text = std::fs::read_to_string(path).map_err(Error::io(path.display().to_string()))?;
        let mut results = Results { file: None, verdicts: Vec::new() };
        // A torn last line is of a case that is carried out again.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|verdict| results.take(verdict));
        Ok(Results { file: Some(file), ..results })
    }

    /// Whether a case has passed.
    pub fn holds(&self, case: &Case) -> bool {
        self.verdicts.iter().any(|verdict| verdict.is_of(case) && verdict.passed())
    }

    pub fn add(&mut self, verdict: Verdict) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(&verdict).expect("a verdict is plain data");
            writeln!(file, "{line}").map_err(Error::io("keep the results"))?;
        }
        self.take(verdict);
        Ok(())
    }

    fn take(&mut self, verdict: Verdict) {
        let key = |v: &Verdict| (v.fault.clone(), v.step.clone(), v.moment.clone());
        self.verdicts.retain(|other| key(other) != key(&verdict));
        self.verdicts.push(verdict);
    }

    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// Of these cases only, in their order.
    pub fn of(&self, cases: &[Case]) -> Vec<&Verdict> {
        cases.iter().filter_map(|case| self.verdicts.iter().find(|verdict| verdict.is_of(case))).collect()
    }
}
