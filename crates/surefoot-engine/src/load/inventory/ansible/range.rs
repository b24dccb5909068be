//! `web[01:10].example.org`: many names in one.

/// More names are a mistake.
const MOST: usize = 10_000;

/// The names that a pattern stands for; itself where it has no range.
pub(super) fn expanded(pattern: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = pattern.split_once('[') else { return Ok(vec![pattern.to_owned()]) };
    let (range, after) = rest.split_once(']').ok_or_else(|| format!("`{pattern}` has no `]`"))?;
    let tails = expanded(after)?;
    let middles =
        values(range).ok_or_else(|| format!("`[{range}]` is no range: write `[01:10]`, `[1:9:2]` or `[a:f]`"))?;
    if middles.len().saturating_mul(tails.len()) > MOST {
        return Err(format!("`{pattern}` stands for more than {MOST} names"));
    }
    Ok(middles.iter().flat_map(|middle| tails.iter().map(move |tail| format!("{before}{middle}{tail}"))).collect())
}

/// Both ends count. A leading zero gives all numbers the same width.
fn values(range: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => (*first, *last, step.parse::<usize>().ok().filter(|step| *step > 0)?),
        _ => return None,
    };
    if let (Ok(from), Ok(to)) = (first.parse::<u64>(), last.parse::<u64>()) {
        let width = if first.starts_with('0') && first.len() > 1 { first.len() } else { 0 };
        let count = to.checked_sub(from).filter(|more| *more < 10 * MOST as u64)?;
        return Some((from..=from + count).step_by(step).map(|n| format!("{n:0width$}")).collect());
    }
    let letter = |text: &str| text.chars().next().filter(|c| text.len() == 1 && c.is_ascii_alphabetic());
    let (from, to) = (letter(first)?, letter(last)?);
    (from <= to).then(|| (from..=to).step_by(step).map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_keeps_its_zeros_and_both_ends() {
        assert_eq!(expanded("web[08:10]").unwrap(), ["web08", "web09", "web10"]);
        assert_eq!(expanded("web[1:5:2].x").unwrap(), ["web1.x", "web3.x", "web5.x"]);
        assert_eq!(expanded("r[a:b]-[1:2]").unwrap(), ["ra-1", "ra-2", "rb-1", "rb-2"]);
        assert_eq!(expanded("plain").unwrap(), ["plain"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in ["web[1-3]", "web[3:1]", "web[1:2", "web[a:3]", "web[1:999999999999]", "web[1:2:0]"] {
            assert!(expanded(bad).is_err(), "{bad}");
        }
    }
}
