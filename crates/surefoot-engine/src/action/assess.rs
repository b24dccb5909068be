//! `assess`: values against limits, for a report.

use super::context::Cx;
use super::kind::{TestMode, UndoSupport};
use super::value::Condition;
use super::{Action, Inspection, unseen};
use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Holds values against limits, and gives a finding for each: `ok`, `warn`, `fail`, or `unknown` where there is no value.
/// Stops nothing, whatever it finds: `assert` is for that.
///
/// Findings of several steps and hosts make one table in the runbook's `out`:
/// `steps.X.all | map(attribute='out.findings') | sum(start=[])`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assess {
    /// What the findings are of, such as `cluster`; without it, the step's host.
    #[serde(default)]
    of: Option<String>,
    rules: Vec<Rule>,
}

/// One value, and what is wrong with it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What is looked at, such as `WAL sync, 99th percentile`.
    check: String,
    /// What was found; null makes the finding `unknown`.
    value: Json,
    /// Of the value: `ms`, `%`.
    #[serde(default)]
    unit: String,
    /// Where it is a warning.
    #[serde(default)]
    warn: Limit,
    /// Where it is a failure.
    #[serde(default)]
    fail: Limit,
    /// Why it matters, in a sentence.
    why: String,
    /// What fixes it, such as another runbook.
    #[serde(default)]
    fix: Option<String>,
}

/// Any of these.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// A number: bites where the value is above it.
    above: Option<f64>,
    /// A number: bites where the value is below it.
    below: Option<f64>,
    /// An expression: bites where it is true.
    when: Option<Condition>,
    /// The limit in words, for `when`; without it, the expression itself.
    says: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Assessment {
    Ok,
    Warn,
    Fail,
    Unknown,
}

/// In the order of a table's columns.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Finding {
    pub verdict: Assessment,
    /// What it is of: the step's host, or what the step says.
    pub of: String,
    pub check: String,
    /// With its unit; `-` where it is unknown.
    pub value: String,
    /// The limit that it passed; of what is `ok` or `unknown` the first that it would.
    pub limit: String,
    pub why: String,
    /// What fixes it; empty where it is `ok`, or the rule does not say.
    pub fix: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct AssessOut {
    /// One for each rule, in order.
    pub findings: Vec<Finding>,
}

impl Limit {
    fn is_met(&self, rule: &Rule) -> Result<bool, Fault> {
        if self.when.as_ref().is_some_and(|when| when.holds) {
            return Ok(true);
        }
        if self.above.is_none() && self.below.is_none() || rule.value.is_null() {
            return Ok(false);
        }
        let number = rule.value.as_f64().or_else(|| rule.value.as_str()?.trim().parse().ok());
        let number = number.ok_or_else(|| {
            Fault::value(format!("{}: {} is not a number, and its limit is one", rule.check, rule.value))
        })?;
        Ok(self.above.is_some_and(|limit| number > limit) || self.below.is_some_and(|limit| number < limit))
    }

    /// Empty where there is none.
    fn words(&self, unit: &str) -> String {
        let number = |sign: &str, limit: f64| format!("{sign} {}", with_unit(&rounded(limit), unit));
        match (&self.says, self.above, self.below, &self.when) {
            (Some(says), ..) => says.clone(),
            (_, Some(limit), ..) => number(">", limit),
            (_, _, Some(limit), _) => number("<", limit),
            (_, _, _, Some(when)) => when.source.trim().to_owned(),
            _ => String::new(),
        }
    }
}

impl Rule {
    fn finding(&self, of: &str) -> Result<Finding, Fault> {
        let (verdict, limit) = match () {
            () if self.fail.is_met(self)? => (Assessment::Fail, &self.fail),
            () if self.warn.is_met(self)? => (Assessment::Warn, &self.warn),
            () if self.value.is_null() => (Assessment::Unknown, &self.warn),
            () => (Assessment::Ok, &self.warn),
        };
        let limit = Some(limit.words(&self.unit)).filter(|words| !words.is_empty());
        let fix = self.fix.clone().filter(|_| verdict != Assessment::Ok);
        Ok(Finding {
            verdict,
            of: of.to_owned(),
            check: self.check.clone(),
            value: shown(&self.value, &self.unit),
            limit: limit.unwrap_or_else(|| self.fail.words(&self.unit)),
            why: self.why.clone(),
            fix: fix.unwrap_or_default(),
        })
    }
}

fn shown(value: &Json, unit: &str) -> String {
    match value {
        Json::Null => "-".to_owned(),
        Json::String(text) => with_unit(text, unit),
        Json::Number(number) => with_unit(&number.as_f64().map_or(number.to_string(), rounded), unit),
        Json::Array(all) => all.iter().map(|one| shown(one, unit)).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// As many digits as tell something.
fn rounded(number: f64) -> String {
    let digits = if number.abs() >= 10.0 || number.fract() == 0.0 { 0 } else { 2 };
    format!("{number:.digits$}")
}

fn with_unit(text: &str, unit: &str) -> String {
    if unit.is_empty() { text.to_owned() } else { format!("{text} {unit}") }
}

impl Action for Assess {
    const NAME: &'static str = "assess";
    const EXAMPLE: &'static str =
        "on: members\nassess: { rules: [{ check: name, value: \"{{ host.name }}\", why: It is known by it }] }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const TEST_MODE: TestMode = TestMode::Real;
    const LIMITED: bool = false;
    type Out = AssessOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("hold values against their limits")
    }

    async fn apply(&self, cx: &Cx<'_>, _: &()) -> Result<AssessOut, Fault> {
        let of = self.of.as_deref().unwrap_or(cx.host.name().as_str());
        let findings = self.rules.iter().map(|rule| rule.finding(of));
        Ok(AssessOut { findings: findings.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(value: Json, warn: Json, fail: Json) -> Result<(Assessment, String, String), Fault> {
        let rule =
            json!({ "check": "c", "value": value, "unit": "ms", "warn": warn, "fail": fail, "why": "w", "fix": "m" });
        let finding = serde_json::from_value::<Rule>(rule).unwrap().finding("h")?;
        Ok((finding.verdict, finding.value, finding.limit))
    }

    #[test]
    fn the_worse_limit_comes_first_and_unknown_is_not_ok() {
        let (warn, fail) = (json!({ "above": 10 }), json!({ "above": 500 }));
        let verdict = |value| found(value, warn.clone(), fail.clone()).unwrap();
        assert_eq!(verdict(json!(2.345)), (Assessment::Ok, "2.35 ms".to_owned(), "> 10 ms".to_owned()));
        assert_eq!(verdict(json!(11)), (Assessment::Warn, "11 ms".to_owned(), "> 10 ms".to_owned()));
        assert_eq!(verdict(json!("501")), (Assessment::Fail, "501 ms".to_owned(), "> 500 ms".to_owned()));
        assert_eq!(verdict(json!(null)), (Assessment::Unknown, "-".to_owned(), "> 10 ms".to_owned()));
        assert!(found(json!("many"), warn, fail).is_err());
    }

    #[test]
    fn an_expression_bites_whatever_the_value() {
        let when = json!({ "when": { "source": "x > y ", "holds": true } });
        assert_eq!(found(json!(null), when.clone(), json!({})).unwrap().0, Assessment::Warn);
        assert_eq!(
            found(json!("a"), json!({}), when).unwrap(),
            (Assessment::Fail, "a ms".to_owned(), "x > y".to_owned())
        );
    }
}
