//! How a run is shown, answered, held and told of: what the commands that run something have in common.

use super::args::{LogFormat, RunOptions};
use super::exit::{Exit, Failure};
use super::{config, traces};
use crate::report::console::can_draw;
use std::path::PathBuf;
use surefoot_engine::execute::Limits;
use surefoot_engine::http::Url;
use surefoot_engine::load::UserConfig;
use surefoot_engine::session::LeaseOptions;

/// How a run is shown and answered.
pub struct Options {
    pub log: Option<LogFormat>,
    pub verbose: bool,
    /// Steps that are approved beforehand, or `all`.
    pub approve: Vec<String>,
    pub limits: Limits,
    pub hold: LeaseOptions,
    /// `--yes`: what the operator would be asked before anything runs is accepted.
    pub yes: bool,
    /// `--allow-sudo-log`: hosts may have secrets though their sudo keeps what it is given.
    pub allow_sudo_log: bool,
    /// Where files of the operator's with a relative path go.
    pub folder: PathBuf,
    /// The operator's own file.
    pub config: UserConfig,
    /// Where a trace of the run is sent once it has ended.
    pub traces: Option<Url>,
    /// The run goes on without its terminal, once it has begun.
    pub detach: bool,
}

/// Where the terminal cannot be drawn on, there are lines.
pub fn shown_as(log: Option<LogFormat>) -> LogFormat {
    match log.unwrap_or(LogFormat::Live) {
        LogFormat::Live if !can_draw() => LogFormat::Lines,
        log => log,
    }
}

impl Options {
    /// With nobody to answer, and no limits of its own.
    pub fn silent(folder: PathBuf) -> Options {
        let (log, verbose, approve) = (None, false, Vec::new());
        let (limits, hold, config) = (Limits::default(), LeaseOptions::default(), UserConfig::default());
        Options {
            log,
            verbose,
            approve,
            limits,
            hold,
            yes: true,
            allow_sudo_log: false,
            folder,
            config,
            traces: None,
            detach: false,
        }
    }

    /// Where the operator's own file has mistakes, they are shown.
    pub fn of(manner: &RunOptions, yes: bool, folder: PathBuf) -> Result<Options, Failure> {
        let config = config::read(manner.config.as_deref())?;
        let traces = manner.otel.then(traces::receiver).transpose().map_err(|why| Exit::WrongInput.because(why))?;
        let limits = Limits { per_host: manner.per_host, in_all: manner.at_once };
        let hold = LeaseOptions { ttl: manner.lease, take_over: manner.take_over };
        let (log, verbose, approve) = (manner.log, manner.verbose, manner.approve.clone());
        let (allow_sudo_log, detach) = (manner.allow_sudo_log, manner.detach);
        Ok(Options { log, verbose, approve, limits, hold, yes, allow_sudo_log, folder, config, traces, detach })
    }
}
