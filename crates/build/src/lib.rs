//! Builds derivations: a derivation to registered outputs.

mod environment;
mod events;
mod references;

pub use environment::{BUILD_DIRECTORY, Environment, EnvironmentRequest, environment};
pub use events::{Event, Events, Silent, StepId, StepKind};
pub use references::{ReferenceCheck, ReferenceError, check_references};
