//! Each way of keeping a setting, changed.

use super::*;
use crate::layout::unit::settings as settings_of;
use surefoot_engine::action::command_line::{UnitCommand, split};
use surefoot_engine::model::FaultKind;

const UNIT: &str = "/etc/systemd/system/etcd.service";
const ENV: &str = "/etc/default/etcd";

/// A unit with this command, these environment files and their text.
fn loaded(command: &str, environment_files: &[&str], text: &str) -> (EtcdUnit, Files) {
    let unit = UnitCommand {
        id: "etcd.service".to_owned(),
        command: split(command),
        environment_files: environment_files.iter().map(|&path| path.to_owned()).collect(),
        files: vec![UNIT.to_owned()],
        ..UnitCommand::default()
    };
    let texts = IndexMap::from([(ENV.to_owned(), text.to_owned())]);
    let settings = settings_of(&unit, &texts);
    let mut files: Files = [(UNIT.to_owned(), Some(format!("[Service]\n# --name=no\nExecStart={command}\n")))].into();
    files.insert(ENV.to_owned(), Some(text.to_owned()));
    files.insert(drop_in("etcd.service"), None);
    (EtcdUnit { runner: Runner::Unit(unit), settings, process: None }, files)
}

fn edits(host: &(EtcdUnit, Files), name: &str, value: &str) -> Result<Vec<FileEdit>, Fault> {
    plan(&host.0, &host.1, &IndexMap::from([(name.to_owned(), value.to_owned())]))
}

#[test]
fn a_setting_is_written_where_it_is_kept() {
    let fed = loaded(
        "/usr/bin/etcd --name=${NAME} --logger=zap $OPTS",
        &[ENV],
        "NAME=a\nOPTS=\"--wal-dir /w --snapshot-count=5\"\n",
    );
    let only = |name: &str, value: &str| {
        let edits = edits(&fed, name, value).unwrap();
        assert_eq!(edits.len(), 1, "{edits:?}");
        (edits[0].path.clone(), edits[0].new.clone())
    };
    assert_eq!(only("name", "b"), (ENV.to_owned(), "NAME=b\nOPTS=\"--wal-dir /w --snapshot-count=5\"\n".to_owned()));
    assert_eq!(only("snapshot-count", "6").1, "NAME=a\nOPTS=\"--wal-dir /w --snapshot-count=6\"\n");
    assert_eq!(only("wal-dir", "/x").1, "NAME=a\nOPTS=\"--wal-dir /x --snapshot-count=5\"\n");
    assert_eq!(only("initial-cluster-state", "existing").1.lines().last(), Some("ETCD_INITIAL_CLUSTER_STATE=existing"));
    let (path, text) = only("logger", "x");
    assert_eq!(
        (path.as_str(), text.as_str()),
        (UNIT, "[Service]\n# --name=no\nExecStart=/usr/bin/etcd --name=${NAME} --logger=x $OPTS\n")
    );
    assert_eq!(edits(&fed, "name", "a").unwrap(), []);
}

#[test]
fn without_an_environment_file_a_drop_in_holds_it() {
    let bare = loaded("/usr/bin/etcd", &[], "");
    let edits = edits(&bare, "heartbeat-interval", "430").unwrap();
    assert_eq!(edits[0].path, "/etc/systemd/system/etcd.service.d/50-surefoot.conf");
    assert_eq!(
        (edits[0].old.as_ref(), edits[0].new.as_str()),
        (None, "[Service]\nEnvironment=\"ETCD_HEARTBEAT_INTERVAL=430\"\n")
    );
    let again = in_drop_in(&edits[0].new, "ETCD_HEARTBEAT_INTERVAL", "500");
    assert_eq!(again, "[Service]\nEnvironment=\"ETCD_HEARTBEAT_INTERVAL=500\"\n");
}

#[test]
fn of_two_commands_neither_is_touched() {
    let mut twice = loaded("/usr/bin/etcd --name a", &[ENV], "");
    twice.1[UNIT].as_mut().unwrap().push_str("ExecStartPre=/x --name b\n");
    assert!(edits(&twice, "name", "c").unwrap()[0].new.ends_with("--name c\nExecStartPre=/x --name b\n"));
    twice.1[UNIT].as_mut().unwrap().push_str("ExecStart=/x --name b\n");
    assert_eq!(edits(&twice, "name", "c").unwrap_err().kind, FaultKind::Refused);
}

#[test]
fn a_unit_of_a_package_is_copied_with_all_its_changes() {
    let (mut host, mut files) = loaded("/usr/bin/etcd --name a --logger=zap", &[ENV], "");
    let packaged = "/lib/systemd/system/etcd.service";
    let text = files.shift_remove(UNIT).flatten();
    files.insert(packaged.to_owned(), text);
    let Runner::Unit(unit) = &mut host.runner else { unreachable!("it was made so") };
    unit.files = vec![packaged.to_owned()];
    let wanted = [("name", "b"), ("logger", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let edits = plan(&host, &files, &wanted.into()).unwrap();
    assert_eq!((edits.len(), edits[0].path.as_str(), edits[0].old.as_ref()), (1, UNIT, None));
    assert!(edits[0].new.ends_with("ExecStart=/usr/bin/etcd --name b --logger=x\n"));
}

#[test]
fn a_configuration_file_takes_it() {
    let (mut host, mut files) = loaded("/usr/bin/etcd --config-file /etc/etcd.yml", &[ENV], "");
    host.settings = host.settings.with_config_file("name: a\n").unwrap();
    files.insert("/etc/etcd.yml".to_owned(), Some("name: a\n".to_owned()));
    let edits = edits(&(host, files), "heartbeat-interval", "430").unwrap();
    assert_eq!(
        (edits[0].path.as_str(), edits[0].new.as_str()),
        ("/etc/etcd.yml", "name: a\nheartbeat-interval: 430\n")
    );
}

#[test]
fn a_setting_of_a_pod_is_a_flag_of_its_manifest() {
    let path = "/etc/kubernetes/manifests/etcd.yaml";
    let text = include_str!("../etcd.yaml");
    let host = |text: &str| {
        let (pod, settings) = crate::layout::pod::parse(path, text).unwrap();
        (
            EtcdUnit { runner: Runner::Pod(pod), settings, process: None },
            Files::from([(path.to_owned(), Some(text.to_owned()))]),
        )
    };
    assert_eq!(paths(&host(text).0), [path]);
    let more = edits(&host(text), "quota-backend-bytes", "3221225472").unwrap();
    let last = "    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt\n    image";
    let new = text.replace(last, &last.replace("\n", "\n    - --quota-backend-bytes=3221225472\n"));
    assert_eq!(more, [FileEdit { path: path.to_owned(), old: Some(text.to_owned()), new }]);
    assert_eq!(edits(&host(text), "name", "master-1").unwrap(), []);
    let variable =
        text.replace("    image:", "    env:\n    - name: ETCD_QUOTA_BACKEND_BYTES\n      value: \"5\"\n    image:");
    let refused = edits(&host(&variable), "quota-backend-bytes", "6").unwrap_err();
    assert_eq!(refused.kind, FaultKind::Refused);
}

#[test]
fn a_list_of_members_takes_the_place_of_a_discovery() {
    let list = "a=http://h:2380";
    let of = |command: &str, text: &str| {
        let host = loaded(command, &["/etc/default/etcd"], text);
        edits(&host, "initial-cluster", list).unwrap().into_iter().map(|edit| edit.new).collect::<Vec<_>>()
    };
    let variables = of("/usr/bin/etcd", "ETCD_DISCOVERY_SRV=example.com\nETCD_NAME=a\n");
    assert_eq!(variables.len(), 1);
    assert!(variables[0].contains(list) && !variables[0].contains("example.com"), "{variables:?}");
    let flags = of("/usr/bin/etcd $ARGS", "ARGS=\"--name=a --discovery-srv example.com --debug\"\n");
    assert!(!flags[0].contains("discovery") && flags[0].contains("--debug"), "{flags:?}");
}
