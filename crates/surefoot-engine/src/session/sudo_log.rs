//! Hosts whose sudo keeps what it is given: a secret that a step gets by a pipe would lie in its log, for ever.

use crate::check::Step;
use crate::compile::Program;
use crate::load::Inventory;
use crate::model::{Fault, HostName};
use crate::secret::Keyring;
use crate::world::{Script, World};
use futures_util::future::join_all;
use indexmap::IndexSet;

/// What sudo says of whom it is asked by: its settings and rules. Where we are another user already, of who called sudo.
const ASK: &str = r#"LC_ALL=C sudo -n -l ${SUDO_USER:+-U "$SUDO_USER"} 2>/dev/null || :"#;

/// Settings with which it keeps input; they may stand in rules, too.
const INPUT: &[&str] = &["log_input", "log_stdin", "log_ttyin", "LOG_INPUT"];

/// The same of output.
const OUTPUT: &[&str] = &["log_output", "log_stdout", "log_stderr", "log_ttyout", "LOG_OUTPUT"];

/// A fault for each host that a step becomes somebody on and whose sudo would keep secrets of the run.
pub async fn check_logging(program: &Program, inventory: &Inventory, world: &World, secrets: &Keyring) -> Vec<Fault> {
    let given = secrets.pinned().next().is_some() || program.steps.iter().any(|step| step.secret);
    let printed = program.steps.iter().any(|step| step.secret);
    let kept: Vec<&str> = [(given, INPUT), (printed, OUTPUT)]
        .iter()
        .flat_map(|(has, words)| words.iter().copied().filter(|_| *has))
        .collect();
    if kept.is_empty() {
        return Vec::new();
    }
    let hosts = becoming(program, inventory).into_iter().filter_map(|name| world.host(&name).cloned());
    let looks = hosts.map(|host| async move { (host.name().clone(), host.probe(Script::new(ASK)).await) });
    let said = join_all(looks).await.into_iter();
    // A host that does not answer any more fails where it is needed.
    said.filter_map(|(host, said)| fault(&host, setting(&said.ok()?.text(), &kept)?)).collect()
}

fn fault(host: &HostName, setting: String) -> Option<Fault> {
    let message = format!("{host}: sudo has `{setting}` set, and would keep this run's secrets in its log");
    let hint = "have an administrator unset it for this user (`Defaults:USER !log_input`), or accept it with `--allow-sudo-log`";
    Some(Fault::refused(message).hint(hint))
}

/// The hosts on which sudo is called.
fn becoming(program: &Program, inventory: &Inventory) -> IndexSet<HostName> {
    let becomes = |step: &Step| step.user.is_some() || step.undo.iter().any(|part| part.user.is_some());
    let by_step = program.tasks.iter().filter(|task| becomes(&program.steps[task.step as usize]));
    let by_step = by_step.map(|task| task.name.host.clone());
    let by_host =
        program.reach.iter().filter(|name| inventory.hosts.get(*name).is_some_and(|entry| entry.become_user.is_some()));
    by_step.chain(by_host.cloned()).collect()
}

/// The first of some settings that sudo says it has.
fn setting(said: &str, kept: &[&str]) -> Option<String> {
    let mut words = said.split(|c: char| c.is_whitespace() || c == ',' || c == ':');
    words.find(|word| kept.contains(word)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sudo_keeps_is_read_from_its_settings_and_its_rules() {
        let said = |defaults: &str, rule: &str| {
            format!(
                "Matching Defaults entries for ana on web:\n    env_reset, {defaults},\n    use_pty\n\nUser ana may run \
                 the following commands on web:\n    (ALL) {rule} ALL\n"
            )
        };
        let kept = |defaults, rule| setting(&said(defaults, rule), INPUT);
        assert_eq!(kept("log_input", "NOPASSWD:").as_deref(), Some("log_input"));
        assert_eq!(kept("x", "NOPASSWD: LOG_INPUT:").as_deref(), Some("LOG_INPUT"));
        assert_eq!(kept("!log_input, log_output", "NOPASSWD: NOLOG_INPUT:"), None);
    }
}
