//! The secrets of one engine, fetched before it connects to anything.

use super::masks::{Masks, masked_whole};
use super::source::SecretSource;
use super::unredacted::UnredactedOutputs;
use super::value::{LONGEST, MASK, SHORTEST, Secret};
use crate::model::{Event, Fault, HostName, Outputs, RunId, TaskEvent, TaskName};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A user of etcd; the password is a [`Source`] in an inventory, a [`Secret`] in an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdLogin<P = Secret> {
    pub user: String,
    pub password: P,
}

/// What the sources of a run give. Held in memory only, by one engine.
#[derive(Debug, Default)]
pub struct Keyring {
    found: HashMap<SecretSource, Secret>,
    /// Parameters that are secrets, by name.
    pub params: IndexMap<String, Secret>,
    /// Whom the etcd of each host is asked as.
    pub logins: IndexMap<HostName, EtcdLogin>,
    pub masks: Masks,
    pub withheld: UnredactedOutputs,
    /// Made for this run, and not kept yet.
    generated: Vec<(PathBuf, Secret)>,
}

/// Whose secrets are fetched.
#[derive(Clone, Copy, Debug)]
pub enum Of<'r> {
    /// A run that has not begun: what it is to generate is made.
    New(&'r RunId),
    /// A run that has begun: what it has generated is there.
    Begun(&'r RunId),
}

impl Of<'_> {
    fn run(&self) -> &RunId {
        match self {
            Of::New(run) | Of::Begun(run) => run,
        }
    }
}

impl Keyring {
    /// Fetches what the parameters and the inventory name, each source once. What is asked for is so once for each
    /// parameter, and for each user of etcd.
    pub fn open<'l>(
        of: Of<'_>,
        params: &IndexMap<String, SecretSource>,
        logins: impl IntoIterator<Item = (&'l HostName, &'l EtcdLogin<SecretSource>)>,
    ) -> Result<Keyring, Fault> {
        let mut keyring = Keyring::default();
        for (name, source) in params {
            let (source, what) = (source.of_run(of.run(), name), format!("the secret `{name}`"));
            if let (Of::New(_), false) = (of, keyring.found.contains_key(&source)) {
                keyring.generate(&source, &what)?;
            }
            let secret = keyring.fetch(&source, &what)?;
            keyring.params.insert(name.clone(), secret);
        }
        let mut known: Vec<(&EtcdLogin<SecretSource>, Secret)> = Vec::new();
        for (host, login) in logins {
            let password = match known.iter().find(|(other, _)| *other == login) {
                Some((_, password)) => password.clone(),
                None => keyring.fetch(&login.password, &format!("the password of etcd's user `{}`", login.user))?,
            };
            known.push((login, password.clone()));
            keyring.logins.insert(host.clone(), EtcdLogin { user: login.user.clone(), password });
        }
        Ok(keyring)
    }

    /// Of values that are no one's secrets: a test makes them up. They are masked all the same.
    pub fn made_up(params: impl IntoIterator<Item = (String, Secret)>) -> Keyring {
        let keyring = Keyring { params: params.into_iter().collect(), ..Keyring::default() };
        keyring.params.values().for_each(|secret| keyring.masks.learn(secret.reveal()));
        keyring
    }

    fn generate(&mut self, source: &SecretSource, what: &str) -> Result<(), Fault> {
        if let (SecretSource::Generate(path), Some(secret)) = (source, source.generated(what)?) {
            self.masks.learn(secret.reveal());
            self.generated.push((path.clone(), secret.clone()));
            self.found.insert(source.clone(), secret);
        }
        Ok(())
    }

    /// Puts what was generated where it is to be kept, each in a new file of mode 0600. Where one cannot be, none is.
    pub fn keep_generated(&self) -> Result<(), Fault> {
        for (place, (path, secret)) in self.generated.iter().enumerate() {
            if let Err(error) = keep(path, secret) {
                drop_all(&self.generated[..place]);
                return Err(Fault::controller(format!("{}: {error}", path.display())));
            }
        }
        Ok(())
    }

    /// Removes what was kept: the run does not begin.
    pub fn drop_generated(&self) {
        drop_all(&self.generated);
    }

    /// The same without what is made for each run anew.
    pub fn given(&self) -> impl Iterator<Item = (String, &Secret)> {
        self.pinned().filter(|(_, secret)| self.generated.iter().all(|(_, generated)| generated != *secret))
    }

    /// Everything that was given by where it is found, by its name: a parameter's, or `etcd:HOST`.
    pub fn pinned(&self) -> impl Iterator<Item = (String, &Secret)> {
        let params = self.params.iter().map(|(name, secret)| (name.clone(), secret));
        params.chain(self.logins.iter().map(|(host, login)| (format!("etcd:{host}"), &login.password)))
    }

    /// The value of a source; it is masked from here on. `what` it is for is said where it cannot be had.
    pub fn fetch(&mut self, source: &SecretSource, what: &str) -> Result<Secret, Fault> {
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
        if *source != SecretSource::Ask {
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
    pub fn redact_event(&self, event: Event) -> Event {
        let whole = match &event {
            Event::Task { task, what: TaskEvent::Done { out, redacted: false, .. } } => {
                Some((task.clone(), out.clone()))
            }
            _ => None,
        };
        let sealed = self.masks.event(event);
        if let (Some((task, out)), Event::Task { what: TaskEvent::Done { redacted: true, .. }, .. }) = (whole, &sealed)
        {
            self.withheld.keep(task, out);
        }
        sealed
    }

    /// The same of a step whose outputs are secret as a whole.
    pub fn withhold(&self, task: &TaskName, what: TaskEvent) -> TaskEvent {
        match what {
            TaskEvent::Done { changed, out, redacted: false } if !out.is_empty() => {
                self.withheld.keep(task.clone(), out.clone());
                let out = out.iter().map(|(name, value)| (name.clone(), masked_whole(value))).collect::<Outputs>();
                TaskEvent::Done { changed, out: Arc::new(out), redacted: true }
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

fn keep(path: &Path, secret: &Secret) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", secret.reveal())?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

fn drop_all(generated: &[(PathBuf, Secret)]) {
    // One that stays is named by the next run that would make it.
    generated.iter().for_each(|(path, _)| drop(std::fs::remove_file(path)));
}
