//! Builds derivations: from a derivation to registered outputs.
//!
//! A program runs in the sandbox with the closure of its inputs, its build
//! directory and nothing else; a `builtin:` builder runs in our process. Outputs
//! are made in a scratch directory on the store's file system, checked, and get
//! their places and their registration together, so that a build that fails, is
//! called off or killed leaves nothing that counts.
//!
//! Absent on purpose: evaluation, and the decision how to build ([`BuildRequest`]
//! carries it).

mod builder;
mod builtin;
mod check;
mod diagnosis;
mod elsewhere;
mod environment;
mod error;
mod events;
mod graph;
mod log;
mod references;
mod user;

pub use builder::{BuildRequest, Builder};
pub use elsewhere::{Elsewhere, ElsewhereJob};
pub use environment::{BUILD_DIRECTORY, Environment, EnvironmentRequest, environment};
pub use error::{BuildError, FailureKind};
pub use events::{Event, Events, Silent, StepId, StepKind};
pub use graph::Graph;
pub use references::{ReferenceCheck, ReferenceError, check_references};
