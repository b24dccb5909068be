//! One user's part of a run on one host: what is there, and its removal.

use super::keeping::ScriptPlace;
use crate::action::script;
use crate::model::{Fault, HostName, RunId};
use crate::world::{ActId, Host, Script, Silent};

/// What is there of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLeftovers {
    pub host: HostName,
    pub user: Option<String>,
    /// The run's folder, whether it exists or not.
    pub folder: String,
    /// All that is the run's, with its size on disk in bytes.
    pub ours: Vec<(String, u64)>,
    /// Of the operator's, what is there.
    pub theirs: Vec<String>,
    /// Processes that the run's steps have started and that have not ended.
    pub busy: Vec<String>,
}

impl RunLeftovers {
    /// Whether two users have the same folder.
    pub fn is_of(&self, other: &RunLeftovers) -> bool {
        (&self.host, &self.folder) == (&other.host, &other.folder)
    }

    pub fn join(&mut self, other: RunLeftovers) {
        let new: Vec<_> =
            other.ours.into_iter().filter(|(path, _)| self.ours.iter().all(|(own, _)| own != path)).collect();
        self.ours.extend(new);
    }
}

/// `$1`: how many of the other paths are ours. Prints the run's folder, who is busy, then the place of each path that is
/// there, from 0 for the folder itself, with its size in KiB.
const FIND: &str = r#"
R=$SUREFOOT_RUN_DIR ours=$1 i=0 busy=; shift
printf '%s\n' "$R"
for f in $(grep -lF "SUREFOOT_ACT=$R/jobs/" /proc/[0-9]*/environ 2>/dev/null); do f=${f#/proc/}; busy="$busy ${f%/*}"; done
printf '%s\n' "$busy"
for path in "$R" "$R.gone" "$@"; do
  if [ -e "$path" ] || [ -L "$path" ]; then
    # What is not ours may be large: nobody asks for its size.
    if [ $i -lt $((ours+2)) ]; then size=$(du -skx -- "$path" 2>/dev/null); else size=0; fi
    printf '%s %s\n' $i "${size%%[!0-9]*}"
  fi
  i=$((i+1))
done"#;

/// Removes the paths that are given, then the run's folder. The jobs among it go last, with this one's own record: under
/// another name, since whoever looks after this job still writes there. No mount point is passed.
const REMOVE: &str = script!(
    r#"
R=$SUREFOOT_RUN_DIR
[ -O "$R" ] && [ ! -L "$R" ] || die 1 "$R is not ours"
for path in "$@" "$R.gone"; do
  dir=$(folder "$path")
  [ -d "$dir" ] || continue
  enter "$dir"
  rm -rf --one-file-system -- "./${path##*/}"
done
for entry in "$R"/* "$R"/.[!.]* "$R"/..?*; do [ "$entry" = "$R/jobs" ] || rm -rf --one-file-system -- "$entry"; done
mv -T -- "$R" "$R.gone"
rm -rf --one-file-system -- "$R.gone"
"#
);

/// Looks for what a run has at a place of a host, and which of these paths of the operator's are there.
pub async fn find(host: &dyn Host, run: &RunId, place: &ScriptPlace, theirs: &[String]) -> Result<RunLeftovers, Fault> {
    let script = Script::new(FIND).arg(place.ours.len().to_string()).args(&place.ours).args(theirs);
    let output = host.probe(script.user(place.user.as_deref())).await?.ok("look for what the run keeps")?;
    let text = output.text();
    let mut lines = text.lines();
    let folder = lines.next().unwrap_or_default().to_owned();
    let end = if *host.name() == HostName::controller() { format!("/{run}/controller") } else { format!("/{run}") };
    if !folder.ends_with(&end) {
        return Err(Fault::refused(format!("{}: {folder} is not the folder of {run}", host.name())));
    }
    let busy = lines.next().unwrap_or_default().split(' ').filter(|pid| !pid.is_empty()).map(str::to_owned).collect();
    let gone = format!("{folder}.gone");
    let paths: Vec<&String> = [&folder, &gone].into_iter().chain(&place.ours).chain(theirs).collect();
    let there = lines.filter_map(|line| {
        let (index, size) = line.split_once(' ')?;
        Some((index.parse::<usize>().ok()?, size.parse::<u64>().unwrap_or(0) * 1024))
    });
    let (ours, others): (Vec<_>, Vec<_>) = there.partition(|(index, _)| *index < place.ours.len() + 2);
    let named = |index: usize| paths.get(index).map(|path| path.to_string());
    let ours = ours.into_iter().filter_map(|(index, size)| Some((named(index)?, size))).collect();
    let theirs = others.into_iter().filter_map(|(index, _)| named(index)).collect();
    Ok(RunLeftovers { host: place.host.clone(), user: place.user.clone(), folder, ours, theirs, busy })
}

/// Removes what is the run's. The `times`th try of the run: each leaves no record by which it could be taken up.
pub async fn remove(host: &dyn Host, found: &RunLeftovers, times: u32) -> Result<(), Fault> {
    let within = |path: &&String| **path != found.folder && **path != format!("{}.gone", found.folder);
    let paths = found.ours.iter().map(|(path, _)| path).filter(within);
    let script = Script::new(REMOVE).args(paths).user(found.user.as_deref());
    host.act(&ActId::tidy(times), script, &Silent).await?.ok("remove what the run keeps").map(drop)
}
