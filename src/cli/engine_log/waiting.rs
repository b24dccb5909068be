//! `--verbose` at standard error: what the engine waits for, while it waits.

use crate::cli::out::tell_line;
use crate::report::safe::clean;
use std::fmt;
use surefoot_engine::world::WAITING;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;

pub struct Waiting;

pub fn filter() -> Targets {
    Targets::new().with_target(WAITING, LevelFilter::WARN)
}

impl<S: Subscriber> Layer<S> for Waiting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if let Some(text) = super::SINK.get().and_then(|sink| sink.for_operator(message.0)) {
            tell_line!("{}", clean(&text));
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
