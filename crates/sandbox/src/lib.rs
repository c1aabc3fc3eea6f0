//! Running a program in namespaces of its own, from a plain description.
//!
//! For building: a program sees only what its [`SandboxSpec`] lists, has no
//! privileges, no network unless asked for, and nothing of it outlives the run.
//! For running: a program sees the machine as it is, but for the places and
//! emulators that its [`ViewSpec`] lists, and this process becomes it.
//!
//! It works for root and for ordinary users, starts no helper programs, and
//! changes nothing outside its namespaces. [`probe()`] tells what of this the
//! kernel allows, and if not, why and what helps.
//!
//! Absent on purpose: knowledge of stores, derivations and platforms. What
//! emulators to register is given as ready `binfmt_misc` lines; crate
//! `saltire-emulation`, which depends on this one, makes them. The system calls
//! that register them are here, since they are part of the set-up.
//!
//! # How a sandbox starts
//!
//! Everything that allocates happens first ([`SandboxSpec::spawn`] compiles the
//! description to system call arguments). Then three processes take part:
//!
//! ```text
//! caller   clone(user, mount, pid, ipc, uts, cgroup[, net])
//!          writes the uid and gid maps of init, lets it go on
//! init     process 1 of the new namespaces, "root" in them: registers emulators,
//!          mounts, pivots the root, forks the program, reaps, reports its status
//! program  a second user namespace (so it has no power over init's), the build
//!          user, no capabilities, seccomp filter, exec
//! ```
//!
//! Between `clone` and `exec` only system calls are made (no allocation, no
//! locks), because the caller may have other threads. What fails there is sent
//! through a pipe as a step, an index and an error number, and becomes a
//! [`SandboxError`] in the caller. When init ends, for whatever reason, the
//! kernel kills everything in its PID namespace.

#[cfg(not(target_os = "linux"))]
compile_error!("saltire-sandbox is made of Linux namespaces");

mod binfmt;
mod child;
mod compile;
mod error;
mod mounts;
mod probe;
mod process;
mod seccomp;
mod spec;
mod sys;
mod user;
mod view;
mod worker;

pub use binfmt::BinfmtEntry;
pub use error::{SandboxError, Step};
pub use probe::{Capability, Finding, Probe, Problem, find_problem, probe};
pub use process::{Resources, SandboxChild, Status};
pub use spec::{Bind, BuildUser, Identity, Limit, Mount, Output, Personality, SandboxSpec, Seccomp, Stdin};
pub use view::{Place, ViewSpec};
pub use worker::{Worker, WorkerEnd, wait_for_output};
