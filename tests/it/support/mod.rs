//! What several features' tests share.

pub mod bed;
pub mod bench;
pub mod browser;
pub mod cluster;
pub mod damaging;
pub mod delay;
pub mod engine;
pub mod etcds;
pub mod example;
pub mod files;
pub mod lab_bed;
pub mod language_server;
pub mod procedures;
pub mod program;
pub mod reading;
pub mod scratch;
pub mod site;
pub mod sshd;
pub mod terminal;
pub mod visitor;
pub mod web;
pub mod writer;
