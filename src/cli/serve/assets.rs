//! The page's own files. They are in the program: nothing is loaded from elsewhere.

use crate::report::STYLE;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

const FILES: &[(&str, &str, &str)] = &[
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("page.css", CSS, STYLE),
    ("watch.css", CSS, include_str!("page/watch.css")),
    ("main.js", JS, include_str!("page/main.js")),
    ("dom.js", JS, include_str!("page/dom.js")),
    ("server.js", JS, include_str!("page/server.js")),
    ("runs.js", JS, include_str!("page/runs.js")),
    ("run.js", JS, include_str!("page/run.js")),
    ("steps.js", JS, include_str!("page/steps.js")),
    ("timeline.js", JS, include_str!("page/timeline.js")),
    ("task.js", JS, include_str!("page/task.js")),
    ("control.js", JS, include_str!("page/control.js")),
    ("back.js", JS, include_str!("page/back.js")),
];

pub async fn page() -> Html<&'static str> {
    Html(include_str!("page/index.html"))
}

pub async fn asset(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => ([(header::CONTENT_TYPE, *kind)], *text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
