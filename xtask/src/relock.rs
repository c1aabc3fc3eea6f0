//! Makes the lock file of the bootstrap seed.
//!
//! Trust goes from the OpenPGP keys of the machine's Debian keyring to the
//! `InRelease` file, from its SHA-256 sums to the indexes, from theirs to the
//! files of the pool. The result depends on the release and the wanted list only,
//! not on when or from which mirror it is made.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use saltire_debian::index::{BinaryPackage, Release, parse_packages, parse_sources};
use saltire_debian::lock::{Lock, LockedPackage, LockedSource};
use saltire_debian::{Mirrors, lock};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// No index is larger, neither packed nor unpacked.
const INDEX_LIMIT: u64 = 512 << 20;

/// `pkgs/seed/packages.toml`: what is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    suite: String,
    component: String,
    sources: Vec<String>,
    /// Sources of other releases.
    #[serde(default)]
    later: Vec<Later>,
    group: Vec<Group>,
}

/// Sources of another release than the rest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    suite: String,
    sources: Vec<String>,
}

/// Packages for the build machines named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    /// Debian architectures of the build machines.
    architectures: Vec<String>,
    /// Names, in which `{name}` stands for that value of each record in `each`.
    packages: Vec<String>,
    /// Values of the placeholders; absent: the names are as they are.
    #[serde(default)]
    each: Vec<BTreeMap<String, String>>,
    /// Dependencies whose names match one of these are wanted as well; `*` stands
    /// for anything, placeholders for their values.
    #[serde(default)]
    follow: Vec<String>,
}

/// Runs the task.
pub fn run(arguments: &crate::RelockArguments) -> Result<()> {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pkgs/seed");
    let list = seed.join("packages.toml");
    let text = std::fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let wanted: Wanted = toml::from_str(&text).with_context(|| format!("reading {}", list.display()))?;
    let mirrors = Mirrors::choose(&arguments.mirror, &apt_sources(), None);
    ensure!(
        !mirrors.roots().is_empty(),
        "no Debian mirror is known: the machine's APT configuration names none; give one with --mirror URL"
    );
    let open = |suite: &str| Archive::open(&mirrors, suite, &wanted.component, &arguments.keyring);
    let mut made = make(&open(&wanted.suite)?, &wanted)?;
    for later in &wanted.later {
        let archive = open(&later.suite)?;
        made.sources.extend(sources(&archive, &later.sources)?);
        // All that was found is there now, so it is there at the later of the times.
        made.snapshot = made.snapshot.max(archive.snapshot()?);
    }
    let (packages, sources) = (made.packages.values().map(BTreeMap::len).sum::<usize>(), made.sources.len());
    eprintln!("{packages} packages, {sources} sources, of {} at {}", made.suite, made.snapshot);
    let target = seed.join("debian.lock.json");
    if arguments.check {
        let current = std::fs::read_to_string(&target).unwrap_or_default();
        ensure!(current == made.print(), "{} is out of date: run `cargo xtask relock`", target.display());
        return Ok(());
    }
    let temporary = seed.join("debian.lock.json.new");
    std::fs::write(&temporary, made.print())?;
    std::fs::rename(&temporary, &target)?;
    Ok(())
}

/// Resolves everything wanted; one error names everything that is missing.
fn make(archive: &Archive, wanted: &Wanted) -> Result<Lock> {
    let mut missing = Vec::new();
    let architectures: BTreeSet<&String> =
        wanted.group.iter().flat_map(|group| &group.architectures).collect();
    let mut packages = BTreeMap::new();
    for architecture in architectures {
        let text = archive.index(&format!("binary-{architecture}/Packages.xz"))?;
        let index = parse_packages(&text)?;
        let mut found = BTreeMap::new();
        for group in wanted.group.iter().filter(|group| group.architectures.contains(architecture)) {
            resolve(group, &index, &mut found).unwrap_or_else(|names| {
                missing
                    .extend(names.into_iter().map(|n| format!("{n} ({architecture}, group {})", group.name)))
            });
        }
        packages.insert(architecture.clone(), found);
    }
    ensure!(missing.is_empty(), "not in {}: {}", wanted.suite, missing.join(", "));
    Ok(Lock {
        version: lock::VERSION,
        suite: wanted.suite.clone(),
        snapshot: archive.snapshot()?,
        packages,
        sources: sources(archive, &wanted.sources)?,
    })
}

/// Source packages of a suite; one error names everything that is missing.
fn sources(archive: &Archive, names: &[String]) -> Result<BTreeMap<String, LockedSource>> {
    let text = archive.index("source/Sources.xz")?;
    let index = parse_sources(&text)?;
    let (found, missing): (Vec<_>, Vec<_>) =
        names.iter().map(|name| (name, index.get(name.as_str()))).partition(|(_, source)| source.is_some());
    let missing: Vec<&str> = missing.into_iter().map(|(name, _)| name.as_str()).collect();
    ensure!(missing.is_empty(), "no sources in {}: {}", archive.release.codename, missing.join(", "));
    Ok(found.into_iter().filter_map(|(name, source)| Some((name.clone(), source?.clone()))).collect())
}

/// Adds a group's packages; the names that the index lacks otherwise.
fn resolve(
    group: &Group,
    index: &BTreeMap<&str, BinaryPackage>,
    found: &mut BTreeMap<String, LockedPackage>,
) -> Result<(), Vec<String>> {
    let mut missing = Vec::new();
    let plain = [BTreeMap::new()];
    let records = if group.each.is_empty() { &plain[..] } else { &group.each };
    for values in records {
        let fill = |text: &String| {
            values
                .iter()
                .fold(text.clone(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
        };
        let follow: Vec<String> = group.follow.iter().map(fill).collect();
        let mut queue: VecDeque<String> = group.packages.iter().map(fill).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = queue.pop_front() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let Some(package) = index.get(name.as_str()) else {
                missing.push(name);
                continue;
            };
            found.insert(name, package.locked.clone());
            let wanted = package.dependencies.iter().filter(|name| {
                index.contains_key(*name) && follow.iter().any(|pattern| matches(pattern, name))
            });
            queue.extend(wanted.map(|name| (*name).to_owned()));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// Whether a name matches a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    name.strip_prefix(start).is_some_and(|tail| {
        (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
    })
}

/// A suite of an archive whose release has been verified.
struct Archive {
    root: String,
    component: String,
    directory: String,
    release: Release,
}

impl Archive {
    /// Takes the first mirror that has the suite.
    fn open(mirrors: &Mirrors, suite: &str, component: &str, keyring: &Path) -> Result<Archive> {
        let directory = format!("dists/{suite}");
        let mut failures = Vec::new();
        for root in mirrors.roots() {
            match get(&format!("{root}/{directory}/InRelease"), INDEX_LIMIT) {
                Ok(bytes) => {
                    let text = String::from_utf8(bytes).context("InRelease is not text")?;
                    let release = Release::parse(&verified(&text, keyring)?)?;
                    ensure!(release.codename == suite, "the mirror has '{}' there", release.codename);
                    let component = component.to_owned();
                    return Ok(Archive { root: root.clone(), component, directory, release });
                }
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        bail!("no mirror has the suite {suite}: {}", failures.join("; "))
    }

    /// Fetches, checks and unpacks an index of the component.
    fn index(&self, name: &str) -> Result<String> {
        let path = format!("{}/{name}", self.component);
        let expected = self.release.files.get(&path).ok_or_else(|| anyhow!("the release lists no {path}"))?;
        let by_hash = Path::new(&path).with_file_name(format!("by-hash/SHA256/{}", expected.sha256));
        // By hash first: it stays right while the mirror is being updated.
        let urls = [by_hash, PathBuf::from(&path)]
            .map(|path| format!("{}/{}/{}", self.root, self.directory, path.display()));
        let bytes = get(&urls[0], expected.size).or_else(|_| get(&urls[1], expected.size))?;
        let actual = hex(&Sha256::digest(&bytes));
        ensure!(
            actual == expected.sha256,
            "{}: SHA-256 is {actual}, the release says {}",
            urls[1],
            expected.sha256
        );
        let mut text = String::new();
        let unpacked =
            liblzma::read::XzDecoder::new(bytes.as_slice()).take(INDEX_LIMIT).read_to_string(&mut text);
        unpacked.with_context(|| format!("unpacking {}", urls[1]))?;
        Ok(text)
    }

    /// When the snapshot archive surely has the release: a day after its date.
    fn snapshot(&self) -> Result<String> {
        let date = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S UTC", &self.release.date)
            .and_then(|parsed| parsed.to_datetime())
            .with_context(|| format!("the release's date '{}'", self.release.date))?;
        let later = date.checked_add(jiff::Span::new().hours(24))?;
        Ok(later.strftime("%Y%m%dT%H%M%SZ").to_string())
    }
}

/// The signed text of an `InRelease` file, if one of the keys made a signature.
fn verified(text: &str, keyring: &Path) -> Result<String> {
    let (message, _) = CleartextSignedMessage::from_string(text).context("InRelease is not a signed text")?;
    let file = std::fs::read(keyring).with_context(|| {
        format!(
            "reading {}: install the package debian-archive-keyring, or give --keyring FILE",
            keyring.display()
        )
    })?;
    for key in SignedPublicKey::from_bytes_many(file.as_slice())? {
        let key = key.with_context(|| format!("a key of {}", keyring.display()))?;
        // The keys of the file are trusted. Subkeys must be bound to theirs; what others have
        // certified, with keys that are not here, is not looked at.
        let bound = key.public_subkeys.iter().filter(|sub| sub.verify_bindings(&key.primary_key).is_ok());
        if bound.map(|subkey| message.verify(&subkey.key)).any(|verified| verified.is_ok())
            || message.verify(&key.primary_key).is_ok()
        {
            return Ok(message.signed_text());
        }
    }
    bail!("no key of {} signed the mirror's InRelease file", keyring.display())
}

fn get(url: &str, limit: u64) -> Result<Vec<u8>> {
    if let Some(path) = url.strip_prefix("file://") {
        return std::fs::read(path).with_context(|| url.to_owned());
    }
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_body(Some(Duration::from_secs(600)))
        .build()
        .into();
    let mut response = agent.get(url).call().with_context(|| url.to_owned())?;
    response
        .body_mut()
        .with_config()
        .limit(limit.saturating_add(1))
        .read_to_vec()
        .with_context(|| url.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names and texts of the machine's APT sources, in the order APT reads them.
fn apt_sources() -> Vec<(String, String)> {
    let mut paths = vec![PathBuf::from("/etc/apt/sources.list")];
    let mut parts: Vec<PathBuf> = std::fs::read_dir("/etc/apt/sources.list.d")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    parts.sort();
    paths.extend(parts);
    let read = |path: PathBuf| Some((path.to_str()?.to_owned(), std::fs::read_to_string(&path).ok()?));
    paths.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        assert!(matches("*-cross", "libc6-riscv64-cross"));
        assert!(matches("gcc-*-base", "gcc-12-base"));
        assert!(!matches("*-cross", "libc6-cross-dev"));
        assert!(matches("x", "x") && !matches("x", "xy"));
    }
}
