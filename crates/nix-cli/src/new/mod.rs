//! `nix` and its commands.

pub mod build;
pub mod copy;
mod develop;
pub mod elsewhere;
mod eval;
pub mod info;
mod listing;
pub mod maintenance;
mod path_info;
mod programs;
mod registry;
mod repl;
mod run;
mod search;

use crate::arguments::{Arguments, Word};
use crate::options::Options;
use crate::profile::commands as profile;
use crate::{Command, asks_for, flake, hash, prefetch, serve, store, version};
use saltire_terminal::{Failure, print};
use std::ffi::OsString;
use std::process::ExitCode;

/// The commands; those with two words have a first word in common.
const COMMANDS: &[Command] = &[
    Command { name: "build", run: build::run, help: build::HELP },
    Command { name: "bundle", run: programs::bundle, help: programs::BUNDLE_HELP },
    Command { name: "config show", run: info::show_config, help: info::CONFIG_HELP },
    Command { name: "copy", run: copy::copy, help: copy::COPY_HELP },
    Command { name: "daemon", run: serve::daemon, help: serve::DAEMON_HELP },
    Command { name: "derivation add", run: info::add_derivation, help: info::ADD_HELP },
    Command { name: "derivation show", run: info::show_derivation, help: info::SHOW_HELP },
    Command { name: "develop", run: develop::run, help: develop::HELP },
    Command { name: "doctor", run: elsewhere::doctor, help: elsewhere::HELP },
    Command { name: "edit", run: programs::edit, help: programs::EDIT_HELP },
    Command { name: "env shell", run: run::shell, help: run::SHELL_HELP },
    Command { name: "eval", run: eval::run, help: eval::HELP },
    Command { name: "flake archive", run: flake::archive, help: flake::ARCHIVE_HELP },
    Command { name: "flake check", run: flake::check, help: flake::CHECK_HELP },
    Command { name: "flake clone", run: programs::clone, help: programs::CLONE_HELP },
    Command { name: "flake info", run: flake::info, help: flake::METADATA_HELP },
    Command { name: "flake init", run: flake::init, help: flake::INIT_HELP },
    Command { name: "flake lock", run: flake::lock, help: flake::LOCK_HELP },
    Command { name: "flake metadata", run: flake::metadata, help: flake::METADATA_HELP },
    Command { name: "flake new", run: flake::new, help: flake::NEW_HELP },
    Command { name: "flake prefetch", run: flake::prefetch, help: flake::PREFETCH_HELP },
    Command { name: "flake prefetch-inputs", run: flake::prefetch_inputs, help: flake::PREFETCH_INPUTS_HELP },
    Command { name: "flake show", run: flake::show, help: flake::SHOW_HELP },
    Command { name: "flake update", run: flake::update, help: flake::UPDATE_HELP },
    Command { name: "fmt", run: programs::fmt, help: programs::FMT_HELP },
    Command { name: "formatter build", run: programs::build_formatter, help: programs::FMT_HELP },
    Command { name: "formatter run", run: programs::fmt, help: programs::FMT_HELP },
    Command { name: "hash convert", run: hash::convert, help: hash::NEW_HELP },
    Command { name: "hash file", run: hash::file, help: hash::NEW_HELP },
    Command { name: "hash path", run: hash::path, help: hash::NEW_HELP },
    Command { name: "hash to-base16", run: hash::to_base16, help: hash::NEW_HELP },
    Command { name: "hash to-base32", run: hash::to_base32, help: hash::NEW_HELP },
    Command { name: "hash to-base64", run: hash::to_base64, help: hash::NEW_HELP },
    Command { name: "hash to-sri", run: hash::convert, help: hash::NEW_HELP },
    Command { name: "key convert-secret-to-public", run: copy::convert_key, help: copy::KEY_HELP },
    Command { name: "key generate-secret", run: copy::generate_key, help: copy::KEY_HELP },
    Command { name: "log", run: info::log, help: info::LOG_HELP },
    Command { name: "nar cat", run: listing::nar_cat, help: listing::CAT_HELP },
    Command { name: "nar dump-path", run: listing::pack, help: listing::PACK_HELP },
    Command { name: "nar ls", run: listing::nar_ls, help: listing::LS_HELP },
    Command { name: "nar pack", run: listing::pack, help: listing::PACK_HELP },
    Command { name: "path-info", run: path_info::path_info, help: path_info::HELP },
    Command { name: "print-dev-env", run: develop::print_environment, help: develop::PRINT_HELP },
    Command { name: "profile add", run: profile::add, help: profile::HELP },
    Command { name: "profile diff-closures", run: profile::diff, help: profile::HELP },
    Command { name: "profile history", run: profile::history, help: profile::HELP },
    Command { name: "profile install", run: profile::add, help: profile::HELP },
    Command { name: "profile list", run: profile::list, help: profile::HELP },
    Command { name: "profile remove", run: profile::remove, help: profile::HELP },
    Command { name: "profile rollback", run: profile::rollback, help: profile::HELP },
    Command { name: "profile upgrade", run: profile::upgrade, help: profile::HELP },
    Command { name: "profile wipe-history", run: profile::wipe, help: profile::HELP },
    Command { name: "realisation info", run: elsewhere::realisation, help: elsewhere::HELP },
    Command { name: "registry add", run: registry::add, help: registry::HELP },
    Command { name: "registry list", run: registry::list, help: registry::HELP },
    Command { name: "registry pin", run: registry::pin, help: registry::HELP },
    Command { name: "registry remove", run: registry::remove, help: registry::HELP },
    Command { name: "registry resolve", run: registry::resolve, help: registry::HELP },
    Command { name: "repl", run: repl::run, help: repl::HELP },
    Command { name: "run", run: run::run, help: run::HELP },
    Command { name: "search", run: search::run, help: search::HELP },
    Command { name: "shell", run: run::shell, help: run::SHELL_HELP },
    Command { name: "show-config", run: info::show_config, help: info::CONFIG_HELP },
    Command { name: "show-derivation", run: info::show_derivation, help: info::SHOW_HELP },
    Command { name: "store add", run: store::new_add, help: store::NEW_HELP },
    Command { name: "store add-file", run: store::new_add_file, help: store::NEW_HELP },
    Command { name: "store add-path", run: store::new_add, help: store::NEW_HELP },
    Command { name: "store build-trace", run: elsewhere::realisation, help: elsewhere::HELP },
    Command { name: "store cat", run: listing::store_cat, help: listing::CAT_HELP },
    Command { name: "store copy-sigs", run: copy::copy_signatures, help: copy::COPY_SIGS_HELP },
    Command { name: "store delete", run: store::new_delete, help: store::NEW_HELP },
    Command { name: "store diff-closures", run: maintenance::diff, help: maintenance::DIFF_HELP },
    Command { name: "store dump-path", run: info::dump, help: store::NEW_HELP },
    Command { name: "store gc", run: store::new_gc, help: store::NEW_HELP },
    Command { name: "store info", run: copy::info, help: copy::INFO_HELP },
    Command { name: "store ls", run: listing::store_ls, help: listing::LS_HELP },
    Command {
        name: "store make-content-addressed",
        run: maintenance::content_addressed,
        help: maintenance::CONTENT_ADDRESSED_HELP,
    },
    Command { name: "store optimise", run: maintenance::optimise, help: maintenance::OPTIMISE_HELP },
    Command { name: "store optimize", run: maintenance::optimise, help: maintenance::OPTIMISE_HELP },
    Command { name: "store ping", run: copy::info, help: copy::INFO_HELP },
    Command { name: "store path-from-hash-part", run: info::path_from_hash_part, help: info::HASH_PART_HELP },
    Command { name: "store prefetch-file", run: prefetch::store_prefetch_file, help: prefetch::FILE_HELP },
    Command { name: "store repair", run: maintenance::repair, help: maintenance::REPAIR_HELP },
    Command { name: "store sign", run: copy::sign, help: copy::SIGN_HELP },
    Command { name: "store verify", run: copy::verify, help: copy::VERIFY_HELP },
    Command { name: "upgrade-nix", run: elsewhere::upgrade, help: elsewhere::HELP },
    Command { name: "why-depends", run: info::why_depends, help: info::WHY_HELP },
];

/// Commands of the reference that there are none of here.
const MISSING: &[&str] = &["config check", "help", "help-stores", "store copy-log"];

/// Runs `nix`.
pub fn run(words: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut options = Options::load()?;
    options.new_style();
    let (help, shows_version) = (asks_for("--help", &words), asks_for("--version", &words));
    let mut rest = Arguments::new("nix", words);
    let Some(first) = first_word(&mut rest, &mut options)? else {
        return if shows_version { version("nix") } else { print(&usage()).map(|()| ExitCode::SUCCESS) };
    };
    let mut name = first;
    if COMMANDS.iter().any(|command| command.name.starts_with(&format!("{name} "))) {
        let Some(second) = first_word(&mut rest, &mut options)? else {
            print(&usage_of(&name))?;
            return Ok(ExitCode::SUCCESS);
        };
        name = format!("{name} {second}");
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(unknown(&name));
    };
    if help {
        return print(command.help).map(|()| ExitCode::SUCCESS);
    }
    let result = (command.run)(rest.named(&format!("nix {name}")), options);
    // Nix's own exit codes of builds are those of `nix-build` and its like.
    result.map_err(|mut failure| {
        failure.code = if failure.of_build { 1 } else { failure.code };
        failure
    })
}

/// The next word that is no option; options before it are of all commands.
fn first_word(words: &mut Arguments, options: &mut Options) -> Result<Option<String>, Failure> {
    while let Some(word) = words.next()? {
        match &word {
            Word::Plain(name) => return crate::arguments::text(name.clone()).map(Some),
            Word::Long(name) if name == "help" || name == "version" => {}
            _ if options.take(&word, words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    Ok(None)
}

fn usage() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    let mut text = "Usage: nix [OPTION]… COMMAND [ARGUMENT]…\n\nCommands:\n".to_owned();
    text.extend(names.iter().map(|name| format!("  nix {name}\n")));
    text + "\n'nix COMMAND --help' says more.\n"
}

fn usage_of(first: &str) -> String {
    let names =
        COMMANDS.iter().map(|command| command.name).filter(|name| name.starts_with(&format!("{first} ")));
    let mut text = format!("Usage: nix {first} COMMAND [ARGUMENT]…\n\nCommands:\n");
    text.extend(names.map(|name| format!("  nix {name}\n")));
    text
}

fn unknown(name: &str) -> Failure {
    // A group's word alone is no command that could be missing.
    let failure = match MISSING.contains(&name) {
        true => Failure::new(format_args!("'nix {name}' is a command of Nix that saltire does not have yet")),
        false => Failure::new(format_args!(
            "'{}' is not a recognised command",
            name.split(' ').next_back().unwrap_or_default()
        )),
    };
    failure.hint("'nix --help' lists the commands")
}
