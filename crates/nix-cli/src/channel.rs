//! `nix-channel`: package sets that are fetched from time to time.
//!
//! As in Nix: the subscriptions are lines `ADDRESS NAME` in `~/.nix-channels`; what was
//! fetched is a profile, `channels`, that `~/.nix-defexpr/channels` leads to.

use crate::arguments::{Arguments, Word, text};
use crate::options::Options;
use crate::profile::environment::add_with_references;
use crate::profile::{Profile, profiles_directory};
use saltire_driver::Session;
use saltire_fetch::input::{Attributes, Input};
use saltire_terminal::{Failure, print};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-channel --add ADDRESS [NAME]
       nix-channel --remove NAME
       nix-channel --list
       nix-channel --update [NAME…]
       nix-channel --rollback [GENERATION]

Subscribes to package sets, and fetches them: ADDRESS/nixexprs.tar.xz, or ADDRESS itself
if it is an archive.
";

fn failed(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let text = format!("can't {action} {}", path.display());
    move |error| Failure::new(format_args!("{text}: {error}"))
}

fn home() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    home.ok_or_else(|| Failure::new("HOME is not set to an absolute path"))
}

/// Addresses by name.
type Channels = BTreeMap<String, String>;

fn read(file: &Path) -> Result<Channels, Failure> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Channels::new()),
        Err(error) => return Err(failed("read", file)(error)),
    };
    let mut channels = Channels::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let address = words.next().unwrap_or_default().trim_end_matches('/').to_owned();
        let name = words.next().map_or_else(|| usual_name(&address), str::to_owned);
        channels.insert(name, address);
    }
    Ok(channels)
}

fn write(file: &Path, channels: &Channels) -> Result<(), Failure> {
    let text: String = channels.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
    let directory = file.parent().unwrap_or(Path::new("/"));
    let temporary = tempfile::NamedTempFile::new_in(directory).map_err(failed("write", file))?;
    std::fs::write(temporary.path(), text).map_err(failed("write", file))?;
    temporary.persist(file).map_err(|error| failed("write", file)(error.error))?;
    Ok(())
}

/// The last part of an address without what says how stable it is.
fn usual_name(address: &str) -> String {
    let name = address.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix("-unstable").or_else(|| name.strip_suffix("-stable")).unwrap_or(name);
    name.to_owned()
}

/// Runs `nix-channel`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut operation = None;
    let mut operands = Vec::new();
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if ["add", "remove", "list", "update", "rollback"].contains(&name.as_str()) => {
                operation = Some(name.clone());
            }
            _ if options.take(&word, &mut words)? => {}
            Word::Plain(operand) => operands.push(text(operand.clone())?),
            _ => return Err(words.unknown(&word)),
        }
    }
    let file = home()?.join(".nix-channels");
    let mut channels = read(&file)?;
    match (operation.as_deref(), operands.as_slice()) {
        (Some("add"), [address, name @ ..]) if name.len() < 2 => {
            let address = address.trim_end_matches('/').to_owned();
            if !address.contains("://") {
                return Err(Failure::new(format_args!("invalid channel URL '{address}'")));
            }
            let name = name.first().cloned().unwrap_or_else(|| usual_name(&address));
            let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            if name.is_empty() || name.starts_with('.') || !name.chars().all(good) {
                return Err(Failure::new(format_args!("invalid channel identifier '{name}'")));
            }
            channels.insert(name, address);
            write(&file, &channels)?;
        }
        (Some("remove"), [name]) => {
            channels.remove(name);
            write(&file, &channels)?;
            let opened = options.open()?;
            let profile = profile(&opened.session)?;
            let mut present = present(&opened.session, &profile);
            if present.remove(name).is_some() {
                install(&opened.session, &profile, &present)?;
            }
        }
        (Some("list"), []) => {
            print(&channels.iter().map(|(name, address)| format!("{name} {address}\n")).collect::<String>())?;
        }
        (Some("update"), names) => {
            let opened = options.open()?;
            update(&opened.session, &channels, names)?;
            opened.progress.finish();
        }
        (Some("rollback"), numbers) if numbers.len() < 2 => {
            let wrong = |text: &String| Failure::new(format_args!("invalid generation number '{text}'"));
            let number = numbers.first().map(|text| text.parse().map_err(|_| wrong(text))).transpose()?;
            let opened = options.open()?;
            profile(&opened.session)?.go_to(number, options.dry_run)?;
        }
        _ => return Err(Failure::new("wrong arguments").hint("'nix-channel --help' shows them")),
    }
    Ok(ExitCode::SUCCESS)
}

fn profile(session: &Session) -> Result<Profile, Failure> {
    let link = profiles_directory(session)?.join("channels");
    Profile::open(session, Some(&link.display().to_string()))
}

/// What is there now: store paths by name.
fn present(session: &Session, profile: &Profile) -> BTreeMap<String, PathBuf> {
    let entries = profile.files(session).and_then(|files| std::fs::read_dir(files).ok());
    let entry = |entry: std::fs::DirEntry| {
        Some((entry.file_name().to_str()?.to_owned(), std::fs::read_link(entry.path()).ok()?))
    };
    entries.into_iter().flatten().flatten().filter_map(entry).collect()
}

fn install(session: &Session, profile: &Profile, all: &BTreeMap<String, PathBuf>) -> Result<(), Failure> {
    let directory = tempfile::tempdir().map_err(failed("write to", &std::env::temp_dir()))?;
    let place = directory.path().join("channels");
    std::fs::create_dir(&place).map_err(failed("create", &place))?;
    let mut references = BTreeSet::new();
    for (name, target) in all {
        symlink(target, place.join(name)).map_err(failed("create", &place.join(name)))?;
        references.extend(session.store().store_path_of(target));
    }
    profile.set(session, &add_with_references(session, "channels", &place, references)?)
}

/// Fetches channels, those that are named or all.
fn update(session: &Session, channels: &Channels, names: &[String]) -> Result<(), Failure> {
    if let Some(name) = names.iter().find(|name| !channels.contains_key(*name)) {
        return Err(Failure::new(format_args!("there is no channel '{name}'"))
            .hint("'nix-channel --list' lists them"));
    }
    let profile = profile(session)?;
    let mut all = present(session, &profile);
    all.retain(|name, _| channels.contains_key(name));
    for (name, address) in channels {
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        let is_archive = [".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".tgz", ".zip"];
        let url = match is_archive.iter().any(|ending| address.ends_with(ending)) {
            true => address.clone(),
            false => format!("{address}/nixexprs.tar.xz"),
        };
        let attributes: Attributes =
            [("type".into(), "tarball".into()), ("url".into(), url.as_str().into())].into();
        let input = Input::from_attributes(attributes).map_err(Failure::new)?;
        let stored = session.inputs().fetch(&input);
        let stored = stored.map_err(|error| Failure::new(format_args!("channel '{name}': {error}")))?;
        all.insert(name.clone(), PathBuf::from(session.store().display(&stored.path)));
    }
    install(session, &profile, &all)?;
    eprintln!("unpacking {} channels...", all.len());
    let definitions = home()?.join(".nix-defexpr");
    std::fs::create_dir_all(&definitions).map_err(failed("create", &definitions))?;
    let link = definitions.join("channels");
    if std::fs::read_link(&link).ok().as_ref() != Some(&profile.link) {
        let _ = std::fs::remove_file(&link);
        symlink(&profile.link, &link).map_err(failed("create", &link))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::usual_name;

    #[test]
    fn names_follow_from_addresses() {
        assert_eq!(usual_name("https://x/nixpkgs-unstable"), "nixpkgs");
        assert_eq!(usual_name("https://x/nixos-24.11"), "nixos-24.11");
    }
}
