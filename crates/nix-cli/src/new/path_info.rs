//! `nix path-info`: what a store knows of paths.

use super::info::{content_address_json, goals, human_size, paths, print_json};
use crate::arguments::{Arguments, Word};
use crate::installable::InstallableOptions;
use crate::options::Options;
use crate::store::{failed, invalid};
use saltire_driver::{Error, Known, OtherStore, StorePath};
use saltire_store::Store;
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::process::ExitCode;

/// Text of `nix path-info --help`.
pub const HELP: &str = "\
Usage: nix path-info [-r] [-s] [-S] [-h] [--sigs] [--json] [--derivation] INSTALLABLE…

Prints store paths, and with -s their sizes, with -S those of their closures, with --sigs
who vouches for them.

      --all              all paths of the store
      --store STORE      what another store knows: a binary cache, ssh-ng://[USER@]HOST, …
  -r, --recursive        also what they need
  -h, --human-readable   sizes with units
      --json             all that is known, as JSON
      --json-format N    in the form that has this number: 1, 2 or 3
      --derivation       of the derivations, not of what they make
";
/// What is to be printed.
#[derive(Default)]
struct Request {
    all: bool,
    recursive: bool,
    derivation: bool,
    size: bool,
    closure_size: bool,
    human: bool,
    signatures: bool,
    json: bool,
    format: Option<Format>,
}

impl Request {
    fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        let flag = match word {
            Word::Short('r') => &mut self.recursive,
            Word::Short('s') => &mut self.size,
            Word::Short('S') => &mut self.closure_size,
            Word::Short('h') => &mut self.human,
            Word::Long(name) => match name.as_str() {
                "all" => &mut self.all,
                "recursive" => &mut self.recursive,
                "size" => &mut self.size,
                "closure-size" => &mut self.closure_size,
                "human-readable" => &mut self.human,
                "sigs" => &mut self.signatures,
                "json" => &mut self.json,
                "derivation" => &mut self.derivation,
                "json-format" => {
                    self.format = Some(Format::parse(&words.value(word)?)?);
                    return Ok(true);
                }
                _ => return Ok(false),
            },
            _ => return Ok(false),
        };
        *flag = true;
        Ok(true)
    }
}

/// The forms of JSON.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Format {
    /// Paths with their directory, content addresses as text.
    #[default]
    One = 1,
    /// Names of paths, content addresses as objects, all in an object with the version.
    Two,
    /// Signatures as objects, too.
    Three,
}

impl Format {
    fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            "3" => Ok(Self::Three),
            _ => Err(Failure::new(format_args!(
                "unsupported path info JSON format version {text}; supported versions are 1, 2 and 3"
            ))),
        }
    }

    fn path(self, store: &Store, path: &StorePath) -> String {
        match self {
            Self::One => store.display(path),
            _ => path.base_name().to_owned(),
        }
    }

    fn content_address(self, address: &saltire_store_model::ContentAddress) -> Json {
        match self {
            Self::One => json!(address.to_string()),
            _ => content_address_json(address),
        }
    }

    fn signature(self, signature: &str) -> Json {
        match (self, signature.split_once(':')) {
            (Self::Three, Some((name, signature))) => json!({ "keyName": name, "sig": signature }),
            _ => json!(signature),
        }
    }

    /// What is known of one path.
    fn info(self, store: &Store, known: &Known) -> Map<String, Json> {
        let info = known.info();
        let references: Vec<String> = info.references.iter().map(|path| self.path(store, path)).collect();
        let signatures: Vec<Json> = info.signatures.iter().map(|text| self.signature(text)).collect();
        let mut object = Map::new();
        let mut insert = |name: &str, value: Json| object.insert(name.to_owned(), value);
        insert("ca", json!(info.content_address.as_ref().map(|address| self.content_address(address))));
        insert("deriver", json!(info.deriver.as_ref().map(|path| self.path(store, path))));
        insert("narHash", json!(info.nar_hash.to_sri()));
        insert("narSize", json!(info.nar_size));
        insert("references", json!(references));
        insert("registrationTime", json!(Some(info.registration_time).filter(|time| *time != 0)));
        insert("signatures", json!(signatures));
        insert("storeDir", json!(store.store_dir().as_str()));
        insert("ultimate", json!(info.ultimate));
        insert("version", json!(self as u8));
        if let Known::Cache(file) = known {
            insert("url", json!(file.url));
            insert("compression", json!(file.compression));
            if let Some(hash) = &file.file_hash {
                insert("downloadHash", json!(hash.to_sri()));
            }
            if let Some(size) = file.file_size {
                insert("downloadSize", json!(size));
            }
        }
        object
    }

    /// All of them.
    fn all(self, store: &Store, mut infos: Map<String, Json>) -> Json {
        infos.sort_keys();
        match self {
            Self::One => Json::Object(infos),
            _ => json!({ "info": infos, "storeDir": store.store_dir().as_str(), "version": self as u8 }),
        }
    }
}

/// Runs `nix path-info`.
pub fn path_info(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::default();
    let mut request = Request::default();
    while let Some(word) = words.next()? {
        if !request.take(&word, &mut words)?
            && !installables.take(&word, &mut words)?
            && !options.take(&word, &mut words)?
        {
            return Err(words.unknown(&word));
        }
    }
    // An installable may need an impure file, which is known only now.
    options.impure |= installables.has_file();
    let (opened, other) = super::copy::open(&mut options)?;
    let store = opened.session.store();
    let paths = match request.all {
        true => other.all().map_err(Error::from)?,
        false => {
            let goals = goals(&opened, &installables, &mut options)?;
            paths(&opened.session, &goals, request.derivation)?
        }
    };
    match request.json {
        true => print_json(&all_as_json(&request, &other, store, paths)?)?,
        false => print(&lines(&request, &other, store, &paths)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The paths as JSON; null for those that are not in the store.
fn all_as_json(
    request: &Request,
    from: &OtherStore,
    store: &Store,
    paths: Vec<StorePath>,
) -> Result<Json, Failure> {
    let format = request.format.unwrap_or_else(|| {
        eprintln!("warning: '--json' without '--json-format' is deprecated; please specify '--json-format 1' or '--json-format 2'. This will become an error in a future release.");
        Format::default()
    });
    let (paths, missing) = match request.recursive {
        false => split_valid(from, paths)?,
        true => (paths, Vec::new()),
    };
    let mut all: Map<String, Json> =
        missing.iter().map(|path| (format.path(store, path), Json::Null)).collect();
    for known in known(from, store, &paths, request.recursive)? {
        let mut object = format.info(store, &known);
        let path = &known.info().path;
        if request.closure_size {
            let closure = closure(from, path)?;
            object.insert("closureSize".into(), json!(total(&closure)));
            if matches!(known, Known::Cache(_)) {
                let sizes = closure.iter().map(Known::download_size);
                object.insert("closureDownloadSize".into(), json!(sizes.sum::<u64>()));
            }
        }
        object.sort_keys();
        all.insert(format.path(store, path), Json::Object(object));
    }
    Ok(format.all(store, all))
}

/// A line for each path.
fn lines(
    request: &Request,
    from: &OtherStore,
    store: &Store,
    paths: &[StorePath],
) -> Result<String, Failure> {
    let infos = known(from, store, paths, request.recursive)?;
    let longest = infos.iter().map(|known| store.display(&known.info().path).len()).max().unwrap_or(0);
    let shows_more = request.size || request.closure_size || request.signatures;
    let mut output = String::new();
    for info in infos.iter().map(Known::info) {
        let shown = store.display(&info.path);
        output += &if shows_more { format!("{shown:longest$}") } else { shown };
        let mut sizes = Vec::new();
        sizes.extend(request.size.then_some(info.nar_size));
        if request.closure_size {
            sizes.push(total(&closure(from, &info.path)?));
        }
        for number in sizes {
            output += &match request.human {
                true => format!("\t{:>10}", human_size(number)),
                false => format!("\t{number:>11}"),
            };
        }
        if request.signatures {
            output.push('\t');
            let ultimate = info.ultimate.then(|| "ultimate".to_owned());
            let address = info.content_address.as_ref().map(|address| format!("ca:{address}"));
            let all = ultimate.into_iter().chain(address).chain(info.signatures.iter().cloned());
            output += &all.collect::<Vec<_>>().join(" ");
        }
        output.push('\n');
    }
    Ok(output)
}

/// Those paths that are in a store, and those that are not.
fn split_valid(
    store: &OtherStore,
    paths: Vec<StorePath>,
) -> Result<(Vec<StorePath>, Vec<StorePath>), Failure> {
    let (mut valid, mut missing) = (Vec::new(), Vec::new());
    for path in paths {
        let known = match store {
            OtherStore::Local(store) => store.is_valid(&path).map_err(failed)?,
            other => other.info(&path).map_err(Error::from)?.is_some(),
        };
        if known { valid.push(path) } else { missing.push(path) }
    }
    Ok((valid, missing))
}

/// A path and all that it needs.
fn closure(store: &OtherStore, path: &StorePath) -> Result<Vec<Known>, Failure> {
    Ok(store.closure(std::slice::from_ref(path), &|_| Ok(false)).map_err(Error::from)?)
}

fn total(closure: &[Known]) -> u64 {
    closure.iter().map(|known| known.info().nar_size).sum()
}

/// What a store knows of paths and, if `recursive`, of what they need.
fn known(
    from: &OtherStore,
    here: &Store,
    paths: &[StorePath],
    recursive: bool,
) -> Result<Vec<Known>, Failure> {
    if let OtherStore::Local(store) = from {
        let paths = match recursive {
            true => {
                store.sort_references_first(&store.query_closure(paths).map_err(failed)?).map_err(failed)?
            }
            false => paths.to_vec(),
        };
        let info = |path: &StorePath| {
            let info = store.query_path_info(path).map_err(failed)?.ok_or_else(|| invalid(store, path))?;
            Ok(Known::Local(Box::new(info)))
        };
        return paths.iter().map(info).collect();
    }
    if recursive {
        return Ok(from.closure(paths, &|_| Ok(false)).map_err(Error::from)?);
    }
    let info = |path: &StorePath| from.info(path).map_err(Error::from)?.ok_or_else(|| invalid(here, path));
    paths.iter().map(info).collect()
}
