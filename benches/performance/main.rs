//! What surefoot costs, with the raw way beside it in the same run: `./dev bench [--save] [WORK...]`.
//!
//! Each contender does the whole work from a cold start, connection included, in alternating rounds; medians are
//! compared. Numbers of two runs cannot be: the ratios within a row are what travels. Nothing here fails because
//! something is slow. Needs root: each host is an sshd with a folder, a machine id and a shell of its own.

mod ceiling;
mod contest;
#[path = "../../tests/it/support/sshd/daemon.rs"]
mod daemon;
mod delay;
mod fleet;
mod local;
mod mirror;
mod raw;
mod remote;
mod surefoot;
mod table;

use table::Row;

/// A workload: measures, and gives its lines of the table.
type Work = fn() -> Vec<Row>;

const WORKS: &[(&str, Work)] = &[
    ("w1", remote::trivial_steps),
    ("log", remote::engine_log),
    ("w2", remote::barriers),
    ("w3", remote::big_file),
    ("w4", remote::play),
    ("rtt", remote::far_away),
    ("many", remote::many_hosts),
    ("mirror", mirror::mirror),
    ("w5", local::plan),
    ("fold", local::fold),
    ("start", local::start),
    ("count", local::instructions),
];

fn main() {
    // `cargo bench` adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let (flags, named): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.starts_with("--"));
    let chosen = |name: &str| named.is_empty() || named.iter().any(|word| word == name);
    let mut rows = Vec::new();
    for (name, work) in WORKS.iter().filter(|(name, _)| chosen(name)) {
        eprintln!("{name} ...");
        let measured = work();
        measured.iter().for_each(|row| eprint!("{}", table::line(row)));
        rows.extend(measured);
    }
    let text = table::text(&rows);
    print!("{text}");
    if flags.iter().any(|flag| flag == "--save") {
        table::save(&text);
    }
}
