//! What the system lets this process have: descriptors, as many as there are; and no image of its memory on a disk.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use std::sync::OnceLock;

/// Descriptors of one host: the pipes of its ssh, the lock of its folder, its process, a shell of root's, a transfer.
const OF_A_HOST: u64 = 8;
/// Those of the engine itself.
const OF_OURS: u64 = 64;

/// The limit that this process was given, where it was raised.
static GIVEN: OnceLock<u64> = OnceLock::new();

/// To be called once, before anything else: raises the limit of descriptors to what the system allows, and has the memory,
/// where secrets are, neither dumped when the process dies nor read by another of the same user.
pub fn claim() {
    // Where the kernel does not know it, there is nothing else to be done.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let given = getrlimit(Resource::Nofile);
    if let Some(current) = given.current
        && given.maximum.is_none_or(|maximum| current < maximum)
        && setrlimit(Resource::Nofile, Rlimit { current: given.maximum, maximum: given.maximum }).is_ok()
    {
        let _ = GIVEN.set(current);
    }
}

/// How many hosts can be connected at once; none where nothing limits them.
pub fn hosts() -> Option<u64> {
    getrlimit(Resource::Nofile).current.map(|most| most.saturating_sub(OF_OURS) / OF_A_HOST)
}

/// What programs of this machine are given, as this process was: some go through every descriptor that they might have.
pub(super) fn given() -> Option<u64> {
    GIVEN.get().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_in_no_dump_and_every_descriptor_may_be_had() {
        claim();
        assert_eq!(rustix::process::dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
