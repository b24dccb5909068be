//! What a run was given stays what it was given: secrets by their fingerprints, files by their content; drift is applied again
//! on request; what hosts and files say leads nowhere and shows nothing.

use crate::support::bed::Bed;
use crate::support::program::Program;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use surefoot_engine::model::RunId;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// Two steps that write a secret down, with one between that fails until `$D/go` is there.
const TWICE: &str = "  - { id: one, on: h, env: { P: \"{{ params.password }}\" }, sh: 'printf %s \"$P\" >$D/one' }
  - { id: go, on: h, reads: true, sh: test -e $D/go }
  - { id: two, on: h, env: { P: \"{{ params.password }}\" }, sh: 'printf %s \"$P\" >$D/two' }";

const SECRET: &str = "params: { password: { type: secret } }";

fn begin(bed: &Bed, source: &str) {
    bed.runbook(SECRET, TWICE);
    let (code, said) =
        bed.surefoot(&["run", "r.yaml", "-i", "site.yaml", "--yes", "-p", &format!("password={source}")]);
    assert_eq!(code, 1, "{said}");
    bed.write("host/go", "");
}

/// The folder of the only run.
fn run_folder(state: &Path) -> PathBuf {
    fs::read_dir(state.join("runs")).unwrap().next().unwrap().unwrap().path()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_run_goes_on_with_the_secret_that_it_began_with_and_with_no_other() {
    let bed = Bed::new();
    bed.write("pw", "first-one\n");
    begin(&bed, "cmd:cat pw");
    bed.write("pw", "second-one\n");
    for words in [&["resume", "last"][..], &["resume", "last", "--yes"], &["rollback", "last", "--yes"]] {
        let (code, said) = bed.surefoot(words);
        assert!(code == 2 && said.contains("password") && said.contains("--accept-changed"), "{said}");
        assert!(!said.contains("second-one") && !bed.at("host/two").exists(), "{said}");
    }
    assert_eq!(bed.surefoot(&["resume", "last", "--accept-changed", "nothing"]).0, 2);
    bed.write("pw", "first-one\n");
    let (code, said) = bed.surefoot(&["resume", "last"]);
    assert_eq!((code, bed.text("two").as_str()), (0, "first-one"), "{said}");
}

#[test]
fn another_secret_that_is_accepted_is_the_one_that_counts_from_then_on() {
    let bed = Bed::new();
    bed.write("pw", "first-one");
    begin(&bed, "file:pw");
    fs::remove_file(bed.at("host/go")).unwrap();
    bed.write("pw", "second-one");
    let (code, said) = bed.surefoot(&["resume", "last", "--accept-changed", "password"]);
    assert_eq!(code, 1, "it still fails at `go`: {said}");
    bed.write("host/go", "");
    bed.write("pw", "first-one");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 2);
    bed.write("pw", "second-one");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 0);
    assert_eq!(bed.text("two"), "second-one");
    assert_eq!(bed.surefoot(&["verify", "last"]).0, 0);
}

#[test]
fn a_runs_folder_has_nothing_to_guess_a_secret_by() {
    let bed = Bed::new();
    begin(&bed, "cmd:echo 1234");
    let (state, other) = (bed.at("state"), bed.at("other"));
    let key = state.join("fingerprint.key");
    assert_eq!(mode(&key), 0o600);
    let copy = |from: &Path, to: &Path| {
        fs::create_dir_all(to).unwrap();
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    copy(&run_folder(&state), &other.join("runs"));
    let bytes = fs::read(&key).unwrap();
    let files = Command::new("grep").args(["-rlF", "1234"]).arg(run_folder(&state).join("inputs")).output().unwrap();
    let holding = String::from_utf8(files.stdout).unwrap();
    // Where the secret is found is on record: here, the command tells it.
    assert!(holding.lines().all(|file| file.ends_with("params.json")), "{holding}");
    let journal = fs::read(run_folder(&other).join("journal")).unwrap();
    assert!(!journal.windows(bytes.len()).any(|window| window == bytes));
    let elsewhere = ["resume", "last", "--state"].map(str::to_owned).into_iter().chain([other.display().to_string()]);
    let words: Vec<String> = elsewhere.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, said) = bed.surefoot(&words);
    assert!(code == 2 && said.contains("fingerprint.key"), "{said}");
    copy(&key, &other);
    assert_eq!(bed.surefoot(&words).0, 0);
}

#[test]
fn a_generated_secret_is_made_once_for_each_run_and_kept_for_its_owner_alone() {
    let bed = Bed::new();
    begin(&bed, "generate:secrets/");
    let (code, said) = bed.surefoot(&["resume", "last"]);
    assert_eq!(code, 0, "{said}");
    let first = bed.text("one");
    assert!(first.len() == 32 && first == bed.text("two") && !said.contains(&first), "{first}");
    let kept: Vec<PathBuf> = fs::read_dir(bed.at("secrets")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!((kept.len(), mode(&kept[0]), mode(&bed.at("secrets"))), (1, 0o600, 0o700));
    assert_eq!(fs::read_to_string(&kept[0]).unwrap().trim(), first);
    assert!(!Command::new("grep").args(["-rqF", &first]).arg(bed.at("state")).status().unwrap().success());
    let again = ["run", "r.yaml", "-i", "site.yaml", "--yes", "-p"];
    assert_eq!(bed.surefoot(&[&again[..], &["password=generate:secrets/"]].concat()).0, 0);
    assert_ne!(bed.text("one"), first, "another run has another");
    let theirs = bed.at("theirs");
    fs::write(&theirs, "of another run").unwrap();
    let (code, said) = bed.surefoot(&[&again[..], &["password=generate:theirs"]].concat());
    assert!(code == 2 && said.contains("is there already"), "{said}");
    assert_eq!(fs::read_to_string(theirs).unwrap(), "of another run");
}

#[test]
fn a_saved_plan_is_stale_with_another_secret() {
    let bed = Bed::new();
    bed.write("pw", "first-one");
    bed.write("host/go", "");
    bed.runbook(SECRET, TWICE);
    let plan = ["plan", "r.yaml", "-i", "site.yaml", "-p", "password=file:pw", "--out", "saved"];
    assert_eq!(bed.surefoot(&plan).0, 0);
    bed.write("pw", "second-one");
    let (code, said) = bed.surefoot(&["run", "saved", "--yes"]);
    assert!(code == 2 && said.contains("the secret `password`") && !bed.at("host/one").exists(), "{said}");
    bed.write("pw", "first-one");
    let (code, said) = bed.surefoot(&["run", "saved", "--yes"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_plan_generates_nothing() {
    let bed = Bed::new();
    bed.runbook(SECRET, TWICE);
    let (_, said) = bed.surefoot(&["plan", "r.yaml", "-i", "site.yaml", "-p", "password=generate:secrets/"]);
    assert!(!bed.at("secrets").exists() && !bed.at("state/fingerprint.key").exists(), "{said}");
}

#[test]
fn a_run_sends_the_files_that_it_began_with_from_another_machine_too() {
    let bed = Bed::new();
    bed.write("conf", "as it was\n");
    bed.write("big", &"x".repeat(200_000));
    let steps = "  - { id: go, on: h, reads: true, sh: test -e $D/go }
  - { id: conf, on: h, copy: { from: conf, to: $D/conf } }
  - { id: big, on: h, copy: { from: \"{{ params.big }}\", to: $D/big } }";
    bed.runbook("params: { big: { type: file } }", steps);
    let run = ["run", "r.yaml", "-i", "site.yaml", "--yes", "-p", "big=big"];
    assert_eq!(bed.surefoot(&run).0, 1);
    let (state, other) = (bed.at("state"), bed.at("other"));
    let files = run_folder(&state).join("inputs/files");
    let kept: Vec<PathBuf> = fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kept.len() == 2 && kept.iter().all(|file| mode(file) == 0o600), "each once: {kept:?}");
    bed.write("conf", "as it is now\n");
    fs::remove_file(bed.at("big")).unwrap();
    bed.write("host/go", "");
    fs::create_dir(&other).unwrap();
    assert!(Command::new("mv").args([state.join("runs"), other.clone()]).status().unwrap().success());
    let (code, said) = bed.surefoot(&["resume", "last", "--state", &other.display().to_string()]);
    assert_eq!(code, 0, "{said}");
    assert_eq!((bed.text("conf").as_str(), bed.text("big").len()), ("as it was\n", 200_000));
    let tidied = bed.surefoot(&["tidy", "last", "--yes", "--state", &other.display().to_string()]);
    assert!(tidied.0 == 0 && !run_folder(&other).join("inputs/files").exists(), "{tidied:?}");
}

#[test]
fn a_copy_that_was_changed_is_refused() {
    let bed = Bed::new();
    bed.write("conf", "as it was\n");
    let steps = "  - { id: go, on: h, reads: true, sh: test -e $D/go }
  - { id: conf, on: h, copy: { from: conf, to: $D/conf } }";
    bed.runbook("", steps);
    assert_eq!(bed.run().0, 1);
    bed.write("host/go", "");
    let kept = fs::read_dir(run_folder(&bed.at("state")).join("inputs/files")).unwrap().next().unwrap().unwrap().path();
    fs::write(&kept, "something else\n").unwrap();
    bed.write("conf", "as it is now\n");
    let (code, said) = bed.surefoot(&["resume", "last"]);
    assert!(code == 1 && said.contains("is not what the run was started with"), "{said}");
    assert!(!bed.at("host/conf").exists());
    bed.write("conf", "as it was\n");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 0, "the original is the same again");
}

#[test]
fn what_the_run_makes_itself_is_sent_as_it_made_it() {
    let bed = Bed::new();
    bed.write("made", "of another run\n");
    let made = bed.at("made");
    let steps = format!(
        "  - {{ id: make, sh: 'echo now >{made}', irreversible: a file }}
  - {{ id: conf, on: h, copy: {{ from: {made}, to: $D/conf }} }}",
        made = made.display()
    );
    bed.runbook("", &steps);
    let (code, said) = bed.run();
    assert_eq!((code, bed.text("conf").as_str()), (0, "now\n"), "{said}");
}

#[test]
fn a_run_whose_files_have_no_room_touches_no_host() {
    let bed = Bed::new();
    bed.write("conf", &"x".repeat(1 << 20));
    bed.runbook(
        "",
        "  - { id: one, on: h, sh: touch $D/one }\n  - { id: conf, on: h, copy: { from: conf, to: $D/conf } }",
    );
    let small = bed.at("small");
    fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=10m none small && exec \"$@\"";
    let words = ["-m", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_surefoot")];
    let run = ["run", "r.yaml", "-i", "site.yaml", "--yes", "--state", "small"];
    let mut command = Command::new("unshare");
    command.args(words).args(run).current_dir(bed.at("")).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("bytes free"), "{said}");
    assert!(!bed.at("host/one").exists());
}

#[test]
fn a_unit_that_died_is_started_again_where_that_is_asked_for() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("again").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let inside = |script: &str| {
        let output = lab.enter(&host, &["sh", "-c", script]).unwrap().output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    inside(
        "printf '[Service]\\nExecStart=/usr/bin/sleep infinity\\n' >/etc/systemd/system/up.service; systemctl daemon-reload",
    );
    let program = Program::new();
    let book = program.write(
        "r.yaml",
        &format!(
            "runbook: test\nsteps:
  - {{ id: note, on: {host}, sh: echo once >>/root/notes, undo: {{ sh: rm /root/notes }} }}
  - {{ id: start, on: {host}, service: {{ unit: up, state: started, wait: false }} }}
  - {{ id: go, on: {host}, reads: true, sh: test -e /go }}
  - {{ id: last, on: {host}, sh: touch /root/last, undo: {{ sh: rm /root/last }} }}\n"
        ),
    );
    let ran = program.run(&book, ["-i", &lab.inventory().display().to_string()]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let run: RunId = ran.run().clone();
    inside("systemctl kill --signal=KILL up; systemctl reset-failed up; touch /go");
    assert_ne!(inside("systemctl is-active up"), "active");
    let refused = program.follow("resume", &run, &[]);
    assert!(refused.code == Some(130) && refused.err.contains(&format!("--reapply start@{host}")), "{}", refused.err);
    let nobody = program.follow("resume", &run, &["--reapply", "nowhere"]);
    assert_eq!(nobody.code, Some(2), "{}", nobody.err);
    let other = program.follow("resume", &run, &["--reapply", "go"]);
    assert!(other.code == Some(130) && inside("systemctl is-active up") != "active", "it covers something else");
    let on = program.follow("resume", &run, &["--reapply", &format!("start@{host}")]);
    assert_eq!(on.code, Some(0), "{}", on.err);
    assert_eq!((inside("systemctl is-active up").as_str(), inside("cat /root/notes").as_str()), ("active", "once"));
    inside("systemctl kill --signal=KILL up; systemctl reset-failed up");
    let all = program.follow("resume", &run, &["--reapply", "all"]);
    let active = inside("systemctl is-active up");
    assert!(all.code == Some(0) && active != "active", "`last` may have had the last word on it: {}", all.err);
    let done = program.follow("resume", &run, &["--reapply", "start"]);
    assert_eq!((done.code, inside("systemctl is-active up").as_str()), (Some(0), "active"), "{}", done.err);
    let back = program.follow("rollback", &run, &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.err);
    assert_ne!(inside("systemctl is-active up"), "active", "the undo leads to where the first look found it");
}

#[test]
fn the_operator_on_record_is_what_the_system_says() {
    let program = Program::new();
    let book = program.write("r.yaml", "runbook: test\nsteps: [{ id: one, sh: 'true', reads: true }]\n");
    let mut command = program.command(["run", book.to_str().unwrap(), "--yes"]);
    let output = command.env("USER", "eve").env("LOGNAME", "eve").env("SUDO_USER", "mallory").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let run = program.store().runs().unwrap().pop().unwrap();
    let state = program.store().find(&run).unwrap().replay(|_, _| {}).unwrap().state;
    let id = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    assert!(state.operator.starts_with(&format!("{}@", id.trim())), "{}", state.operator);
    assert!(!state.operator.contains("eve") && state.operator.contains("sudo by mallory"), "{}", state.operator);
}

#[test]
fn what_a_host_says_leads_a_fetched_file_to_no_other_folder() {
    let bed = Bed::new();
    bed.write("host/file", "theirs");
    fs::create_dir(bed.at("got")).unwrap();
    std::os::unix::fs::symlink(bed.at("host"), bed.at("got/link")).unwrap();
    let steps = "  - { id: said, on: h, reads: true, sh: cat $D/said }
  - { id: got, on: h, fetch: { from: $D/file, to: \"got/{{ vars.name }}\" } }";
    bed.runbook("vars: { name: \"{{ steps.said.out.stdout }}\" }", steps);
    let evil = bed.at("evil");
    for name in ["../evil", "a/../../evil", "link/evil", "/../evil", ".."] {
        bed.write("host/said", name);
        let (code, said) = bed.run();
        assert!(code == 1 && (said.contains("leaves its folder") || said.contains("symbolic link")), "{name}: {said}");
        assert!(!evil.exists() && !bed.at("host/evil").exists(), "{name}");
    }
    bed.write("host/said", "fine/name");
    let (code, said) = bed.run();
    assert_eq!((code, fs::read_to_string(bed.at("got/fine/name")).unwrap().as_str()), (0, "theirs"), "{said}");
    assert!(bed.surefoot(&["check", "r.yaml", "-i", "site.yaml"]).1.contains("W0505"));
}

#[test]
fn a_check_runs_no_inventory_and_says_so() {
    let program = Program::new();
    let book = program
        .write("r.yaml", "runbook: test\nhosts: { web: {} }\nsteps: [{ id: one, on: web, sh: 'true', reads: true }]\n");
    let list = program.write("list", "#!/bin/sh\ntouch ran\necho '{\"web\": {\"hosts\": [\"web-1\"]}}'\n");
    fs::set_permissions(&list, fs::Permissions::from_mode(0o755)).unwrap();
    let (book, list) = (book.to_str().unwrap(), list.to_str().unwrap());
    let checked = program.call(["check", "-i", list, book]);
    assert!(checked.code == Some(0) && checked.err.contains("W0703"), "{checked:?}");
    let drawn = program.call(["graph", "-i", list, book]);
    assert!(drawn.code == Some(0) && drawn.err.contains("W0703"), "{drawn:?}");
    assert_eq!(program.call(["plan", "--offline", "-i", list, book]).code, Some(2));
    assert!(!program.path("ran").exists());
}

/// Texts that were named by mistake, each with a word that nobody may see.
fn strange() -> Vec<(&'static str, String)> {
    let line = "hunter2hunter2";
    vec![
        ("shadow", format!("root:{line}:19000:0:99999:7:::\nana:{line}:19000:0:99999:7:::\n")),
        ("id_ed25519", format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{line}\n-----END OPENSSH PRIVATE KEY-----\n")),
        ("passwords.yaml", format!("db: {line}\nother: [{line}, {{ a: {line} }}]\n")),
        ("broken.yaml", format!("db: [{line}\n: {line}\n")),
        ("words", format!("{line}\n")),
        ("latin", format!("{line}\n")),
    ]
}

#[test]
fn nothing_is_shown_of_files_that_are_none_of_ours() {
    let program = Program::new();
    let book = program
        .write("r.yaml", "runbook: test\nparams: { name: { type: string } }\nsteps: [{ sh: 'true', reads: true }]\n");
    let uses = program.write("uses.yaml", "runbook: test\nsteps: [{ use: shadow }]\n");
    let (book, uses) = (book.to_str().unwrap(), uses.to_str().unwrap());
    for (name, text) in strange() {
        let path = program.write(name, &text);
        if name == "latin" {
            fs::write(&path, [text.as_bytes(), b"\xff\n"].concat()).unwrap();
        }
        let file = path.to_str().unwrap();
        for words in [
            &["check", file][..],
            &["check", "--format", "json", file],
            &["check", "-i", file, book],
            &["plan", "--offline", book, "-P", file],
            &["plan", "--offline", book, "-i", file],
            &["run", file],
            &["test", file],
            &["rehearse", file],
            &["fmt", "--check", file],
            &["hosts", "-i", file],
            &["run", book, "--yes", "--config", file, "-p", "name=x"],
        ] {
            // A list of words is an inventory: these are the names of its hosts.
            if (name, words[0]) == ("words", "hosts") {
                continue;
            }
            let called = program.call(words);
            let said = called.out + &called.err;
            assert!(!said.contains("hunter2"), "{words:?}: {said}");
        }
    }
    let called = program.call(["check", uses]);
    assert!(!called.err.contains("hunter2") && called.code == Some(2), "{called:?}");
}

#[test]
fn a_fifo_and_a_device_without_end_hold_nothing_up() {
    let program = Program::new();
    let book = program.write("r.yaml", "runbook: test\nsteps: [{ sh: 'true', reads: true }]\n");
    let fifo = program.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let (book, fifo) = (book.to_str().unwrap(), fifo.to_str().unwrap());
    for (file, patience) in [("/dev/zero", 10), (fifo, 40)] {
        for words in [
            &["check", file][..],
            &["check", book, "-i", file],
            &["plan", "--offline", book, "-P", file],
            &["run", book, "--yes", "--config", file],
            &["test", file],
        ] {
            let begun = Instant::now();
            let called = program.call(words);
            assert_eq!(called.code, Some(2), "{words:?}: {called:?}");
            assert!(begun.elapsed() < Duration::from_secs(patience), "{words:?}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn the_length_of_a_shells_variable_is_refused_with_what_works() {
    let program = Program::new();
    let book = |text: &str| {
        program.write(
            "r.yaml",
            &format!("runbook: test\nsteps:\n  - {{ id: one, reads: true, sh: 'V=abcd; echo {text}' }}\n"),
        )
    };
    let called = program.call(["check", book("${#V} x }# #}").to_str().unwrap()]);
    assert!(called.code == Some(2) && called.err.contains("{{ '${#V}' }}"), "{called:?}");
    let text = "runbook: test\nsteps:\n  - { id: one, reads: true, sh: \"V=abcd; echo {{ '${#V}' }}\" }\n";
    let ran = program.run(&program.write("r.yaml", text), [] as [&str; 0]).done();
    assert_eq!(ran.out("one@controller")["stdout"], "4");
}

#[test]
fn a_text_that_no_program_can_be_started_with_is_named_and_goes_by_stdin() {
    let bed = Bed::new();
    let head = "vars: { long: \"{{ steps.long.out.stdout }}\" }";
    let long = "  - { id: long, on: h, reads: true, sh: \"head -c 150000 /dev/zero | tr '\\\\0' x\" }\n";
    bed.runbook(
        head,
        &format!(
            "{long}  - {{ id: env, on: h, reads: true, env: {{ V: \"{{{{ vars.long }}}}\" }}, sh: 'echo $V | wc -c' }}"
        ),
    );
    let (code, said) = bed.run();
    assert!(code == 1 && said.contains("`env`: V") && said.contains("stdin"), "{said}");
    bed.runbook(head, &format!("{long}  - {{ id: env, on: h, stdin: \"{{{{ vars.long }}}}\", sh: 'wc -c >$D/count', undo: {{ sh: rm $D/count }} }}"));
    let (code, said) = bed.run();
    assert_eq!((code, bed.text("count").trim()), (0, "150000"), "{said}");
    let word = "x".repeat(140_000);
    let program = Program::new();
    let exec =
        program.write("r.yaml", &format!("runbook: test\nsteps: [{{ id: one, reads: true, exec: [echo, {word}] }}]\n"));
    let called = program.call(["check", exec.to_str().unwrap()]);
    assert!(called.code == Some(2) && called.err.contains("in one piece"), "{}", called.err);
}

#[test]
fn a_host_whose_sudo_keeps_what_it_is_given_gets_no_secret_unless_that_is_accepted() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("sulog").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let inside = |script: &str| {
        let output = lab.enter(&host, &["sh", "-c", script]).unwrap().output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    inside("echo 'Defaults log_input' >/etc/sudoers.d/log; chmod 440 /etc/sudoers.d/log");
    let program = Program::new();
    let book = program.write(
        "r.yaml",
        &format!(
            "runbook: test\nparams: {{ password: {{ type: secret }} }}\nsteps:\n  - {{ id: one, on: {host}, become: nobody, \
             reads: true, env: {{ P: \"{{{{ params.password }}}}\" }}, sh: test \"$P\" }}\n"
        ),
    );
    let site = lab.inventory().display().to_string();
    let words = ["run", book.to_str().unwrap(), "--yes", "-i", &site, "-p", "password=cmd:echo hunter2hunter2"];
    let refused = program.call(words);
    assert!(refused.code == Some(1) && refused.err.contains("log_input"), "{}", refused.err);
    let accepted = program.call([&words[..], &["--allow-sudo-log"]].concat());
    assert_eq!(accepted.code, Some(0), "{}", accepted.err);
    inside("rm /etc/sudoers.d/log");
    assert_eq!(program.call(words).code, Some(0));
}
