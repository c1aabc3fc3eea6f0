//! A session at a prompt: expressions are evaluated and printed, variables bound,
//! derivations built.
//!
//! [`run`] is the whole of it; [`use_debugger`] makes evaluations stop at a prompt. What is typed is read by a line editor with completion
//! and a history; text that comes from elsewhere is read line by line.

mod colour;
mod command;
mod complete;
mod debug;
mod doc;
mod editor;
mod run;
mod scan;
mod state;

use saltire_driver::EvaluationError;
use saltire_eval::{Evaluator, Value};

pub use debug::use_debugger;
pub use run::{Settings, run};

/// Gives a value whose attributes become variables.
pub type Loader = Box<dyn Fn(&mut Evaluator) -> Result<Value, EvaluationError> + Send + Sync>;

/// Something to load at the start.
pub struct Load {
    /// What is said while it is loaded, such as "Loading installable ''...".
    pub title: String,
    /// Gives it.
    pub value: Loader,
}
