//! The engine's own log: what is in it, where it goes, and what is never in it.

use crate::support::bed::Bed;
use crate::support::files::mode_and_owner;
use crate::support::program::Program;
use crate::support::site::{PASSWORD, Site};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STEPS: &str =
    "steps:\n  - { id: a, sh: echo, reads: true }\n  - { id: b, on: controller, file: { path: made, content: x } }\n";

fn local() -> Program {
    let program = Program::new();
    let steps = STEPS.replace("path: made", &format!("path: {}", program.path("made").display()));
    program.write("r.yaml", &format!("runbook: t\n{steps}"));
    program
}

fn folder(program: &Program) -> PathBuf {
    let runs = program.store().runs().unwrap();
    program.store().folder_of(runs.last().unwrap())
}

fn code(command: &mut Command) -> Option<i32> {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code()
}

/// Waits until a file has a text.
#[track_caller]
fn comes(path: &Path, text: &str) {
    let begun = Instant::now();
    while !fs::read_to_string(path).unwrap_or_default().contains(text) {
        assert!(begun.elapsed() < Duration::from_secs(9), "no {text}: {:?}", fs::read_to_string(path));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_host_that_accepts_and_says_nothing_is_named_while_it_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let program = local();
    program.write("site.yaml", &format!("hosts: {{ h: {{ address: 127.0.0.1, port: {port} }} }}\n"));
    program
        .write("on.yaml", "runbook: t\nhosts: { members: {} }\nsteps:\n  - { on: members, sh: echo, reads: true }\n");
    let calls = [
        &["hosts", "-i", "site.yaml"][..],
        &["plan", "on.yaml", "-i", "site.yaml", "--bind", "members=h"],
        &["run", "on.yaml", "-i", "site.yaml", "--bind", "members=h", "--yes"],
    ];
    for words in calls {
        let said = fs::File::create(program.path("said")).unwrap();
        let mut command = program.command([words, &["--verbose", "--log-file", "log"]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(said).spawn().unwrap();
        comes(&program.path("said"), " h ");
        comes(&program.path("log"), "progress=Accepted");
        assert_eq!(child.try_wait().unwrap(), None, "{words:?} still waits");
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_file(program.path("log")).unwrap();
    }
}

#[test]
fn each_run_has_a_log_for_its_operator_alone_and_it_goes_away_with_the_record() {
    let program = local();
    assert_eq!(program.call(["run", "r.yaml", "--yes"]).code, Some(0));
    let (folder, log) = (folder(&program), folder(&program).join("tracing.log"));
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    let shown = program.call(["logs", "last", "--engine"]);
    assert!(shown.out.contains("phase=Forward") && shown.out.contains("outcome=Done"), "{shown:?}");
    assert!(!shown.out.contains("DEBUG"), "{shown:?}");
    // The older file comes first, and neither moves a cursor.
    fs::write(folder.join("tracing.log.1"), "older \x1b[2J\x1b]0;title\x07end\n").unwrap();
    let shown = program.call(["logs", "last", "--engine"]).out;
    assert!(shown.starts_with("older end\n") && shown.contains("outcome=Done"), "{shown}");
    assert_eq!(program.call(["verify", "last"]).code, Some(0));
    assert_eq!(program.call(["tidy", "--older", "0s", "--yes"]).code, Some(0));
    assert!(!folder.exists());
}

#[test]
fn a_run_under_way_shows_its_log_and_so_does_one_whose_engine_was_killed() {
    let bed = Bed::new();
    bed.runbook(
        "hosts: { members: {} }",
        "  - { id: tell, on: members, sh: echo >$D/tell; sleep 60, irreversible: x }",
    );
    bed.write("site.yaml", &(fs::read_to_string(bed.at("site.yaml")).unwrap() + "groups: { members: [h] }\n"));
    let mut engine = bed.start();
    bed.told();
    let (code, live) = bed.surefoot(&["logs", "last", "--engine"]);
    // Connecting comes before the run has its folder, and is not lost.
    for part in ["ssh starts", "BatchMode=yes", "connected", "lease acquired", "phase=Forward"] {
        assert!(code == 0 && live.contains(part), "{part}: {live}");
    }
    engine.kill().unwrap();
    engine.wait().unwrap();
    assert_eq!(bed.surefoot(&["logs", "last", "--engine"]), (0, live.clone()));
    let (_, said) = bed.surefoot(&["cancel", "last"]);
    let (_, later) = bed.surefoot(&["logs", "last", "--engine"]);
    assert!(later.starts_with(&live) && later.contains("phase=Cancel"), "{said}{later}");
}

#[test]
fn a_connection_that_breaks_and_one_that_is_refused_are_logged() {
    let bed = Bed::new();
    bed.write("site.yaml", &(fs::read_to_string(bed.at("site.yaml")).unwrap() + "groups: { members: [h] }\n"));
    let steps = "  - { id: tell, on: members, sh: echo >$D/tell; sleep 2, reads: true }";
    bed.runbook("hosts: { members: {} }", steps);
    let mut engine = bed.start();
    bed.told();
    bed.sshd.cut();
    engine.wait().unwrap();
    let (_, log) = bed.surefoot(&["logs", "last", "--engine"]);
    assert!(log.contains("ssh has exited") && log.matches("ssh starts").count() >= 2, "{log}");

    let config = fs::read_to_string(bed.sshd.ssh_config()).unwrap();
    bed.write("stranger", &config.replace("/known_hosts\n", "/none\n"));
    bed.write("stranger.yaml", &format!("hosts: {{ h: {{ ssh_config: {} }} }}\n", bed.at("stranger").display()));
    assert_eq!(
        bed.surefoot(&["hosts", "-i", "stranger.yaml", "--log-file", &bed.at("log").display().to_string()]).0,
        1
    );
    let log = fs::read_to_string(bed.at("log")).unwrap();
    assert!(log.contains("kind=Denied") && log.contains("host key"), "{log}");
}

#[test]
fn a_log_file_is_for_its_operator_alone_or_is_refused() {
    let program = local();
    let run = |log: &str| program.call(["run", "r.yaml", "--yes", "--log-file", log]).code;
    let open = program.write("open", "before\n");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(run("open"), Some(0));
    assert_eq!(mode_and_owner(&open).0 & 0o777, 0o600);
    let text = fs::read_to_string(&open).unwrap();
    assert!(text.starts_with("before\n") && text.contains("outcome=Done"), "{text}");

    let runs = program.store().runs().unwrap();
    fs::hard_link(program.write("linked", ""), program.path("link")).unwrap();
    std::os::unix::fs::chown(program.write("theirs", ""), Some(65534), None).unwrap();
    for refused in ["link", "theirs", "/dev/null", "no/such/folder"] {
        assert_eq!(run(refused), Some(2), "{refused}");
    }
    assert_eq!(program.store().runs().unwrap(), runs, "nothing was started");
}

#[test]
fn the_filter_says_what_is_logged_and_a_wrong_one_starts_nothing() {
    let program = local();
    let run = |filter: &str| code(program.command(["run", "r.yaml", "--yes"]).env("SUREFOOT_LOG", filter));
    assert_eq!(run("surefoot_engine::world[=x"), Some(2));
    assert!(!program.state_folder().join("runs").exists());
    assert_eq!(run("off"), Some(0));
    assert!(!folder(&program).join("tracing.log").exists());
    assert_eq!(program.call(["logs", "last", "--engine"]).code, Some(1));
    assert_eq!(run("surefoot_engine::world=debug"), Some(0));
    let log = fs::read_to_string(folder(&program).join("tracing.log")).unwrap();
    assert!(log.contains("host_call") && !log.contains("phase begins"), "{log}");
}

#[test]
fn a_live_console_is_not_written_over_and_lines_at_a_terminal_are() {
    let program = local();
    let at_terminal = |log: &str| {
        let line = format!("{} run r.yaml --yes --log {log}", env!("CARGO_BIN_EXE_surefoot"));
        let mut script = Command::new("script");
        script.args(["-qefc", &line, "/dev/null"]).current_dir(program.path("")).stdin(Stdio::null());
        script.env("SUREFOOT_STATE", program.state_folder()).env("SUREFOOT_CONFIG", "/dev/null");
        let output = script.env("TERM", "xterm").env("SUREFOOT_LOG", "trace").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let live = at_terminal("live");
    assert!(!live.contains("host_call") && !live.contains("TRACE"), "{live}");
    let log = fs::read_to_string(folder(&program).join("tracing.log")).unwrap();
    assert!(log.contains("host_call"), "{log}");
    let lines = at_terminal("lines");
    assert!(lines.contains("host_call"), "{lines}");
}

#[test]
fn a_secret_of_any_source_is_in_no_log_at_trace() {
    let bed = Bed::new();
    let secrets = ["of-env '\"\\$é", "of-file\nsecond line 4711", "of-cmd base64+/=", "of-output 0815"];
    bed.write("site.yaml", &(fs::read_to_string(bed.at("site.yaml")).unwrap() + "groups: { members: [h] }\n"));
    bed.write("file", secrets[1]);
    bed.write("cmd", secrets[2]);
    bed.write("host/output", secrets[3]);
    let head = "hosts: { members: {} }
params:
  env: { type: secret, default: \"env:PW\" }
  file: { type: secret, default: \"file:file\" }
  cmd: { type: secret, default: \"cmd:cat cmd\" }
  generated: { type: secret, default: \"generate:made\" }";
    let all = "{{ params.env }} {{ params.file }} {{ params.cmd }} {{ params.generated }} {{ steps.out.out.stdout }}";
    let steps = format!(
        "  - {{ id: out, on: members, secret: true, reads: true, sh: cat $D/output }}
  - id: env
    on: members
    env: {{ ALL: \"{all}\" }}
    stdin: \"{all}\"
    irreversible: x
    sh: echo \"$ALL\"; cat
  - {{ id: file, on: members, file: {{ path: $D/made, content: \"{all}\" }} }}
  - {{ id: fails, on: members, reads: true, sh: 'cat $D/made >&2; exit 3', retry: {{ attempts: 2 }} }}"
    );
    bed.runbook(head, &steps);
    let mut command = bed.command(&["run", "r.yaml", "-i", "site.yaml", "--yes", "--log-file", "log"]);
    assert_eq!(code(command.env("PW", secrets[0]).env("SUREFOOT_LOG", "trace")), Some(1));
    let generated = fs::read_to_string(bed.at("made")).unwrap();
    assert!(bed.text("made").contains(generated.trim()), "they were used");
    let log = fs::read_to_string(bed.at("log")).unwrap();
    assert!(log.contains("TRACE") && log.contains("***") && log.contains("task=fails"), "{log}");
    for part in ["of-env", "of-file", "second line", "of-cmd", "of-output", generated.trim()] {
        assert!(!log.contains(part), "{part}: {log}");
    }
    assert_eq!(log, fs::read_to_string(stored(&bed)).unwrap());
}

fn stored(bed: &Bed) -> PathBuf {
    let run = fs::read_dir(bed.at("state/runs")).unwrap().next().unwrap().unwrap();
    run.path().join("tracing.log")
}

#[test]
fn neither_the_password_of_etcd_nor_a_login_by_it_is_in_a_log_at_trace() {
    let mut site = Site::serving("logpw", 20);
    site.add_users();
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/etcd/report.yaml");
    let words = ["run", book, "-i", "site.yaml", "--yes", "-p", "sample=1s", "--log-file", "log"];
    assert_eq!(code(site.program.command(words).env("SUREFOOT_LOG", "trace")), Some(0));
    let log = fs::read_to_string(site.program.path("log")).unwrap();
    for part in ["h2::", "tonic", "gRPC call", "tunnel"] {
        assert!(log.contains(part), "{part}");
    }
    let lower = log.to_ascii_lowercase();
    for part in [PASSWORD, "correct horse", "authorization", "token: \"", "token="] {
        assert!(!lower.contains(part), "{part}: {}", lower.lines().find(|line| line.contains(part)).unwrap());
    }
}
