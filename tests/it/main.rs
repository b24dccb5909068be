//! One binary; one file for each feature.

mod journal;
mod lab;
mod load;

mod support;
