//! `nix registry …`: what the names of flakes mean.

use crate::arguments::{Arguments, Word, exactly, text};
use crate::flake_installable::parse_reference;
use crate::options::Options;
use saltire_driver::{Error, FlakeRef, user_registry};
use saltire_flake::{Registry, RegistryKind};
use saltire_terminal::{Failure, print};
use std::path::PathBuf;
use std::process::ExitCode;

/// Text of `nix registry … --help`.
pub const HELP: &str = "\
Usage: nix registry list
       nix registry add NAME FLAKE
       nix registry pin NAME [FLAKE]
       nix registry remove NAME
       nix registry resolve FLAKE…

Lists what the names of flakes stand for; adds a name, or makes it stand for the version
that it stands for now; removes one; says what names stand for.

      --registry FILE    the registry to change (default: the user's)
";

struct Request {
    operands: Vec<String>,
    file: PathBuf,
}

impl Request {
    fn parse(words: &mut Arguments, options: &mut Options) -> Result<Self, Failure> {
        let (mut operands, mut file) = (Vec::new(), None);
        while let Some(word) = words.next()? {
            match &word {
                Word::Plain(operand) => operands.push(text(operand.clone())?),
                Word::Long(name) if name == "registry" => file = Some(PathBuf::from(words.value(&word)?)),
                _ if options.take(&word, words)? => {}
                _ => return Err(words.unknown(&word)),
            }
        }
        let no_home = || Failure::new("neither XDG_CONFIG_HOME nor HOME is set to an absolute path");
        let file = file.or_else(user_registry).ok_or_else(no_home)?;
        Ok(Self { operands, file })
    }

    fn load(&self) -> Result<Registry, Failure> {
        Registry::load(RegistryKind::User, &self.file).map_err(Failure::new)
    }

    fn save(&self, registry: &Registry) -> Result<ExitCode, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format_args!("can't write the flake registry {}: {error}", self.file.display()))
        };
        let directory = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(std::path::Path::new("."));
        std::fs::create_dir_all(directory).map_err(failed)?;
        let temporary = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        std::fs::write(temporary.path(), registry.to_text()).map_err(failed)?;
        temporary.persist(&self.file).map_err(|error| failed(error.error))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs `nix registry list`.
pub fn list(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    Request::parse(&mut words, &mut options)?;
    let opened = options.open()?;
    let (registries, global) = opened.session.flakes().registries_here().map_err(Error::from)?;
    opened.progress.finish();
    let global =
        global.map_err(|error| eprintln!("warning: the global flake registry can't be read: {error}"));
    let mut output = String::new();
    for registry in registries.all.iter().chain(global.iter()) {
        for entry in &registry.entries {
            let (from, to) = (entry.from.to_text(), entry.to.to_text());
            output += &format!("{:6} {from} {to}\n", registry.kind.name());
        }
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix registry add`.
pub fn add(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let [from, to] = exactly(request.operands.clone())?;
    let mut registry = request.load()?;
    registry.set(parse_reference(&from)?, parse_reference(&to)?);
    request.save(&registry)
}

/// Runs `nix registry remove`.
pub fn remove(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let [from] = exactly(request.operands.clone())?;
    let mut registry = request.load()?;
    registry.remove(&parse_reference(&from)?);
    request.save(&registry)
}

/// Runs `nix registry pin`.
pub fn pin(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let (from, meant) = match request.operands.as_slice() {
        [name] => (name, name),
        [name, meant] => (name, meant),
        [] => return Err(Failure::new("more arguments are required")),
        [_, _, more, ..] => return Err(Failure::new(format_args!("unexpected argument '{more}'"))),
    };
    let opened = options.open()?;
    let resolved =
        opened.session.flakes().resolve_reference(&parse_reference(meant)?).map_err(Error::from)?;
    let stored = opened.session.inputs().fetch(&resolved.input).map_err(Failure::new)?;
    opened.progress.finish();
    let locked = FlakeRef { input: stored.input, directory: resolved.directory };
    let mut registry = request.load()?;
    registry.set(parse_reference(from)?, locked);
    request.save(&registry)
}

/// Runs `nix registry resolve`.
pub fn resolve(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let opened = options.open()?;
    for operand in &request.operands {
        let resolved =
            opened.session.flakes().resolve_reference(&parse_reference(operand)?).map_err(Error::from)?;
        print(&format!("{}\n", resolved.to_text()))?;
    }
    Ok(ExitCode::SUCCESS)
}
