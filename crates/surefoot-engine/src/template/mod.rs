//! Templates and expressions: parsed once with the place of every name, evaluated late.
//!
//! [`Template`] is a string with `{{ }}`; [`Expr`] a bare expression (`when`, `until`, `that`); [`Late`] a tree of
//! values in which either may stand. [`Scope`] says what the names mean for one task. Strict: an undefined name is an
//! error. Knows nothing of files, hosts or actions.

mod environment;
mod parse;
mod refs;
mod scope;
mod steps;
mod templated;
#[cfg(test)]
mod tests;
mod unknown_values;

pub use environment::{has_filter, has_function, has_test, known_filters, known_tests};
pub use parse::{Expr, SyntaxFault, Template};
pub use refs::{Call, CallKind, Ref, Seg};
pub use scope::{Groups, LazyVars, Scope};
pub use steps::{StepTasks, Steps};
pub use templated::{TemplateFault, Templated, text};
pub use unknown_values::{Openness, UnknownValues};
