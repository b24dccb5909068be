//! The secrets of one engine, fetched before it connects to anything.

use super::{LONGEST, MASK, Masks, SHORTEST, Secret, Source, Withheld, masked_whole};
use crate::model::{Event, Fault, HostName, Outputs, TaskEvent, TaskName};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

/// A user of etcd; the password is a [`Source`] in an inventory, a [`Secret`] in an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login<P = Secret> {
    pub user: String,
    pub password: P,
}

/// What the sources of a run give. Held in memory only, by one engine.
#[derive(Debug, Default)]
pub struct Keyring {
    found: HashMap<Source, Secret>,
    /// Parameters that are secrets, by name.
    pub params: IndexMap<String, Secret>,
    /// Whom the etcd of each host is asked as.
    pub logins: IndexMap<HostName, Login>,
    pub masks: Masks,
    pub withheld: Withheld,
}

impl Keyring {
    /// Fetches what the parameters and the inventory name, each source once. What is asked for is so once for each
    /// parameter, and for each user of etcd.
    pub fn open<'l>(
        params: &IndexMap<String, Source>,
        logins: impl IntoIterator<Item = (&'l HostName, &'l Login<Source>)>,
    ) -> Result<Keyring, Fault> {
        let mut keyring = Keyring::default();
        for (name, source) in params {
            let secret = keyring.fetch(source, &format!("the secret `{name}`"))?;
            keyring.params.insert(name.clone(), secret);
        }
        let mut known: Vec<(&Login<Source>, Secret)> = Vec::new();
        for (host, login) in logins {
            let password = match known.iter().find(|(other, _)| *other == login) {
                Some((_, password)) => password.clone(),
                None => keyring.fetch(&login.password, &format!("the password of etcd's user `{}`", login.user))?,
            };
            known.push((login, password.clone()));
            keyring.logins.insert(host.clone(), Login { user: login.user.clone(), password });
        }
        Ok(keyring)
    }

    /// Of values that are no one's secrets: a test makes them up. They are masked all the same.
    pub fn made_up(params: impl IntoIterator<Item = (String, Secret)>) -> Keyring {
        let keyring = Keyring { params: params.into_iter().collect(), ..Keyring::default() };
        keyring.params.values().for_each(|secret| keyring.masks.learn(secret.reveal()));
        keyring
    }

    /// The value of a source; it is masked from here on. `what` it is for is said where it cannot be had.
    pub fn fetch(&mut self, source: &Source, what: &str) -> Result<Secret, Fault> {
        if let Some(found) = self.found.get(source) {
            return Ok(found.clone());
        }
        let secret = source.read(what)?;
        let length = secret.reveal().len();
        if !(SHORTEST..=LONGEST).contains(&length) {
            let message = format!("{what} has {length} bytes: only what has {SHORTEST} to {LONGEST} can be masked");
            return Err(Fault::value(message).hint("a shorter one would be found in every other word"));
        }
        self.masks.learn(secret.reveal());
        if *source != Source::Ask {
            self.found.insert(source.clone(), secret.clone());
        }
        Ok(secret)
    }

    /// The parameters of a run with its secrets in their places, for templates.
    pub fn fill(&self, params: &Json) -> Json {
        let mut filled = params.clone();
        for (name, secret) in &self.params {
            // Others belong to runbooks that are used.
            if let Some(place) = filled.get_mut(name) {
                *place = Json::from(secret.reveal());
            }
        }
        filled
    }

    /// What may be written down and shown of an event. Outputs that lose something by it are kept here.
    pub fn seal(&self, event: Event) -> Event {
        let whole = match &event {
            Event::Task { task, what: TaskEvent::Done { out, withheld: false, .. } } => {
                Some((task.clone(), out.clone()))
            }
            _ => None,
        };
        let sealed = self.masks.event(event);
        if let (Some((task, out)), Event::Task { what: TaskEvent::Done { withheld: true, .. }, .. }) = (whole, &sealed)
        {
            self.withheld.keep(task, out);
        }
        sealed
    }

    /// The same of a step whose outputs are secret as a whole.
    pub fn withhold(&self, task: &TaskName, what: TaskEvent) -> TaskEvent {
        match what {
            TaskEvent::Done { changed, out, withheld: false } if !out.is_empty() => {
                self.withheld.keep(task.clone(), out.clone());
                let out = out.iter().map(|(name, value)| (name.clone(), masked_whole(value))).collect::<Outputs>();
                TaskEvent::Done { changed, out: Arc::new(out), withheld: true }
            }
            TaskEvent::Retrying { attempt, fault } => TaskEvent::Retrying { attempt, fault: hidden(fault) },
            TaskEvent::Failed { fault } => TaskEvent::Failed { fault: hidden(fault) },
            TaskEvent::Unknown { fault } => TaskEvent::Unknown { fault: hidden(fault) },
            TaskEvent::Stuck { fault } => TaskEvent::Stuck { fault: hidden(fault) },
            other => other,
        }
    }

    /// The outputs of such a step are masked wherever they show from here on.
    pub fn learn_outputs(&self, out: &Outputs) -> Result<(), Fault> {
        self.masks.learn_outputs(out).map_err(|length| {
            Fault::value(format!("its outputs are secret, and too long to be masked: {length} bytes"))
                .hint(format!("up to {LONGEST} bytes can be; write the rest to a file on the host"))
        })
    }
}

/// A fault of a step whose outputs are secret: what the command said is one of them.
pub fn hidden(fault: Fault) -> Fault {
    Fault { detail: fault.detail.map(|_| MASK.to_owned()), ..fault }
}
