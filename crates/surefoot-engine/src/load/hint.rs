//! Did you mean: the nearest of the names that would have been right.

use crate::model::{Diagnostic, Span};

/// The candidate that `wrong` most likely is a slip of, if any is near enough.
pub fn closest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(wrong, candidates).map(|(near, _)| near)
}

/// The same, and whether it is without doubt: a small part of the name differs, and no other candidate is as near.
fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, bool)> {
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(wrong, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(wrong.len().max(candidate.len()) / 3))
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    let (distance, best) = *near.first()?;
    let rival = near.iter().any(|(other, candidate)| *other == distance && *candidate != best);
    Some((best, !rival && distance <= wrong.len() / 3))
}

/// Says which name may have been meant. `span` is where the wrong one stands, if it stands there as it is.
pub fn suggested<'a>(
    problem: Diagnostic,
    span: Option<Span>,
    wrong: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let problem = match (span, nearest(wrong, candidates.clone())) {
        (Some(span), Some((near, true))) => problem.fix(span, near),
        (Some(span), Some((near, false))) => problem.guess(span, near),
        _ => problem,
    };
    match did_you_mean(wrong, candidates) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// A help text for a wrong name: the closest candidate, else the list of them where it is short.
pub fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(close) = closest(wrong, candidates.clone()) {
        return Some(format!("did you mean `{close}`?"));
    }
    let all: Vec<String> = candidates.into_iter().map(|name| format!("`{name}`")).collect();
    (1..=12).contains(&all.len()).then(|| format!("known here: {}", all.join(", ")))
}
