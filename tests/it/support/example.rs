//! The example of an action's manual, in the smallest runbook that it can stand in.

use surefoot_engine::action::ActionKind;

/// With what the example names: the role `members`, a role `source` of one host, parameters.
pub fn runbook(kind: &ActionKind) -> String {
    let named = |text: &str| kind.example.contains(text);
    let mut text = "runbook: example\n".to_owned();
    let params =
        ["snapshot: { type: file }", "archive: { type: file }", "mirror: { type: string }", "sha256: { type: string }"];
    let params = params.map(|line| (format!("params.{}", line.split(':').next().unwrap_or_default()), line));
    let roles = [("members", "members: { min: 1 }"), ("source", "source: { min: 1, max: 1 }")];
    let roles = roles.map(|(name, line)| (name.to_owned(), line));
    for (section, lines) in [("params", params.to_vec()), ("hosts", roles.to_vec())] {
        let lines: String =
            lines.iter().filter(|(name, _)| named(name)).map(|(_, line)| format!("  {line}\n")).collect();
        if !lines.is_empty() {
            text += &format!("{section}:\n{lines}");
        }
    }
    let step = kind.example.replace('\n', "\n    ");
    text + &format!("steps:\n  - id: example\n    {step}\n")
}
