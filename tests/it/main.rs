//! One binary; one file for each feature.

mod actions;
mod check;
mod execute;
mod diagnostic;
mod journal;
mod lab;
mod load;

mod support;
