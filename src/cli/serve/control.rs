//! What a person may do on the page, where `--allow-control` lets them. On record goes the person's name.

use super::people::Who;
use super::routes::{Refused, Served, in_background};
use crate::cli::control::{Answer, Request, ask};
use crate::cli::settle;
use crate::model::{RunId, StepId, TaskName};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub fn routes() -> Router<Served> {
    Router::new()
        .route("/api/runs/{run}/approve", post(approve))
        .route("/api/runs/{run}/pause", post(pause))
        .route("/api/runs/{run}/stop", post(stop))
        .route("/api/runs/{run}/cancel", post(cancel))
        .route("/api/runs/{run}/settle", post(settle))
}

#[derive(Deserialize)]
struct Approve {
    step: StepId,
}

#[derive(Deserialize)]
struct Pause {
    paused: bool,
}

#[derive(Deserialize)]
struct Settle {
    task: TaskName,
    took_effect: bool,
}

type Told = Result<StatusCode, Refused>;

async fn approve(
    State(served): State<Served>,
    Path(run): Path<RunId>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Told {
    let Approve { step } = told(&body)?;
    engine(&served, run, Request::Approve { step, by: who.on_page() }).await
}

async fn pause(
    State(served): State<Served>,
    Path(run): Path<RunId>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Told {
    let Pause { paused } = told(&body)?;
    engine(&served, run, Request::Pause { paused, by: who.on_page() }).await
}

async fn stop(State(served): State<Served>, Path(run): Path<RunId>, Extension(who): Extension<Who>) -> Told {
    engine(&served, run, Request::Stop { by: who.on_page() }).await
}

async fn cancel(State(served): State<Served>, Path(run): Path<RunId>, Extension(who): Extension<Who>) -> Told {
    engine(&served, run, Request::Cancel { by: who.on_page() }).await
}

async fn settle(
    State(served): State<Served>,
    Path(run): Path<RunId>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Told {
    let Settle { task, took_effect } = told(&body)?;
    let folder = served.find(&run)?;
    let settled = in_background(move || settle::settle(&folder, &task, took_effect, who.on_page())).await;
    settled.map_err(|(_, why)| (StatusCode::CONFLICT, why))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks the engine that is at work on a run.
async fn engine(served: &Served, run: RunId, request: Request) -> Told {
    let folder = served.find(&run)?;
    match in_background(move || ask(folder.path(), &request)).await {
        Ok(Some(Answer::Done)) => Ok(StatusCode::NO_CONTENT),
        Ok(Some(Answer::Refused { why })) => Err((StatusCode::CONFLICT, why)),
        Ok(None) => Err((StatusCode::CONFLICT, "no engine is at work on this run".to_owned())),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

fn told<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}
