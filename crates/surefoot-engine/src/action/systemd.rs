//! Units of systemd, for the actions that change them or wait for them.

use super::context::Cx;
use super::files;
use crate::model::Fault;
use crate::world::Script;

/// What systemd says of a unit, in its own words (see systemctl(1)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitStatus {
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub load: String,
    /// `active`, `activating`, `deactivating`, `reloading`, `inactive`, `failed`.
    pub active: String,
    /// Finer, such as `running`, `dead`, `auto-restart`.
    pub sub: String,
    /// `enabled`, `disabled`, `static`, `masked`, `masked-runtime` and so on; empty where there is no file.
    pub file: String,
    /// Where its file is; empty where there is none.
    pub path: String,
    /// How its last run ended: `success`, `exit-code`, `timeout`, `start-limit-hit`.
    pub result: String,
    /// How its last reload ended; empty where it is no service.
    pub reload_result: String,
    /// Such as `notify`, `simple`, `oneshot`; empty where it is no service.
    pub kind: String,
    /// Of its main process; 0 where none runs.
    pub pid: u32,
    /// Whether its files have changed since systemd read them.
    pub stale: bool,
    /// Whether a start or stop of it is under way.
    pub busy: bool,
}

const SHOW: &str = r#"
LC_ALL=C; export LC_ALL
command -v systemctl >/dev/null || { echo "there is no systemd on this host" >&2; exit 71; }
exec systemctl show --no-pager \
  -p LoadState,ActiveState,SubState,UnitFileState,FragmentPath,Result,ReloadResult,Type,MainPID,NeedDaemonReload,Job -- "$1"
"#;

/// Finds the line of the unit's last run that says why it ended, since what follows a panic is its stack, and what follows
/// a wrong flag is a page of help.
macro_rules! find_cause {
    ($then:literal) => {
        concat!(
            r#"LC_ALL=C; export LC_ALL
show() { journalctl --no-pager --quiet -o short-iso "$@" 2>&1; }
run=$(systemctl show -P InvocationID -- "$1" 2>/dev/null)
lines=$(show -n 1000 ${run:+"_SYSTEMD_INVOCATION_ID=$run"} -u "$1")
cause=$(printf '%s\n' "$lines" | grep -m 1 -iE '"level":"(fatal|panic)"|panic: |fatal error|[] :]fatal[] :]|not defined: |unknown flag|no space left')
[ -n "$cause" ] || cause=$(printf '%s\n' "$lines" | grep -iE '"level":"(error|warn)".*"error":|[] :](error|failed)[] :]' | tail -n 1)
"#,
            $then
        )
    };
}

/// That line first, then the last ones.
const JOURNAL: &str = find_cause!(
    r#"last=$(show -n 15 -u "$1")
case $last in *"$cause"*) ;; *) printf '%s\n' "$cause" | cut -c1-1000 ;; esac
printf '%s\n' "$last""#
);

/// That line alone.
const CAUSE: &str = find_cause!(r#"printf '%s\n' "$cause" | cut -c1-1000"#);

impl UnitStatus {
    /// Looks at a unit. One that does not exist is no fault here: see [`Unit::load`].
    pub async fn look(cx: &Cx<'_>, name: &str) -> Result<UnitStatus, Fault> {
        let output = cx.probe(Script::new(SHOW).arg(name)).await?;
        Ok(UnitStatus::parse(&files::check(output, &format!("look at the unit {name}"))?.text()))
    }

    fn parse(text: &str) -> UnitStatus {
        let mut unit = UnitStatus::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let field = match key {
                "LoadState" => &mut unit.load,
                "ActiveState" => &mut unit.active,
                "SubState" => &mut unit.sub,
                "UnitFileState" => &mut unit.file,
                "FragmentPath" => &mut unit.path,
                "Result" => &mut unit.result,
                "ReloadResult" => &mut unit.reload_result,
                "Type" => &mut unit.kind,
                "MainPID" => {
                    unit.pid = value.parse().unwrap_or_default();
                    continue;
                }
                "NeedDaemonReload" => {
                    unit.stale = value == "yes";
                    continue;
                }
                "Job" => {
                    unit.busy = !value.is_empty() && value != "0";
                    continue;
                }
                _ => continue,
            };
            value.clone_into(field);
        }
        unit
    }

    pub fn masked(&self) -> bool {
        self.load == "masked" || self.file.starts_with("masked")
    }

    /// Up, or on its way up.
    pub fn running(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }

    /// Up, with nothing under way.
    pub fn up(&self) -> bool {
        self.active == "active" && !self.busy
    }

    /// Down, with nothing under way. A unit that failed is down, one that waits to be started again is not.
    pub fn down(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed") && !self.busy
    }

    /// For messages: `failed (start-limit-hit)`.
    pub fn words(&self) -> String {
        let fine = if self.active == "failed" { &self.result } else { &self.sub };
        format!("{} ({fine})", self.active)
    }
}

/// The line of a unit's journal that says why it ended, and the last ones; or why there are none.
pub async fn journal(cx: &Cx<'_>, name: &str) -> String {
    match cx.probe(Script::new(JOURNAL).arg(name)).await {
        Ok(output) => output.text().into_owned(),
        Err(fault) => format!("its journal could not be read: {fault}"),
    }
}

/// The line of a unit's journal that says why its last run ended, else the last one that tells of an error; none where no
/// line does, or the journal cannot be read. At most 1000 characters.
pub async fn decisive_line(cx: &Cx<'_>, name: &str) -> Option<String> {
    let output = cx.probe(Script::new(CAUSE).arg(name)).await.ok()?;
    Some(output.text().trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(active: &str, sub: &str, more: &str) -> UnitStatus {
        UnitStatus::parse(&format!("LoadState=loaded\nActiveState={active}\nSubState={sub}\n{more}"))
    }

    #[test]
    fn a_job_under_way_is_neither_up_nor_down() {
        assert!(unit("active", "running", "").up() && !unit("active", "running", "Job=7").up());
        assert!(unit("inactive", "dead", "").down() && !unit("inactive", "dead", "Job=7").down());
    }

    #[test]
    fn what_waits_to_be_started_again_is_not_down() {
        assert!(!unit("activating", "auto-restart", "Result=exit-code").down());
        assert!(unit("failed", "failed", "Result=exit-code").down());
    }

    #[test]
    fn a_mask_shows_in_the_load_state_or_in_the_file() {
        assert!(UnitStatus::parse("LoadState=masked").masked());
        assert!(unit("active", "running", "UnitFileState=masked-runtime").masked());
    }
}
