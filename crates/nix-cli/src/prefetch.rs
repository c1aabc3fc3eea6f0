//! `nix-prefetch-url` and `nix store prefetch-file`: download a file to the store and print its hash.

use crate::arguments::{Arguments, Word, text};
use crate::options::{Opened, Options};
use saltire_driver::{Error, FlakeRef, Session};
use saltire_store::AddedTree;
use saltire_store_model::nar::keep_all;
use saltire_store_model::{Hash, HashAlgorithm, HashFormat, Ingestion};
use saltire_terminal::{Failure, Progress, print};
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-prefetch-url [OPTION]… URL [HASH]

Downloads a file to the store and prints its hash.

      --type ALGORITHM   md5, sha1, sha256 (the default) or sha512
      --print-path       also print the store path
      --unpack           unpack an archive; the hash is that of the NAR
      --name NAME        the name in the store
";

#[derive(Default)]
struct Request {
    algorithm: Option<HashAlgorithm>,
    print_path: bool,
    unpack: bool,
    executable: bool,
    name: Option<String>,
    operands: Vec<String>,
}

impl Request {
    fn algorithm(&self) -> HashAlgorithm {
        self.algorithm.unwrap_or(HashAlgorithm::Sha256)
    }

    /// Downloads a file to the store.
    fn fetch(
        &self,
        session: &Session,
        progress: &Progress,
        url: &str,
        expected: Option<Hash>,
    ) -> Result<AddedTree, Failure> {
        let scheme = if self.unpack { "tarball" } else { "file" };
        let reference = FlakeRef::parse_input(&format!("{scheme}+{url}"), false).map_err(Failure::new)?;
        let stored = session.inputs().fetch(&reference.input).map_err(Failure::new)?;
        progress.finish();
        let last = url.rsplit('/').next().unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
        let name = self.name.clone().unwrap_or_else(|| last.to_owned());
        let store = session.store();
        let file = store.physical_path(&stored.path);
        let added = if self.unpack {
            store.add_tree(&name, &file, self.algorithm(), &mut keep_all)
        } else {
            let content = std::fs::read(&file)
                .map_err(|error| Failure::new(format_args!("can't read {}: {error}", file.display())))?;
            let ingestion = if self.executable { Ingestion::Nar } else { Ingestion::Flat };
            store.add_file(&name, &content, self.executable, ingestion, self.algorithm())
        };
        let added = added.map_err(Error::from)?;
        let hash = added.content_address.hash;
        if expected.is_some_and(|expected| expected != hash) {
            return Err(Failure::new(format_args!("hash mismatch for '{url}': it has {}", hash.to_sri())));
        }
        Ok(added)
    }
}

/// Text of `nix store prefetch-file --help`.
pub const FILE_HELP: &str = "\
Usage: nix store prefetch-file [OPTION]… URL

Downloads a file to the store and says its hash.

      --expected-hash HASH  an error if it has another one
      --hash-type ALGORITHM md5, sha1, sha256 (the default) or sha512
      --executable          make it executable; the hash is that of the NAR
      --unpack              unpack an archive; the hash is that of the NAR
      --name NAME           the name in the store
      --json                print path and hash as JSON
";

/// Runs `nix store prefetch-file`.
pub fn store_prefetch_file(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request::default();
    let (mut json, mut expected) = (false, None);
    while let Some(word) = words.next()? {
        match &word {
            Word::Plain(operand) => request.operands.push(text(operand.clone())?),
            Word::Long(name) => match name.as_str() {
                "hash-type" => {
                    let name = words.value(&word)?;
                    request.algorithm = Some(HashAlgorithm::from_name(&name).map_err(Failure::new)?);
                }
                "expected-hash" => expected = Some(words.value(&word)?),
                "executable" => request.executable = true,
                "unpack" => request.unpack = true,
                "name" => request.name = Some(words.value(&word)?),
                "json" => json = true,
                _ if options.take(&word, &mut words)? => {}
                _ => return Err(words.unknown(&word)),
            },
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let [url] = request.operands.as_slice() else { return Err(Failure::new("one URL is needed")) };
    let expected = expected.map(|hash| Hash::parse(&hash, Some(request.algorithm())));
    let expected = expected.transpose().map_err(Failure::new)?;
    let Opened { session, progress } = options.open()?;
    let added = request.fetch(&session, &progress, url, expected)?;
    let (path, hash) = (session.store().display(&added.path), added.content_address.hash.to_sri());
    match json {
        true => print(&format!("{}\n", serde_json::json!({ "hash": hash, "storePath": path })))?,
        false => eprintln!("Downloaded '{url}' to '{path}' (hash '{hash}')."),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix-prefetch-url`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Plain(operand) => request.operands.push(text(operand.clone())?),
            Word::Long(name) => match name.as_str() {
                "type" => {
                    let name = words.value(&word)?;
                    request.algorithm = Some(HashAlgorithm::from_name(&name).map_err(Failure::new)?);
                }
                "print-path" => request.print_path = true,
                "unpack" => request.unpack = true,
                "name" => request.name = Some(words.value(&word)?),
                _ if options.take(&word, &mut words)? => {}
                _ => return Err(words.unknown(&word)),
            },
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let (url, expected) = match request.operands.as_slice() {
        [url] => (url, None),
        [url, hash] => (url, Some(hash)),
        _ => return Err(Failure::new("you must specify a URL")),
    };
    let algorithm = request.algorithm();
    let expected =
        expected.map(|hash| Hash::parse(hash, Some(algorithm))).transpose().map_err(Failure::new)?;
    let Opened { session, progress } = options.open()?;
    let added = request.fetch(&session, &progress, url, expected)?;
    let (store, hash) = (session.store(), added.content_address.hash);
    let format = if algorithm == HashAlgorithm::Md5 { HashFormat::Base16 } else { HashFormat::NixBase32 };
    let mut output = format!("{}\n", hash.to_text(format, false));
    if request.print_path {
        output += &format!("{}\n", store.display(&added.path));
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}
