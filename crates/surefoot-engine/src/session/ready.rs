//! A run whose hosts are connected: it can be planned, and begun. Nothing was changed on any of them.

use super::active::ActiveRun;
use super::connect::{self, Reached, reach};
use super::error::SessionError;
use super::history::past_of;
use super::inputs::digests;
use super::opened::OpenedRecord;
use super::prepare::PreparedRun;
use super::{Session, files, pins, run_id, sudo_log};
use crate::execute::{self, Goal, Leases, RunOrigin, Terms};
use crate::journal::{Journal, RunFolder, Store};
use crate::model::{Fault, HostName, RunId, RunState};
use crate::plan::Plan;
use crate::secret::{Keyring, Of};
use crate::world::{Claim, EngineIdentity, Outlook, ReadOnly, World, status};
use futures_util::future::join_all;
use indexmap::IndexMap;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the hosts have to close their connections.
const CLOSING: Duration = Duration::from_secs(5);

/// On what terms hosts are held.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Whole seconds.
    pub ttl: Duration,
    /// Take hosts over whose lease has ended without being given back.
    pub take_over: bool,
}

impl Default for LeaseOptions {
    fn default() -> Self {
        LeaseOptions { ttl: Duration::from_secs(30), take_over: false }
    }
}

/// A run's id and its secrets. Whoever logs must mask by them before the run connects.
pub struct RunSecrets {
    pub run: RunId,
    pub keyring: Arc<Keyring>,
}

impl RunSecrets {
    pub(super) fn open(prepared: &PreparedRun, of: Of<'_>, run: &RunId) -> Result<RunSecrets, SessionError> {
        let hosts = prepared.program.reach.iter().filter_map(|name| prepared.inventory.hosts.get(name));
        let logins = hosts.filter_map(|host| Some((&host.name, host.etcd.as_ref()?.login.as_ref()?)));
        let keyring = Keyring::open(of, &prepared.program.secrets, logins).map_err(SessionError::Secret)?;
        Ok(RunSecrets { run: run.clone(), keyring: Arc::new(keyring) })
    }

    pub(super) fn give_logins(&self, world: &mut World) {
        self.keyring.logins.iter().for_each(|(host, login)| world.add_login(host.clone(), login.clone()));
    }
}

/// A run whose hosts are connected. One that does not begin is closed with [`ReadyRun::close`].
pub struct ReadyRun {
    pub prepared: PreparedRun,
    pub world: Arc<World>,
    /// Hosts that cannot be reached, that the run can do without, and that it would leave out from now on, to its end.
    pub missing: Vec<(HostName, Fault)>,
    pub(super) secrets: RunSecrets,
    pub(super) record: Record,
    pub(super) operator: String,
    pub(super) store: Store,
}

/// Where the run is kept.
pub(super) enum Record {
    /// Nowhere yet.
    New,
    Opened(Box<OpenedRecord>),
}

impl Session {
    /// Reads the files of the controller that a new run sends, which are kept with it. No host is touched.
    pub fn read_files(&self, prepared: &mut PreparedRun, folder: &Path) -> Result<(), SessionError> {
        prepared.files = files::look(&prepared.program, folder, &self.store)?;
        Ok(())
    }

    /// The secrets of a new run, fetched now. What is given as `ask` is asked for at the terminal.
    pub fn secrets(&self, prepared: &PreparedRun) -> Result<RunSecrets, SessionError> {
        let run = run_id::new();
        RunSecrets::open(prepared, Of::New(&run), &run)
    }

    /// Connects the hosts of a new run.
    /// `allow_sudo_log`: hosts may have secrets though their sudo keeps what it is given.
    pub async fn connect(
        &self,
        prepared: PreparedRun,
        secrets: RunSecrets,
        allow_sudo_log: bool,
    ) -> Result<ReadyRun, SessionError> {
        let (state, folder) = (RunState::default(), self.store.folder_of(&secrets.run));
        let world = connected(&prepared, &secrets, &folder, &state, allow_sudo_log).await?;
        Ok(ReadyRun::new(self, prepared, world, secrets, Record::New))
    }
}

/// Every host of a run, or why not.
pub(super) async fn connected(
    prepared: &PreparedRun,
    secrets: &RunSecrets,
    folder: &Path,
    state: &RunState,
    allow_sudo_log: bool,
) -> Result<World, SessionError> {
    let (program, inventory) = (&prepared.program, &prepared.inventory);
    let local_dir = folder.join("controller");
    let world = connect::connect(program, inventory, &secrets.run, &local_dir, state).await;
    let mut world = world.map_err(SessionError::Hosts)?;
    if !allow_sudo_log {
        let faults = sudo_log::check_logging(program, inventory, &world, &secrets.keyring).await;
        if !faults.is_empty() {
            close(&world).await;
            return Err(SessionError::SudoLog(faults));
        }
    }
    secrets.give_logins(&mut world);
    Ok(world)
}

/// Those hosts of a run that can be reached, and why the others cannot: these are left out.
pub(super) async fn reachable(
    prepared: &PreparedRun,
    secrets: &RunSecrets,
    folder: &Path,
    state: &RunState,
) -> Result<(World, Vec<Fault>), SessionError> {
    let names = prepared.program.reach.iter().filter(|name| !state.excluded.contains_key(*name));
    let reached = reach(names, &prepared.inventory, &secrets.run, &folder.join("controller")).await;
    let Reached { mut world, faults } = reached.map_err(SessionError::Controller)?;
    for (host, fault) in &faults {
        world.exclude(host.clone(), fault.clone());
    }
    secrets.give_logins(&mut world);
    Ok((world, faults.into_iter().map(|(_, fault)| fault).collect()))
}

/// Closes the connections of a run.
pub async fn close(world: &World) {
    // A host that does not let go of its connection must not hold us; it ends with this process.
    let _ = tokio::time::timeout(CLOSING, world.close()).await;
}

impl ReadyRun {
    pub(super) fn new(
        session: &Session,
        prepared: PreparedRun,
        world: World,
        secrets: RunSecrets,
        record: Record,
    ) -> ReadyRun {
        let known = match &record {
            Record::New => None,
            Record::Opened(record) => Some(&record.state.excluded),
        };
        let missing = world.absent().iter().filter(|(host, _)| known.is_none_or(|known| !known.contains_key(*host)));
        let missing = missing.map(|(host, fault)| (host.clone(), fault.clone())).collect();
        let (operator, store) = (session.operator.clone(), session.store.clone());
        ReadyRun { prepared, world: Arc::new(world), missing, secrets, record, operator, store }
    }

    pub fn run(&self) -> &RunId {
        &self.secrets.run
    }

    /// What a new run would do. Changes nothing.
    pub async fn plan(&self, folder: &Path) -> Plan {
        let program = &self.prepared.program;
        let foreseen = execute::dry_run(execute::Ahead {
            run: self.secrets.run.clone(),
            program: program.clone(),
            world: ReadOnly::of(&self.world),
            folder: folder.to_owned(),
            secrets: self.secrets.keyring.clone(),
        });
        let plan = Plan::looked(program, foreseen.await, self.world.absent());
        let plan = plan.with_leases(&statuses(&self.world).await);
        plan.with_past(program, &past_of(&self.store, &program.runbook))
    }

    /// The fingerprints of the secrets that a plan is made with.
    pub(super) fn planned_secrets(&self) -> io::Result<Option<pins::PlannedSecrets>> {
        pins::PlannedSecrets::of(&self.store, &self.secrets.run, &self.secrets.keyring)
    }

    /// Which of the secrets of a plan are others now.
    pub(super) fn changed_secrets(&self, planned: &pins::PlannedSecrets) -> Vec<String> {
        planned.changed(&self.store, &self.secrets.keyring)
    }

    /// The same with one more file that a new run keeps of its inputs, such as its plan.
    pub fn with_input(mut self, name: &str, content: Vec<u8>) -> ReadyRun {
        self.prepared.inputs.push((name.to_owned(), content));
        self
    }

    /// Closes the connections of a run that does not begin.
    pub async fn close(self) {
        close(&self.world).await;
    }

    /// Holds the hosts and opens the run's record. Where that fails, all is let go of again.
    pub async fn begin(self, goal: Goal, terms: &LeaseOptions) -> Result<ActiveRun, SessionError> {
        let world = self.world.clone();
        let begun = self.begun(goal, terms).await;
        if begun.is_err() {
            close(&world).await;
        }
        begun
    }

    async fn begun(mut self, goal: Goal, terms: &LeaseOptions) -> Result<ActiveRun, SessionError> {
        if let Record::New = self.record {
            self.prepared.inputs.extend(files::listed(&self.prepared.files));
            let pinned = pins::of_new(&self.store, &self.secrets.run, &self.secrets.keyring)?;
            self.prepared.inputs.extend(pinned);
        }
        let mut leases = hold(&self.world, &self.secrets.run, &self.operator, terms).await?;
        let opened = match self.record {
            Record::Opened(opened) => *opened,
            Record::New => match create(&self.store, &self.secrets, &self.prepared).await {
                Ok((folder, journal)) => {
                    self.world.read_copies(files::copies(&self.prepared.files, &folder));
                    let digests = digests(&self.prepared.inputs);
                    OpenedRecord { folder, journal, state: RunState::default(), digests }
                }
                Err(error) => {
                    leases.release(&HashSet::new()).await;
                    return Err(error);
                }
            },
        };
        let OpenedRecord { folder, journal, state, digests } = opened;
        let RunSecrets { run, keyring } = self.secrets;
        let origin = RunOrigin { run, operator: self.operator, inputs: digests };
        let PreparedRun { program, sources, .. } = self.prepared;
        let (world, secrets) = (self.world, keyring);
        Ok(ActiveRun { origin, goal, program, sources, world, leases, folder, journal, state, secrets })
    }
}

/// A new run's folder and journal. Copying files may take long, and the leases are renewed meanwhile.
async fn create(
    store: &Store,
    secrets: &RunSecrets,
    prepared: &PreparedRun,
) -> Result<(RunFolder, Journal), SessionError> {
    let (store, run, files) = (store.clone(), secrets.run.clone(), prepared.files.clone());
    let (inputs, keyring) = (prepared.inputs.clone(), secrets.keyring.clone());
    let made = tokio::task::spawn_blocking(move || {
        let inputs: Vec<(&str, &[u8])> = inputs.iter().map(|(name, text)| (&**name, &**text)).collect();
        keyring.keep_generated().map_err(SessionError::Controller)?;
        let created = store.create_with(&run, &inputs, |folder| files::keep_all(&store, folder, &files));
        created.map_err(|error| {
            keyring.drop_generated();
            SessionError::Journal(error)
        })
    });
    made.await.unwrap_or_else(|error| Err(SessionError::Controller(Fault::controller(error.to_string()))))
}

/// Every host of a run, held for it; or none is.
pub async fn hold(world: &World, run: &RunId, operator: &str, terms: &LeaseOptions) -> Result<Leases, SessionError> {
    let (run, holder) = (run.clone(), operator.to_owned());
    let claim = Claim { run, holder, since: jiff::Timestamp::now(), engine: EngineIdentity::this() };
    let terms = Terms { claim, ttl: terms.ttl, take_over: terms.take_over };
    Leases::take(world, &terms).await.map_err(SessionError::Leases)
}

/// How leases of a run's hosts would stand now. Only looks.
async fn statuses(world: &World) -> IndexMap<HostName, Outlook> {
    let hosts = world.hosts().filter(|host| !host.name().is_controller());
    let looks = hosts.map(|host| async { Some((host.name().clone(), status(host.as_ref()).await?)) });
    join_all(looks).await.into_iter().flatten().collect()
}
