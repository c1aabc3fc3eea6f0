//! What people see of a command: progress, messages, exit codes; and how Ctrl-C
//! ends it.
//!
//! Absent on purpose: what the commands do. The front ends share this.

mod failure;
mod interrupt;
mod json;
mod lines;
mod plain;
mod progress;

pub use failure::{Failure, print, print_bytes};
pub use interrupt::{Interrupt, SignalWatch};
pub use progress::{Format, Progress, Verbosity};
