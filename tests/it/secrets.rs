//! Secrets in forty disguises, through every road out of the program, on a real host: none is seen.

use crate::support::program::Program;
use crate::support::web::{Asked, Web, reply};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use surefoot_engine::world::quote::quote;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

const PASSWORD: &str = "tr0ub4dor & \"3'/\\<é>$x+%=";
const KEY: &str =
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----\n";
/// Made on the host, known from a step's output only.
const TOKEN: &str = "hvs.CAESIJ2xq8-generated-0815";

/// A host, a folder, and a runbook whose steps print what lies in a file of the host.
struct Scene {
    lab: LabGuard,
    host: LabName,
    program: Program,
}

const RUNBOOK: &str = r#"
runbook: test/secrets
params:
  password: { type: secret }
  key: { type: secret, default: "file:key.pem" }
vars:
  login: "root:{{ params.password }}"
steps:
  - id: token
    on: HOST
    secret: true
    reads: true
    sh: cat /root/token; cat /root/token >&2
  - id: made
    on: HOST
    secret: true
    irreversible: no undo
    sh: cat /root/token; echo once >>/root/made
  - id: given
    on: HOST
    env: { P: "{{ params.password }}", L: "{{ vars.login }}", T: "{{ steps.token.out.stdout }}" }
    stdin: "{{ params.key }}"
    irreversible: no undo
    sh: |
      sleep 0.3
      printf %s "$P" | cmp - /root/password && cat | cmp - /root/key && printf %s "$T" | cmp - /root/token
  - id: file
    on: HOST
    file: { path: /root/app.conf, content: "{{ vars.login }}\n{{ params.key }}{{ steps.token.out.stdout }}\n" }
  - id: variables
    on: HOST
    env_file: { path: /root/app.env, set: { PASSWORD: "{{ params.password }}", TOKEN: "{{ steps.token.out.stdout }}" } }
  - id: shout
    on: HOST
    reads: true
    sh: cat /root/disguises; cat /root/disguises >&2
  - id: spelled
    on: HOST
    reads: true
    sh: while IFS= read -r line; do printf '%.9s' "$line"; sleep 0.01; printf '%s\n' "${line#?????????}"; done </root/disguises
  - id: json
    on: HOST
    reads: true
    sh: cat /root/json
  - id: go
    on: HOST
    reads: true
    sh: test -e /root/go || { cat /root/disguises >&2; exit 3; }
  - id: again
    on: HOST
    env: { T: "{{ steps.token.out.stdout }}", M: "{{ steps.made.out.stdout }}" }
    irreversible: no undo
    sh: printf %s "$T" | cmp - /root/token && printf %s "$M" | cmp - /root/token
"#;

impl Scene {
    fn set() -> Scene {
        let lab =
            LabGuard::up(&LabSpec::cluster(LabName::of_this_process("mask").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
        let host = lab.hosts().next().unwrap().clone();
        let scene = Scene { lab, host, program: Program::new() };
        let disguises = disguises();
        assert!(disguises.len() >= 40, "{}", disguises.len());
        let json = serde_json::json!({ "nested": { "list": [PASSWORD, { KEY: TOKEN }], "n": 5 } }).to_string();
        for (name, text) in [
            ("password", PASSWORD),
            ("key", KEY.trim_end()),
            ("token", TOKEN),
            ("json", &json),
            ("disguises", &disguises.join("\n")),
        ] {
            scene.inside(&format!("base64 -d >/root/{name} <<'E'\n{}\nE", STANDARD.encode(text)));
        }
        scene.program.write("key.pem", KEY);
        scene.program.write("r.yaml", &RUNBOOK.replace("HOST", scene.host.as_str()));
        scene
    }

    fn inside(&self, script: &str) -> String {
        let output = self.lab.enter(&self.host, &["sh", "-ec", script]).unwrap().stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// All that a call prints, and its exit code.
    fn surefoot(&self, words: &[&str]) -> (i32, String) {
        let inventory = self.lab.inventory().display().to_string();
        let words = words.iter().map(|word| if *word == "SITE" { inventory.as_str() } else { word });
        let mut command = self.program.command(words);
        let output = command.env("PW", PASSWORD).env("SUREFOOT_LOG", "trace").output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&all).into_owned())
    }

    /// The same at a terminal.
    fn at_terminal(&self, words: &str) -> String {
        let line = format!("{} {words}", env!("CARGO_BIN_EXE_surefoot"));
        let line = line.replace("SITE", &self.lab.inventory().display().to_string());
        let mut script = Command::new("script");
        script.args(["-qefc", &line, "/dev/null"]).current_dir(self.program.path("")).stdin(Stdio::null());
        script.env("SUREFOOT_STATE", self.program.state_folder()).env("PW", PASSWORD).env("TERM", "xterm");
        script.env("SUREFOOT_LOG", "trace");
        String::from_utf8_lossy(&script.output().unwrap().stdout).into_owned()
    }

    /// Writes down every command line of the host, again and again, until it is killed.
    fn watch_arguments(&self) -> Child {
        let script = "while :; do cat /proc/[0-9]*/cmdline 2>/dev/null; echo; done >>/root/seen";
        self.lab.enter(&self.host, &["sh", "-c", script]).unwrap().stdin(Stdio::null()).spawn().unwrap()
    }
}

/// The secrets as other programs write them; one line each.
fn disguises() -> Vec<String> {
    let mut all = Vec::new();
    for secret in [PASSWORD, TOKEN, KEY.lines().nth(1).unwrap()] {
        let json = serde_json::to_string(secret).unwrap();
        let percent = |kept: &str| -> String {
            let byte = |b: u8| match char::from(b) {
                c if c.is_ascii_alphanumeric() || kept.contains(c) => c.to_string(),
                _ => format!("%{b:02X}"),
            };
            secret.bytes().map(byte).collect()
        };
        all.extend([
            secret.to_owned(),
            format!("https://root:{secret}@host/"),
            STANDARD.encode(secret),
            STANDARD.encode(format!("u:{secret}")),
            STANDARD.encode(format!("me:{secret}!")),
            STANDARD.encode(format!("you:{secret}!!")),
            URL_SAFE.encode(secret),
            URL_SAFE_NO_PAD.encode(format!("root:{secret}")),
            json.clone(),
            serde_json::to_string(&json).unwrap(),
            json.replace('/', "\\/"),
            json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
            json.replace('é', "\\u00e9"),
            percent("-_.~"),
            percent("-_.~/").to_lowercase(),
            percent("-_.!~*'()"),
            percent("-_.*").replace("%20", "+"),
            quote(secret),
            secret.replace('\'', "'\"'\"'"),
            format!("'{}'", secret.replace('\'', "''")),
            secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
            secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
            secret.to_ascii_uppercase(),
        ]);
    }
    all.push(STANDARD.encode(KEY));
    all.push(serde_json::to_string(KEY).unwrap());
    all.push(KEY.replace('\n', "%0A"));
    all
}

/// What of a secret a reader would know it by: long pieces of every disguise.
fn leaks(text: &str) -> Vec<String> {
    let mut needles: Vec<String> = [PASSWORD, TOKEN].map(str::to_owned).to_vec();
    needles.extend(KEY.lines().skip(1).take(2).map(str::to_owned));
    for disguise in disguises() {
        // Within it: what stands around the secret may be seen.
        let middle: String = disguise.chars().skip(16).take(12).collect();
        needles.push(middle);
    }
    needles.retain(|needle| needle.len() >= 10);
    let lower = text.to_ascii_lowercase();
    needles.into_iter().filter(|needle| lower.contains(&needle.to_ascii_lowercase())).collect()
}

#[track_caller]
fn clean(what: &str, text: &str) {
    assert_eq!(leaks(text), Vec::<String>::new(), "{what}:\n{text}");
}

fn files_below(folder: &Path, see: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_below(&path, see);
        } else if kind.is_file() {
            see(&path, &String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn a_secret_in_forty_disguises_is_seen_nowhere() {
    let scene = Scene::set();
    let given = ["-i", "SITE", "-p", "password=env:PW"];
    let call = |words: &[&str], code: i32| {
        let (got, said) = scene.surefoot(words);
        assert_eq!(got, code, "{words:?}: {said}");
        clean(&words.join(" "), &said);
        said
    };
    assert!(!leaks(&disguises().join("\n")).is_empty(), "it finds what there is");
    call(&["check", "r.yaml", "-i", "SITE"], 0);
    call(&[&["plan", "r.yaml", "--offline"], &given[..]].concat(), 0);
    call(&[&["plan", "r.yaml", "--offline", "--format", "json"], &given[..]].concat(), 0);
    let told = scene.program.path("told");
    std::fs::create_dir(&told).unwrap();
    let looked = ["plan", "r.yaml", "--format", "json", "--html", "told/plan.html", "--out", "told/r.plan"];
    call(&[&looked, &given[..]].concat(), 0);

    let mut watch = scene.watch_arguments();
    let lines = call(&[&["run", "r.yaml", "--yes", "--log", "lines", "-v"], &given[..]].concat(), 1);
    assert!(lines.contains("***"), "the fault of `go` shows what it printed, masked: {lines}");
    call(&["show", "last"], 0);
    call(&["runs"], 0);
    let engine = call(&["logs", "last", "--engine"], 0);
    assert!(engine.contains("call=Act") && engine.contains("TRACE"), "{engine}");
    let logs = call(&["logs", "last"], 0);
    assert!(logs.matches("***").count() >= 3 * disguises().len(), "{logs}");
    assert!(!logs.contains("token@"), "of a secret step nothing is kept: {logs}");
    call(&["rollback", "last", "--plan"], 0);
    let account =
        ["--html", "told/a.html", "--markdown", "told/a.md", "--junit", "told/a.xml", "--json", "told/a.json"];
    call(&[&["report", "last"], &account[..]].concat(), 0);
    // A new engine knows nothing: it asks the sources, reads the one secret step again, and has the host show what the
    // other printed, which is not run twice.
    scene.inside("touch /root/go");
    call(&["resume", "last", "--log", "json"], 0);
    assert_eq!(scene.inside("cat /root/made"), "once\n");
    scene.inside("rm /root/go");
    call(&[&["run", "r.yaml", "--yes", "--log", "json"], &given[..]].concat(), 1);
    let live = scene.at_terminal("run r.yaml --yes --log live -i SITE -p password=env:PW");
    assert!(live.contains("shout"), "{live}");
    assert!(!live.contains("host_call"), "a live console is not written over: {live}");
    clean("live", &live);
    watch.kill().unwrap();
    watch.wait().unwrap();

    let mut files = 0;
    for folder in [scene.program.state_folder(), told] {
        files_below(&folder, &mut |path, text| {
            files += 1;
            clean(&path.display().to_string(), text);
        });
    }
    assert!(files > 26, "{files}");
    let seen = scene.inside("tr '\\0' ' ' </root/seen");
    assert!(seen.contains("jobs/given.1.0"), "it looked while they ran");
    clean("command lines of the host", &seen);
    // On the host lies what the commands themselves printed, for root alone, and what was asked for.
    let jobs = scene.inside("cd /var/lib/surefoot; cat */jobs/*.sh */jobs/*.st */jobs/given.* */jobs/file.* */jobs/variables.* */jobs/again.*");
    clean("what jobs leave behind", &jobs);
    assert_eq!(scene.inside("find /var/lib/surefoot/2* -perm /077").trim(), "");
    assert_eq!(scene.inside("stat -c %a /root/app.conf /root/app.env"), "600\n600\n");
    assert!(scene.inside("cat /root/app.conf").contains(PASSWORD));
}

#[test]
fn a_secret_that_is_written_out_is_refused_and_not_shown() {
    let program = Program::new();
    program.write("r.yaml", "runbook: t\nparams: { p: { type: secret } }\nsteps:\n  - { sh: 'true', reads: true, env: { P: '{{ params.p }}' } }\n");
    let refused = program.call(["run", "r.yaml", "--yes", "-p", "p=hunter2"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("E0606") && !(refused.err + &refused.out).contains("hunter2"));
    // Not given, and nobody to ask.
    assert_eq!(program.call(["run", "r.yaml", "--yes"]).code, Some(2));
    // Too short to be masked.
    program.write("short", "abc\n");
    assert_eq!(program.call(["run", "r.yaml", "--yes", "-p", "p=file:short"]).code, Some(2));
    program.write("enough", "abcd\n");
    assert_eq!(program.call(["run", "r.yaml", "--yes", "-p", "p=file:enough"]).code, Some(0));
    assert_eq!(program.call(["run", "r.yaml", "--yes", "-p", "p=cmd:echo abcd"]).code, Some(0));
    // A plan needs no value.
    assert_eq!(program.call(["plan", "r.yaml", "--offline", "-p", "p=env:NO_SUCH_VARIABLE"]).code, Some(0));
}

#[test]
fn a_secret_told_to_a_web_server_is_seen_by_it_alone() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // It tells back all that it was told.
    let echo = |asked: &Asked| {
        reply("200 OK", &format!("X-Echo: {}\r\n", asked.headers.replace("\r\n", "; ")), asked.body.as_bytes())
    };
    let web = runtime.block_on(Web::plain(echo));
    let program = Program::new();
    program.write("token", TOKEN);
    program.write("password", PASSWORD);
    let steps = format!(
        "  - http:\n      url: \"{url}\"\n      headers: {{ X-Token: \"{{{{ params.token }}}}\" }}\n  \
         - id: order\n    irreversible: it is told\n    http:\n      url: \"{url}\"\n      method: POST\n      \
         json: {{ login: [\"root:{{{{ params.password }}}}\"] }}\n",
        url = web.url("/login")
    );
    let params =
        "params: { token: { type: secret, default: file:token }, password: { type: secret, default: file:password } }";
    let book = program.write("r.yaml", &format!("runbook: t\n{params}\nsteps:\n{steps}"));
    let ran = program.run(&book, ["-v"]).done();
    let asked = web.asked();
    assert!(asked[0].headers.contains(TOKEN) && asked[1].body.contains("root:tr0ub4dor"), "{asked:?}");
    assert!(ran.out("order@controller")["body"].to_string().contains("***"), "what it tells back is masked");
    clean("events", &serde_json::to_string(&ran.events).unwrap());
    clean("errors", &ran.err);
    files_below(&program.state_folder(), &mut |path, text| clean(&path.display().to_string(), text));
}
