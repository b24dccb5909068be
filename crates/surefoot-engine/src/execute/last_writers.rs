//! Which task has last written to each resource of a host: an index, so that a resumed run renders each task once
//! and not once for each task before it.
//!
//! A resource is a path, or a name such as `unit etcd`. A path contains what lies below it: who writes a folder writes
//! its files, and the other way around. Pure.

use crate::model::HostName;
use jiff::Timestamp;
use std::collections::HashMap;

/// A task that has changed something: its index, and since when its state is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    pub task: u32,
    pub since: Option<Timestamp>,
}

/// The last two tasks: of any task, the last other one is among them.
#[derive(Clone, Copy, Debug, Default)]
struct LastTwo([Option<Writer>; 2]);

impl LastTwo {
    fn add(&mut self, new: Writer) {
        let [last, before] = self.0;
        self.0 = match (last, before) {
            (Some(known), _) if known.task == new.task => [last, before],
            (Some(known), _) if known.since <= new.since => [Some(new), last],
            (Some(_), Some(known)) if known.task == new.task || known.since > new.since => [last, before],
            (Some(_), _) => [last, Some(new)],
            (None, _) => [Some(new), None],
        };
    }

    /// Whether another task has written at the same time or later.
    fn overtakes(&self, own: Writer) -> bool {
        self.0.iter().flatten().any(|other| other.task != own.task && other.since >= own.since)
    }
}

#[derive(Debug, Default)]
struct HostWriters {
    /// Those that may have written to anything.
    anything: LastTwo,
    /// By the resource itself.
    at: HashMap<String, LastTwo>,
    /// By each resource that contains theirs.
    below: HashMap<String, LastTwo>,
}

#[derive(Debug, Default)]
pub(super) struct LastWriters(HashMap<HostName, HostWriters>);

impl LastWriters {
    /// A task that has written to these resources of its host; to which is not known where there is none.
    pub fn add(&mut self, host: &HostName, writer: Writer, resources: &[String]) {
        let host = self.0.entry(host.clone()).or_default();
        if resources.is_empty() {
            host.anything.add(writer);
        }
        for resource in resources {
            host.at.entry(resource.clone()).or_default().add(writer);
            for above in containers(resource) {
                if let Some(below) = host.below.get_mut(above) {
                    below.add(writer);
                } else {
                    host.below.entry(above.to_owned()).or_default().add(writer);
                }
            }
        }
    }

    /// Whether another task has, or may have, written to one of these resources since.
    pub fn overtake(&self, host: &HostName, own: Writer, resources: &[String]) -> bool {
        let Some(host) = self.0.get(host) else { return false };
        let is_overtaken = |writers: Option<&LastTwo>| writers.is_some_and(|writers| writers.overtakes(own));
        let at = |resource: &str| is_overtaken(host.at.get(resource));
        host.anything.overtakes(own)
            || resources
                .iter()
                .any(|resource| at(resource) || containers(resource).any(at) || is_overtaken(host.below.get(resource)))
    }
}

/// What contains a resource: the folders of a path.
fn containers(resource: &str) -> impl Iterator<Item = &str> {
    resource.match_indices('/').map(|(place, _)| &resource[..place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the index stands for.
    fn is_within(resource: &str, other: &str) -> bool {
        resource.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    #[test]
    fn a_file_lies_in_its_folder_and_in_no_other() {
        let within = |file: &str, folder: &str| containers(file).any(|above| above == folder);
        assert!(within("/etc/etcd/conf", "/etc/etcd") && within("/etc/etcd/conf", "/etc"));
        assert!(!within("/etc/etcd2/conf", "/etc/etcd") && !within("unit etcd", "unit"));
    }

    fn task() -> impl Strategy<Value = (i64, bool, Vec<String>)> {
        let resource = "(/[ab]{1,2}){1,3}|unit [ab]";
        (0..6_i64, any::<bool>(), prop::collection::vec(resource, 0..3))
    }

    proptest! {
        #[test]
        fn the_index_says_what_a_look_at_every_task_says(tasks in prop::collection::vec(task(), 1..12)) {
            let hosts = [HostName::from("a"), HostName::from("b")];
            let host = |on_b: bool| &hosts[usize::from(on_b)];
            let writer = |task: usize| Writer {
                task: u32::try_from(task).unwrap(),
                since: Timestamp::from_second(tasks[task].0).ok(),
            };
            let mut index = LastWriters::default();
            for (task, (_, on_b, resources)) in tasks.iter().enumerate() {
                index.add(host(*on_b), writer(task), resources);
            }
            for (task, (since, on_b, own)) in tasks.iter().enumerate().filter(|(_, (.., own))| !own.is_empty()) {
                let touches = |other: &[String]| {
                    let met = |a: &String, b: &String| is_within(a, b) || is_within(b, a);
                    other.is_empty() || other.iter().any(|other| own.iter().any(|own| met(own, other)))
                };
                let expected = tasks.iter().enumerate().any(|(other, (later, there, resources))| {
                    other != task && there == on_b && later >= since && touches(resources)
                });
                prop_assert_eq!(index.overtake(host(*on_b), writer(task), own), expected);
            }
        }
    }
}
