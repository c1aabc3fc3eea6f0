//! `nix-prefetch-url`: downloads a file to the store and prints its hash.

use crate::arguments::{Arguments, Word, text};
use crate::options::{Opened, Options};
use saltire_driver::{Error, FlakeRef};
use saltire_store_model::nar::keep_all;
use saltire_store_model::{Hash, HashAlgorithm, HashFormat, Ingestion};
use saltire_terminal::{Failure, print};
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
    name: Option<String>,
    operands: Vec<String>,
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
    let algorithm = request.algorithm.unwrap_or(HashAlgorithm::Sha256);
    let expected =
        expected.map(|hash| Hash::parse(hash, Some(algorithm))).transpose().map_err(Failure::new)?;
    let Opened { session, progress } = options.open()?;
    let scheme = if request.unpack { "tarball" } else { "file" };
    let reference = FlakeRef::parse_input(&format!("{scheme}+{url}"), false).map_err(Failure::new)?;
    let stored = session.inputs().fetch(&reference.input).map_err(Failure::new)?;
    progress.finish();
    let last = url.rsplit('/').next().unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let name = request.name.clone().unwrap_or_else(|| last.to_owned());
    let store = session.store();
    let file = store.physical_path(&stored.path);
    let added = if request.unpack {
        store.add_tree(&name, &file, algorithm, &mut keep_all)
    } else {
        let content = std::fs::read(&file);
        let content =
            content.map_err(|error| Failure::new(format_args!("can't read {}: {error}", file.display())))?;
        store.add_file(&name, &content, false, Ingestion::Flat, algorithm)
    };
    let added = added.map_err(Error::from)?;
    let hash = added.content_address.hash;
    if expected.is_some_and(|expected| expected != hash) {
        return Err(Failure::new(format_args!("hash mismatch for '{url}': it has {}", hash.to_sri())));
    }
    let format = if algorithm == HashAlgorithm::Md5 { HashFormat::Base16 } else { HashFormat::NixBase32 };
    let mut output = format!("{}\n", hash.to_text(format, false));
    if request.print_path {
        output += &format!("{}\n", store.display(&added.path));
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}
