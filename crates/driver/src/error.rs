//! Why something could not be done.

use crate::flake::FetchingInput;
use crate::inputs::InputStoreError;
use crate::machine::WITHOUT_SANDBOX;
use saltire_build::{BuildError, FailureKind};
use saltire_plan::{NoRoute, Problem};
use saltire_sandbox::{Finding, SandboxError};
use saltire_store::StoreError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why something could not be done.
#[derive(Debug, Error)]
pub enum Error {
    /// An error in Nix code.
    #[error("{text}")]
    Evaluation {
        /// Already laid out with its source lines; it starts with "error:".
        text: String,
        /// The program's exit code: 1 unless it was a build or a hash that failed.
        exit_code: u8,
    },
    /// A path in the store directory whose name is not that of a store path.
    #[error("{0} is no store path: {1}")]
    BadStorePath(String, String),
    /// A store path is not there, and nothing that would make it.
    #[error("{0} is not in this store, nor is a derivation that makes it")]
    NoStorePath(String),
    /// A path is not there, no derivation is known that makes it, and no binary cache has it.
    #[error("path '{0}' is required, but there is no substituter that can build it")]
    NoSubstitute(String),
    /// What was selected is not a derivation.
    #[error("'{0}' is not a derivation")]
    NotADerivation(String),
    /// A derivation has not the output that is wanted.
    #[error("derivation '{derivation}' does not have wanted outputs '{output}'")]
    NoOutput {
        /// The `.drv`.
        derivation: String,
        /// The output's name.
        output: String,
    },
    /// No variant of the package can be built for the platform.
    #[error("{}", .0.message)]
    NoRoute(NoRoute),
    /// A plan can't be carried out.
    #[error("{}", problems_text(.0))]
    Plan(Vec<Problem>),
    /// A build failed.
    #[error("{first}{}", others_text(.others.len()))]
    Build {
        /// The first failure.
        first: Box<BuildError>,
        /// How the others failed.
        others: Vec<Option<FailureKind>>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine does not let builds run in a sandbox.
    #[error("this machine can't build: it lacks {}", finding_text(.0))]
    NoSandbox(Finding),
    /// A file is nothing that can be run.
    #[error(transparent)]
    Program(#[from] crate::program::ProgramError),
    /// A program could not be started.
    #[error("can't run {program}: {source}")]
    Run {
        /// Which.
        program: String,
        /// Why.
        source: SandboxError,
    },
    /// An emulator can't be registered.
    #[error("can't register the emulator: {0}")]
    Emulator(saltire_emulation::RegistrationError),
    /// A package has no program to run, or not the one that is asked for.
    #[error("{package} has no program '{program}'{}", has_text(.available))]
    NoProgram {
        /// The package.
        package: String,
        /// The program's name.
        program: String,
        /// The programs that it has.
        available: Vec<String>,
    },
    /// Neither of two variables says where the user's files are.
    #[error("neither {variable} nor HOME is set to an absolute path")]
    NoHome {
        /// The first of them.
        variable: &'static str,
    },
    /// The program was compiled for a platform that it has no data for.
    #[error("this machine's platform is not one that saltire knows")]
    UnknownMachine,
    /// A file can't be read or written.
    #[error("can't {action} {}: {source}", .path.display())]
    File {
        /// "read", "write", …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Evaluation needs something built, which is forbidden.
    #[error(
        "cannot build '{derivation}' during evaluation because the option 'allow-import-from-derivation' is disabled"
    )]
    ImportFromDerivation {
        /// The derivation.
        derivation: String,
    },
    /// What a command is to work on is not fit for it.
    #[error("{0}")]
    Installable(String),
    /// The setting `builders` is wrong.
    #[error("{0}")]
    Machines(#[from] saltire_remote::MachineError),
    /// Nix's settings are wrong.
    #[error(transparent)]
    Config(#[from] crate::nix_conf::ConfigError),
    /// A flake can't be locked.
    #[error(transparent)]
    Flake(Box<saltire_flake::LockError>),
    /// Something can't be copied from or to another store.
    #[error(transparent)]
    Copy(#[from] crate::binary_cache::CopyError),
    /// A process that evaluates ended unexpectedly, again and again.
    #[error("a process that evaluates '{attribute}' {end}")]
    Worker {
        /// The attribute.
        attribute: String,
        /// How.
        end: String,
    },
    /// Processes that evaluate can't be talked to.
    #[error("can't work with other processes: {0}")]
    Workers(io::Error),
    /// The user called it off.
    #[error("interrupted by the user")]
    Interrupted,
}

impl Error {
    /// What the user can do.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Error::NoStorePath(_) => {
                vec!["name the package instead, or copy the path or its .drv to this store first".into()]
            }
            Error::NoRoute(no_route) => vec![no_route.hint.clone()],
            Error::Plan(problems) => {
                let mut hints: Vec<String> = problems.iter().map(|problem| problem.hint.clone()).collect();
                hints.dedup();
                hints
            }
            Error::NoSandbox(finding) => {
                let remedy = finding.problem.as_ref().map(|problem| problem.remedy.clone());
                remedy.into_iter().chain([WITHOUT_SANDBOX.to_owned()]).collect()
            }
            Error::Program(error) => error.problem.hint(&error.path).into_iter().collect(),
            Error::Build { first, .. } => first.hint().into_iter().collect(),
            Error::Store(error) if error.is_no_space() => {
                vec!["make room, or delete what nothing needs any more with 'saltire gc'".into()]
            }
            Error::Store(saltire_store::StoreError::UnknownStore(address)) => {
                store_hint(address).into_iter().collect()
            }
            Error::Copy(error) => error.hint().into_iter().collect(),
            Error::Flake(error) => flake_hint(error).into_iter().collect(),
            Error::Worker { end, .. } if end.ends_with("signal 9") => {
                vec!["perhaps memory ran out: make room, or evaluate fewer attributes".into()]
            }
            Error::NoHome { .. } => vec!["set HOME to your home directory".into()],
            _ => Vec::new(),
        }
    }

    /// With which exit code a program ends because of it.
    ///
    /// Failed builds have those that Nix's manual lists for `nix-build`: 100, to which
    /// timeouts add 1, wrong hashes 2, and 104 where building again gave something else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Interrupted => 130,
            Error::Evaluation { exit_code, .. } => *exit_code,
            Error::Build { first, others } => {
                build_exit_code(first.kind().into_iter().chain(others.iter().flatten().copied()))
            }
            Error::Flake(error) if is_mismatch(error) => WRONG_HASH,
            _ => 1,
        }
    }
}

/// The exit code for a wrong hash.
pub(crate) const WRONG_HASH: u8 = 102;

fn build_exit_code(failures: impl Iterator<Item = FailureKind>) -> u8 {
    let bits = failures.fold(0, |bits, failure| {
        bits | match failure {
            FailureKind::Permanent => 0b110_0100,
            FailureKind::TimedOut => 0b110_0101,
            FailureKind::WrongHash => 0b110_0110,
            FailureKind::NotDeterministic => 0b110_1000,
        }
    });
    if bits == 0 { 1 } else { bits }
}

/// Whether an input of a flake is another one than was locked.
pub(crate) fn is_mismatch(error: &saltire_flake::LockError) -> bool {
    match error {
        saltire_flake::LockError::Input { source, .. } => is_mismatch(source),
        saltire_flake::LockError::Source(source) => {
            let fetching = source.downcast_ref::<FetchingInput>().map(|fetching| &fetching.source);
            fetching.or_else(|| source.downcast_ref()).is_some_and(InputStoreError::is_mismatch)
        }
        _ => false,
    }
}

/// What to do with a store that can't be a session's own.
fn store_hint(address: &str) -> Option<String> {
    match address.split_once("://")?.0 {
        "ssh" | "ssh-ng" => Some(format!(
            "to build on that machine: --builders '{address} SYSTEM' --max-jobs 0\nto copy to it what was built here: nix copy --to {address} INSTALLABLE"
        )),
        "file" | "http" | "https" | "s3" => Some(format!(
            "a binary cache is taken from with --substituters {address} and written to with 'nix copy --to'"
        )),
        _ => None,
    }
}

/// What to do about a flake that can't be locked, its inputs' own errors included.
fn flake_hint(error: &saltire_flake::LockError) -> Option<String> {
    use saltire_flake::LockError;
    match error {
        LockError::Input { source, .. } => flake_hint(source),
        LockError::Source(source) => {
            let fetching = source.downcast_ref::<FetchingInput>().map(|fetching| &fetching.source);
            let hint = fetching.or_else(|| source.downcast_ref())?.hint()?;
            // Inputs of flakes have no mirrors.
            Some(hint.replace(", or name another mirror with '--mirror'", ""))
        }
        error => error.hint(),
    }
}

fn finding_text(finding: &Finding) -> String {
    let problem = finding.problem.as_ref();
    let why = problem.map(|problem| format!(" ({})\n{}", problem.error, problem.cause));
    format!("{}{}", finding.capability, why.unwrap_or_default())
}

/// One message for each kind of problem: those with the same hint are of a kind.
fn problems_text(problems: &[Problem]) -> String {
    let mut messages: Vec<String> = Vec::new();
    for (index, problem) in problems.iter().enumerate() {
        if problems[..index].iter().any(|before| before.hint == problem.hint) {
            continue;
        }
        let others = problems[index + 1..].iter().filter(|other| other.hint == problem.hint).count();
        messages.push(match others {
            0 => problem.message.clone(),
            1 => format!("{}\n(and the same of 1 more derivation)", problem.message),
            _ => format!("{}\n(and the same of {others} more derivations)", problem.message),
        });
    }
    messages.join("\n")
}

fn others_text(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => "\n(1 more build failed)".to_owned(),
        _ => format!("\n({others} more builds failed)"),
    }
}

fn has_text(available: &[String]) -> String {
    if available.is_empty() { String::new() } else { format!("; it has {}", available.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_a_kind_are_told_once() {
        let problem = |message: &str, hint: &str| Problem {
            derivation: String::new(),
            message: message.to_owned(),
            hint: hint.to_owned(),
        };
        let problems = [problem("a", "x"), problem("b", "y"), problem("c", "x"), problem("d", "x")];
        assert_eq!(problems_text(&problems), "a\n(and the same of 2 more derivations)\nb");
        assert_eq!(problems_text(&problems[..3]), "a\n(and the same of 1 more derivation)\nb");
    }

    #[test]
    fn exit_codes_of_builds_tell_how_they_failed() {
        use FailureKind::{NotDeterministic, Permanent, TimedOut, WrongHash};
        let check = |failures: &[FailureKind], expected: u8| {
            assert_eq!(build_exit_code(failures.iter().copied()), expected, "{failures:?}");
        };
        check(&[], 1);
        check(&[Permanent], 100);
        check(&[TimedOut], 101);
        check(&[WrongHash, Permanent], 102);
        check(&[WrongHash, TimedOut], 103);
        check(&[NotDeterministic], 104);
    }
}
