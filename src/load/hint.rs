//! Did you mean: the nearest of the names that would have been right.

/// The candidate that `wrong` most likely is a slip of, if any is near enough.
pub fn closest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(wrong, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(wrong.len().max(candidate.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A help text for a wrong name: the closest candidate, else the list of them where it is short.
pub fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(close) = closest(wrong, candidates.clone()) {
        return Some(format!("did you mean `{close}`?"));
    }
    let all: Vec<String> = candidates.into_iter().map(|name| format!("`{name}`")).collect();
    (1..=12).contains(&all.len()).then(|| format!("known here: {}", all.join(", ")))
}
