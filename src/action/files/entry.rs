//! Links and directories.

use super::{Attributes, check, script, temp_of};
use crate::action::Cx;
use crate::model::Fault;
use crate::world::Script;

const LINK: &str = script!(
    r#"
[ -L "$1" ] || [ ! -e "$1" ] || die 70 "something else than a link is there"
rm -f -- "$2"
ln -s -- "$3" "$2"
mv -f -T -- "$2" "$1"
flush "$(folder "$1")"
"#
);

const DIRECTORY: &str = script!(
    r#"
dir=$(folder "$1")
[ -d "$dir" ] || die 71 "its folder $dir does not exist"
[ -d "$1" ] || mkdir -- "$1"
[ -z "$3" ] || chown -- "$3" "$1"
chmod -- "$2" "$1"
flush "$1" "$dir"
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
    let args = [path, &wanted.mode(None, "0700"), &wanted.owner(None)];
    check(cx.act(Script::new(DIRECTORY).args(args)).await?, &format!("make the directory {path}")).map(drop)
}
