//! Commands that run a program that a flake names, or one of the user's: `nix fmt`,
//! `bundle`, `edit`, `flake clone`.

use super::build::build_goals;
use crate::arguments::{Arguments, Word, text};
use crate::flake_installable::{FlakeInstallable, FlakeOptions, Purpose, parse_reference};
use crate::installable::{Goal, InstallableOptions};
use crate::options::{Opened, Options, add_root};
use crate::program::{Variables, become_program};
use saltire_diagnostics::Pos;
use saltire_driver::{Error, LockedFlake, Package, Wanted};
use saltire_eval::Symbol;
use saltire_fetch::input::Kind;
use saltire_terminal::{Failure, print};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Text of `nix fmt --help` and of `nix formatter … --help`.
pub const FMT_HELP: &str = "\
Usage: nix fmt [ARGUMENT…]
       nix formatter build [-o NAME]

Runs the formatter of the flake in the working directory, 'formatter.SYSTEM'; or builds
it.
";
/// Text of `nix bundle --help`.
pub const BUNDLE_HELP: &str = "\
Usage: nix bundle [--bundler FLAKE] [-o NAME] [INSTALLABLE]

Builds what the bundler of a flake makes of an installable (default:
github:NixOS/bundlers). 'saltire bundle' needs none.
";
/// Text of `nix edit --help`.
pub const EDIT_HELP: &str =
    "Usage: nix edit INSTALLABLE\n\nOpens the place where a package is defined in $EDITOR.\n";
/// Text of `nix flake clone --help`.
pub const CLONE_HELP: &str =
    "Usage: nix flake clone FLAKE --dest DIRECTORY\n\nClones the Git repository of a flake.\n";

/// Runs `nix fmt` and `nix formatter run`.
pub fn fmt(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::for_purpose(Purpose::Formatter);
    let mut rest: Vec<OsString> = Vec::new();
    while let Some(word) = words.next()? {
        match &word {
            Word::Plain(argument) => {
                rest.push(argument.clone());
                rest.extend(words.rest()?);
            }
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let (opened, installable) = installables.open_single(&mut options)?;
    let program = installable.program(&opened.session, &options)?;
    let built = build_goals(&opened.session, &opened.progress, &[program.goal])?;
    let place = built.iter().flat_map(|one| &one.outputs).next().map(|(_, path)| path);
    let place = place.map(|path| PathBuf::from(opened.session.store().display(path))).unwrap_or_default();
    become_program(opened, &place.join(&program.file), &rest, &Variables::default(), &[])
}

/// Runs `nix formatter build`.
pub fn build_formatter(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::for_purpose(Purpose::Formatter);
    let mut link = Some("result".to_owned());
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('o') => link = Some(words.value(&word)?),
            Word::Long(name) if name == "out-link" => link = Some(words.value(&word)?),
            Word::Long(name) if name == "no-link" => link = None,
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let (opened, installable) = installables.open_single(&mut options)?;
    let program = installable.program(&opened.session, &options)?;
    for (_, path) in
        build_goals(&opened.session, &opened.progress, &[program.goal])?.iter().flat_map(|one| &one.outputs)
    {
        if let Some(link) = &link {
            add_root(&opened.session, link, 1, path)?;
        }
        print(&format!("{}/{}\n", opened.session.store().display(path), program.file))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix bundle`.
pub fn bundle(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::default();
    let (mut bundler, mut link) = ("github:NixOS/bundlers".to_owned(), None);
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "bundler" => bundler = words.value(&word)?,
            Word::Short('o') => link = Some(words.value(&word)?),
            Word::Long(name) if name == "out-link" => link = Some(words.value(&word)?),
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let (Opened { session, progress }, installable) = installables.open_single(&mut options)?;
    let flake = FlakeOptions { purpose: Purpose::Bundler, ..installables.flake.clone() };
    let bundler = FlakeInstallable::parse(&bundler, &flake)?;
    let (wanted, name) = session.evaluate(|evaluator| {
        let value = installable.value(&session, evaluator, &options)?;
        let function = bundler.value(&session, evaluator)?;
        let value = evaluator.call(function, &[value], Pos::NONE)?;
        let value = evaluator.force(value)?;
        let package = Package { value, path: Symbol::intern("") };
        let not_a_package =
            || Error::Installable(format!("the bundler '{bundler}' does not produce a derivation"));
        if package.text(evaluator, "type")?.as_deref() != Some("derivation") {
            return Err(not_a_package().into());
        }
        let name = package.text(evaluator, "name")?.ok_or_else(not_a_package)?;
        let derivation = package.derivation(&session, evaluator)?;
        Ok((Wanted { derivation, outputs: package.default_outputs(evaluator)? }, name))
    })?;
    let built = build_goals(&session, &progress, &[Goal::Built(wanted)])?;
    if let Some((_, path)) = built.iter().flat_map(|one| &one.outputs).next() {
        add_root(&session, &link.unwrap_or(name), 1, path)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix edit`.
pub fn edit(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::default();
    while let Some(word) = words.next()? {
        if !installables.take(&word, &mut words)? && !options.take(&word, &mut words)? {
            return Err(words.unknown(&word));
        }
    }
    let (opened, installable) = installables.open_single(&mut options)?;
    let session = &opened.session;
    let position = session.evaluate(|evaluator| {
        let value = installable.value(session, evaluator, &options)?;
        let value = evaluator.force(value)?;
        let meta = value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("meta")));
        let Some(meta) = meta else { return Ok(None) };
        let value = evaluator.force(meta)?;
        Package { value, path: Symbol::intern("") }.text(evaluator, "position")
    })?;
    opened.progress.finish();
    let missing = || {
        Failure::new(format_args!("cannot find position information for '{installable}'"))
            .hint("'meta.position' of packages says where they are defined")
    };
    let position = position.ok_or_else(missing)?;
    let (file, line) = position.rsplit_once(':').unwrap_or((&position, "1"));
    let file = match installable.locked(session)? {
        Some(locked) => own_file(locked, file),
        None => None,
    }
    .unwrap_or_else(|| session.store().location().to_physical(Path::new(file)));
    let editor =
        ["EDITOR", "VISUAL"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let mut words = editor.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("vi"));
    command.args(words);
    if ["emacs", "nano", "vim", "kak", "vi"].iter().any(|name| editor.contains(name)) {
        command.arg(format!("+{line}"));
    }
    let status = command.arg(&file).status();
    let status = status.map_err(|error| Failure::new(format_args!("can't run '{editor}': {error}")))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// The file of a working tree that a file in the store is a copy of.
fn own_file(locked: &LockedFlake, file: &str) -> Option<PathBuf> {
    let root = locked.resolved.input.local_directory()?;
    let rest = Path::new(file).strip_prefix(&locked.tree.store_path).ok()?;
    Some(root.join(rest)).filter(|own| own.exists())
}

/// Runs `nix flake clone`.
pub fn clone(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let (mut operands, mut place) = (Vec::new(), None);
    let mut flake = FlakeOptions::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('f') => place = Some(words.value(&word)?),
            Word::Long(name) if name == "dest" => place = Some(words.value(&word)?),
            Word::Plain(operand) => operands.push(text(operand.clone())?),
            _ if flake.take(&word, &mut words)? || options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let [operand] = operands.as_slice() else { return Err(Failure::new("one flake is needed")) };
    let place = place.ok_or_else(|| Failure::new("missing flag '--dest'"))?;
    let opened = options.open()?;
    flake.prepare(&opened.session)?;
    let resolved =
        opened.session.flakes().resolve_reference(&parse_reference(operand)?).map_err(Error::from)?;
    opened.progress.finish();
    let input = &resolved.input;
    let part = |name: &str| input.text(name).unwrap_or_default().to_owned();
    let url = match input.kind() {
        Kind::Git => part("url"),
        Kind::Forge(_) => {
            let usual = match part("type").as_str() {
                "github" => "github.com",
                "gitlab" => "gitlab.com",
                _ => "git.sr.ht",
            };
            let host = Some(part("host")).filter(|host| !host.is_empty()).unwrap_or_else(|| usual.to_owned());
            format!("https://{host}/{}/{}", part("owner"), part("repo"))
        }
        // What is no repository of Git is copied as it is now.
        _ => {
            if Path::new(&place).symlink_metadata().is_ok() {
                return Err(Failure::new(format_args!("there is something at '{place}' already")));
            }
            let stored = opened.session.inputs().fetch(input).map_err(Failure::new)?;
            crate::flake::copy_tree(&opened.session.store().physical_path(&stored.path), Path::new(&place))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut command = Command::new("git");
    command.arg("clone");
    if let Some(branch) = input.text("ref") {
        command.arg("--branch").arg(branch.trim_start_matches("refs/heads/"));
    }
    let status = command.arg("--").arg(url.strip_prefix("file://").unwrap_or(&url)).arg(&place).status();
    let status = status.map_err(|error| Failure::new(format_args!("can't run git: {error}")))?;
    match status.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::new(match status.code() {
            Some(code) => format!("program \"git\" failed with exit code {code}"),
            None => format!("program \"git\", which cloned '{url}', was killed"),
        })),
    }
}
