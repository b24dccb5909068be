//! Links and directories.

use super::install::Attributes;
use super::{check, script, temp_of};
use crate::action::Cx;
use crate::model::Fault;
use crate::world::Script;

const LINK: &str = script!(
    r#"
name=${1##*/}
enter "$(folder "$1")"
[ -L "./$name" ] || [ ! -e "./$name" ] || die 70 "something else than a link is there"
private "$2"
ln -s -- "$3" ./new
mv -f -T -- ./new "../$name"
flush ..
leave
"#
);

const DIRECTORY: &str = script!(
    r#"
name=${1##*/}
enter "$(folder "$1")"
if there "./$name"; then
  [ -d "./$name" ] && [ ! -L "./$name" ] || die 70 "something else than a directory is there"
  cd -P -- "./$name"
  # One that an earlier attempt has made, with its owner and mode.
  [ "$(stat -c %d:%i ..)" = "$home" ] || die 70 "it leads elsewhere now"
  exit 0
fi
private "$2"
mkdir -- ./new
[ -z "$4" ] || chown -- "$4" ./new
chmod -- "$3" ./new
flush ./new
mv -n -T -- ./new "../$name" || :
[ ! -e ./new ] || die 70 "something else has come to be there"
flush ..
leave
"#
);

/// Makes a symbolic link, or points an existing one elsewhere, at once.
pub async fn link(cx: &Cx<'_>, path: &str, target: &str) -> Result<(), Fault> {
    let temp = temp_of(cx, path);
    let output = cx.act(Script::new(LINK).args([path, &temp, target])).await?;
    check(output, &format!("link {path} to {target}")).map(drop)
}

/// Makes a directory, with mode 0700 where none is wanted. Its own folder must be there.
pub async fn make_directory(cx: &Cx<'_>, path: &str, wanted: &Attributes) -> Result<(), Fault> {
    let args = [path, &temp_of(cx, path), &wanted.mode(None, "0700"), &wanted.owner(None)];
    check(cx.act(Script::new(DIRECTORY).args(args)).await?, &format!("make the directory {path}")).map(drop)
}
