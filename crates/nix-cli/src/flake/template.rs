//! `nix flake init` and `nix flake new`: files from a template.

use crate::arguments::{Arguments, Word, text};
use crate::flake_installable::FlakeOptions;
use crate::options::{Opened, Options};
use saltire_diagnostics::Pos;
use saltire_driver::{EvaluationError, FlakeTarget, Session};
use saltire_eval::Evaluator;
use saltire_terminal::Failure;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `nix flake init --help`.
pub const INIT_HELP: &str = "\
Usage: nix flake init [-t TEMPLATE]

Copies a template's files to the working directory. A template is FLAKE#NAME.
";
/// Text of `nix flake new --help`.
pub const NEW_HELP: &str = "\
Usage: nix flake new [-t TEMPLATE] DIRECTORY

Copies a template's files to a new directory. A template is FLAKE#NAME.
";

/// The template that is meant without any.
const DEFAULT: &str = "templates";

/// Runs `nix flake init`.
pub fn init(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    run(words, options, false)
}

/// Runs `nix flake new`.
pub fn new(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    run(words, options, true)
}

fn run(mut words: Arguments, mut options: Options, takes_directory: bool) -> Result<ExitCode, Failure> {
    let mut template = DEFAULT.to_owned();
    let mut directory = None;
    let mut flake = FlakeOptions::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('t') => template = words.value(&word)?,
            Word::Long(name) if name == "template" => template = words.value(&word)?,
            Word::Plain(operand) if takes_directory && directory.is_none() => {
                directory = Some(text(operand.clone())?)
            }
            _ if flake.take(&word, &mut words)? || options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let destination = match (takes_directory, directory) {
        (true, None) => return Err(Failure::new("no directory is named")),
        (_, directory) => PathBuf::from(directory.unwrap_or_else(|| ".".to_owned())),
    };
    let base = std::env::current_dir().unwrap_or_default();
    let target = FlakeTarget::parse(&template, &base).map_err(Failure::new)?;
    flake.flags.write = false;
    let Opened { session, progress } = options.open()?;
    flake.prepare(&session)?;
    let locked = session.lock_flake(&target.flake, &flake.flags)?;
    let found = session.evaluate(|evaluator| {
        let defaults = ["templates.default".to_owned(), "defaultTemplate".to_owned()];
        let prefixes = ["templates".to_owned()];
        let found = session.flake_attribute(evaluator, &locked, &target.fragment, &defaults, &prefixes)?;
        read(&session, evaluator, found.value)
    })?;
    progress.finish();
    let place = std::path::absolute(&destination)
        .map_err(|error| Failure::new(format_args!("{}: {error}", destination.display())))?;
    let copied = copy(&found.files, &found.name, &place, &|text| eprintln!("{text}"))?;
    if !copied.written.is_empty() && place.join(".git").exists() {
        let mut add = std::process::Command::new("git");
        add.args(["add", "--force", "--intent-to-add", "--"]).args(&copied.written).current_dir(&place);
        // If that fails the files are only not part of the tree yet.
        let _ = add.stderr(std::process::Stdio::null()).status();
    }
    if let Some(text) = found.welcome {
        eprintln!("{}", text.trim_end());
    }
    copied.check()?;
    Ok(ExitCode::SUCCESS)
}

struct Template {
    /// Where its files are.
    files: PathBuf,
    /// And what evaluation calls that place.
    name: PathBuf,
    welcome: Option<String>,
}

fn read(
    session: &Arc<Session>,
    evaluator: &mut Evaluator,
    value: saltire_eval::Value,
) -> Result<Template, EvaluationError> {
    let mut attribute = |name: &str| -> Result<Option<String>, EvaluationError> {
        let function = evaluator.eval_str("t: n: if t ? ${n} then toString t.${n} else null", b"/")?;
        let name = evaluator.new_string(name.as_bytes());
        let text = evaluator.call(function, &[value, name], Pos::NONE)?;
        let text = evaluator.force(text)?;
        Ok(text.as_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()))
    };
    let missing = || saltire_driver::Error::Installable("the template has no attribute 'path'".to_owned());
    let path = attribute("path")?.ok_or_else(missing)?;
    Ok(Template {
        files: session.store().location().to_physical(Path::new(&path)),
        name: path.into(),
        welcome: attribute("welcomeText")?,
    })
}

/// What came of copying.
#[derive(Default)]
pub struct Copied {
    /// Files that were written, relative to where they are.
    written: Vec<PathBuf>,
    /// How many were not, since others of their names are there.
    conflicts: usize,
}

impl Copied {
    fn check(&self) -> Result<(), Failure> {
        match self.conflicts {
            0 => Ok(()),
            count => Err(Failure::new(format_args!("encountered {count} conflicts - see above"))),
        }
    }
}

/// Copies the files that are not there yet. `tell` is told of each, `name` is what `from`
/// is called.
fn copy(from: &Path, name: &Path, to: &Path, tell: &dyn Fn(&str)) -> Result<Copied, Failure> {
    let mut files = Vec::new();
    list(from, Path::new(""), &mut files)?;
    let mut copied = Copied::default();
    for file in files {
        let (source, target, shown) = (from.join(&file), to.join(&file), name.join(&file));
        if target.symlink_metadata().is_ok() {
            if is_same(&source, &target) {
                tell(&format!("skipping identical file: {}", shown.display()));
                continue;
            }
            tell(&format!(
                "refusing to overwrite existing file \"{}\"\n please merge it manually with '{}'",
                target.display(),
                shown.display()
            ));
            copied.conflicts += 1;
            continue;
        }
        write(&source, &target)?;
        tell(&format!("wrote: \"{}\"", target.display()));
        copied.written.push(file);
    }
    Ok(copied)
}

/// Copies the files of a directory to a new one.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), Failure> {
    copy(from, from, to, &|_| {})?.check()
}

/// Whether two files, or links, are the same.
fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::read_link(one), std::fs::read_link(other)) {
        (Err(_), Err(_)) => matches!((std::fs::read(one), std::fs::read(other)), (Ok(a), Ok(b)) if a == b),
        (one, other) => one.ok() == other.ok(),
    }
}

/// Copies a file or a link; the owner may write to it.
fn write(source: &Path, target: &Path) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format_args!("can't write {}: {error}", target.display()));
    std::fs::create_dir_all(target.parent().unwrap_or(target)).map_err(failed)?;
    if let Ok(link) = std::fs::read_link(source) {
        return std::os::unix::fs::symlink(link, target).map_err(failed);
    }
    std::fs::copy(source, target).map_err(failed)?;
    let mut mode = std::fs::metadata(target).map_err(failed)?.permissions();
    let writable = mode.mode() | 0o200;
    mode.set_mode(writable);
    std::fs::set_permissions(target, mode).map_err(failed)
}

fn list(base: &Path, inner: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let directory = base.join(inner);
    let failed =
        |error: std::io::Error| Failure::new(format_args!("can't read {}: {error}", directory.display()));
    for entry in std::fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = inner.join(entry.file_name());
        match entry.file_type().map_err(failed)?.is_dir() {
            true => list(base, &path, files)?,
            false => files.push(path),
        }
    }
    files.sort();
    Ok(())
}
