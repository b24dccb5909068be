//! What the check knows of the runbooks that a runbook uses.

use super::checked::Runbook;
use super::context::CheckContext;
use crate::catalog::Location;
use crate::load::{Document, Library, Node};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The runbooks that may be used, and what the check has made of them so far.
pub(super) struct RunbookCache<'a> {
    pub library: &'a Library,
    /// `None` where a file has mistakes: they are told.
    pub checked: RefCell<HashMap<Location, Option<Rc<Runbook>>>>,
    /// Checks one more.
    pub check: CheckRunbook,
}

/// Reads a runbook's root.
pub(super) type CheckRunbook = fn(&mut CheckContext, &Node) -> Option<Runbook>;

impl<'a> RunbookCache<'a> {
    pub fn of(document: &'a Document, check: CheckRunbook) -> Rc<Self> {
        Rc::new(RunbookCache { library: &document.used, checked: RefCell::default(), check })
    }

    /// Of a text that has no steps.
    pub fn without_steps(document: &'a Document) -> Rc<Self> {
        RunbookCache::of(document, |_, _| None)
    }
}
