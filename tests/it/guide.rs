//! What the guides show is true: their files are taken from them, and their commands run on real hosts, in their order.

use crate::support::program::Program;
use std::process::Command;
use surefoot_lab::lab::{Etcd, HostSpec, LabGuard, LabName, LabSpec};

const WRITING: &str = include_str!("../../docs/writing.md");
const OPERATING: &str = include_str!("../../docs/operating.md");

/// What the guides' hosts serve pages with.
const PAGES: &str = r#"
mkdir -p /srv/pages
cat >/usr/local/bin/pages <<'EOT'
use IO::Socket::INET;
my $door = IO::Socket::INET->new(LocalPort => 8000, Listen => 5, ReuseAddr => 1) or die;
while (my $guest = $door->accept) { open(my $page, '<', '/srv/pages/index.html'); print {$guest} <$page>; close $guest }
EOT
printf '[Service]\nExecStart=/usr/bin/perl /usr/local/bin/pages\n' >/etc/systemd/system/pages.service
systemctl daemon-reload && systemctl start pages
"#;

/// The fenced blocks of a language.
fn blocks(guide: &'static str, language: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("```{language}\n");
    let blocks: Vec<_> = guide.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect();
    blocks.into_iter()
}

struct Site {
    lab: LabGuard,
    program: Program,
}

/// Two hosts that serve pages, their inventory, and the files of the guide for authors.
fn site(stem: &str) -> Site {
    let host = |name: &str| HostSpec { name: name.parse().unwrap(), disk: None };
    let name = LabName::of_this_process(stem).unwrap();
    let spec =
        LabSpec { name, hosts: vec![host("web-1"), host("web-2")], etcd: Etcd::None, packages: Default::default() };
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    for host in lab.hosts() {
        assert!(lab.enter(host, &["sh", "-c", PAGES]).unwrap().status().unwrap().success());
    }
    let program = Program::new();
    let ssh_config = lab.ssh_config();
    let defaults = format!("defaults: {{ ssh_config: \"{}\" }}", ssh_config.display());
    program.write(
        "site.yaml",
        &format!("{defaults}\nhosts: {{ web-1: {{}}, web-2: {{}} }}\ngroups: {{ web: [web-1, web-2] }}\n"),
    );
    for block in blocks(WRITING, "yaml") {
        let name = block.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a file says its name");
        std::fs::create_dir_all(program.path(name).parent().unwrap()).unwrap();
        program.write(name, block);
    }
    Site { lab, program }
}

/// Runs the guide's commands; gives how many they are.
fn follow(guide: &'static str, site: &Site) -> usize {
    let lines = blocks(guide, "sh").flat_map(str::lines);
    let ran = lines.map(|line| {
        let words = line.strip_prefix("surefoot ").expect("the guides' commands are surefoot's").split_whitespace();
        let mut command: Command = site.program.command(words);
        let output = command.env("PAGE_PASSWORD", "correct horse").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{line}: {}{}", text(&output.stdout), text(&output.stderr));
    });
    ran.count()
}

fn page(site: &Site, host: &str) -> Option<String> {
    let cat = site.lab.enter(&host.parse().unwrap(), &["cat", "/srv/pages/index.html"]).unwrap().output().unwrap();
    cat.status.success().then(|| String::from_utf8(cat.stdout).unwrap())
}

#[test]
fn the_guide_for_authors_can_be_followed() {
    let site = site("writing");
    assert!(follow(WRITING, &site) > 10);
    // The last rollback took back the runbook that used another twice, and left what the first run made.
    assert_eq!(page(&site, "web-2").as_deref(), Some("Welcome from web-2\n"));
    let secret = site.lab.enter(&"web-1".parse().unwrap(), &["cat", "/srv/pages/.password"]).unwrap().output().unwrap();
    assert_eq!(secret.stdout, b"correct horse");
}

#[test]
fn the_guide_for_operators_can_be_followed() {
    let site = site("operating");
    assert!(follow(OPERATING, &site) > 8);
    assert_eq!(page(&site, "web-1"), None, "it ends with a rollback");
}

#[test]
fn what_the_guides_name_exists() {
    let program = Program::new();
    let help = program.call(["--help"]).out;
    let commands =
        |guide: &'static str| guide.split("`surefoot ").skip(1).filter_map(|rest| rest.split([' ', '`']).next());
    for name in commands(WRITING).chain(commands(OPERATING)) {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{name} "))), "`surefoot {name}`");
    }
    let actions = program.call(["actions"]).out;
    for name in ["wait", "file", "service", "sh"] {
        assert!(actions.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}");
    }
}
