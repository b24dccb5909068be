//! The engine's own log: what it did and waited for, for whoever investigates a failure afterwards.
//!
//! The library says it with `tracing`; here it is filtered (`SUREFOOT_LOG`), masked, cleaned, and written to the run's
//! folder, and to `--log-file` or standard error where the operator wants that. One process has one log. Invariant: no
//! line reaches a file or a terminal unmasked, and none reaches the terminal of a live console.

mod rotating;
mod sink;
mod waiting;

use super::exit::{Exit, Failure};
use crate::report::console::can_draw;
use sink::Sink;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::OnceLock;
use surefoot_engine::journal::RunFolder;
use surefoot_engine::secret::Masks;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// The variable that says what is logged.
pub const FILTER: &str = "SUREFOOT_LOG";

/// What is logged where the variable is not set.
const DEFAULT: &str = "warn,surefoot=info";

static SINK: OnceLock<Sink> = OnceLock::new();

/// What the operator wants of the log.
pub struct LogOptions<'a> {
    /// `--log-file`
    pub file: Option<&'a Path>,
    /// Say at standard error what is waited for.
    pub verbose: bool,
    /// Whether the command opens a live console where it can.
    pub live: bool,
}

/// Starts the log of this process. A wrong filter, and a file that cannot be used, are explained.
pub fn start(options: &LogOptions<'_>) -> Result<(), Failure> {
    let given = given().map_err(|why| Exit::WrongInput.because(why))?;
    let filter = parse(given.as_deref().unwrap_or(DEFAULT)).map_err(|why| Exit::WrongInput.because(why))?;
    let file = options.file.map(|path| private(path).map_err(|why| unusable(path, &why))).transpose()?;
    let is_off =
        filter.iter().map(|(_, level)| level).chain(filter.default_level()).all(|level| level == LevelFilter::OFF);
    if is_off && !options.verbose {
        return Ok(());
    }
    let to_stderr = given.is_some() && file.is_none() && !(options.live && can_draw());
    let sink = SINK.get_or_init(|| Sink::new(file, to_stderr));
    let lines = fmt::layer().with_ansi(false).with_writer(move || sink).with_filter(filter);
    let waiting = options.verbose.then(|| waiting::Waiting.with_filter(waiting::filter()));
    // A second one in this process is refused; the first goes on.
    let _ = tracing_subscriber::registry().with((!is_off).then_some(lines)).with(waiting).try_init();
    Ok(())
}

fn given() -> Result<Option<String>, String> {
    match std::env::var(FILTER) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(text)),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{FILTER}: expected UTF-8")),
        _ => Ok(None),
    }
}

fn parse(text: &str) -> Result<Targets, String> {
    text.parse().map_err(|error: ParseError| {
        format!(
            "{FILTER}={text:?}: {error}; expected a level (error, warn, info, debug, trace, off), or levels of modules such \
             as `warn,surefoot_engine::world=debug`"
        )
    })
}

/// A file to append to that only this user may read, also where it was there before.
fn private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let metadata = file.metadata()?;
    let refused = |why: &str| Err(io::Error::other(why.to_owned()));
    if !metadata.is_file() {
        return refused("expected a regular file");
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.nlink() > 1 {
        return refused("expected a file of your own, without hard links");
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn unusable(path: &Path, why: &io::Error) -> Failure {
    Exit::WrongInput.because(format!("--log-file {}: {why}", path.display()))
}

/// From here on these secrets are masked in every line.
pub fn mask(masks: &Masks) {
    SINK.get().into_iter().for_each(|sink| sink.mask(masks.clone()));
}

/// Stores the log with a run from here on, from the first line on that this process has logged for no other run. The
/// run's journal is held by this process.
pub fn store_in(run: &RunFolder) {
    SINK.get().into_iter().for_each(|sink| sink.store_in(run));
}

/// A live console has the terminal from here on, or there is none any more: nothing more is written to standard error.
pub fn leave_terminal() {
    SINK.get().into_iter().for_each(Sink::close_stderr);
}
