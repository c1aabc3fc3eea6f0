//! From a derivation graph to steps with reasons.
//!
//! Everything that a plan depends on is handed in: the graph ([`Graph`]), what
//! is there already or in a cache ([`Known`]), what this machine can do
//! ([`Machine`]) and what the user wants ([`Policy`]). Nothing is probed here, so
//! every decision is a pure function and has a test.
//!
//! Two questions are answered:
//! - [`routes`]: for a package and a host platform, in which order to try the
//!   native, cross and emulated variant of the package;
//! - [`plan`]: for the derivations of the variant that was chosen, how each one
//!   that is not there yet gets there.

mod graph;
mod route;
mod steps;

pub use graph::{BuilderKind, DerivationFacts, Graph, Input, Output};
pub use route::{NoRoute, Route, RouteChoice, RouteFacts, Via, routes};
pub use steps::{
    Known, LocalWay, Machine, Method, Plan, Policy, Problem, RemoteMachine, Step, Substitute, plan,
};
