//! `surefoot tidy`: on lab hosts, what a run keeps goes away, and nothing else.

use crate::support::program::{Called, Program};
use std::collections::BTreeSet;
use std::process::Stdio;
use surefoot_lab::lab::{Break, Etcd, LabGuard, LabName, LabSpec};

struct Scene {
    lab: LabGuard,
    names: Vec<LabName>,
    program: Program,
}

/// A host's files, one line each.
type Picture = BTreeSet<String>;

impl Scene {
    /// `login`: further keys of each host in the inventory.
    fn new(stem: &str, hosts: usize, login: &str) -> Scene {
        let spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), hosts, Etcd::None);
        let lab = LabGuard::up(&spec, &|_| {}).unwrap();
        let names: Vec<LabName> = lab.hosts().cloned().collect();
        let program = Program::new();
        let config = lab.ssh_config().display().to_string();
        let entries = names.iter().map(|name| format!("  {name}: {{ ssh_config: {config}{login} }}\n"));
        let all: Vec<&str> = names.iter().map(LabName::as_str).collect();
        let groups = format!("groups: {{ members: [{}] }}\n", all.join(", "));
        program.write("site.yaml", &format!("hosts:\n{}{groups}", entries.collect::<String>()));
        Scene { lab, names, program }
    }

    fn inside(&self, host: usize, script: &str) -> String {
        let mut command = self.lab.enter(&self.names[host], &["sh", "-ec", script]).unwrap();
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Kind, mode, owner and name of all that is there, and the contents of what is not large; without what a system
    /// writes by itself, and without the leases.
    fn picture(&self, host: usize) -> Picture {
        let find = "find / /dev/shm \\( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o -path /var/log \
                    -o -path /usr -o -path '*/surefoot/lease' -o -path '*/surefoot-*/lease' \\) -prune -o";
        let shm = "find /dev/shm";
        let text = self.inside(
            host,
            &format!(
                "{find} -printf '%y %m %u %p\\n'; {shm} -printf '%y %m %u %p\\n'; \
                 find /etc /srv /home -type f -exec sha256sum {{}} +"
            ),
        );
        text.lines().map(str::to_owned).collect()
    }

    fn call(&self, words: &[&str]) -> Called {
        self.program.call(words)
    }

    fn run(&self, steps: &str) -> (Option<i32>, String) {
        let runbook =
            self.program.write("r.yaml", &format!("runbook: keeps\nhosts: {{ members: {{}} }}\nsteps:\n{steps}"));
        let ran = self.program.run(&runbook, ["-i", "site.yaml"]);
        let run = ran.run().to_string();
        (ran.code, run)
    }
}

/// What went away, without the folders that it lay in.
fn gone(before: &Picture, after: &Picture) -> Vec<String> {
    before.difference(after).map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

const KEEPS: &str = r#"
  - { id: shell, on: members, sh: "echo hi", undo: { sh: "true" } }
  - { id: replaced, on: members, copy: { from: new.conf, to: /etc/there.conf } }
  - { id: away, on: members, remove: { path: /srv/data } }
  - { id: away_elsewhere, on: members, remove: { path: /dev/shm/data } }
  - { id: moved, on: members, move: { from: /srv/db, to: "/srv/db.before-{{ run.id }}" } }
  - id: restored
    on: members
    timeout: 2s
    etcd.restore:
      file: /srv/snapshot.db
      into: "/srv/etcd.new-{{ run.id }}"
      name: etcd-1
      peer_url: http://10.0.0.1:2380
      initial_cluster: etcd-1=http://10.0.0.1:2380
      token: "{{ run.id }}"
      tool: /srv/tool
"#;

/// Makes half a directory, and hangs.
const SETUP: &str = r#"
mkdir /srv/data /srv/db /dev/shm/data; echo old >/etc/there.conf; echo a >/srv/data/a; echo b >/srv/db/b; echo c >/dev/shm/data/c
touch /srv/snapshot.db
cat >/srv/tool <<'EOF'
#!/bin/sh
case "$*" in *--help*) echo "  --data-dir"; exit 0;; esac
shift 3; mkdir -p "$2"; echo half >"$2/db"; sleep 60
EOF
chmod 755 /srv/tool"#;

#[test]
fn what_a_failed_run_keeps_is_shown_and_goes_away_and_nothing_else_does() {
    let scene = Scene::new("tidy", 1, "");
    scene.inside(0, SETUP);
    scene.program.write("new.conf", "new\n");
    let (code, run) = scene.run(KEEPS);
    assert_eq!(code, Some(1));
    let mine = [
        format!("/var/lib/surefoot/{run}"),
        format!("/dev/shm/.surefoot-{run}-away_elsewhere.kept"),
        format!("/srv/etcd.new-{run}.part"),
    ];
    let yours = format!("/srv/db.before-{run}");
    let shown = scene.call(&["show", "last"]).out;
    assert!(mine.iter().chain([&yours]).all(|path| shown.contains(path.as_str())), "{shown}");
    assert!(shown.contains("held etcd-1 (lease 1)"), "{shown}");

    let before = scene.picture(0);
    let all = mine.iter().chain([&yours]);
    assert!(all.clone().all(|path| before.iter().any(|line| line.ends_with(path.as_str()))), "{before:#?}");
    assert_eq!(scene.call(&["tidy", "last", "--yes"]).code, Some(2), "it could go on");
    assert_eq!(scene.call(&["tidy", "last", "--force"]).code, Some(2), "nobody was asked");
    assert_eq!(scene.picture(0), before);

    let tidied = scene.call(&["tidy", "last", "--force", "--yes"]);
    assert_eq!(tidied.code, Some(0), "{}", tidied.err);
    assert!(mine.iter().chain([&yours]).all(|path| tidied.err.contains(path.as_str())), "{}", tidied.err);
    let after = scene.picture(0);
    let outside = |path: &String| !mine.iter().any(|own| path == own || path.starts_with(&format!("{own}/")));
    let gone = gone(&before, &after);
    assert_eq!(gone.iter().filter(|path| outside(path)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(mine.iter().all(|own| gone.contains(own)), "{gone:?}");
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());

    let again = scene.call(&["tidy", "last", "--yes"]);
    assert!(again.code == Some(0) && again.err.contains("nothing"), "{}", again.err);
    for words in [["rollback", "last", "--yes"].as_slice(), &["resume", "last"], &["rollback", "last", "--plan"]] {
        let refused = scene.call(words);
        assert!(refused.code == Some(2) && refused.err.contains("tidied"), "{words:?}: {}", refused.err);
    }
    assert_eq!(scene.call(&["verify", "last"]).code, Some(0));
    let shown = scene.call(&["show", "last"]).out;
    assert!(shown.contains("tidied by") && !shown.contains(&mine[0]), "{shown}");
    assert_eq!(scene.picture(0), after);
}

#[test]
fn a_host_that_is_gone_is_named_and_the_next_tidy_goes_on_with_it() {
    let scene = Scene::new("tidyops", 2, ", user: ops");
    let steps = r#"
  - { id: own, on: members, file: { path: /home/ops/own, content: new } }
  - { id: roots, on: members, become: root, file: { path: /etc/roots.conf, content: new } }
  - { id: others, on: members, become: nobody, sh: "echo hi", undo: { sh: "true" } }
"#;
    (0..2).for_each(|host| drop(scene.inside(host, "echo old >/etc/roots.conf")));
    let (code, run) = scene.run(steps);
    assert_eq!(code, Some(0));
    let folders = |picture: &Picture| picture.iter().filter(|line| line.ends_with(&format!("/{run}"))).count();
    let before = [scene.picture(0), scene.picture(1)];
    assert_eq!([folders(&before[0]), folders(&before[1])], [3, 3]);

    scene.lab.apply(&scene.names[1], Break::SshdStop).unwrap();
    let first = scene.call(&["tidy", "last", "--yes"]);
    assert!(first.code == Some(1) && first.err.contains("not tidied: etcd-2"), "{}", first.err);
    assert_eq!([folders(&scene.picture(0)), folders(&scene.picture(1))], [0, 3]);
    scene.lab.apply(&scene.names[1], Break::SshdStart).unwrap();
    let second = scene.call(&["tidy", "last", "--yes"]);
    assert_eq!(second.code, Some(0), "{}", second.err);
    for (host, before) in before.iter().enumerate() {
        let after = scene.picture(host);
        assert_eq!(folders(&after), 0);
        assert!(gone(before, &after).iter().all(|path| path.contains(&run)), "{:?}", gone(before, &after));
    }
    assert_eq!(scene.inside(0, "cat /etc/roots.conf /home/ops/own"), "newnew");
}

#[test]
fn runs_that_are_long_over_go_away_with_their_records_but_for_what_they_set_aside() {
    let scene = Scene::new("tidyold", 1, "");
    let before = scene.picture(0);
    let step = "  - { id: made, on: members, file: { path: /srv/made, content: \"made\\n\" } }\n";
    assert_eq!(scene.run(step).0, Some(0));
    // It could go on.
    let fails = "  - { id: other, on: members, file: { path: /srv/other, content: \"a\\n\" } }\n  \
                 - { id: bad, on: members, sh: exit 3, reads: true }\n";
    assert_eq!(scene.run(fails).0, Some(1));
    // It keeps the only original.
    scene.inside(0, "echo theirs >/srv/data");
    let moves = "  - { id: aside, on: members, move: { from: /srv/data, to: \"/srv/data.{{ run.id }}\" } }\n";
    assert_eq!(scene.run(moves).0, Some(0));
    let runs = || scene.program.store().runs().unwrap();
    let all = runs();
    assert_eq!(all.len(), 3);
    assert_eq!(scene.call(&["tidy", "--older", "1h", "--yes"]).code, Some(0));
    assert_eq!(runs(), all, "none is as old as that");
    assert_eq!(scene.call(&["tidy", "--older", "0s"]).code, Some(2), "nobody was asked");
    let tidied = scene.call(&["tidy", "--older", "0s", "--yes"]);
    assert_eq!(tidied.code, Some(1), "{tidied:?}");
    assert!(tidied.err.contains(all[2].as_str()) && tidied.err.contains("/srv/data."), "{tidied:?}");
    assert_eq!(runs(), all[1..]);
    let left = scene.inside(0, "ls /var/lib/surefoot");
    assert!(
        !left.contains(all[0].as_str()) && left.contains(all[1].as_str()) && left.contains(all[2].as_str()),
        "{left}"
    );
    assert_eq!(scene.inside(0, "cat /srv/data.*"), "theirs\n");
    // With its record gone, too, nothing is left of the first run but what it was to make.
    let picture = scene.picture(0);
    let of_first = |line: &&String| line.contains(all[0].as_str());
    assert_eq!(picture.difference(&before).filter(of_first).count(), 0);
}

#[test]
fn a_run_that_is_done_tidies_old_ones_where_the_config_says_so() {
    let program = Program::new();
    program.write("config.yaml", "tidy: { older: 0s }\n");
    let book = program.write("book.yaml", "runbook: test/old\nsteps:\n  - { id: a, sh: echo, reads: true }\n");
    let run = || program.call(["run", book.to_str().unwrap(), "--yes", "--config", "config.yaml"]);
    assert_eq!(run().code, Some(0));
    let first = program.store().runs().unwrap();
    assert_eq!(first.len(), 1, "not the run itself");
    assert_eq!(run().code, Some(0));
    let second = program.store().runs().unwrap();
    assert!(second.len() == 1 && second != first);
}

#[test]
fn a_full_disk_bars_neither_the_way_on_nor_the_rollback_nor_tidying() {
    let scene = Scene::new("tidyfull", 1, "");
    let disk = "mkdir -p /var/lib/surefoot; mount -t tmpfs -o size=8m,mode=711 none /var/lib/surefoot";
    scene.inside(0, &format!("{disk}; echo old >/etc/there.conf"));
    scene.program.write("new.conf", "new\n");
    let (code, _) = scene.run(
        "  - { id: replaced, on: members, copy: { from: new.conf, to: /etc/there.conf } }\n  \
           - { id: stops, on: members, sh: \"test -e /go\", undo: { sh: \"true\" } }\n",
    );
    assert_eq!(code, Some(1));
    scene.inside(0, "cat /dev/zero >/var/lib/surefoot/fill 2>/dev/null || touch /go");
    for words in
        [&["resume", "last", "--yes"][..], &["rollback", "last", "--yes"], &["tidy", "last", "--yes", "--force"]]
    {
        let called = scene.call(words);
        assert_eq!(called.code, Some(0), "{words:?}: {}", called.err);
    }
    assert_eq!(scene.inside(0, "cat /etc/there.conf; ls /var/lib/surefoot"), "old\nfill\nlease\n");
}
