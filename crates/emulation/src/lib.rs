//! Emulators: how Linux is told which program runs which foreign programs.
//!
//! - [`registration`] makes the `binfmt_misc` line of an emulator, for a sandbox
//!   ([`saltire_sandbox::SandboxSpec::binfmt`]) or for the whole machine.
//! - [`host_registrations`] reads what is registered for the whole machine.
//! - [`direct_command`] is the way without `binfmt_misc`: the emulator is started
//!   on one program.
//!
//! The crate knows platforms and the format of registrations. It neither mounts
//! nor registers anything itself: the system calls that do are part of setting
//! up a sandbox, in crate `saltire-sandbox`, on which this one depends. It knows
//! nothing of stores: where an emulator is, the caller says.

mod host;
mod registration;

pub use host::{HostRegistration, host_registrations, parse_host_registration};
pub use registration::{Flags, RegistrationError, direct_command, registration, registration_line};
