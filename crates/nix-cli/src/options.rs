//! Options that all commands take, and what follows from them.

use crate::arguments::{Arguments, Word};
use saltire_driver::{Argument, Found, NixConfig, Session, SettingKind, Settings, find_setting};
use saltire_eval::StopAt;
use saltire_terminal::{Failure, Format, Interrupt, Progress, SignalWatch, Verbosity};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Options that all commands take.
pub struct Options {
    /// Nix's settings: those of the machine and the user, changed by options.
    pub config: NixConfig,
    /// `-I`
    pub search_path: Vec<String>,
    /// `--nix-path`
    nix_path: Option<Vec<String>>,
    /// `--extra-nix-path`
    extra_nix_path: Vec<String>,
    /// `--arg` and `--argstr`
    pub arguments: Vec<(String, Argument)>,
    /// `-v` less `--quiet`
    pub verbosity: i32,
    /// `-L`
    pub build_logs: bool,
    /// `--log-format`
    format: Format,
    /// `--dry-run`
    pub dry_run: bool,
    /// `--impure`
    pub impure: bool,
    /// `--readonly-mode`
    pub read_only: bool,
    /// `--debugger`
    pub debugger: bool,
    /// `--offline`
    pub offline: bool,
    /// Evaluation is pure unless told otherwise.
    pure_by_default: bool,
    /// The command line asks for builds without a sandbox. Files of settings do so on many
    /// machines, where nobody means it.
    no_sandbox: bool,
}

/// An open session and what shows what happens in it.
pub struct Opened {
    /// The session.
    pub session: Arc<Session>,
    /// The progress display.
    pub progress: Arc<Progress>,
}

/// More processes that evaluate at the same time than this take noticeably more processors' time
/// in all: each has a part of the memory only, and leaves less to the next.
const EVALUATORS: usize = 4;

impl Options {
    /// From the machine's and the user's settings.
    pub fn load() -> Result<Self, Failure> {
        let config = NixConfig::load().map_err(saltire_driver::Error::from)?;
        let mut options = Self {
            config,
            search_path: Vec::new(),
            nix_path: None,
            extra_nix_path: Vec::new(),
            arguments: Vec::new(),
            verbosity: 0,
            build_logs: false,
            format: Format::default(),
            dry_run: false,
            impure: false,
            read_only: false,
            debugger: false,
            offline: false,
            pure_by_default: false,
            no_sandbox: false,
        };
        options.warn();
        Ok(options)
    }

    /// Says what is odd about the settings.
    fn warn(&mut self) {
        for warning in self.config.warnings.drain(..) {
            eprintln!("warning: {warning}");
        }
    }

    /// Takes an option that all commands know; false if it is none.
    pub fn take(&mut self, word: &Word, arguments: &mut Arguments) -> Result<bool, Failure> {
        match word {
            Word::Short(letter) => self.take_short(*letter, word, arguments),
            Word::Long(name) => self.take_long(name, word, arguments),
            Word::Plain(_) => Ok(false),
        }
    }

    fn take_short(&mut self, letter: char, word: &Word, arguments: &mut Arguments) -> Result<bool, Failure> {
        match letter {
            'v' => self.verbosity += 1,
            'Q' => {}
            'L' => self.build_logs = true,
            'I' => self.search_path.push(arguments.value(word)?),
            'j' => self.set("max-jobs", &arguments.value(word)?)?,
            'K' => self.set("keep-failed", "true")?,
            'k' => self.set("keep-going", "true")?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_long(&mut self, name: &str, word: &Word, arguments: &mut Arguments) -> Result<bool, Failure> {
        match name {
            "verbose" => self.verbosity += 1,
            "debug" => self.verbosity += 5,
            "quiet" => self.verbosity -= 1,
            "print-build-logs" => self.build_logs = true,
            "include" => self.search_path.push(arguments.value(word)?),
            "arg" => {
                let [name, text] = arguments.values(word)?;
                self.arguments.push((name, Argument::Expression(text)));
            }
            "argstr" => {
                let [name, text] = arguments.values(word)?;
                self.arguments.push((name, Argument::Text(text)));
            }
            "arg-from-file" => {
                let [name, file] = arguments.values(word)?;
                let text = std::fs::read_to_string(&file);
                let text = text.map_err(|error| Failure::new(format_args!("can't read {file}: {error}")))?;
                self.arguments.push((name, Argument::Text(text)));
            }
            "option" => {
                let [name, value] = arguments.values(word)?;
                if let Err(error) = self.set(&name, &value) {
                    eprintln!("warning: {}", error.message);
                }
            }
            "dry-run" => self.dry_run = true,
            "debugger" => self.debugger = true,
            "impure" => self.impure = true,
            "readonly-mode" => self.read_only = true,
            "offline" => self.offline = true,
            "refresh" => self.set("tarball-ttl", "0")?,
            "sandbox" => self.set("sandbox", "true")?,
            "no-sandbox" => self.set("sandbox", "false")?,
            "relaxed-sandbox" => self.set("sandbox", "relaxed")?,
            "no-net" => self.offline = true,
            "no-build-output" | "no-gc-warning" => {}
            "log-format" => self.set_format(&arguments.value(word)?)?,
            "eval-store" => drop(arguments.value(word)?),
            _ => return self.take_setting(name, word, arguments),
        }
        Ok(true)
    }

    /// What `--log-format` names.
    fn set_format(&mut self, text: &str) -> Result<(), Failure> {
        let (name, logs) = text.strip_suffix("-with-logs").map_or((text, false), |name| (name, true));
        self.format = match name {
            "bar" | "multiline" => Format::Bars,
            "raw" => Format::Lines,
            "internal-json" if !logs => Format::Json,
            _ => {
                return Err(Failure::new(format_args!("option 'log-format' has an invalid value '{text}'"))
                    .hint("there are 'bar', 'raw', both also with '-with-logs', and 'internal-json'"));
            }
        };
        self.build_logs |= logs;
        Ok(())
    }

    /// `--NAME VALUE`, or `--NAME` and `--no-NAME` for what is on or off.
    fn take_setting(&mut self, name: &str, word: &Word, arguments: &mut Arguments) -> Result<bool, Failure> {
        let is_switch =
            |name: &str| find_setting(name).is_some_and(|known| known.kind == SettingKind::Boolean);
        if is_switch(name) {
            self.set(name, "true")?;
        } else if let Some(name) = name.strip_prefix("no-").filter(|name| is_switch(name)) {
            self.set(name, "false")?;
        } else if find_setting(name).is_some()
            || name.strip_prefix("extra-").is_some_and(|name| find_setting(name).is_some())
        {
            let value = arguments.value(word)?;
            self.set(name, &value)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Sets one of Nix's settings.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let words = || value.split_whitespace().map(str::to_owned);
        match name {
            "sandbox" => self.no_sandbox = value != "true",
            "nix-path" => self.nix_path = Some(words().collect()),
            // Behind those of `NIX_PATH`, which counts more than the settings.
            "extra-nix-path" => {
                self.extra_nix_path.extend(words());
                return Ok(());
            }
            _ => {}
        }
        match self.config.set(name, value).map_err(saltire_driver::Error::from)? {
            Found::Known => {}
            Found::Unknown => eprintln!("warning: unknown setting '{name}'"),
        }
        self.warn();
        Ok(())
    }

    /// As the commands of `nix` begin: evaluation is pure unless told otherwise.
    pub fn new_style(&mut self) {
        self.pure_by_default = true;
    }

    /// How many processes evaluate at the same time where that is possible: unless the
    /// settings say it one for each processor, but no more than [`EVALUATORS`].
    pub fn evaluators(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        match self.config.text("eval-cores") {
            _ if !self.config.is_set("eval-cores") => processors().min(EVALUATORS),
            "0" | "auto" => processors(),
            number => number.parse().unwrap_or(1),
        }
    }

    /// What the session is to be opened with.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.apply(&self.config);
        settings.pure |= self.pure_by_default && !self.config.is_set("pure-eval");
        settings.pure &= !self.impure;
        settings.search_path.clone_from(&self.search_path);
        settings.search_path_instead.clone_from(&self.nix_path);
        settings.search_path_behind.clone_from(&self.extra_nix_path);
        settings.read_only = self.read_only;
        settings.offline = self.offline;
        if self.offline && !self.config.is_set("tarball-ttl") {
            // What can't be asked again is what it was.
            settings.inputs.ttl = Duration::MAX;
        }
        settings.sandbox = !self.no_sandbox;
        // What is taken from the cache is not evaluated, so that nothing could stop.
        settings.eval_cache &= !self.debugger;
        settings.colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        if settings.store.as_deref().is_some_and(|store| store.starts_with("dummy:")) {
            settings.read_only = true;
            settings.store = None;
        }
        let variable = std::env::var("SALTIRE_STORE").ok().filter(|store| !store.is_empty());
        settings.store = settings.store.or(variable);
        let mirrors = std::env::var("SALTIRE_MIRROR").unwrap_or_default();
        settings.mirrors = mirrors.split_whitespace().map(str::to_owned).collect();
        settings
    }

    /// Opens the store.
    pub fn open(&self) -> Result<Opened, Failure> {
        // At the debugger's prompt Ctrl-C ends an evaluation, not the command.
        self.open_for(if self.debugger { Interrupt::Session } else { Interrupt::Command })
    }

    /// Opens the store; Ctrl-C ends the command, or only what runs in a session.
    pub fn open_for(&self, interrupt: Interrupt) -> Result<Opened, Failure> {
        let verbosity = Verbosity {
            format: self.format,
            quiet: self.verbosity < 0,
            build_logs: self.build_logs,
            verbose: self.verbosity > 0,
        };
        let progress = Arc::new(Progress::new(verbosity, SignalWatch::start(interrupt)?));
        let session = self.session(&progress)?;
        Ok(Opened { session, progress })
    }

    /// A session with the present settings.
    pub fn session(&self, progress: &Arc<Progress>) -> Result<Arc<Session>, Failure> {
        let session = Session::open(self.settings(), Arc::clone(progress) as _, progress.cancelled())?;
        if self.debugger {
            let at = StopAt {
                traces: self.config.is_on("debugger-on-trace"),
                warnings: self.config.is_on("debugger-on-warn"),
                not_in_try: self.config.is_on("ignore-try"),
            };
            saltire_repl::use_debugger(&session, progress, at);
        }
        Ok(session)
    }
}

/// The files that a command names, or the one that it takes otherwise.
pub fn files_or(mut files: Vec<String>, default: &str) -> Vec<String> {
    if files.is_empty() {
        files.push(default.to_owned());
    }
    files
}

/// Makes `link` (or `link-2`, …) a root of the garbage collector for a store path.
pub fn add_root(
    session: &Session,
    link: &str,
    number: usize,
    path: &saltire_driver::StorePath,
) -> Result<PathBuf, Failure> {
    let name = if number > 1 { format!("{link}-{number}") } else { link.to_owned() };
    let absolute =
        std::path::absolute(&name).map_err(|error| Failure::new(format_args!("{name}: {error}")))?;
    session.store().add_root(&absolute, path).map_err(saltire_driver::Error::from)?;
    Ok(absolute)
}
