//! Completion in the shells themselves, and manual pages.

use crate::support::program::Program;
use std::path::Path;
use std::process::Command;

/// A folder with a runbook, an inventory, and one run.
fn house() -> Program {
    let program = Program::new();
    let params =
        "params:\n  snapshot: { type: string, default: x, summary: The file }\n  unit: { type: string, default: y }\n";
    let steps = "steps:\n  - checkpoint: there\n  - { id: sure, approve: \"{{ params.snapshot }}{{ params.unit }}?\" }\n  \
                 - { id: look, reads: true, sh: echo }\n";
    let roles = "hosts: { members: { min: 0 }, writers: { min: 0 } }\n";
    program.write("book.yaml", &format!("runbook: a\n{params}{roles}{steps}"));
    program.write("site.yaml", "hosts: { web-1: {}, web-2: {} }\ngroups: { web: [web-1] }\n");
    assert_eq!(program.call(["run", "book.yaml", "--yes", "--approve", "all"]).code, Some(0));
    program
}

/// What a shell script says, with the program in its path.
fn said(program: &Program, shell: &[&str], script: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_BIN_EXE_surefoot")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(script).current_dir(program.path("")).env("PATH", path);
    let output = command.env("SUREFOOT_STATE", program.state_folder()).env("HOME", program.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What bash offers for the last of these words.
fn in_bash(program: &Program, words: &[&str]) -> Vec<String> {
    let line: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let last = words[words.len() - 1];
    let script = format!(
        "source <(surefoot completions bash); COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9\n\
         _clap_complete_surefoot surefoot '{last}' x; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        line.join(" "),
        words.len() - 1
    );
    let mut offered = said(program, &["bash", "-c"], &script);
    offered.retain(|offer| !offer.starts_with("--"));
    offered
}

#[test]
fn bash_completes_commands_and_what_the_line_is_about() {
    let program = house();
    let run = program.store().runs().unwrap().pop().unwrap().to_string();
    let offers = |words: &[&str]| in_bash(&program, words);
    assert_eq!(offers(&["surefoot", "roll"]), ["rollback"]);
    assert_eq!(offers(&["surefoot", "run", "book.yaml", "-p", ""]), ["snapshot=", "unit="]);
    assert_eq!(offers(&["surefoot", "run", "book.yaml", "-p", "u"]), ["unit="]);
    assert_eq!(offers(&["surefoot", "plan", "book.yaml", "--bind", ""]), ["members=", "writers="]);
    assert_eq!(offers(&["surefoot", "run", "book.yaml", "--approve", ""]), ["sure", "all"]);
    assert_eq!(offers(&["surefoot", "show", ""]), ["last", run.as_str()]);
    assert_eq!(offers(&["surefoot", "logs", "last", ""]), ["there@controller", "sure@controller", "look@controller"]);
    assert_eq!(offers(&["surefoot", "approve", "last", "s"]), ["sure"]);
    assert_eq!(offers(&["surefoot", "rollback", "last", "--to", ""]), ["there"]);
    assert_eq!(offers(&["surefoot", "actions", "etcd.snap"]), ["etcd.snapshot", "etcd.snapshot_status"]);
    assert_eq!(offers(&["surefoot", "explain", "E040"]).len(), 5);
    assert_eq!(offers(&["surefoot", "run", "etcd/ba"]), ["etcd/backup"]);
    assert_eq!(
        offers(&["surefoot", "runbooks", "copy", "etcd/kubeadm/re"]),
        ["etcd/kubeadm/replace-member", "etcd/kubeadm/restore"]
    );
    assert_eq!(offers(&["surefoot", "plan", "etcd/report", "-p", "s"]), ["sample="]);
    assert!(offers(&["surefoot", "check", "b"]).contains(&"book.yaml".to_owned()));
}

#[test]
fn fish_completes_with_explanations() {
    let program = house();
    let offers = |line: &str| {
        let script = format!("surefoot completions fish | source; complete -C '{line}'");
        said(&program, &["fish", "-c"], &script)
    };
    assert_eq!(offers("surefoot run book.yaml -p s"), ["snapshot=\tThe file"]);
    let hosts = offers("surefoot run book.yaml -i site.yaml --bind members=");
    assert_eq!(hosts, ["members=web", "members=web-1", "members=web-2"]);
}

#[test]
fn zsh_takes_what_is_written_for_it() {
    let program = house();
    // A terminal of its own, as zsh completes in one only.
    let script = "\
        zmodload zsh/zpty; zpty it 'PS1= zsh -f -i'\n\
        zpty -w it 'autoload -U compinit; compinit -u -D; source <(surefoot completions zsh); print re\"\"ady'\n\
        zpty -r it out '*ready*'\n\
        zpty -w -n it $'surefoot run book.yaml -p sn\\t'\n\
        zpty -r it out '*snapshot=*'; print -r -- found";
    assert_eq!(said(&program, &["timeout", "60", "zsh", "-f", "-c"], script), ["found"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let program = Program::new();
    assert_eq!(program.call(["man", "pages"]).code, Some(0));
    let pages: Vec<String> = std::fs::read_dir(program.path("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["surefoot.1", "surefoot-run.1", "surefoot-lab-up.1"] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
    let one = program.call(["man"]).out;
    assert!(one.starts_with(".") && one.contains(".TH surefoot 1"), "{one}");
}
