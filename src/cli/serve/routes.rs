//! What the page asks for, and what it is given.

use super::follow::{Followed, Following};
use super::guard::{self, Guard};
use super::list::RunList;
use super::output::OutputRange;
use super::people::Who;
use super::{assets, control, output};
use crate::cli::task_output::Printout;
use crate::report::labels;
use crate::report::review::ReviewTask;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::stream::{Stream, StreamExt, unfold};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use surefoot_engine::journal::{JournalError, RunFolder, Store};
use surefoot_engine::model::{RunId, TaskName};

/// No request has a longer body, in bytes.
const LONGEST: usize = 4096;

/// What every answer is made from.
#[derive(Clone)]
pub struct Served {
    following: Arc<Following>,
    list: Arc<RunList>,
    guard: Arc<Guard>,
}

impl Served {
    pub fn find(&self, run: &RunId) -> Result<RunFolder, HttpRefusal> {
        self.following.store.find(run).map_err(not_found)
    }

    async fn followed(&self, run: &RunId) -> Result<Arc<Followed>, HttpRefusal> {
        self.following.follow(run).await.map_err(|error| match error {
            JournalError::NoRun { .. } => not_found(error),
            error => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        })
    }
}

/// A refusal in words, for the person who watches.
pub type HttpRefusal = (StatusCode, String);

pub fn all(store: Store, guard: Arc<Guard>) -> Router {
    let list = Arc::new(RunList::new(store.clone()));
    let served = Served { following: Arc::new(Following::new(store)), list, guard: guard.clone() };
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{name}", get(assets::asset))
        .route("/login", post(login))
        .route("/api/session", get(session))
        .route("/api/runs", get(runs))
        .route("/api/runs/{run}", get(run))
        .route("/api/runs/{run}/back", get(back))
        .route("/api/runs/{run}/tasks/{task}", get(task))
        .route("/api/runs/{run}/outputs/{file}", get(end_of_output))
        .route("/api/runs/{run}/outputs/{file}/{from}", get(output_from))
        .merge(control::routes())
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(from_fn_with_state(guard, guard::watch))
        .with_state(served)
}

#[derive(Deserialize)]
struct LoginForm {
    token: String,
}

async fn login(State(served): State<Served>, body: Bytes) -> Response {
    let login = serde_json::from_slice::<LoginForm>(&body).ok();
    match login.and_then(|login| served.guard.let_in(&login.token)) {
        Some(cookie) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response(),
        None => (StatusCode::UNAUTHORIZED, "this is not the token that `surefoot serve` has printed").into_response(),
    }
}

#[derive(Serialize)]
struct PageSession<'s> {
    version: &'static str,
    /// As whom this page acts.
    operator: String,
    control: bool,
    csrf: &'s str,
}

async fn session(State(served): State<Served>, Extension(who): Extension<Who>) -> Response {
    let (operator, version) = (who.name(), env!("CARGO_PKG_VERSION"));
    json(&PageSession { version, operator, control: served.guard.control, csrf: served.guard.csrf() })
}

async fn runs(State(served): State<Served>) -> Response {
    let rows = unfold(served.list.watch(), |mut watched| async move {
        watched.rows.changed().await.ok()?;
        let rows = watched.rows.borrow_and_update().clone();
        Some((rows, watched))
    });
    events(rows)
}

async fn run(State(served): State<Served>, Path(run): Path<RunId>) -> Result<Response, HttpRefusal> {
    let followed = served.followed(&run).await?;
    let mut changes = followed.changes();
    changes.mark_changed();
    Ok(events(unfold((followed, changes, 0), |(followed, mut changes, known)| async move {
        changes.changed().await.ok()?;
        changes.mark_unchanged();
        let (update, known) = followed.since(known);
        Some((update, (followed, changes, known)))
    })))
}

/// Each text as an event. What is not read is not made: who reads slowly gets fewer and larger ones.
fn events(texts: impl Stream<Item = String> + Send + 'static) -> Response {
    let events = texts.map(|text| Ok::<_, Infallible>(Event::default().data(text)));
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

async fn back(State(served): State<Served>, Path(run): Path<RunId>) -> Result<Response, HttpRefusal> {
    let followed = served.followed(&run).await?;
    Ok(json(&in_background(move || followed.back()).await))
}

/// One task, for who wants to know all of it.
#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    task: ReviewTask,
    /// Why it did not do its work, in full.
    fault_text: Option<String>,
    printed: Vec<Title>,
}

#[derive(Serialize)]
struct Title {
    file: String,
    title: String,
    size: u64,
}

async fn task(
    State(served): State<Served>,
    Path((run, task)): Path<(RunId, TaskName)>,
) -> Result<Response, HttpRefusal> {
    let followed = served.followed(&run).await?;
    let found = in_background(move || followed.task(&task)).await;
    let (task, printed) = found.ok_or((StatusCode::NOT_FOUND, "the run has no such task".to_owned()))?;
    let text = |text: String| anstream::adapter::strip_str(&text).to_string();
    let fault_text = task.fault.as_ref().map(|fault| text(labels::fault(fault, "")));
    Ok(json(&Detail { task, fault_text, printed: printed.into_iter().map(title).collect() }))
}

fn title(Printout { path, part, attempt, stream }: Printout) -> Title {
    let part = part.map(|part| format!(", {part} of its undo")).unwrap_or_default();
    let size = path.metadata().map_or(0, |file| file.len());
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Title { file, title: format!("{}, attempt {attempt}{part}", labels::stream(stream)), size }
}

async fn end_of_output(
    State(served): State<Served>,
    Path((run, file)): Path<(RunId, String)>,
) -> Result<Response, HttpRefusal> {
    printed(served, run, file, None).await
}

async fn output_from(
    State(served): State<Served>,
    Path((run, file, from)): Path<(RunId, String, u64)>,
) -> Result<Response, HttpRefusal> {
    printed(served, run, file, Some(from)).await
}

async fn printed(served: Served, run: RunId, file: String, from: Option<u64>) -> Result<Response, HttpRefusal> {
    let folder = served.find(&run)?;
    let piece: OutputRange = in_background(move || output::piece(&folder, &file, from)).await.map_err(not_found)?;
    Ok(json(&piece))
}

fn not_found(error: impl ToString) -> HttpRefusal {
    (StatusCode::NOT_FOUND, error.to_string())
}

/// Does what blocks, beside the connections.
pub async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}

fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).expect("maps have text for keys");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
