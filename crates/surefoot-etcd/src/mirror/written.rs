//! What of the destination the mirror has written: all up to a revision of the destination, by its note there while that
//! stands, and by a file of the run afterwards.

use super::bookmark::{Bookmark, KEY};
use crate::client::{KeyRange, Member};
use etcd_client::GetOptions;
use surefoot_engine::action::Cx;
use surefoot_engine::action::files::{check, script};
use surefoot_engine::model::Fault;
use surefoot_engine::world::Script;

const KEEP: &str = script!(
    r#"
file=$SUREFOOT_RUN_DIR/mirrored/$1
mkdir -p -- "${file%/*}"
printf '%s\n' "$2" >"$file.part"; flush "$file.part"; mv -T -- "$file.part" "$file"
"#
);

const KEPT: &str = script!(r#"file=$SUREFOOT_RUN_DIR/mirrored/$1; [ ! -e "$file" ] || cat -- "$file""#);

/// Keys in one answer.
const PAGE: i64 = 5000;

/// Notes that the destination, a cluster by its id, has nothing but what was mirrored up to a revision of its own.
pub async fn keep(cx: &Cx<'_>, cluster: &str, revision: i64) -> Result<(), Fault> {
    let script = Script::new(KEEP).args([cluster, &revision.to_string()]);
    check(cx.act(script).await?, "note what was mirrored").map(drop)
}

/// The last revision of the destination that is known to be the mirror's; 0 where none is.
pub async fn until(cx: &Cx<'_>, destination: &Member, cluster: &str) -> Result<i64, Fault> {
    let output = check(cx.probe(Script::new(KEPT).arg(cluster)).await?, "read what was mirrored")?;
    let kept = output.text().trim().parse().unwrap_or_default();
    let own = Bookmark::of(destination).await?.is_some_and(|note| note.is_by(cx.run));
    if !own {
        return Ok(kept);
    }
    let answer = destination.get("read", KEY.to_vec(), GetOptions::new()).await?;
    Ok(answer.kvs().iter().map(|note| note.mod_revision()).fold(kept, i64::max))
}

/// A key that was written after a revision; the note is none.
pub async fn after(destination: &Member, revision: i64) -> Result<Option<String>, Fault> {
    let mut from = KeyRange::All.start();
    loop {
        let options = KeyRange::All.within(GetOptions::new().with_keys_only().with_limit(PAGE));
        let page = destination.get("read", from, options).await?;
        if let Some(odd) = page.kvs().iter().find(|pair| pair.mod_revision() > revision && pair.key() != KEY) {
            return Ok(Some(String::from_utf8_lossy(odd.key()).into_owned()));
        }
        match page.kvs().last().filter(|_| page.more()) {
            // The least key above the last one.
            Some(last) => from = [last.key(), &[0]].concat(),
            None => return Ok(None),
        }
    }
}
