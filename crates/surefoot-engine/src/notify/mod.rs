//! Tells others of a run: by a command or a webhook, as the user's config says.
//!
//! A notice never holds a run up and never fails it: it has a thread of its own, each attempt has [`PATIENCE`], and the
//! end of a run waits for what is left for [`FAREWELL`] at most. Each of those who are told has their notices in order,
//! whatever becomes of the others. What could not be told is said once, at the end.
//! What a crash has cut off is told by who takes the run up ([`told`]).
//! Knows no steps and no hosts beyond what events say.

mod delivery_log;
mod notice;
mod send;

use crate::journal::RunFolder;
use crate::load::{NoticeKind, Notify, To, UserConfig, Webhook};
use crate::model::{Observer, Outcome, RunState, Stamped, TaskName};
use crate::secret::Masks;
use crate::view::{Milestone, NextCommand};
use delivery_log::DeliveryLog;
use jiff::Timestamp;
use notice::{Notice, NoticeContext, Rest};
use send::Recipient;
use serde_json::Value as Json;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// For one attempt.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is waited before each further attempt.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// What the end of a run waits for notices that are under way.
const FAREWELL: Duration = Duration::from_secs(15);

/// Tells all that are to be told.
pub struct Notifier {
    about: Mutex<NoticeContext>,
    told: Vec<(Notify, Arc<NoticeTally>)>,
    queues: Mutex<Vec<UnboundedSender<Arc<SentNotice>>>>,
    ledger: Arc<Mutex<DeliveryLog>>,
    masks: Masks,
    exit_code: fn(Outcome) -> u8,
    closing: CancellationToken,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// A notice on its way.
struct SentNotice {
    /// Its event's number; a question is asked again after a crash anyhow.
    event: Option<u64>,
    notice: Json,
}

/// How many notices somebody was to get and has got, and why not.
#[derive(Default)]
struct NoticeTally(Mutex<(usize, usize, Option<String>)>);

impl NoticeTally {
    fn open(&self) -> MutexGuard<'_, (usize, usize, Option<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notifier {
    /// Tells at once what an earlier engine could not tell any more. None where nobody is to be told. `exit_code` is what
    /// the program ends with after an outcome, `next` the number of the run's next event. Its journal is held.
    pub fn start(
        config: &UserConfig,
        masks: Masks,
        exit_code: fn(Outcome) -> u8,
        run: &RunFolder,
        next: u64,
    ) -> Option<Arc<Notifier>> {
        if config.notify.is_empty() {
            return None;
        }
        let untold = delivery_log::read(run.path()).filter(|first| *first < next);
        let ledger = DeliveryLog::from(run.path(), untold.unwrap_or(next));
        let ledger = Arc::new(Mutex::new(ledger));
        let (queues, ends): (Vec<_>, Vec<_>) = config.notify.iter().map(|_| unbounded_channel()).unzip();
        let told: Vec<_> = config.notify.iter().map(|one| (one.clone(), Arc::default())).collect();
        let (closing, (over, ended)) = (CancellationToken::new(), oneshot::channel());
        let all = told.iter().cloned().zip(ends).collect();
        let work = deliver_all(all, masks.clone(), closing.clone(), ledger.clone());
        // Without a thread everything stays untold, and that is said.
        let _ = std::thread::Builder::new().name("notify".to_owned()).spawn(move || {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                runtime.block_on(work);
                // What looks up a name or reads a secret may hang.
                runtime.shutdown_background();
            }
            drop(over);
        });
        let (queues, ended) = (Mutex::new(queues), Mutex::new(Some(ended)));
        let about = Mutex::default();
        let notifier = Notifier { about, told, queues, ledger, masks, exit_code, closing, ended };
        if let Some(first) = untold {
            // It was read a moment ago; what cannot be read now stays untold.
            let _ = run.replay(|stamped, state| notifier.take(stamped, state, stamped.seq >= first));
        }
        Some(Arc::new(notifier))
    }

    /// Of an event that was told already only this is taken in: who is at work.
    fn take(&self, stamped: &Stamped, state: &RunState, is_new: bool) {
        let begun = Milestone::of(stamped, state).and_then(|milestone| notice::begun(&milestone, state));
        if let Some((about, _)) = &begun {
            *self.about() = about.clone();
        }
        if !is_new {
            return;
        }
        if let Some((_, how)) = begun {
            self.notify(NoticeKind::Start, Some(stamped.seq), stamped.at, how.to_owned(), Rest::default());
        } else if let Some((moment, what, rest)) = notice::of(stamped, state, self.exit_code) {
            self.notify(moment, Some(stamped.seq), stamped.at, what, rest);
        }
    }

    /// A step waits until somebody approves it.
    pub fn waiting(&self, task: &TaskName, question: &str) {
        let next = NextCommand::Approve { run: self.about().run.as_str().into(), step: task.step.clone() };
        self.notify(
            NoticeKind::Waiting,
            None,
            Timestamp::now(),
            format!("{} asks: {question}", task.step),
            Rest::of_task(task, &next),
        );
    }

    fn notify(&self, moment: NoticeKind, event: Option<u64>, at: Timestamp, what: String, rest: Rest) {
        let about = self.about().clone();
        let text = format!("surefoot run {} of {}: {what}", about.run, about.runbook);
        let notice = Notice { notice: moment.word(), text, at, about, rest };
        let notice = serde_json::to_value(notice).expect("plain fields become JSON");
        let sent = Arc::new(SentNotice { event, notice: self.masks.json(notice) });
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let who = || self.told.iter().zip(&*queues).filter(|((one, _), _)| one.on.contains(&moment));
        if let Some(event) = event {
            open(&self.ledger).begin(event, who().count());
        }
        for ((one, tally), queue) in who() {
            tally.open().0 += 1;
            if queue.send(sent.clone()).is_err() {
                tally.open().2.get_or_insert_with(|| format!("{} is not told of anything any more", shown(&one.to)));
            }
        }
    }

    fn about(&self) -> MutexGuard<'_, NoticeContext> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what is under way, as long as it may. Gives a sentence for each of those who were not told everything.
    pub async fn close(&self) -> Vec<String> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.closing.cancel();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // It gives up by itself; a moment more is for its last words.
            let _ = timeout(FAREWELL + Duration::from_secs(2), ended).await;
        }
        open(&self.ledger).close();
        self.told.iter().filter_map(|(one, tally)| missed(&one.to, &tally.open())).collect()
    }
}

fn open(ledger: &Mutex<DeliveryLog>) -> MutexGuard<'_, DeliveryLog> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether somebody may not have been told yet of this event of a run.
pub fn is_untold(run: &RunFolder, event: u64) -> bool {
    delivery_log::read(run.path()).is_some_and(|first| first <= event)
}

impl Observer for Notifier {
    fn event(&self, stamped: &Stamped, state: &RunState) {
        self.take(stamped, state, true);
    }
}

type Addressed = ((Notify, Arc<NoticeTally>), UnboundedReceiver<Arc<SentNotice>>);

async fn deliver_all(all: Vec<Addressed>, masks: Masks, closing: CancellationToken, ledger: Arc<Mutex<DeliveryLog>>) {
    let serving = all.into_iter().map(|((one, tally), queue)| serve(one.to, tally, queue, masks.clone(), &ledger));
    let late = async {
        closing.cancelled().await;
        sleep(FAREWELL).await;
    };
    tokio::select! {
        _ = futures_util::future::join_all(serving) => {}
        () = late => {}
    }
}

/// Tells one of them, one notice after the other.
async fn serve(
    to: To,
    tally: Arc<NoticeTally>,
    mut queue: UnboundedReceiver<Arc<SentNotice>>,
    masks: Masks,
    ledger: &Mutex<DeliveryLog>,
) {
    let known = masks.clone();
    let opening = tokio::task::spawn_blocking(move || Recipient::open(&to, &known));
    let way = match timeout(PATIENCE, opening).await {
        Ok(Ok(Ok(way))) => way,
        Ok(Ok(Err(fault))) => return drop(tally.open().2.replace(masks.text(fault.message))),
        _ => return drop(tally.open().2.replace("its secret is not given in time".to_owned())),
    };
    while let Some(sent) = queue.recv().await {
        match persist(&way, &sent.notice).await {
            Ok(()) => tally.open().1 += 1,
            Err(why) => drop(tally.open().2.replace(masks.text(why))),
        }
        sent.event.into_iter().for_each(|event| open(ledger).finish(event));
    }
}

/// Tells somebody one thing, again where it fails.
async fn persist(way: &Recipient, notice: &Json) -> Result<(), String> {
    let mut pauses = PAUSES.iter();
    loop {
        let why = match timeout(PATIENCE, way.send(notice)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(fault)) => fault.message,
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        match pauses.next() {
            Some(pause) => sleep(*pause).await,
            None => return Err(why),
        }
    }
}

fn missed(to: &To, (wanted, got, why): &(usize, usize, Option<String>)) -> Option<String> {
    let missed = wanted.checked_sub(*got).filter(|missed| *missed > 0)?;
    let why = why.as_deref().unwrap_or("no answer in time");
    Some(format!("{missed} of {wanted} notices did not reach {}: {why}", shown(to)))
}

/// Somebody, for people. The path of an address is often a secret.
fn shown(to: &To) -> String {
    match to {
        To::Command(words) => format!("`{}`", words.first().map_or("", String::as_str)),
        To::Webhook { url: Webhook::Url(url), .. } => url.address(),
        To::Webhook { url: Webhook::Secret(source), .. } => format!("the webhook of `{source}`"),
    }
}
