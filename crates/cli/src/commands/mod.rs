//! The commands, one file each.

mod build;
mod completions;
mod develop;
mod doctor;
mod eval;
mod exec;
mod gc;
mod log;
mod plan;
mod platforms;
mod repl;
mod run;
mod shell;

use crate::args::{Cli, Command, Execution, Global, Source};
use saltire_driver::{Argument, CacheSettings, DownloadSettings, NixConfig, PackageSet, Session, Settings};
use saltire_platforms::Platform;
use saltire_terminal::Failure;
use saltire_terminal::{Interrupt, Progress, SignalWatch, Verbosity};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the command that was asked for.
pub fn dispatch(cli: &Cli) -> Result<ExitCode, Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Build(args) => build::run(global, args),
        Command::Run(args) => run::run(global, args),
        Command::Shell(args) => shell::run(global, args),
        Command::Develop(args) => develop::run(global, args),
        Command::Plan(args) => plan::run(global, args),
        Command::Platforms(args) => platforms::run(global, args),
        Command::Exec(args) => exec::run(global, args),
        Command::Eval(args) => eval::run(global, args),
        Command::Log(args) => log::run(global, args),
        Command::Doctor(args) => doctor::run(global, args),
        Command::Repl(args) => repl::run(global, args),
        Command::Gc(args) => gc::run(global, args),
        Command::Completions(args) => completions::run(args),
    }
}

/// A session, and what shows what happens in it.
struct Opened {
    session: Arc<Session>,
    progress: Arc<Progress>,
}

/// Opens a session that Ctrl-C ends cleanly; a second one ends it at once.
fn open(global: &Global, source: Option<&Source>, execution: Option<&Execution>) -> Result<Opened, Failure> {
    let verbosity = Verbosity {
        quiet: global.quiet,
        build_logs: execution.is_some_and(|execution| execution.print_build_logs),
        verbose: global.verbose > 0,
        ..Verbosity::default()
    };
    let progress = Arc::new(Progress::new(verbosity, SignalWatch::start(Interrupt::Command)?));
    let mut settings = Settings {
        store: global.store.clone(),
        mirrors: global.mirror.clone(),
        offline: global.offline,
        show_trace: global.show_trace,
        colour: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        ..Settings::default()
    };
    // Caches that nobody chose have nothing of the embedded set.
    let config = NixConfig::load().map_err(saltire_driver::Error::from)?;
    if config.is_set("substituters") {
        settings.caches = CacheSettings::from_config(&config);
        settings.inputs.trusted_keys = config.list("trusted-public-keys");
    }
    settings.downloads = DownloadSettings::from_config(&config);
    settings.apply_builders(&config);
    if let Some(source) = source {
        settings.search_path.clone_from(&source.include);
    }
    if let Some(execution) = execution {
        settings.jobs = execution.jobs;
        settings.cores = execution.cores;
        settings.keep_failed = execution.keep_failed;
        settings.keep_going = execution.keep_going;
    }
    let session = Session::open(settings, Arc::clone(&progress) as _, progress.cancelled())?;
    Ok(Opened { session, progress })
}

/// The package set that the options name.
fn package_set(source: &Source) -> PackageSet {
    use saltire_driver::Source as Set;
    let pairs = |list: &[String], argument: fn(String) -> Argument| {
        let pair = |pair: &[String]| (pair[0].clone(), argument(pair[1].clone()));
        list.chunks_exact(2).map(pair).collect::<Vec<_>>()
    };
    let mut arguments = pairs(&source.arg, Argument::Expression);
    arguments.extend(pairs(&source.argstr, Argument::Text));
    let set = match (&source.file, &source.expr) {
        (Some(file), _) if file == "-" => Set::Standard,
        (Some(file), _) => Set::File(file.clone()),
        (None, Some(text)) => Set::Expression(text.clone()),
        (None, None) => Set::Embedded,
    };
    PackageSet { source: set, arguments }
}

/// The platforms that are named, or this machine's.
fn platforms_or_own(session: &Session, names: &[String]) -> Result<Vec<&'static Platform>, Failure> {
    if names.is_empty() {
        return Ok(vec![session.platform]);
    }
    names.iter().map(|name| platforms::find(name)).collect()
}
