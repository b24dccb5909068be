//! `surefoot explain`: what a diagnostic code means, with an example that is wrong and one that is right.

use super::exit::{CommandResult, Exit};
use super::out::say;
use crate::report::labels::BOLD;
use surefoot_engine::check::{CODES, explanation};
use surefoot_engine::load::closest;

pub fn main(code: Option<&str>) -> CommandResult {
    let Some(code) = code else {
        for (code, meaning) in CODES {
            say!("{BOLD}{code}{BOLD:#}  {meaning}\n");
        }
        return Ok(Exit::Done);
    };
    let code = code.to_uppercase();
    match explanation(&code) {
        Some(text) => {
            let (heading, body) = text.split_once('\n').unwrap_or((text, ""));
            say!("{BOLD}{heading}{BOLD:#}\n{}\n", body.trim_end());
            Ok(Exit::Done)
        }
        None => {
            let near = closest(&code, CODES.iter().map(|(code, _)| *code));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(Exit::WrongInput.because(format!("no diagnostic has the code `{code}`{near}")))
        }
    }
}
