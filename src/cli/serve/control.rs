//! What a person may do on the page, where `--allow-control` lets them. On record goes the person's name.

use super::people::Who;
use super::routes::{HttpRefusal, Served, in_background};
use crate::cli::control::{ControlReply, ControlRequest, ask};
use crate::cli::settle;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use surefoot_engine::model::{RunId, StepId, TaskName};

pub fn routes() -> Router<Served> {
    Router::new()
        .route("/api/runs/{run}/approve", post(approve))
        .route("/api/runs/{run}/pause", post(pause))
        .route("/api/runs/{run}/stop", post(stop))
        .route("/api/runs/{run}/cancel", post(cancel))
        .route("/api/runs/{run}/settle", post(resolve))
}

#[derive(Deserialize)]
struct ApproveForm {
    step: StepId,
}

#[derive(Deserialize)]
struct PauseForm {
    paused: bool,
}

#[derive(Deserialize)]
struct SettleForm {
    task: TaskName,
    took_effect: bool,
}

type ControlResult = Result<StatusCode, HttpRefusal>;

async fn approve(
    State(served): State<Served>,
    Path(run): Path<RunId>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> ControlResult {
    let ApproveForm { step } = decode(&body)?;
    engine(&served, run, ControlRequest::Approve { step, by: who.on_page() }).await
}

async fn pause(
    State(served): State<Served>,
    Path(run): Path<RunId>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> ControlResult {
    let PauseForm { paused } = decode(&body)?;
    engine(&served, run, ControlRequest::Pause { paused, by: who.on_page() }).await
}

async fn stop(State(served): State<Served>, Path(run): Path<RunId>, Extension(who): Extension<Who>) -> ControlResult {
    engine(&served, run, ControlRequest::Stop { by: who.on_page() }).await
}

async fn cancel(State(served): State<Served>, Path(run): Path<RunId>, Extension(who): Extension<Who>) -> ControlResult {
    engine(&served, run, ControlRequest::Cancel { by: who.on_page() }).await
}

async fn resolve(
    State(served): State<Served>,
    Path(run): Path<RunId>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> ControlResult {
    let SettleForm { task, took_effect } = decode(&body)?;
    let folder = served.find(&run)?;
    let settled = in_background(move || settle::resolve(&folder, &task, took_effect, who.on_page())).await;
    settled.map_err(|(_, why)| (StatusCode::CONFLICT, why))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks the engine that is at work on a run.
async fn engine(served: &Served, run: RunId, request: ControlRequest) -> ControlResult {
    let folder = served.find(&run)?;
    match in_background(move || ask(folder.path(), &request)).await {
        Ok(Some(ControlReply::Done)) => Ok(StatusCode::NO_CONTENT),
        Ok(Some(ControlReply::Refused { why })) => Err((StatusCode::CONFLICT, why)),
        Ok(None) => Err((StatusCode::CONFLICT, "no engine is at work on this run".to_owned())),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, HttpRefusal> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}
