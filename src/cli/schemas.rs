//! Every JSON Schema that this program knows: of the files that it reads, and of what it prints as JSON.

use crate::report::run_json::{LogLine, RunDetails, RunListing};
use serde_json::Value as Json;
use surefoot_engine::action::ActionRegistry;
use surefoot_engine::check::{ACTION, RUNBOOK};
use surefoot_engine::load::{CONFIG, INVENTORY};
use surefoot_engine::schema;
use surefoot_engine::testing::TEST;
use surefoot_lab::rehearse::REHEARSAL;

/// Makes a schema.
pub type Make = fn(&ActionRegistry) -> Json;

/// The schemas by the names that `surefoot schema` and the folder `schemas/` know them by.
pub static SCHEMAS: &[(&str, Make)] = &[
    ("runbook", |actions| schema::of_shape(actions, &RUNBOOK, "runbook")),
    ("inventory", |actions| schema::of_shape(actions, &INVENTORY, "inventory")),
    ("params", |_| schema::any_params()),
    ("config", |actions| schema::of_shape(actions, &CONFIG, "config")),
    ("rehearsal", |actions| schema::of_shape(actions, &REHEARSAL, "rehearsal")),
    ("test", |actions| schema::of_shape(actions, &TEST, "test")),
    ("action", |actions| schema::of_shape(actions, &ACTION, "action")),
    ("runs", |_| schema::of_output::<RunListing>("runs")),
    ("show", |_| schema::of_output::<RunDetails>("show")),
    ("logs", |_| schema::of_output::<LogLine>("logs")),
];
