//! Layouts as `systemctl show` printed them on real hosts.

use super::settings::{EtcdSettings, ResolvedSettings, SettingLocation};
use super::unit::{binary, settings as settings_of};
use indexmap::IndexMap;
use surefoot_engine::action::command_line::UnitCommand;

/// Debian's package, stopped.
const DEBIAN: &str = "\
Restart=on-abnormal
MainPID=0
ExecStart={ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd $DAEMON_ARGS ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment=DAEMON_ARGS= ETCD_NAME=etcd-1 ETCD_DATA_DIR=/var/lib/etcd/default
EnvironmentFiles=/etc/default/etcd (ignore_errors=yes)
WorkingDirectory=
User=etcd
Id=etcd.service
LoadState=loaded
ActiveState=inactive
FragmentPath=/lib/systemd/system/etcd.service
DropInPaths=
UnitFileState=disabled";

/// Flags that are fed from unprefixed variables, and a variable that holds more flags.
const FED: &str = r#"Restart=on-failure
MainPID=4711
ExecStart={ path=/opt/etcd/bin/etcd ; argv[]=/opt/etcd/bin/etcd --name=${NAME} --data-dir=${DATA_DIR} --listen-peer-urls=${LISTEN_PEER_URLS} --initial-cluster=${INITIAL_CLUSTER} --logger=zap $OPTS ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment="A=b c" "D=e\"f"
EnvironmentFiles=/opt/etcd/cfg/etcd.conf (ignore_errors=no)
WorkingDirectory=
User=
Id=etcdn.service
LoadState=loaded
ActiveState=active
FragmentPath=/etc/systemd/system/etcdn.service
DropInPaths=/etc/systemd/system/etcdn.service.d/a.conf /etc/systemd/system/etcdn.service.d/b.conf"#;

/// The shell wrapper of older RPM packages.
const WRAPPED: &str = r#"Restart=no
MainPID=0
ExecStart={ path=/bin/bash ; argv[]=/bin/bash -c GOMAXPROCS=$(nproc) /usr/bin/etcd --name="${ETCD_NAME}" --data-dir="${ETCD_DATA_DIR}" --listen-client-urls="${ETCD_LISTEN_CLIENT_URLS}" ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment=
EnvironmentFiles=/etc/etcd/etcd.conf (ignore_errors=yes)
WorkingDirectory=/var/lib/etcd
User=etcd
Id=etcdr.service
LoadState=loaded
ActiveState=inactive"#;

fn settings(shown: &str, file: &str, text: &str) -> (UnitCommand, EtcdSettings) {
    let unit = UnitCommand::parse(shown).unwrap();
    let settings = settings_of(&unit, &IndexMap::from([(file.to_owned(), text.to_owned())]));
    (unit, settings)
}

fn file_variable(file: &str, variable: &str) -> SettingLocation {
    SettingLocation::Variable { file: Some(file.to_owned()), variable: variable.to_owned() }
}

#[test]
fn debians_package_has_its_own_defaults() {
    let (unit, settings) = settings(DEBIAN, "/etc/default/etcd", "## etcd(1) daemon options\n");
    assert_eq!(
        (unit.user.as_str(), unit.restart.as_str(), unit.pid, unit.active),
        ("etcd", "on-abnormal", None, false)
    );
    assert_eq!(binary(&unit), Some("/usr/bin/etcd"));
    let defaults = ResolvedSettings(&settings);
    assert_eq!((defaults.name().as_str(), defaults.data_dir().as_str()), ("etcd-1", "/var/lib/etcd/default"));
    assert_eq!(defaults.advertise_peer(), ["http://localhost:2380"]);
    assert_eq!(settings.set["name"].kept, SettingLocation::Variable { file: None, variable: "ETCD_NAME".to_owned() });
}

#[test]
fn the_environment_file_stands_above_the_unit() {
    let text = "ETCD_NAME=other\nETCD_INITIAL_ADVERTISE_PEER_URLS=http://10.0.0.1:2380,http://10.1.0.1:2380\nDAEMON_ARGS=\"--log-level debug\"\n";
    let (_, settings) = settings(DEBIAN, "/etc/default/etcd", text);
    assert_eq!(settings.get("name"), Some("other"));
    assert_eq!(settings.set["name"].kept, file_variable("/etc/default/etcd", "ETCD_NAME"));
    assert_eq!(ResolvedSettings(&settings).advertise_peer().len(), 2);
    let kept =
        SettingLocation::Flags { file: Some("/etc/default/etcd".to_owned()), variable: "DAEMON_ARGS".to_owned() };
    assert_eq!((settings.get("log-level"), &settings.set["log-level"].kept), (Some("debug"), &kept));
}

#[test]
fn flags_may_be_fed_from_variables_of_any_name() {
    let conf = "/opt/etcd/cfg/etcd.conf";
    let text =
        "#[Member]\nNAME=\"etcd-1\"\nDATA_DIR=\"/opt/etcd/data\"\nOPTS=\"--heartbeat-interval=100 --wal-dir wal\"\n";
    let (unit, settings) = settings(FED, conf, text);
    assert_eq!((unit.user.as_str(), unit.pid, unit.files.len()), ("root", Some(4711), 3));
    assert_eq!(unit.environment, [("A".to_owned(), "b c".to_owned()), ("D".to_owned(), "e\"f".to_owned())]);
    assert_eq!((settings.get("name"), &settings.set["name"].kept), (Some("etcd-1"), &file_variable(conf, "NAME")));
    assert_eq!(settings.set["logger"].kept, SettingLocation::Line);
    assert_eq!(settings.path("wal-dir").as_deref(), Some("/wal"));
    // Its variable is set nowhere: the flag is there and empty, which counts as its default.
    let nowhere = SettingLocation::Variable { file: None, variable: "INITIAL_CLUSTER".to_owned() };
    assert_eq!((settings.get("initial-cluster"), &settings.set["initial-cluster"].kept), (None, &nowhere));
}

#[test]
fn a_shell_around_etcd_is_looked_through() {
    let (unit, settings) = settings(WRAPPED, "/etc/etcd/etcd.conf", "ETCD_NAME=default\nETCD_DATA_DIR=data\n");
    assert_eq!(binary(&unit), Some("/usr/bin/etcd"));
    assert_eq!(ResolvedSettings(&settings).data_dir(), "/var/lib/etcd/data");
    assert_eq!(settings.set["name"].kept, file_variable("/etc/etcd/etcd.conf", "ETCD_NAME"));
}

#[test]
fn a_configuration_file_is_all_that_counts() {
    let (_, settings) = settings(DEBIAN, "/etc/default/etcd", "ETCD_CONFIG_FILE=/etc/etcd.yml\nETCD_NAME=ignored\n");
    let settings = settings.with_config_file("name: from-file\n").unwrap();
    assert_eq!(settings.get("name"), Some("from-file"));
    assert_eq!(settings.get("data-dir"), None);
    assert_eq!(settings.set["name"].kept, SettingLocation::ConfigFile { file: "/etc/etcd.yml".to_owned() });
}

#[test]
fn a_unit_that_does_not_exist_is_none() {
    assert_eq!(UnitCommand::parse("MainPID=0\nLoadState=not-found\nId=nope.service"), None);
}
