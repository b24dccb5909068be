//! The table of results, as Markdown, and its place in the documentation.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// One line of the table. All cells are text, ready to read.
pub struct Row {
    pub work: String,
    pub raw: String,
    pub ceiling: String,
    pub surefoot: String,
    pub beside: String,
    pub target: &'static str,
    pub met: bool,
}

impl Row {
    /// A work that is measured beside raw ssh, and beside what a bare persistent shell does, where that is known.
    pub fn beside_raw(
        work: &str,
        [raw, ceiling]: [Option<Duration>; 2],
        surefoot: Duration,
        target: &'static str,
        met: impl Fn([f64; 2]) -> bool,
    ) -> Row {
        let ratio = |other: Option<Duration>| other.map_or(f64::NAN, |o| surefoot.as_secs_f64() / o.as_secs_f64());
        let ratios = [ratio(raw), ratio(ceiling)];
        let said =
            |ratio: f64, name: &str| if ratio.is_nan() { String::new() } else { format!("{ratio:.2} of {name}") };
        let beside: Vec<String> =
            [said(ratios[0], "raw"), said(ratios[1], "ceiling")].into_iter().filter(|text| !text.is_empty()).collect();
        Row {
            work: work.to_owned(),
            raw: raw.map(seconds).unwrap_or_default(),
            ceiling: ceiling.map(seconds).unwrap_or_default(),
            surefoot: seconds(surefoot),
            beside: beside.join(", "),
            target,
            met: met(ratios),
        }
    }

    /// A work that stands alone.
    pub fn alone(work: &str, surefoot: String, target: &'static str, met: bool) -> Row {
        let none = String::new;
        Row { work: work.to_owned(), raw: none(), ceiling: none(), surefoot, beside: none(), target, met }
    }
}

/// A time in seconds, or milliseconds where it is short.
pub fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.1 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

pub fn text(rows: &[Row]) -> String {
    let mut text = format!("Measured {}, {}.\n\n", today(), machine());
    text += "| work | raw ssh | ceiling | surefoot | surefoot beside them | target | met |\n";
    text += "| --- | --- | --- | --- | --- | --- | --- |\n";
    rows.iter().for_each(|row| text += &line(row));
    text
}

pub fn line(row: &Row) -> String {
    let Row { work, raw, ceiling, surefoot, beside, target, met } = row;
    let met = if *met { "yes" } else { "**no**" };
    format!("| {work} | {raw} | {ceiling} | {surefoot} | {beside} | {target} | {met} |\n")
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
const BEGIN: &str = "<!-- table: written by `./dev bench --save` -->\n";
const END: &str = "<!-- end of table -->";

/// Puts the table in its place in `docs/performance.md`.
pub fn save(table: &str) {
    let document = fs::read_to_string(DOCUMENT).expect("the document is there");
    let (before, rest) = document.split_once(BEGIN).expect("it has a place for the table");
    let (_, after) = rest.split_once(END).expect("the place ends");
    fs::write(DOCUMENT, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
}

fn today() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%d").to_string()
}

/// Such as `2 x AMD EPYC, 23 GiB, Linux 6.1.0, OpenSSH_9.2p1, load 1.2 at the end`.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let of = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory: u64 = of(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    let ssh = Command::new("ssh").arg("-V").output().map(|o| o.stderr).unwrap_or_default();
    let ssh = String::from_utf8_lossy(&ssh).split([' ', ',']).next().unwrap_or_default().to_owned();
    let load = read("/proc/loadavg").split(' ').nth(1).unwrap_or_default().to_owned();
    let kernel = read("/proc/sys/kernel/osrelease");
    let model = of(&read("/proc/cpuinfo"), "model name");
    format!("{cores} x {model}, {} GiB, Linux {}, {ssh}, 5-minute load {load} at its end", memory >> 20, kernel.trim())
}
