//! `nix repl`: a session at a prompt.

use crate::arguments::Arguments;
use crate::flake_installable::Purpose;
use crate::installable::InstallableOptions;
use crate::options::{Opened, Options};
use saltire_driver::{Argument, Session, Source, argument_set, arguments};
use saltire_repl::{Load, Settings};
use saltire_terminal::{Failure, Interrupt};
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix repl [OPTION]… [INSTALLABLE]…

Evaluates what is typed. ':?' lists the commands.

  -f, --file FILE        load a file's attributes
      --expr EXPR        load an expression's attributes
      --debugger         stop at errors and at builtins.break
      --arg NAME EXPR, --argstr NAME TEXT, -I PATH, --option NAME VALUE
";

/// Runs `nix repl`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::for_purpose(Purpose::Whole);
    while let Some(word) = words.next()? {
        if installables.take(&word, &mut words)? || options.take(&word, &mut words)? {
            continue;
        }
        return Err(words.unknown(&word));
    }
    // What is typed is no input that has to be pure.
    options.impure = true;
    let show_trace = options.config.is_on("show-trace");
    options.set("show-trace", "true")?;
    let files = installables.plain_files();
    let loads = if files.is_empty() { installables.all(&mut options, None)? } else { Vec::new() };
    let Opened { session, progress } = options.open_for(Interrupt::Session)?;
    let mut settings = Settings {
        loads: Vec::new(),
        arguments: options.arguments.clone(),
        show_trace,
        greeting: format!(
            "Saltire {}, like Nix {}. Type :? for help.\n",
            env!("CARGO_PKG_VERSION"),
            saltire_eval::NIX_VERSION
        ),
    };
    if !files.is_empty() {
        eprintln!("warning: future versions of Nix will require using `--file` to load a file");
    }
    for file in files {
        settings.loads.push(file_load(&session, file, options.arguments.clone()));
    }
    let options = Arc::new(options);
    for installable in loads {
        let (session, options) = (Arc::clone(&session), Arc::clone(&options));
        let title = format!("Loading installable '{installable}'...");
        let value =
            move |evaluator: &mut saltire_eval::Evaluator| installable.value(&session, evaluator, &options);
        settings.loads.push(Load { title, value: Box::new(value) });
    }
    saltire_repl::run(&session, &progress, settings)?;
    Ok(ExitCode::SUCCESS)
}

/// A file that is named without `--file`.
fn file_load(session: &Arc<Session>, file: String, given: Vec<(String, Argument)>) -> Load {
    let session = Arc::clone(session);
    let value = move |evaluator: &mut saltire_eval::Evaluator| {
        let value = session.package_set_value(evaluator, &Source::File(file.clone()))?;
        let given = arguments(evaluator, &given)?;
        let given = argument_set(evaluator, given);
        Ok(evaluator.auto_call(value, given)?)
    };
    Load { title: "Loading installable ''...".to_owned(), value: Box::new(value) }
}
