//! Which changes go into one transaction of the destination. Knows no cluster.
//!
//! etcd bounds a transaction twice: 128 operations (`max-txn-ops`) and 1.5 MiB (`max-request-bytes`). The operations are
//! counted for each level: a transaction within a transaction may have what the outer ones leave of the 128 (etcd,
//! server/etcdserver/api/v3rpc/key.go, `checkTxnRequest`). So thousands of changes can be made at once, in levels.

use etcd_client::{Txn, TxnOp};
use std::collections::HashSet;

/// Changes in one transaction without levels, and in all where several revisions share one.
pub const OPS: usize = 100;
/// Operations on each level, of three at most: 120 of the 128.
const WIDTH: usize = 40;
/// Bytes in one transaction: what is left of etcd's 1.5 MiB is for the levels and for what is around them.
const BYTES: usize = 1 << 20;
/// Of one operation, beside its key and its value; no more than `WIDTH`^3 operations have `BYTES`.
const OVERHEAD: usize = 32;

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
}

impl Op {
    pub fn key(&self) -> &[u8] {
        match self {
            Op::Put(key, _) | Op::Delete(key) => key,
        }
    }

    pub fn bytes(&self) -> usize {
        let value = if let Op::Put(_, value) = self { value.len() } else { 0 };
        self.key().len() + value + OVERHEAD
    }
}

impl From<Op> for TxnOp {
    fn from(op: Op) -> TxnOp {
        match op {
            Op::Put(key, value) => TxnOp::put(key, value, None),
            Op::Delete(key) => TxnOp::delete(key, None),
        }
    }
}

/// One transaction of the destination.
#[derive(Debug, PartialEq, Eq)]
pub struct DestinationTransaction {
    pub ops: Vec<Op>,
    /// The source's revision that the destination has with it; none where the rest of a revision is still to come.
    pub revision: Option<i64>,
}

/// Whether one more change still fits.
pub fn has_room(ops: usize, bytes: usize, op: &Op) -> bool {
    ops == 0 || (ops < OPS && bytes + op.bytes() <= BYTES)
}

/// Packs revisions of the source, in their order, into transactions: small ones together, as long as each key occurs
/// once. A revision is broken in the middle only where it is too large for a transaction by itself.
pub fn pack(revisions: Vec<(i64, Vec<Op>)>) -> Vec<DestinationTransaction> {
    let mut pieces: Vec<DestinationTransaction> = Vec::new();
    let mut open: Option<OpenTransaction> = None;
    for (revision, ops) in revisions {
        let (bytes, count) = (ops.iter().map(Op::bytes).sum::<usize>(), ops.len());
        match open.take() {
            Some(mut room) if room.takes(&ops, bytes) => {
                room.add(revision, ops, bytes);
                open = Some(room);
                continue;
            }
            full => pieces.extend(full.map(OpenTransaction::close)),
        }
        if count <= OPS && bytes <= BYTES {
            let mut fresh = OpenTransaction::default();
            fresh.add(revision, ops, bytes);
            open = Some(fresh);
        } else {
            pieces.extend(broken(revision, ops));
        }
    }
    pieces.extend(open.map(OpenTransaction::close));
    pieces
}

/// A transaction that may still take a revision.
#[derive(Default)]
struct OpenTransaction {
    ops: Vec<Op>,
    keys: HashSet<Vec<u8>>,
    bytes: usize,
    revision: i64,
}

impl OpenTransaction {
    fn takes(&self, ops: &[Op], bytes: usize) -> bool {
        self.ops.len() + ops.len() <= OPS
            && self.bytes + bytes <= BYTES
            && !ops.iter().any(|op| self.keys.contains(op.key()))
    }

    fn add(&mut self, revision: i64, ops: Vec<Op>, bytes: usize) {
        self.keys.extend(ops.iter().map(|op| op.key().to_vec()));
        self.ops.extend(ops);
        self.bytes += bytes;
        self.revision = revision;
    }

    fn close(self) -> DestinationTransaction {
        DestinationTransaction { ops: self.ops, revision: Some(self.revision) }
    }
}

/// A large revision: in one piece where its bytes allow it.
fn broken(revision: i64, ops: Vec<Op>) -> Vec<DestinationTransaction> {
    let mut pieces = vec![DestinationTransaction { ops: Vec::new(), revision: None }];
    let mut bytes = 0;
    for op in ops {
        if bytes > 0 && bytes + op.bytes() > BYTES {
            pieces.push(DestinationTransaction { ops: Vec::new(), revision: None });
            bytes = 0;
        }
        bytes += op.bytes();
        pieces.last_mut().expect("it begins with one").ops.push(op);
    }
    pieces.last_mut().expect("it begins with one").revision = Some(revision);
    pieces
}

/// Operations as one list that etcd takes, in levels where they are many. All of it happens at once.
pub fn levels(mut ops: Vec<TxnOp>) -> Vec<TxnOp> {
    // One more than the changes: the bookmark's own.
    if ops.len() <= OPS + 1 {
        return ops;
    }
    while ops.len() > WIDTH {
        ops = ops.chunks(WIDTH).map(|part| TxnOp::txn(Txn::new().and_then(part))).collect();
    }
    ops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, size: usize) -> Op {
        Op::Put(key.into(), vec![b'x'; size])
    }

    fn shape(pieces: &[DestinationTransaction]) -> Vec<(usize, Option<i64>)> {
        pieces.iter().map(|piece| (piece.ops.len(), piece.revision)).collect()
    }

    #[test]
    fn small_revisions_share_a_transaction_until_a_key_comes_again() {
        let revisions = vec![
            (5, vec![put("a", 1)]),
            (6, vec![put("b", 1), put("c", 1)]),
            (7, vec![Op::Delete("a".into())]),
            (9, vec![put("d", 1)]),
        ];
        assert_eq!(shape(&pack(revisions)), [(3, Some(6)), (2, Some(9))]);
        assert!(pack(Vec::new()).is_empty());
    }

    #[test]
    fn a_transaction_is_bounded_in_changes_and_in_bytes_between_revisions() {
        let many = |n: i64| (n, (0..60).map(|k| put(&format!("{n}/{k}"), 1)).collect());
        assert_eq!(shape(&pack(vec![many(1), many(2)])), [(60, Some(1)), (60, Some(2))]);
        let large = |n: i64| (n, vec![put(&n.to_string(), 600 << 10)]);
        assert_eq!(shape(&pack(vec![large(1), large(2)])), [(1, Some(1)), (1, Some(2))]);
        assert!(has_room(0, 0, &put("a", 2 << 20)) && !has_room(1, 10, &put("a", 2 << 20)));
        assert!(!has_room(OPS, 10, &put("a", 1)));
    }

    #[test]
    fn a_revision_stays_whole_unless_its_bytes_are_too_many() {
        let deletes = (0..20_000).map(|k| Op::Delete(format!("{k:08}").into())).collect();
        assert_eq!(shape(&pack(vec![(4, deletes)])), [(20_000, Some(4))]);
        let puts = (0..130).map(|k| put(&format!("{k}"), 10 << 10)).collect();
        let pieces = pack(vec![(3, vec![put("a", 1)]), (4, puts), (5, vec![put("b", 1)])]);
        assert_eq!(shape(&pieces), [(1, Some(3)), (102, None), (28, Some(4)), (1, Some(5))]);
        assert!(pieces.iter().all(|piece| piece.ops.iter().map(Op::bytes).sum::<usize>() <= BYTES));
    }

    #[test]
    fn the_widest_transaction_has_three_levels() {
        let widest = BYTES / OVERHEAD;
        assert!(widest < WIDTH.pow(3) && 3 * WIDTH <= 128);
        assert_eq!(levels(vec![TxnOp::delete("a", None); OPS + 1]).len(), OPS + 1);
        assert_eq!(levels(vec![TxnOp::delete("a", None); 130]).len(), 4);
        assert!(levels(vec![TxnOp::delete("a", None); widest]).len() <= WIDTH);
    }
}
