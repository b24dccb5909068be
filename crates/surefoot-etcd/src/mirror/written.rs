//! What of the destination the mirror has written: all up to a revision of the destination, by its note there while that
//! stands, and by a file of the run afterwards.

use super::bookmark::{Bookmark, KEY};
use crate::client::{KeyRange, Member};
use etcd_client::GetOptions;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::Cx;
use surefoot_engine::action::files::{check, script};
use surefoot_engine::model::Fault;
use surefoot_engine::world::Script;

const KEEP: &str = script!(
    r#"
file=$SUREFOOT_RUN_DIR/mirrored/$1
mkdir -p -- "${file%/*}"
cat >"$file.part"; flush "$file.part"; mv -T -- "$file.part" "$file"
"#
);

const KEPT: &str = script!(r#"file=$SUREFOOT_RUN_DIR/mirrored/$1; [ ! -e "$file" ] || cat -- "$file""#);

/// Keys in one answer.
const PAGE: i64 = 5000;

/// What the mirror has left at the destination.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Written {
    /// The last revision of the destination that is the mirror's; 0 where none is known.
    pub revision: i64,
    /// How many keys it had then; none where the mirror was cut off, and where they are being deleted.
    pub keys: Option<u64>,
}

/// Notes what the destination, a cluster by its id, has of the mirror.
pub async fn keep(cx: &Cx<'_>, cluster: &str, written: Written) -> Result<(), Fault> {
    let text = serde_json::to_vec(&written).map_err(|error| Fault::value(error.to_string()))?;
    check(cx.act(Script::new(KEEP).arg(cluster).stdin(text)).await?, "note what was mirrored").map(drop)
}

/// What is known to be the mirror's.
pub async fn until(cx: &Cx<'_>, destination: &Member, cluster: &str) -> Result<Written, Fault> {
    let output = check(cx.probe(Script::new(KEPT).arg(cluster)).await?, "read what was mirrored")?;
    let kept: Written = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if !Bookmark::of(destination).await?.is_some_and(|note| note.is_by(cx.run)) {
        return Ok(kept);
    }
    let noted = noted(destination).await?;
    Ok(if noted > kept.revision { Written { revision: noted, keys: None } } else { kept })
}

/// The destination's revision of the note; 0 where there is none.
pub async fn noted(destination: &Member) -> Result<i64, Fault> {
    let answer = destination.get("read", KEY.to_vec(), GetOptions::new()).await?;
    Ok(answer.kvs().first().map(etcd_client::KeyValue::mod_revision).unwrap_or_default())
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
