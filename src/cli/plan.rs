//! `surefoot plan`.

use super::args::{Format, Plan as Args};
use super::exit::Exit;
use super::pipeline::prepare;
use crate::plan::Plan;
use crate::report;

pub fn main(args: &Args) -> Exit {
    let prepared = match prepare(&args.inputs) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let plan = Plan::offline(&prepared.program);
    match args.format {
        Format::Text => anstream::print!("{}", report::plan::text(&plan)),
        Format::Json => match serde_json::to_string_pretty(&plan) {
            Ok(json) => println!("{json}"),
            Err(error) => return Exit::Failed.because(error),
        },
    }
    Exit::Done
}
