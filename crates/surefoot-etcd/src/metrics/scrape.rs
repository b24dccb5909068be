//! Prometheus' text format (its exposition formats, version 0.0.4), as far as etcd uses it: counters, gauges, histograms.

use std::collections::BTreeMap;

/// One read of `/metrics`: values by the name and labels as they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape(BTreeMap<String, f64>);

/// Cumulative counts by the bound of their bucket, in the histogram's unit, ascending; the last bound is infinite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    buckets: Vec<(f64, f64)>,
    sum: f64,
}

impl Scrape {
    pub fn parse(text: &str) -> Scrape {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Scrape(
            lines
                .filter_map(|line| line.rsplit_once(' ').and_then(|(key, v)| Some((key.to_owned(), v.parse().ok()?))))
                .collect(),
        )
    }

    /// Of a counter or gauge without labels; 0 where this version has none of that name.
    pub fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The values of a label of a histogram.
    pub fn labels(&self, name: &str, label: &str) -> Vec<String> {
        let (prefix, begin) = (format!("{name}_count{{"), format!("{label}=\""));
        let keys = self.0.keys().filter_map(|key| key.strip_prefix(&prefix));
        keys.filter_map(|labels| Some(labels.split_once(&begin)?.1.split_once('"')?.0.to_owned())).collect()
    }

    /// The histogram whose other labels hold this text.
    pub fn histogram(&self, name: &str, only: &str) -> Histogram {
        let own = |suffix: &str| format!("{name}_{suffix}");
        let of = |prefix: String| {
            let fits =
                move |key: &str| key.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
            self.0.iter().filter(move |(key, _)| fits(key) && key.contains(only))
        };
        let bound = |key: &str| key.split_once("le=\"")?.1.split_once('"')?.0.parse::<f64>().ok();
        let mut buckets: Vec<(f64, f64)> =
            of(own("bucket")).filter_map(|(key, count)| Some((bound(key)?, *count))).collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Histogram { buckets, sum: of(own("sum")).map(|(_, sum)| sum).sum() }
    }
}

impl Histogram {
    /// What was counted after an earlier read.
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let before =
            |bound: f64| earlier.buckets.iter().find(|(own, _)| *own == bound).map_or(0.0, |(_, count)| *count);
        let buckets = self.buckets.iter().map(|(bound, count)| (*bound, count - before(*bound))).collect();
        Histogram { buckets, sum: self.sum - earlier.sum }
    }

    fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0.0).then(|| self.sum / self.count())
    }

    /// The value below which this share (0 to 1) of all lies, as Prometheus' `histogram_quantile` has it: linear within a
    /// bucket; of the last, infinite one its lower bound. None where nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.count();
        let at = self.buckets.iter().position(|(_, count)| *count > 0.0 && *count >= rank)?;
        let (bound, count) = self.buckets[at];
        let (lower, below) = if at == 0 { (0.0, 0.0) } else { self.buckets[at - 1] };
        if bound.is_infinite() {
            return Some(lower);
        }
        Some(lower + (bound - lower) * (rank - below) / (count - below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP rtt_seconds x\n# TYPE rtt_seconds histogram\n\
        rtt_seconds_bucket{To=\"a\",le=\"0.001\"} 10\nrtt_seconds_bucket{To=\"a\",le=\"0.002\"} 30\n\
        rtt_seconds_bucket{To=\"a\",le=\"+Inf\"} 40\nrtt_seconds_sum{To=\"a\"} 0.08\nrtt_seconds_count{To=\"a\"} 40\n\
        rtt_seconds_bucket{To=\"b\",le=\"+Inf\"} 1\nrtt_seconds_sum{To=\"b\"} 9\nrtt_seconds_count{To=\"b\"} 1\n\
        leaders_total 3\nbig 2.147483648e+09\n";

    #[test]
    fn values_and_labels_are_read() {
        let scrape = Scrape::parse(TEXT);
        assert_eq!(
            (scrape.value("leaders_total"), scrape.value("big"), scrape.value("none")),
            (3.0, 2_147_483_648.0, 0.0)
        );
        assert_eq!(scrape.labels("rtt_seconds", "To"), ["a", "b"]);
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let histogram = Scrape::parse(TEXT).histogram("rtt_seconds", "To=\"a\"");
        assert_eq!(histogram.mean(), Some(0.002));
        assert_eq!(histogram.quantile(0.5), Some(0.0015));
        assert_eq!(histogram.quantile(0.99), Some(0.002));
        assert_eq!(histogram.quantile(0.1), Some(0.0004));
    }

    #[test]
    fn what_was_before_does_not_count() {
        let earlier = Scrape::parse(TEXT).histogram("rtt_seconds", "To=\"a\"");
        assert_eq!(earlier.since(&earlier).quantile(0.5), None);
        let later =
            Scrape::parse(&TEXT.replace("le=\"+Inf\"} 40", "le=\"+Inf\"} 50")).histogram("rtt_seconds", "To=\"a\"");
        assert_eq!(later.since(&earlier).quantile(0.5), Some(0.002));
    }
}
