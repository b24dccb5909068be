//! What is known of the versions of etcd: one table, each row with its source.

mod table;
mod version;

pub use table::{Capability, Concern, Consequence, SettingPlace, Severity, TABLE, Tool};
pub use version::{Minor, Version};
