//! The actions that runbooks may use: a value, so that a program can add its own.

use super::*;
use indexmap::IndexMap;
use std::sync::Arc;

/// Actions by their names, in the order of the manual.
#[derive(Clone, Debug, Default)]
pub struct ActionRegistry(IndexMap<&'static str, Arc<ActionKind>>);

/// Two actions have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an action called `{0}` is registered already")]
pub struct NameTaken(pub &'static str);

impl ActionRegistry {
    /// The actions of the engine itself. A new one is one file, one `mod` line and one line here.
    pub fn core() -> Result<ActionRegistry, NameTaken> {
        let mut all = ActionRegistry::default();
        all.register::<sh::Sh>()?;
        all.register::<exec::Exec>()?;
        all.register::<copy::Copy>()?;
        all.register::<fetch::Fetch>()?;
        all.register::<send::Send>()?;
        all.register::<download::Download>()?;
        all.register::<unarchive::Unarchive>()?;
        all.register::<file::File>()?;
        all.register::<env_file::EnvFile>()?;
        all.register::<flags::Flags>()?;
        all.register::<r#move::Move>()?;
        all.register::<remove::Remove>()?;
        all.register::<service::Service>()?;
        all.register::<wait::Wait>()?;
        all.register::<http::Http>()?;
        all.register::<assert::Assert>()?;
        all.register::<assess::Assess>()?;
        all.register::<approve::Approve>()?;
        all.register::<checkpoint::Checkpoint>()?;
        all.register::<tls::Ca>()?;
        all.register::<tls::Cert>()?;
        Ok(all)
    }

    /// Adds an action. Its struct says its name.
    pub fn register<A: Action>(&mut self) -> Result<(), NameTaken> {
        self.add(ActionKind::of::<A>())
    }

    pub fn add(&mut self, kind: ActionKind) -> Result<(), NameTaken> {
        match self.0.contains_key(kind.name) {
            true => Err(NameTaken(kind.name)),
            false => {
                self.0.insert(kind.name, Arc::new(kind));
                Ok(())
            }
        }
    }

    pub fn find(&self, name: &str) -> Option<&Arc<ActionKind>> {
        self.0.get(name)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<ActionKind>> + Clone {
        self.0.values()
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &'static str> + Clone {
        self.0.keys().copied()
    }
}
