//! Any bytes at all, given to all that reads files. libFuzzer keeps what reaches new branches and goes on from there.
#![no_main]

use std::sync::LazyLock;
use tempfile::TempDir;

#[path = "../tests/it/support/reading.rs"]
mod reading;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("there is room for two files"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reading::read(FOLDER.path(), bytes));
