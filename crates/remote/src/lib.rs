//! Nix stores on other machines: the protocols, both sides of them, and `ssh`.
//!
//! Two protocols are spoken over any pair of byte streams: the worker protocol
//! (`nix-daemon --stdio`, addresses `ssh-ng://`) and the older serve protocol
//! (`nix-store --serve`, addresses `ssh://`). Sources: the Nix manual's chapter
//! "Protocols", and what Nix 2.8.0 and 2.35.2 send when they are asked.
//!
//! # Overview
//!
//! - [`Address`]: `ssh-ng://user@host?ssh-key=…`; [`Address::connect`] starts `ssh` and gives a [`Connection`].
//! - [`Peer`]: a store at the other end, whichever protocol it speaks;
//!   [`WorkerClient`] and [`ServeClient`] over streams that are there already.
//! - [`BuildMachine`], [`build_machines`]: the setting `builders`.
//! - [`serve_worker`], [`serve_serve`]: the other end, on a [`Backend`].
//!
//! Absent on purpose: databases, building, and the choice of what is done where.
//! What the other side says is not trusted: lengths are bounded, paths are checked.

mod address;
mod codec;
mod error;
mod framed;
mod machines;
mod messages;
mod peer;
mod serve;
mod server;
mod ssh;
mod stream;
mod wire;
mod worker;

pub use address::{Address, Protocol};
pub use error::RemoteError;
pub use machines::{BuildMachine, MachineError, build_machines};
pub use messages::{BuildMode, BuildOptions, BuildResult, BuildStatus, Field, Message};
pub use peer::{Closure, Log, Peer, WriteNar};
pub use serve::ServeClient;
pub use server::{Backend, BackendError, Missing, Speaker, Wanted, serve_serve, serve_worker};
pub use ssh::{Connection, SshOptions};
pub use stream::Stream;
pub use worker::WorkerClient;
