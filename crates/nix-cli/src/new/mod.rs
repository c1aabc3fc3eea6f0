//! `nix` and its commands.

pub mod build;
mod config;
pub mod copy;
mod develop;
pub mod elsewhere;
mod eval;
mod help;
pub mod info;
mod listing;
pub mod logs;
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
use crate::shebang::Interpreted;
use crate::{Command, asks_for, flake, hash, prefetch, serve, store, version};
use saltire_terminal::{Failure, print};
use std::ffi::OsString;
use std::process::ExitCode;

/// The commands; those with two words have a first word in common.
const COMMANDS: &[Command] = &[
    Command { name: "build", run: build::run, help: build::HELP },
    Command { name: "bundle", run: programs::bundle, help: programs::BUNDLE_HELP },
    Command { name: "config check", run: config::check, help: config::CHECK_HELP },
    Command { name: "config show", run: config::show, help: config::SHOW_HELP },
    Command { name: "copy", run: copy::copy, help: copy::COPY_HELP },
    Command { name: "daemon", run: serve::daemon, help: serve::DAEMON_HELP },
    Command { name: "derivation add", run: info::add_derivation, help: info::ADD_HELP },
    Command { name: "derivation show", run: info::show_derivation, help: info::SHOW_HELP },
    Command { name: "develop", run: develop::run, help: develop::HELP },
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
    Command { name: "hash to-sri", run: hash::to_sri, help: hash::NEW_HELP },
    Command { name: "help", run: help::help, help: help::HELP },
    Command { name: "help-stores", run: help::stores, help: help::STORES },
    Command { name: "key convert-secret-to-public", run: copy::convert_key, help: copy::KEY_HELP },
    Command { name: "key generate-secret", run: copy::generate_key, help: copy::KEY_HELP },
    Command { name: "log", run: logs::log, help: logs::LOG_HELP },
    Command { name: "nar cat", run: listing::nar_cat, help: listing::CAT_HELP },
    Command { name: "nar ls", run: listing::nar_ls, help: listing::LS_HELP },
    Command { name: "nar pack", run: listing::pack, help: listing::PACK_HELP },
    Command { name: "path-info", run: path_info::path_info, help: path_info::HELP },
    Command { name: "print-dev-env", run: develop::print_environment, help: develop::PRINT_HELP },
    Command { name: "profile add", run: profile::add, help: profile::HELP },
    Command { name: "profile diff-closures", run: profile::diff, help: profile::HELP },
    Command { name: "profile history", run: profile::history, help: profile::HELP },
    Command { name: "profile list", run: profile::list, help: profile::HELP },
    Command { name: "profile remove", run: profile::remove, help: profile::HELP },
    Command { name: "profile rollback", run: profile::rollback, help: profile::HELP },
    Command { name: "profile upgrade", run: profile::upgrade, help: profile::HELP },
    Command { name: "profile wipe-history", run: profile::wipe, help: profile::HELP },
    Command { name: "registry add", run: registry::add, help: registry::HELP },
    Command { name: "registry list", run: registry::list, help: registry::HELP },
    Command { name: "registry pin", run: registry::pin, help: registry::HELP },
    Command { name: "registry remove", run: registry::remove, help: registry::HELP },
    Command { name: "registry resolve", run: registry::resolve, help: registry::HELP },
    Command { name: "repl", run: repl::run, help: repl::HELP },
    Command { name: "run", run: run::run, help: run::HELP },
    Command { name: "search", run: search::run, help: search::HELP },
    Command { name: "shell", run: run::shell, help: run::SHELL_HELP },
    Command { name: "store add", run: store::new_add, help: store::ADD_HELP },
    Command { name: "store add-file", run: store::new_add_file, help: store::ADD_HELP },
    Command { name: "store add-path", run: store::new_add, help: store::ADD_HELP },
    Command { name: "store build-trace info", run: elsewhere::realisation, help: elsewhere::HELP },
    Command { name: "store cat", run: listing::store_cat, help: listing::CAT_HELP },
    Command { name: "store copy-log", run: logs::copy_log, help: logs::COPY_LOG_HELP },
    Command { name: "store copy-sigs", run: copy::copy_signatures, help: copy::COPY_SIGS_HELP },
    Command { name: "store delete", run: store::new_delete, help: store::DELETE_HELP },
    Command { name: "store diff-closures", run: maintenance::diff, help: maintenance::DIFF_HELP },
    Command { name: "store dump-path", run: info::dump, help: info::DUMP_HELP },
    Command { name: "store gc", run: store::new_gc, help: store::GC_HELP },
    Command { name: "store info", run: copy::info, help: copy::INFO_HELP },
    Command { name: "store ls", run: listing::store_ls, help: listing::LS_HELP },
    Command {
        name: "store make-content-addressed",
        run: maintenance::content_addressed,
        help: maintenance::CONTENT_ADDRESSED_HELP,
    },
    Command { name: "store optimise", run: maintenance::optimise, help: maintenance::OPTIMISE_HELP },
    Command { name: "store optimize", run: maintenance::optimise, help: maintenance::OPTIMISE_HELP },
    Command { name: "store path-from-hash-part", run: info::path_from_hash_part, help: info::HASH_PART_HELP },
    Command { name: "store prefetch-file", run: prefetch::store_prefetch_file, help: prefetch::FILE_HELP },
    Command { name: "store repair", run: maintenance::repair, help: maintenance::REPAIR_HELP },
    Command { name: "store sign", run: copy::sign, help: copy::SIGN_HELP },
    Command { name: "store verify", run: copy::verify, help: copy::VERIFY_HELP },
    Command { name: "upgrade-nix", run: elsewhere::upgrade, help: elsewhere::HELP },
    Command { name: "why-depends", run: info::why_depends, help: info::WHY_HELP },
];

/// Older names of commands, and what they are called now.
const RENAMED: &[(&str, &str)] = &[
    ("add-to-store", "store add-path"),
    ("cat-nar", "nar cat"),
    ("cat-store", "store cat"),
    ("copy-sigs", "store copy-sigs"),
    ("dev-shell", "develop"),
    ("diff-closures", "store diff-closures"),
    ("doctor", "config check"),
    ("dump-path", "store dump-path"),
    ("hash-file", "hash file"),
    ("hash-path", "hash path"),
    ("ls-nar", "nar ls"),
    ("ls-store", "store ls"),
    ("make-content-addressable", "store make-content-addressed"),
    ("nar dump-path", "nar pack"),
    ("optimise-store", "store optimise"),
    ("ping-store", "store info"),
    ("profile install", "profile add"),
    ("realisation", "store build-trace"),
    ("show-config", "config show"),
    ("show-derivation", "derivation show"),
    ("sign-paths", "store sign"),
    ("store ping", "store info"),
    ("to-base16", "hash to-base16"),
    ("to-base32", "hash to-base32"),
    ("to-base64", "hash to-base64"),
    ("verify", "store verify"),
];

/// Runs `nix`.
pub fn run(mut words: Vec<OsString>) -> Result<ExitCode, Failure> {
    if let Some(script) = Interpreted::find(&words)? {
        words = script.words;
        crate::program::work_in(&script.directory)?;
    }
    let mut options = Options::load()?;
    options.new_style();
    let (help, shows_version) = (asks_for("--help", &words), asks_for("--version", &words));
    let mut rest = Arguments::new("nix", words);
    let Some(first) = first_word(&mut rest, &mut options)? else {
        return match (shows_version, help) {
            (true, _) => version("nix"),
            (false, true) => print(&usage()).map(|()| ExitCode::SUCCESS),
            (false, false) => {
                Err(Failure::new("no subcommand specified").hint("'nix --help' lists the commands"))
            }
        };
    };
    let mut name = renamed(first);
    while COMMANDS.iter().any(|command| command.name.starts_with(&format!("{name} "))) {
        let Some(next) = first_word(&mut rest, &mut options)? else {
            return match help {
                true => print(&usage_of(&name)).map(|()| ExitCode::SUCCESS),
                false => Err(incomplete(&name)),
            };
        };
        name = renamed(format!("{name} {next}"));
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

/// What a command is called now.
fn renamed(name: String) -> String {
    let Some((_, now)) = RENAMED.iter().find(|(old, _)| *old == name) else { return name };
    let (old, new) = match name.rsplit_once(' ') {
        // Both have the first word in common.
        Some((group, last)) => (last, now.strip_prefix(group).unwrap_or(now).trim_start()),
        None => (name.as_str(), *now),
    };
    eprintln!("warning: '{old}' is a deprecated alias for '{new}'");
    (*now).to_owned()
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

/// The error for a group's word alone.
fn incomplete(group: &str) -> Failure {
    let names = COMMANDS.iter().filter_map(|command| command.name.strip_prefix(group)?.strip_prefix(' '));
    let names: String = names.map(|name| format!("\n- `{name}`")).collect();
    Failure::new(format_args!("`nix {group}` requires a sub-command. Available sub-commands:\n{names}"))
        .hint(format_args!("'nix {group} --help' says more"))
}

fn unknown(name: &str) -> Failure {
    // A group's word alone is no command.
    let last = name.split(' ').next_back().unwrap_or_default();
    Failure::new(format_args!("'{last}' is not a recognised command")).hint("'nix --help' lists the commands")
}
