//! One binary; one file for each feature.

mod actions;
mod authoring;
mod cancel;
mod check;
mod cli;
mod completions;
mod control;
mod diagnostic;
mod etcd;
mod examples;
mod execute;
mod explain;
mod faults;
mod findings;
mod guide;
mod inventories;
mod journal;
mod lab;
mod lease;
mod left_out;
mod load;
mod long;
mod places;
mod readme;
mod restore;
mod resume;
mod runbooks;
mod schema;
mod secrets;
mod testing;
mod tidy;
mod tune;
mod used;
mod world;

mod support;
