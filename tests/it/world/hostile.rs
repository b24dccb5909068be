//! Hosts with other users: what they can write is not believed, and they can neither block nor end what is ours.

use super::machines::lab;
use super::*;
use crate::support::program::Program;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::{Acquired, Claim, EngineIdentity, LeaseInfo, SshTarget, Takeover, status};
use surefoot_lab::lab::{LabGuard, LabName};

/// A host with `eve`, who may do nothing, and `ana` and `ops`, who may become root.
pub(super) struct Town {
    lab: LabGuard,
    host: LabName,
}

const PEOPLE: &str = "for user in eve ana; do
  useradd --create-home --shell /bin/bash $user
  install -d -m 0700 -o $user -g $user /home/$user/.ssh
  install -m 0600 -o $user -g $user /home/ops/.ssh/authorized_keys /home/$user/.ssh/authorized_keys
done
echo 'ana ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/ana";

impl Town {
    pub fn new(stem: &str) -> Town {
        let (lab, host) = lab(stem);
        let town = Town { lab, host };
        town.inside(PEOPLE);
        town
    }

    /// As root, without ssh.
    pub fn inside(&self, script: &str) -> String {
        let output = self.lab.enter(&self.host, &["sh", "-ec", script]).unwrap().output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What eve does until she is stopped.
    fn eve(&self, script: &str) -> Child {
        let words = ["setpriv", "--reuid=eve", "--regid=eve", "--clear-groups", "sh", "-c", script];
        let mut command = self.lab.enter(&self.host, &words).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub fn config(&self) -> std::path::PathBuf {
        self.lab.ssh_config()
    }

    pub async fn login(&self, user: &str, run: &str) -> Result<Arc<SshHost>, Fault> {
        let target = SshTarget {
            ssh_config: Some(self.lab.ssh_config()),
            user: Some(user.to_owned()),
            patience: Duration::from_secs(30),
            ..SshTarget::new(self.host.as_str())
        };
        SshHost::connect(&target, &run.into()).await
    }
}

pub(super) async fn hold(host: &SshHost, run: &str, over: Option<Takeover>) -> Acquired {
    let (holder, since) = (format!("{run}@desk"), jiff::Timestamp::UNIX_EPOCH);
    let claim = Claim { run: run.into(), holder, since, engine: EngineIdentity::this() };
    host.hold(&claim, Duration::from_secs(60), over).await.expect("the host answers")
}

pub(super) fn won(hold: Acquired) -> u64 {
    let Acquired::Won { number, .. } = hold else { panic!("{hold:?}") };
    number
}

fn held(hold: Acquired) -> LeaseInfo {
    let Acquired::Held(held) = hold else { panic!("{hold:?}") };
    held
}

#[tokio::test]
async fn a_host_has_one_lease_whoever_logs_in() {
    let town = Town::new("hlease");
    let logins = ["ops", "ana", "root"];
    for first in logins {
        let holder = town.login(first, "run-of-the-first").await.expect("in");
        won(hold(&holder, "run-of-the-first", None).await);
        for second in logins {
            let refused = town.login(second, "another").await.expect("in");
            let claim = held(hold(&refused, "another", None).await).claim.expect("it can be read");
            assert_eq!(claim.run.as_str(), "run-of-the-first", "{first}, then {second}");
            let outlook = status(&*refused).await.expect("it can be seen");
            assert_eq!((outlook.held.and_then(|held| held.claim), outlook.of_host), (Some(claim), true));
        }
        holder.release().await.expect("given back");
    }
}

#[tokio::test]
async fn who_cannot_become_root_is_kept_away_and_keeps_only_the_own_login_away() {
    let town = Town::new("heve");
    let (eve, root) =
        (town.login("eve", "run-of-eve").await.expect("in"), town.login("root", "ours").await.expect("in"));
    let number = won(hold(&root, "ours", None).await);
    assert!(matches!(hold(&eve, "run-of-eve", None).await, Acquired::Held(LeaseInfo { claim: None, .. })));
    let seen = status(&*eve).await.expect("it can be seen");
    assert!(!seen.of_host && seen.held.is_some(), "{seen:?}");
    // Nor does she learn whose it is, or write there.
    let search = "grep -rls ours /var/lib/surefoot /var/tmp /run /dev/shm /tmp; ls /var/lib/surefoot 2>/dev/null; \
                  for f in 1 1.over 1.end 2 .x users; do ( : >>/var/lib/surefoot/lease/$f ) 2>/dev/null && echo $f; done";
    assert_eq!(said(&*eve, search).await, "");
    root.release().await.expect("given back");
    // What she holds is her own.
    won(hold(&eve, "run-of-eve", None).await);
    assert_eq!(won(hold(&root, "ours", None).await), number + 1);
    let second = town.login("eve", "second").await.expect("in");
    held(hold(&second, "second", None).await);
}

#[test]
fn a_plan_says_where_a_lease_keeps_away_only_the_own_login() {
    let (town, program) = (Town::new("hplan"), Program::new());
    program.write("r.yaml", "runbook: t\nsteps:\n  - { id: a, on: h, reads: true, sh: 'true' }\n");
    let planned = |user: &str| {
        let (config, host) = (town.config().display().to_string(), &town.host);
        let host = format!("hosts:\n  h: {{ address: {host}, ssh_config: {config}, user: {user} }}\n");
        program.write("site.yaml", &host);
        let called = program.call(["plan", "r.yaml", "-i", "site.yaml", "--format", "json"]);
        let plan: serde_json::Value =
            serde_json::from_str(&called.out).unwrap_or_else(|e| panic!("{e}: {}", called.err));
        plan["leased_by_login"].clone()
    };
    assert_eq!(planned("eve"), serde_json::json!(["h"]));
    assert_eq!([planned("ops"), planned("root")], [serde_json::Value::Null, serde_json::Value::Null]);
}

#[tokio::test]
async fn a_folder_that_somebody_else_has_made_is_refused_with_the_cause() {
    let town = Town::new("hmade");
    let nobody = Script::new("echo ran").user(Some("nobody"));
    let root = town.login("root", "ours").await.expect("in");
    let base = "/var/tmp/surefoot-65534";
    for (made, cause) in [
        (format!("mkdir -m 755 {base}; chown eve {base}"), "belongs to another user"),
        (format!("mkdir /tmp/d; chown nobody /tmp/d; ln -s /tmp/d {base}"), "is a symbolic link"),
        (format!("mkdir {base}; chmod 777 {base}; chown nobody {base}"), "others can write there"),
        (
            format!("mkdir -m 700 {base}; setfacl -m u:eve:rwx {base} || chmod 770 {base}; chown nobody {base}"),
            "others",
        ),
        (format!(": >{base}"), "is no folder"),
    ] {
        town.inside(&made);
        let fault = root.act(&id("x"), nobody.clone(), &Silent).await.expect_err("refused");
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(format!("{fault:?}").contains(cause) && format!("{fault:?}").contains(base), "{made}: {fault:?}");
        assert_eq!(town.inside("ls -A /tmp/d 2>/dev/null || :"), "", "nothing is made where it leads");
        town.inside(&format!("rm -rf {base} /tmp/d"));
    }
    assert_eq!(root.act(&id("x"), nobody, &Silent).await.expect("it runs").text(), "ran");
    town.inside("mkdir -p /var/lib/surefoot; chmod 777 /var/lib/surefoot");
    let fault = town.login("root", "ours").await.err().expect("refused");
    assert!(fault.kind == FaultKind::Denied && fault.message.contains("others can write there"), "{fault:?}");
}

/// Forged records of acts, wherever eve can write, again and again: everything (`-1`), init, root's own `$1`, a cgroup that
/// is not ours, links, and files whose reading never ends.
const FORGE: &str = r#"
boot=$(cat /proc/sys/kernel/random/boot_id).$(cut -d' ' -f22 </proc/1/stat)
start=$(cut -d' ' -f22 <"/proc/$1/stat")
plant() { # folder
  mkdir -p "$1/run/jobs"; echo /var/lib/surefoot/lease >"$1/run/lease"; echo x >"$1/run/boot"
  n=0; for line in "-1 0 0" "1 0 0" "$1 $start 0" "$2 $start 0" "0 0 0" "$2 $start 0 $boot /sys/fs/cgroup/system.slice/ssh.service" \
    "0 0 0 $boot /sys/fs/cgroup/surefoot/../system.slice/ssh.service"; do
    n=$((n+1)); case $line in *cgroup*) ;; *) line="$line $boot";; esac
    echo true >"$1/run/jobs/a$n.sh"; echo "running $line" >"$1/run/jobs/a$n.st"
  done
  echo true >"$1/run/jobs/b.sh"; mkfifo "$1/run/jobs/b.st"; ln -sf /dev/zero "$1/run/jobs/c.st"; echo true >"$1/run/jobs/c.sh"
  ln -sf /root/target "$1/run/jobs/d.st"; echo true >"$1/run/jobs/d.sh"
}
uid=$(id -u)
while :; do
  for folder in /var/tmp/surefoot-$uid /var/tmp/surefoot-0 /var/tmp/surefoot-65534 /var/tmp/surefoot-1; do plant $folder "$1"; done
  ln -sfn /var/tmp/surefoot-$uid /var/tmp/surefoot-2; mkdir -p ~/.local/state; ln -sfn /var/tmp/surefoot-$uid ~/.local/state/surefoot
  for d in /var/lib/surefoot /var/lib/surefoot/lease /run/surefoot /dev/shm /tmp; do plant $d "$1"; echo "eve /" >>$d/users; done
  rm -rf /var/tmp/surefoot-1
done 2>/dev/null
"#;

#[tokio::test]
async fn forged_records_end_nothing_however_long_it_is_tried() {
    let town = Town::new("hforge");
    let daemon = town.inside("setsid sleep 7654 >/dev/null 2>&1 & echo $!");
    let sshd = town.inside("systemctl show -p MainPID --value ssh");
    let mut hosts = (town.login("root", "one").await.expect("in"), town.login("ops", "two").await.expect("in"));
    let mut number = won(hold(&hosts.0, "one", None).await);
    // Eve is a user whom steps become, so her own folder is looked at too.
    let fault = hosts.0.act(&id("as-eve"), Script::new("true").user(Some("eve")), &Silent).await;
    assert!(fault.is_ok(), "{fault:?}");
    let mut forger = town.eve(&format!("set -- {daemon}\n{FORGE}"));
    let full = std::env::var_os("SUREFOOT_FULL").is_some();
    let until = Instant::now() + Duration::from_secs(if full { 60 } else { 8 });
    let mut rounds = 0;
    while Instant::now() < until {
        let run = ["one", "two"][(rounds + 1) % 2];
        let taken = hold(&hosts.1, run, Some(Takeover::Dead(number))).await;
        number = won(taken);
        std::mem::swap(&mut hosts.0, &mut hosts.1);
        rounds += 1;
    }
    forger.kill().expect("it is ours");
    forger.wait().expect("it is ours");
    town.inside("pkill -u eve -f 'while :' || :");
    assert!(rounds > 3, "{rounds} rounds are no race");
    let alive = format!(
        "kill -0 {daemon}; kill -0 {sshd}; systemctl show -p MainPID --value ssh; ! test -e /root/target && echo safe"
    );
    assert_eq!(town.inside(&alive), format!("{sshd}\nsafe"));
}

#[tokio::test]
async fn what_a_run_of_another_login_still_does_is_ended_at_the_takeover() {
    let town = Town::new("hevict");
    let old = town.login("ops", "old").await.expect("in");
    let number = won(hold(&old, "old", None).await);
    let (own, other) = (Recorder::default(), Recorder::default());
    let script = || Script::new("echo begin; exec env -i sleep 6543");
    let (one, two) = (id("own"), id("other"));
    let acts =
        async { tokio::join!(old.act(&one, script(), &own), old.act(&two, script().user(Some("nobody")), &other)) };
    let take = async {
        own.until("begin").await;
        other.until("begin").await;
        let ana = town.login("ana", "new").await.expect("in");
        let taken = hold(&ana, "new", Some(Takeover::Dead(number))).await;
        assert!(matches!(taken, Acquired::Won { ended: 2, .. }), "{taken:?}");
        assert_eq!(town.inside("pgrep -fxc 'sleep 6543' || :"), "0");
    };
    let ((own, other), ()) = tokio::join!(acts, take);
    assert_eq!((own.expect("known").code, other.expect("known").code), (128 + 15, 128 + 15));
}
