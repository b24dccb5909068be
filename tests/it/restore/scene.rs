//! How a case begins: a cluster, its snapshot, and what then happened to it.

use super::cases::{Case, Onto, Twist};
use crate::support::site::Site;
use etcd_client::{AlarmAction, AlarmType, Client};
use serde_json::{Value as Json, json};
use surefoot_lab::lab::{LabName, LabSpec};

pub struct Scene {
    pub case: Case,
    pub site: Site,
    /// What the program is given besides the inventory.
    pub words: Vec<String>,
    /// The old data of each member, by file and hash; none where it changes still, or there is none.
    pub old: Vec<Option<String>>,
}

impl Scene {
    pub fn set(case: &Case) -> Scene {
        // The last host is the new hosts' source, or the writer.
        let more = usize::from(case.onto == Onto::New || case.twist == Twist::Writer);
        let name = LabName::of_this_process("rs").unwrap();
        let spec = LabSpec::cluster(name, case.members + more, case.etcd);
        let mut site = Site::boot(&spec, case.members, case.layout, case.tls);
        if case.twist == Twist::Sudo {
            site.by_sudo();
        }
        let last = site.lab.hosts().last().unwrap().clone();
        let old_cluster = if case.onto == Onto::New { vec![last.clone()] } else { site.members.clone() };
        let later = !matches!(case.twist, Twist::CopiedDb | Twist::Alarm);
        site.set_up(&old_cluster, case.keys, later);
        let mut scene = Scene { case: *case, site, words: Vec::new(), old: Vec::new() };
        scene.twist(&last);
        scene.break_it();
        if case.onto == Onto::New {
            scene.describe_new_hosts();
        }
        scene
    }

    fn twist(&mut self, last: &LabName) {
        let site = &self.site;
        let mut say = |words: &[&str]| self.words.extend(words.iter().flat_map(|word| ["-p", word]).map(str::to_owned));
        say(&[match self.case.twist {
            Twist::CopiedDb => "snapshot=copied.db",
            Twist::Alarm => "snapshot=alarmed.db",
            _ => "snapshot=before.db",
        }]);
        match self.case.twist {
            Twist::None | Twist::Sudo => {}
            Twist::CopiedDb => say(&["copied_db=true"]),
            Twist::Alarm => {
                raise_alarm(site);
                site.snapshot("alarmed.db");
            }
            Twist::Bump => say(&["bump=1000000000"]),
            Twist::Writer => {
                start_writer(site, last);
                site.inventory(&[], json!({ "writers": [last.as_str()] }));
                say(&["writer_unit=writer"]);
            }
        }
    }

    fn break_it(&mut self) {
        let (site, data) = (&self.site, self.case.layout.data_dir());
        let (first, last) = (&site.members[0], site.members.last().unwrap());
        match self.case.onto {
            Onto::New | Onto::Serving => {}
            Onto::Survivor => site.members[1..].iter().for_each(|host| drop(site.inside(host, "systemctl stop etcd"))),
            Onto::Stopped | Onto::Damaged => site.on_all("systemctl stop etcd"),
        }
        if self.case.twist == Twist::CopiedDb {
            site.fetch(first, &format!("{data}/member/snap/db"), "copied.db");
        }
        if self.case.onto == Onto::Damaged {
            let wal = self.case.layout.wal_dir().map_or(format!("{data}/member/wal"), str::to_owned);
            site.inside(first, &format!("rm -rf {wal}"));
            let db = format!("{data}/member/snap/db");
            site.inside(
                &site.members[site.members.len() / 2],
                &format!("truncate -s 5000 {db}; head -c 9000 /dev/urandom >>{db}"),
            );
            site.inside(last, &format!("chown -R daemon: {data}; chmod -R a+rwX {data}"));
        }
        let still = matches!(self.case.onto, Onto::Stopped | Onto::Damaged);
        self.old = site.members.iter().map(|host| still.then(|| site.files(host, data))).collect();
    }

    fn describe_new_hosts(&self) {
        let site = &self.site;
        let vars = |host: &LabName| {
            let own = site.node(host, &site.members).own_settings();
            let own: serde_json::Map<String, Json> = own.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
            (host.clone(), json!({ "etcd": own }))
        };
        site.inventory(&site.members.iter().map(vars).collect::<Vec<_>>(), json!({}));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn raise_alarm(site: &Site) {
    let address = site.lab.address(&site.members[0]).unwrap();
    let mut client = Client::connect([format!("http://{address}:2379")], None).await.unwrap();
    client.alarm(AlarmAction::Activate, AlarmType::Nospace, None).await.unwrap();
}

/// A unit on another host that writes as fast as it can, and goes on trying where it cannot.
fn start_writer(site: &Site, host: &LabName) {
    let endpoints: Vec<String> =
        site.members.iter().map(|name| format!("http://{}:2379", site.lab.address(name).unwrap())).collect();
    let unit = format!(
        "[Service]\nEnvironment=ETCDCTL_API=3 ETCDCTL_ENDPOINTS={}\n\
         ExecStart=/bin/sh -c 'while :; do date | etcdctl put /writer; done'\n",
        endpoints.join(",")
    );
    site.write(host, "/etc/systemd/system/writer.service", "0644", "root", &unit);
    site.inside(host, "systemctl daemon-reload; systemctl start writer");
}
