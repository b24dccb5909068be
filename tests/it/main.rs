//! One binary; one file for each feature.

mod journal;
mod load;
mod lab;
