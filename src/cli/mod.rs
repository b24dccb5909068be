//! The command line: arguments in, exit code out. One file for each command.

mod actions;
mod approve;
mod args;
mod attach;
mod cancel;
mod catalog;
mod check;
mod complete;
mod completions;
mod config;
mod console;
mod control;
mod detach;
mod diagnostics;
mod display;
mod drive;
mod durations;
mod engine_log;
mod exit;
mod explain;
mod fix;
mod fmt;
mod graph;
mod hosts;
mod inventory;
mod lab;
mod logs;
mod new;
mod operator;
mod options;
mod out;
mod pause;
mod plan;
mod planned_run;
mod rehearse;
mod report;
mod resume;
mod retention;
mod rewrite;
mod rollback;
mod run;
mod runbooks;
mod runs;
mod schema;
mod schemas;
mod serve;
mod session;
mod settle;
mod starter;
mod task_output;
mod test;
mod tidy;
mod traces;

pub use actions::ACTIONS;
pub use schemas::SCHEMAS;

use args::{Args, Command};
use clap::Parser;
use exit::{CommandResult, Exit, printed};
use std::process::ExitCode;

/// Runs the program: the whole of `main`.
pub fn main() -> ExitCode {
    surefoot_engine::world::limits::claim();
    completions::answer();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are errors to clap; where the text cannot be written, nobody is left to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::WrongInput.code() } else { Exit::Done.code() };
        }
    };
    printed(dispatch(args)).code()
}

fn dispatch(args: Args) -> CommandResult {
    let (file, verbose, live) = (args.log_file.as_deref(), args.command.is_verbose(), args.command.is_live());
    if args.command.is_logged() || file.is_some() {
        engine_log::start(&engine_log::LogOptions { file, verbose, live })?;
    }
    match args.command {
        Command::Runs(runs) => runs::list(&args.state, &runs),
        Command::Show(show) => runs::show(&args.state, &show),
        Command::Actions { name } => actions::main(name.as_deref()),
        Command::Graph(graph) => graph::main(&graph),
        Command::Fmt(fmt) => fmt::main(&fmt),
        Command::Hosts { inventory, format, .. } => hosts::main(&inventory, format),
        Command::New(new) => new::main(&new),
        Command::Runbooks(runbooks) => runbooks::main(&runbooks),
        Command::Explain { code } => explain::main(code.as_deref()),
        Command::Schema(schema) => schema::main(&schema),
        Command::Completions { shell } => completions::main(shell),
        Command::Man { folder } => completions::man(folder.as_deref()),
        Command::Lab(lab) => lab::main(lab),
        Command::Verify { run, seal } => runs::verify(&args.state, &run, seal.as_deref()),
        Command::Logs(logs) => logs::main(&args.state, &logs),
        Command::Check(check) => check::main(&check),
        Command::Plan(plan) => plan::main(&args.state, &plan),
        Command::Run(run) => run::main(&args.state, &run),
        Command::Resume(resume) => resume::main(&args.state, &resume),
        Command::Rollback(rollback) => rollback::main(&args.state, &rollback),
        Command::Settle(settle) => settle::main(&args.state, &settle),
        Command::Tidy(tidy) => tidy::main(&args.state, &tidy),
        Command::Cancel(cancel) => cancel::main(&args.state, &cancel),
        Command::Attach(attach) => attach::main(&args.state, &attach),
        Command::Pause(pause) => pause::main(&args.state, &pause),
        Command::Approve(approve) => approve::main(&args.state, &approve),
        Command::Report(report) => report::main(&args.state, &report),
        Command::Serve(serve) => serve::main(&args.state, &serve),
        Command::Test(test) => test::main(&test),
        Command::Rehearse(rehearse) => rehearse::main(&args.state, &rehearse),
    }
}
