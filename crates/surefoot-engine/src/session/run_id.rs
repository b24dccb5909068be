//! The name of a run.

use crate::model::RunId;
use jiff::Timestamp;

/// For a run that starts now.
pub fn new() -> RunId {
    at(Timestamp::now())
}

/// `YYYYmmdd-HHMMSS-xxxx`: sorts by time. The letters are the rest of the second in base 26, in steps of 2 µs.
fn at(time: Timestamp) -> RunId {
    let mut rest = i64::from(time.subsec_nanosecond()) * 26_i64.pow(4) / 1_000_000_000;
    let mut letters = ['a'; 4];
    for letter in letters.iter_mut().rev() {
        *letter = char::from(b'a' + (rest % 26) as u8);
        rest /= 26;
    }
    RunId::from(format!("{}-{}", time.strftime("%Y%m%d-%H%M%S"), String::from_iter(letters)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_time() {
        let id = |nanoseconds| at(Timestamp::new(1_795_253_000, nanoseconds).unwrap()).to_string();
        let ids = [0, 2_500, 1_000_000, 26_000_000, 500_000_000, 999_999_999].map(id);
        assert!(ids.is_sorted() && ids[0].ends_with("-aaaa") && ids[5].ends_with("-zzzz"), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
    }
}
