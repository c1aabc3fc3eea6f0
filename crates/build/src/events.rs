//! What happens during builds, for whoever shows it.

use std::fmt;

/// Identifies a step for the time that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub usize);

/// What a step does, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Downloads a file.
    Download,
    /// Builds in the sandbox.
    Build,
    /// Runs a `builtin:` builder.
    Builtin,
    /// Fetches an input that an evaluation asks for; no part of what was planned.
    Input,
}

/// Something that happened.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// Steps that are going to be done; called once, before the first starts.
    Planned {
        /// Downloads.
        downloads: usize,
        /// Builds, `builtin:` ones included.
        builds: usize,
    },
    /// A step begins.
    Started {
        /// Which.
        step: StepId,
        /// What it does.
        kind: StepKind,
        /// The derivation's name, or the input's address.
        name: &'a str,
        /// The store path of the derivation, if there is one.
        derivation: &'a str,
        /// How and why, such as "cross: …".
        reason: &'a str,
    },
    /// Bytes of a download arrived.
    Received {
        /// Which step.
        step: StepId,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
    /// A line of a builder's output, without its line break.
    Output {
        /// Which step.
        step: StepId,
        /// The derivation's name.
        name: &'a str,
        /// The line.
        line: &'a [u8],
    },
    /// A step ended.
    Finished {
        /// Which.
        step: StepId,
        /// The derivation's name.
        name: &'a str,
        /// Whether it did what it should.
        success: bool,
    },
    /// Something that the user should know.
    Note(&'a dyn fmt::Display),
    /// What the evaluated code says (`builtins.trace`), to be shown as it is.
    Said(&'a dyn fmt::Display),
    /// Something that the user should worry about.
    Warning(&'a dyn fmt::Display),
}

/// Receives events, from several threads.
pub trait Events: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// Ignores every event.
pub struct Silent;

impl Events for Silent {
    fn event(&self, _: Event<'_>) {}
}
