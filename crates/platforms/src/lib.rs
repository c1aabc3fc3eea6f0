//! The platforms: names, triples, ELF facts, emulators, and what runs what.
//!
//! Everything here is read from one data file, `pkgs/platforms.toml`, which the
//! package set reads too. It is compiled in and parsed once, on first use.
//! What follows from other facts (Nix's system names, `binfmt_misc` entries) is
//! computed, not stored.
//!
//! This crate knows no processes and touches no files: it answers questions
//! about names and about bytes that the caller has read.

mod data;
mod elf;
mod emulator;
mod execute;
mod lookup;
mod platform;

#[cfg(test)]
mod checks;

pub use elf::{ElfError, ElfIdentity, ElfKind, identify_elf, machine_name};
pub use emulator::{Emulator, emulator_by_name, emulator_for_bytes, emulators};
pub use execute::{Execution, can_execute, execution};
pub use lookup::{UnknownPlatform, by_config, by_debian_arch, by_name, by_system, lookup, normalise_triple};
pub use platform::{
    ByteOrder, Class, Cpu, ElfFacts, Float, GccOptions, Platform, Prebuilt, PrebuiltKind, cpu_by_name, cpus,
    platforms,
};

/// The text of `pkgs/platforms.toml`, for the package set that is compiled into
/// the program.
pub const PLATFORMS_TOML: &str = include_str!("../../../pkgs/platforms.toml");
