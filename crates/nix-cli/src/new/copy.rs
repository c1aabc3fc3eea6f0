//! Copying between stores, and what signatures say: `nix copy`, `nix store copy-sigs`,
//! `info`, `sign`, `verify`.

use super::build::build_goals;
use super::info::{paths, set};
use crate::arguments::{Arguments, Word, text};
use crate::installable::{Goal, InstallableOptions};
use crate::options::{Opened, Options};
use saltire_driver::{CopyError, CopyOptions, Error, Known, OtherStore, Session, StorePath};
use saltire_store_model::{HashAlgorithm, Hasher, PublicKeys};
use saltire_terminal::{Failure, print};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write as _};
use std::process::ExitCode;

/// Text of `nix copy --help`.
pub const COPY_HELP: &str = "\
Usage: nix copy [--from STORE] [--to STORE] INSTALLABLE…

Copies what installables make, with all that it needs, from one store to another. A
STORE is file:///DIRECTORY, http(s)://…, ssh-ng://[USER@]HOST, ssh://…, a directory that
holds nix/store, or 'local'.

      --from STORE       copy from there (default: this store)
      --to STORE         copy to there (default: this store)
      --all              all paths of the store
      --no-recursive     not what the paths need
      --derivation       the derivations, not what they make
  -s, --substitute-on-destination  have the other machine ask its binary caches first
      --no-check-sigs    take paths that nobody trusted has signed
";
/// Text of `nix store copy-sigs --help`.
pub const COPY_SIGS_HELP: &str = "\
Usage: nix store copy-sigs -s STORE INSTALLABLE…

Adds the signatures that another store has for paths.
";
/// Text of `nix store sign --help`.
pub const SIGN_HELP: &str = "\
Usage: nix store sign -k FILE [-r] INSTALLABLE…

Signs store paths with the secret key in a file ('nix key generate-secret').
";
/// Text of `nix store verify --help`.
pub const VERIFY_HELP: &str = "\
Usage: nix store verify [OPTION]… (--all | INSTALLABLE…)

Checks that store paths are what was registered, and that somebody trusted vouches
for them. The exit code is the sum of 1 (contents differ), 2 (not trusted) and 4
(can't be checked).

  -r, --recursive        also what they need
  -n, --sigs-needed N    so many signatures by trusted keys
  -s, --substituter STORE  signatures of this store count as well
      --no-contents      don't look at contents
      --no-trust         don't look at signatures
";
/// Text of `nix store info --help`.
pub const INFO_HELP: &str = "Usage: nix store info [--store STORE] [--json]\n\nSays what a store is.\n";

/// What the commands here are given.
#[derive(Default)]
struct Request {
    installables: InstallableOptions,
    from: Option<String>,
    to: Option<String>,
    substituters: Vec<String>,
    key_file: Option<String>,
    signatures_needed: usize,
    all: bool,
    recursive: bool,
    derivation: bool,
    check_signatures: bool,
    contents: bool,
    trust: bool,
    json: bool,
    /// `--substitute-on-destination`
    substitute: bool,
    /// Whether this is `nix copy`, whose `-s` is another.
    is_copy: bool,
}

impl Request {
    fn parse(words: &mut Arguments, options: &mut Options, recursive: bool) -> Result<Self, Failure> {
        Self::default().parse_into(words, options, recursive)
    }

    fn parse_into(
        self,
        words: &mut Arguments,
        options: &mut Options,
        recursive: bool,
    ) -> Result<Self, Failure> {
        let mut request = Self { recursive, check_signatures: true, contents: true, trust: true, ..self };
        while let Some(word) = words.next()? {
            if !request.take(&word, words)? && !options.take(&word, words)? {
                return Err(words.unknown(&word));
            }
        }
        options.impure |= request.installables.has_file();
        Ok(request)
    }

    fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        match word {
            Word::Short('r') => self.recursive = true,
            Word::Short('k') => self.key_file = Some(words.value(word)?),
            Word::Short('s') if self.is_copy => self.substitute = true,
            Word::Short('s') => self.substituters.push(words.value(word)?),
            Word::Short('n') => self.signatures_needed = number(&words.value(word)?)?,
            Word::Long(name) => match name.as_str() {
                "from" => self.from = Some(words.value(word)?),
                "to" => self.to = Some(words.value(word)?),
                "substituter" => self.substituters.push(words.value(word)?),
                "key-file" => self.key_file = Some(words.value(word)?),
                "sigs-needed" => self.signatures_needed = number(&words.value(word)?)?,
                "all" => return Ok(set(&mut self.all)),
                "recursive" => self.recursive = true,
                "no-recursive" => self.recursive = false,
                "derivation" => self.derivation = true,
                "no-check-sigs" => self.check_signatures = false,
                "no-contents" => self.contents = false,
                "no-trust" => self.trust = false,
                "json" => self.json = true,
                "substitute-on-destination" => self.substitute = true,
                _ => return self.installables.take(word, words),
            },
            _ => return self.installables.take(word, words),
        }
        Ok(true)
    }

    /// The store paths that are meant, of a store.
    fn paths(
        &self,
        opened: &Opened,
        options: &mut Options,
        store: &OtherStore,
        build: bool,
    ) -> Result<Vec<StorePath>, Failure> {
        if self.all {
            return Ok(store.all().map_err(Error::from)?);
        }
        let mut goals = Vec::new();
        let default = matches!(store, OtherStore::Local(_)).then_some(".");
        for installable in self.installables.all(options, default)? {
            goals.extend(installable.goals(&opened.session, options)?);
        }
        let built = |goal: &Goal| matches!(goal, Goal::Built(_));
        if build && !self.derivation && goals.iter().any(built) {
            let goals: Vec<Goal> = goals.iter().filter(|goal| built(goal)).cloned().collect();
            build_goals(&opened.session, &opened.progress, &goals)?;
        }
        let found = paths(&opened.session, &goals, self.derivation)?;
        match self.recursive && !build {
            true => {
                let closure = store.closure(&found, &|_| Ok(false)).map_err(Error::from)?;
                Ok(closure.iter().map(|known| known.info().path.clone()).collect())
            }
            false => Ok(found),
        }
    }
}

fn number(text: &str) -> Result<usize, Failure> {
    text.parse().map_err(|_| Failure::new(format_args!("'{text}' is not a number")))
}

fn failed(error: CopyError) -> Failure {
    Failure::from(Error::from(error))
}

impl Options {
    /// The address of a store that is no store of this machine (`--store file://…`),
    /// which the session then does not have for its own.
    pub fn take_other_store(&mut self) -> Result<Option<String>, Failure> {
        let store = self.config.text("store").to_owned();
        let is_other = store.contains("://") && !store.starts_with("local://");
        if is_other {
            self.set("store", "auto")?;
        }
        Ok(is_other.then_some(store))
    }
}

/// The session, and the store that a command is about.
pub(crate) fn open(options: &mut Options) -> Result<(Opened, OtherStore), Failure> {
    let other = options.take_other_store()?;
    let opened = options.open()?;
    let store = OtherStore::open(other.as_deref().unwrap_or("auto"), &opened.session).map_err(failed)?;
    Ok((opened, store))
}

/// Runs `nix copy`.
pub fn copy(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request { is_copy: true, ..Request::default() };
    let request = request.parse_into(&mut words, &mut options, true)?;
    if request.from.is_none() && request.to.is_none() {
        return Err(Failure::new("you must pass '--from' and/or '--to'"));
    }
    let (opened, here) = open(&mut options)?;
    let session = &opened.session;
    let store = |text: &Option<String>| match text {
        Some(text) => OtherStore::open(text, session).map_err(failed),
        None => OtherStore::open("auto", session).map_err(failed),
    };
    let from = if request.from.is_none() { here } else { store(&request.from)? };
    let to = store(&request.to)?;
    let paths = request.paths(&opened, &mut options, &from, request.from.is_none())?;
    let keys = trusted(session, request.check_signatures)?;
    let how = Copying {
        keys: keys.as_ref(),
        is_from: request.from.is_some(),
        recursive: request.recursive,
        substitute: request.substitute,
    };
    how.copy(session, &from, &to, &paths)?;
    opened.progress.finish();
    Ok(ExitCode::SUCCESS)
}

/// Copies paths with all that they need from the session's store to another one.
pub(crate) fn send(session: &Session, to: &str, paths: &[StorePath], check: bool) -> Result<(), Failure> {
    let open = |address: &str| OtherStore::open(address, session).map_err(failed);
    let keys = trusted(session, check)?;
    let how = Copying { keys: keys.as_ref(), is_from: false, recursive: true, substitute: false };
    how.copy(session, &open("auto")?, &open(to)?, paths)
}

/// How paths are copied for a user who looks on.
struct Copying<'a> {
    keys: Option<&'a PublicKeys>,
    /// Whether the user named where they come from.
    is_from: bool,
    recursive: bool,
    substitute: bool,
}

impl Copying<'_> {
    fn copy(
        &self,
        session: &Session,
        from: &OtherStore,
        to: &OtherStore,
        paths: &[StorePath],
    ) -> Result<(), Failure> {
        let (source, target) = (from.name(), to.name());
        let store_dir = session.store().store_dir();
        let before = |path: &StorePath| {
            let path = store_dir.display(path);
            let (word, place) = if self.is_from { ("from", &source) } else { ("to", &target) };
            eprintln!("copying path '{path}' {word} '{place}'...");
        };
        let options = CopyOptions { keys: self.keys, before: &before, substitute: self.substitute };
        from.copy_to(to, paths, !self.recursive, &options).map_err(failed)?;
        Ok(())
    }
}

/// Text of `nix-copy-closure --help`.
pub const CLOSURE_HELP: &str = "\
Usage: nix-copy-closure [--to|--from] [OPTION]… [USER@]HOST PATH…

Copies store paths with all that they need to or from another machine, over ssh.

      --gzip                 let ssh compress
      --include-outputs      of derivations, also what they made
  -s, --use-substitutes      have the other machine ask its binary caches first
";

/// Runs `nix-copy-closure`.
pub fn closure(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let (mut is_from, mut compress, mut outputs, mut substitute) = (false, false, false, false);
    let mut operands = Vec::new();
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('s') => substitute = true,
            Word::Plain(operand) => operands.push(text(operand.clone())?),
            Word::Long(name) => match name.as_str() {
                "to" => is_from = false,
                "from" => is_from = true,
                "gzip" | "bzip2" | "xz" => compress = true,
                "include-outputs" => outputs = true,
                "use-substitutes" => substitute = true,
                "sign" | "show-progress" => {}
                _ if options.take(&word, &mut words)? => {}
                _ => return Err(words.unknown(&word)),
            },
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    if operands.is_empty() {
        return Err(Failure::new("no host name specified").hint("'nix-copy-closure --help' says more"));
    }
    let host = operands.remove(0);
    let opened = options.open()?;
    let session = &opened.session;
    let address = format!("ssh://{host}{}", if compress { "?compress=true" } else { "" });
    let there = OtherStore::open(&address, session).map_err(failed)?;
    let here = OtherStore::open("auto", session).map_err(failed)?;
    let mut paths = Vec::new();
    for operand in &operands {
        let path = crate::store::parse_path(session, operand)?;
        if outputs && path.is_derivation() && !is_from {
            let made = session.store().query_derivation_outputs(&path).map_err(Error::from)?;
            paths.extend(made.into_values());
        }
        paths.push(path);
    }
    // As with Nix, whoever reaches the machine by ssh is trusted.
    let how = Copying { keys: None, is_from, recursive: true, substitute };
    let (from, to) = if is_from { (&there, &here) } else { (&here, &there) };
    how.copy(session, from, to, &paths)?;
    opened.progress.finish();
    Ok(ExitCode::SUCCESS)
}

/// The keys that count; nothing if signatures don't matter.
fn trusted(session: &Session, check: bool) -> Result<Option<PublicKeys>, Failure> {
    match check && session.settings.caches.require_signatures {
        true => Ok(Some(session.trusted_keys().map_err(failed)?)),
        false => Ok(None),
    }
}

/// Runs `nix store copy-sigs`.
pub fn copy_signatures(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, false)?;
    if request.substituters.is_empty() {
        return Err(Failure::new("you must specify at least one substituter using '-s'"));
    }
    let (opened, store) = open(&mut options)?;
    let mut added = 0;
    for path in request.paths(&opened, &mut options, &store, false)? {
        let known = known(&store, &opened.session, &path)?;
        let mut all = known.info().signatures.clone();
        for other in &request.substituters {
            let other = OtherStore::open(other, &opened.session).map_err(failed)?;
            let same = |info: &&saltire_store_model::PathInfo| {
                let (other, own) = (info, known.info());
                other.nar_hash == own.nar_hash && other.references == own.references
            };
            let found = other.info(&path).map_err(failed)?;
            all.extend(found.iter().map(Known::info).filter(same).flat_map(|info| info.signatures.clone()));
        }
        added += add_signatures(&store, &known, all)?;
    }
    eprintln!("imported {added} signatures");
    Ok(ExitCode::SUCCESS)
}

fn known(store: &OtherStore, session: &Session, path: &StorePath) -> Result<Known, Failure> {
    let missing = || Failure::new(format_args!("path '{}' is not valid", session.store().display(path)));
    store.info(path).map_err(failed)?.ok_or_else(missing)
}

/// Sets signatures; how many are new.
fn add_signatures(store: &OtherStore, known: &Known, all: BTreeSet<String>) -> Result<usize, Failure> {
    let added = all.len() - known.info().signatures.len();
    match (store, known) {
        _ if added == 0 => {}
        (OtherStore::Local(store), _) => {
            store.set_signatures(&known.info().path, &all).map_err(crate::store::failed)?;
        }
        (OtherStore::Cache(cache), Known::Cache(info)) => {
            let mut info = info.as_ref().clone();
            info.info.signatures = all;
            cache.put_info(&info).map_err(failed)?;
        }
        (OtherStore::Ssh(store), known) => {
            store.add_signatures(&known.info().path, &all).map_err(failed)?;
        }
        (OtherStore::Cache(_), Known::Local(_)) => {}
    }
    Ok(added)
}

/// Runs `nix store sign`.
pub fn sign(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, false)?;
    let Some(file) = &request.key_file else {
        return Err(Failure::new("required argument '--key-file' is missing"));
    };
    let key = saltire_driver::read_key(file.as_ref()).map_err(failed)?;
    let (opened, store) = open(&mut options)?;
    let mut added = 0;
    for path in request.paths(&opened, &mut options, &store, false)? {
        let known = known(&store, &opened.session, &path)?;
        let mut info = known.info().clone();
        key.sign_path(&mut info, opened.session.store().store_dir());
        added += add_signatures(&store, &known, info.signatures)?;
    }
    eprintln!("added {added} signatures");
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix store verify`.
pub fn verify(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, false)?;
    let (opened, store) = open(&mut options)?;
    let session = &opened.session;
    let keys = session.trusted_keys().map_err(failed)?;
    let others = request.substituters.iter().map(|other| OtherStore::open(other, session));
    let others = others.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let [mut corrupted, mut untrusted, mut failures] = [0u8; 3];
    for path in request.paths(&opened, &mut options, &store, false)? {
        let shown = session.store().display(&path);
        eprintln!("checking '{shown}'...");
        let known = match store.info(&path) {
            Ok(Some(known)) => known,
            Ok(None) => {
                eprintln!("error: path '{shown}' is not valid");
                failures = 4;
                continue;
            }
            Err(error) => {
                eprintln!("error: {error}");
                failures = 4;
                continue;
            }
        };
        if request.contents {
            match store.with_nar(&known, |reader| Ok(hash(reader))) {
                Ok(Ok(got)) if got == known.info().nar_hash => {}
                Ok(Ok(got)) => {
                    let expected = known.info().nar_hash.to_sri();
                    eprintln!(
                        "path '{shown}' was modified! expected hash '{expected}', got '{}'",
                        got.to_sri()
                    );
                    corrupted = 1;
                }
                Ok(Err(error)) => {
                    eprintln!("error: can't read '{shown}': {error}");
                    failures = 4;
                }
                Err(error) => {
                    eprintln!("error: {error}");
                    failures = 4;
                }
            }
        }
        if request.trust && !is_trusted(session, &known, &others, &keys, request.signatures_needed)? {
            eprintln!("path '{shown}' is untrusted");
            untrusted = 2;
        }
    }
    Ok(ExitCode::from(corrupted + untrusted + failures))
}

fn hash(reader: &mut dyn Read) -> std::io::Result<saltire_store_model::Hash> {
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn is_trusted(
    session: &Session,
    known: &Known,
    others: &[OtherStore],
    keys: &PublicKeys,
    needed: usize,
) -> Result<bool, Failure> {
    let store_dir = session.store().store_dir();
    let mut info = known.info().clone();
    if info.ultimate && needed == 0 {
        return Ok(true);
    }
    if info.has_right_content_address(store_dir).map_err(Failure::new)? == Some(true) {
        return Ok(true);
    }
    for other in others {
        if let Some(found) = other.info(&info.path).map_err(failed)? {
            info.signatures.extend(found.info().signatures.iter().cloned());
        }
    }
    Ok(keys.count_valid(&info, store_dir) >= needed.max(1))
}

/// Runs `nix store info` and `nix store ping`.
pub fn info(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, false)?;
    let (_opened, store) = open(&mut options)?;
    let name = store.name();
    let (version, trusted) = match &store {
        OtherStore::Local(_) => (Some(saltire_eval::NIX_VERSION.to_owned()), Some(true)),
        OtherStore::Cache(cache) => (None, Some(cache.is_local())),
        OtherStore::Ssh(store) => (store.version(), store.trusts_us()),
    };
    if request.json {
        let mut object = json!({ "url": name });
        if let (Some(trusted), Some(object)) = (trusted, object.as_object_mut()) {
            object.insert("trusted".into(), json!(trusted));
        }
        if let (Some(version), Some(object)) = (version, object.as_object_mut()) {
            object.insert("version".into(), json!(version));
        }
        object.sort_all_objects();
        print(&format!("{object}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let version = version.map(|version| format!("Version: {version}\n")).unwrap_or_default();
    let trusted = trusted.map(|trusted| format!("Trusted: {}\n", u8::from(trusted))).unwrap_or_default();
    eprint!("Store URL: {name}\n{version}{trusted}");
    Ok(ExitCode::SUCCESS)
}

/// Text of `nix key … --help`.
pub const KEY_HELP: &str = "\
Usage: nix key generate-secret --key-name NAME
       nix key convert-secret-to-public

Makes a secret key that signs store paths; turns one on standard input into the public
key for 'trusted-public-keys'.
";

/// Runs `nix key generate-secret`.
pub fn generate_key(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut name = None;
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(option) if option == "key-name" => name = Some(words.value(&word)?),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let name = name.ok_or_else(|| Failure::new("required argument '--key-name' is missing"))?;
    print(&new_key(&name)?.to_text())?;
    Ok(ExitCode::SUCCESS)
}

/// A new secret key.
pub fn new_key(name: &str) -> Result<saltire_store_model::SecretKey, Failure> {
    if name.is_empty() || name.contains([':', '\n']) {
        return Err(Failure::new(format_args!("'{name}' is no name for a key: it may hold no colon")));
    }
    let mut seed = [0; 32];
    let random = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut seed));
    random.map_err(|error| Failure::new(format_args!("can't read random bytes: {error}")))?;
    Ok(saltire_store_model::SecretKey::from_seed(name, &seed))
}

/// Runs `nix key convert-secret-to-public`.
pub fn convert_key(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    while let Some(word) = words.next()? {
        match &word {
            Word::Plain(operand) => {
                let operand = text(operand.clone())?;
                return Err(Failure::new(format_args!("unexpected argument '{operand}'")));
            }
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let mut key = String::new();
    let read = std::io::stdin().read_to_string(&mut key);
    read.map_err(|error| Failure::new(format_args!("can't read standard input: {error}")))?;
    let key = saltire_store_model::SecretKey::parse(&key).map_err(Failure::new)?;
    print(&key.public_key().to_text())?;
    std::io::stdout().flush().map_err(Failure::new)?;
    Ok(ExitCode::SUCCESS)
}
