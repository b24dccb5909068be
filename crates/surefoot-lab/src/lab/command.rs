//! What `surefoot lab` shows.

use std::fmt::Write;

use super::error::LabError;
use super::handle::{HostState, Lab};

/// One line for each host: name, address, state.
pub fn table(lab: &Lab) -> Result<String, LabError> {
    let width = lab.hosts().map(|host| host.as_str().len()).max().unwrap_or(0).max("HOST".len());
    let mut text = format!("{:width$}  {:15}  STATE\n", "HOST", "ADDRESS");
    for host in lab.hosts() {
        let state = match lab.state(host)? {
            HostState::Running => "running",
            HostState::Frozen => "frozen",
            HostState::Off => "off",
        };
        let address = lab.address(host)?.to_string();
        writeln!(text, "{:width$}  {address:15}  {state}", host.as_str()).expect("a string takes all");
    }
    Ok(text)
}
