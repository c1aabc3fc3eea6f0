//! Installables that are outputs of flakes.

use crate::arguments::{Arguments, Word};
use crate::installable::Outputs;
use saltire_driver::{
    Error, EvaluationError, FlakeAttribute, FlakeRef, FlakeTarget, LockFlags, LockedFlake, OutputNames,
    Session, is_input_path,
};
use saltire_eval::{Evaluator, Value};
use saltire_terminal::Failure;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Options of flakes.
#[derive(Clone, Debug, Default)]
pub struct FlakeOptions {
    /// How lock files are used.
    pub flags: LockFlags,
    /// `--inputs-from`
    pub inputs_from: Vec<String>,
    /// `--override-flake`
    pub override_flakes: Vec<(String, String)>,
    /// What is looked for in a flake.
    pub purpose: Purpose,
}

/// What an installable is for, which decides where it is looked for in a flake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// A package: `packages`, `legacyPackages`.
    #[default]
    Package,
    /// A program: `apps`, then packages.
    Program,
    /// A shell: `devShells`, then packages.
    Shell,
    /// A set of packages.
    Packages,
    /// What formats the flake's files.
    Formatter,
    /// A function that makes one file of a package.
    Bundler,
    /// The flake itself.
    Whole,
}

impl FlakeOptions {
    /// Takes an option; false if it is something else.
    pub fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        let Word::Long(name) = word else { return Ok(false) };
        match name.as_str() {
            "override-input" => {
                let input = input_path(&words.value(word)?)?;
                let to = parse_reference(&words.value(word)?)?;
                self.flags.overrides.insert(input, to);
                self.flags.write = false;
            }
            "update-input" => {
                deprecated(
                    "'--update-input' is a deprecated alias for 'flake update' and will be removed in a future version.",
                );
                self.flags.updates.insert(input_path(&words.value(word)?)?);
            }
            "recreate-lock-file" => {
                deprecated(
                    "'--recreate-lock-file' is deprecated and will be removed in a future version; use 'nix flake update' instead.",
                );
                self.flags.recreate = true;
            }
            "no-write-lock-file" => self.flags.write = false,
            "no-update-lock-file" => self.flags.update = false,
            "no-registries" => self.flags.use_registries = false,
            "commit-lock-file" => self.flags.commit = true,
            "reference-lock-file" => self.flags.reference_lock_file = Some(words.value(word)?.into()),
            "output-lock-file" => self.flags.output_lock_file = Some(words.value(word)?.into()),
            "inputs-from" => self.inputs_from.push(words.value(word)?),
            "override-flake" => {
                let from = words.value(word)?;
                self.override_flakes.push((from, words.value(word)?));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// How lock files are used, as the options and the settings say.
    pub fn flags(&self, session: &Session) -> LockFlags {
        let settings = &session.settings.locking;
        LockFlags {
            allow_dirty_locks: settings.allow_dirty_locks,
            commit_summary: settings.commit_summary.clone(),
            use_registries: self.flags.use_registries && settings.use_registries,
            ..self.flags.clone()
        }
    }

    /// Makes the session use what the options say about registries.
    pub fn prepare(&self, session: &Session) -> Result<(), Error> {
        for (from, to) in &self.override_flakes {
            session.flakes().override_flake(reference(from)?, reference(to)?);
        }
        for flake in &self.inputs_from {
            // What the command line replaces is of the flake that the command is about.
            let own = Self { flags: LockFlags { write: false, ..LockFlags::default() }, ..Self::default() };
            let locked = session.lock_flake(&reference(flake)?, &own.flags(session))?;
            session.flakes().override_with_inputs(&locked);
        }
        Ok(())
    }
}

/// Says that an option has another name now, in the reference's words.
fn deprecated(text: &str) {
    eprintln!("warning: {text}");
}

/// The path of an input, such as `nixpkgs` or `a/b`.
pub fn input_path(text: &str) -> Result<Vec<String>, Failure> {
    is_input_path(text).ok_or_else(|| Failure::new(format_args!("'{text}' is not a valid input path")))
}

fn base() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

/// A reference as it is written on a command line.
pub fn parse_reference(text: &str) -> Result<FlakeRef, Failure> {
    Ok(reference(text)?)
}

fn reference(text: &str) -> Result<FlakeRef, Error> {
    FlakeRef::parse(text, Some(&base())).map_err(|error| Error::Installable(error.to_string()))
}

/// An output of a flake.
#[derive(Clone, Debug)]
pub struct FlakeInstallable {
    text: String,
    target: FlakeTarget,
    options: FlakeOptions,
    /// The flake, once it was locked.
    locked: Arc<OnceLock<LockedFlake>>,
}

impl FlakeInstallable {
    /// From `REFERENCE#ATTRIBUTE^OUTPUTS`.
    pub fn parse(text: &str, options: &FlakeOptions) -> Result<Self, Failure> {
        let target = FlakeTarget::parse(text, &base()).map_err(Failure::new)?;
        Ok(Self { text: text.to_owned(), target, options: options.clone(), locked: Arc::default() })
    }

    /// The outputs that are meant.
    pub fn outputs(&self) -> Outputs {
        match &self.target.outputs {
            OutputNames::Usual => Outputs::Default,
            OutputNames::All => Outputs::All,
            OutputNames::Named(names) => Outputs::Named(names.iter().cloned().collect()),
        }
    }

    /// The flake with its inputs locked.
    pub fn lock(&self, session: &Session) -> Result<&LockedFlake, Error> {
        if let Some(locked) = self.locked.get() {
            return Ok(locked);
        }
        self.options.prepare(session)?;
        let locked = session.lock_flake(&self.target.flake, &self.options.flags(session))?;
        Ok(self.locked.get_or_init(|| locked))
    }

    /// Says of an error about a file that is not in the flake's tree, but is beside the
    /// files that are, what to do.
    pub fn explain(&self, error: Error) -> Error {
        let Error::Evaluation { text, exit_code } = &error else { return error };
        let Some(locked) = self.locked.get() else { return error };
        let Some(root) = locked.resolved.input.local_directory() else { return error };
        let files = locked.tree.files.display().to_string();
        let relative = [locked.tree.store_path.as_str(), files.as_str()].into_iter().find_map(|tree| {
            let rest = text.split_once(&format!("path '{tree}/"))?.1;
            let (relative, rest) = rest.split_once('\'')?;
            rest.starts_with(" does not exist").then_some(relative)
        });
        let Some(relative) = relative.filter(|relative| root.join(relative).exists()) else { return error };
        let (text, root) = (text.trim_end(), root.display());
        let text = format!(
            "{text}\n\n       '{relative}' is in the repository '{root}', but not tracked by Git.\n       To make it visible, run: git -C \"{root}\" add \"{relative}\"\n"
        );
        Error::Evaluation { text, exit_code: *exit_code }
    }

    /// What it asks of its flake, as a text.
    pub fn question(&self, session: &Session) -> String {
        let (defaults, prefixes) = self.options.purpose.places(session.system());
        let FlakeTarget { fragment, outputs, .. } = &self.target;
        format!("{:?} {fragment:?} {outputs:?} {defaults:?} {prefixes:?}", self.options.purpose)
    }

    /// The value of the output.
    pub fn value(&self, session: &Arc<Session>, evaluator: &mut Evaluator) -> Result<Value, EvaluationError> {
        let flake = self.lock(session)?;
        if self.options.purpose == Purpose::Whole && self.target.fragment.is_empty() {
            return session.flake_value(evaluator, flake);
        }
        Ok(self.find(session, evaluator)?.value)
    }

    /// The value of the output, and where it was found.
    pub fn find(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
    ) -> Result<FlakeAttribute, EvaluationError> {
        let (defaults, prefixes) = self.options.purpose.places(session.system());
        session.flake_attribute(evaluator, self.lock(session)?, &self.target.fragment, &defaults, &prefixes)
    }
}

impl FlakeInstallable {
    /// All values that may be meant, and where they were found; at least one.
    pub fn find_all(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
    ) -> Result<Vec<FlakeAttribute>, EvaluationError> {
        let (defaults, prefixes) = self.options.purpose.places(session.system());
        let flake = self.lock(session)?;
        session.flake_attributes(evaluator, flake, &self.target.fragment, &defaults, &prefixes)
    }
}

impl Purpose {
    /// Where to look without a fragment, and what to put before one.
    fn places(self, system: &str) -> (Vec<String>, Vec<String>) {
        let mut defaults = vec![format!("packages.{system}.default"), format!("defaultPackage.{system}")];
        let mut prefixes = vec![format!("packages.{system}"), format!("legacyPackages.{system}")];
        let (first, old) = match self {
            Self::Program => ("apps", "defaultApp"),
            Self::Shell => ("devShells", "devShell"),
            Self::Packages => return (prefixes.clone(), prefixes),
            Self::Formatter => return (vec![format!("formatter.{system}")], Vec::new()),
            Self::Bundler => {
                let defaults = [format!("bundlers.{system}.default"), format!("defaultBundler.{system}")];
                return (defaults.to_vec(), vec![format!("bundlers.{system}")]);
            }
            Self::Package | Self::Whole => return (defaults, prefixes),
        };
        defaults.splice(0..0, [format!("{first}.{system}.default"), format!("{old}.{system}")]);
        prefixes.insert(0, format!("{first}.{system}"));
        (defaults, prefixes)
    }
}

impl fmt::Display for FlakeInstallable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
