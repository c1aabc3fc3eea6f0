//! `nix-hash` and `nix hash …`: hashes of files, and hashes in other forms.

use crate::arguments::{Arguments, Word, text};
use crate::options::Options;
use saltire_store_model::nar::{keep_all, measure_tree};
use saltire_store_model::{Hash, HashAlgorithm, HashFormat};
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Text of `nix-hash --help`.
pub const HELP: &str = "\
Usage: nix-hash [--flat] [--base32|--base64|--sri] [--type ALGORITHM] [--truncate] PATH…
       nix-hash (--to-base16|--to-base32|--to-base64|--to-sri) [--type ALGORITHM] HASH…

Prints the hash of a path's NAR (of a file's content with --flat), or a hash in
another form. The algorithm is md5 unless --type says sha1, sha256 or sha512.
";

/// Text of `nix hash path --help` and the like.
pub const NEW_HELP: &str = "\
Usage: nix hash path [--algo ALGORITHM] [--format FORMAT] [--mode nar|flat] PATH…
       nix hash file [--algo ALGORITHM] [--format FORMAT] FILE…
       nix hash convert [--hash-algo ALGORITHM] [--to FORMAT] HASH…
       nix hash (to-base16|to-base32|to-base64|to-sri) [--type ALGORITHM] HASH…

Formats: base16, nix32, base64, sri (the default).
";

struct Request {
    flat: bool,
    format: HashFormat,
    algorithm: Option<HashAlgorithm>,
    truncate: bool,
    convert: bool,
    /// The only form that hashes may have.
    from: Option<HashFormat>,
    operands: Vec<String>,
}

fn request(format: HashFormat) -> Request {
    Request {
        flat: false,
        format,
        algorithm: None,
        truncate: false,
        convert: false,
        from: None,
        operands: Vec::new(),
    }
}

fn format_named(name: &str) -> Result<HashFormat, Failure> {
    Ok(match name {
        "base16" => HashFormat::Base16,
        "nix32" | "base32" => HashFormat::NixBase32,
        "base64" => HashFormat::Base64,
        "sri" => HashFormat::Sri,
        _ => {
            let message =
                format!("unknown hash format '{name}', expect 'base16', 'base32', 'base64', or 'sri'");
            return Err(Failure::new(message));
        }
    })
}

/// Runs `nix-hash`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = request(HashFormat::Base16);
    while let Some(word) = words.next()? {
        match &word {
            Word::Plain(operand) => request.operands.push(text(operand.clone())?),
            Word::Long(name) => match name.as_str() {
                "flat" => request.flat = true,
                "truncate" => request.truncate = true,
                "type" => request.algorithm = Some(algorithm(&words.value(&word)?)?),
                "base16" | "base32" | "base64" | "sri" => request.format = format_named(name)?,
                "to-base16" | "to-base32" | "to-base64" | "to-sri" => {
                    request.convert = true;
                    request.format = format_named(&name[3..])?;
                }
                _ if options.take(&word, &mut words)? => {}
                _ => return Err(words.unknown(&word)),
            },
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let default = if request.format == HashFormat::Sri { HashAlgorithm::Sha256 } else { HashAlgorithm::Md5 };
    finish(&request, default)
}

/// Runs `nix hash path`.
pub fn path(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    new_style(words, options, request(HashFormat::Sri))
}

/// Runs `nix hash file`.
pub fn file(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    new_style(words, options, Request { flat: true, ..request(HashFormat::Sri) })
}

/// Runs `nix hash convert`.
pub fn convert(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    new_style(words, options, Request { convert: true, ..request(HashFormat::Sri) })
}

/// Runs `nix hash to-sri`.
pub fn to_sri(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    deprecated();
    convert(words, options)
}

fn deprecated() {
    eprintln!(
        "warning: The old format conversion subcommands of `nix hash` were deprecated in favor of `nix hash convert`."
    );
}

/// Runs `nix hash to-base16`.
pub fn to_base16(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    deprecated();
    new_style(words, options, Request { convert: true, ..request(HashFormat::Base16) })
}

/// Runs `nix hash to-base32`.
pub fn to_base32(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    deprecated();
    new_style(words, options, Request { convert: true, ..request(HashFormat::NixBase32) })
}

/// Runs `nix hash to-base64`.
pub fn to_base64(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    deprecated();
    new_style(words, options, Request { convert: true, ..request(HashFormat::Base64) })
}

fn new_style(mut words: Arguments, mut options: Options, mut request: Request) -> Result<ExitCode, Failure> {
    while let Some(word) = words.next()? {
        match &word {
            Word::Plain(operand) => request.operands.push(text(operand.clone())?),
            Word::Long(name) => match name.as_str() {
                "algo" | "type" | "hash-algo" => request.algorithm = Some(algorithm(&words.value(&word)?)?),
                "format" | "to" => request.format = format_named(&words.value(&word)?)?,
                "base16" | "base32" | "base64" | "sri" => request.format = format_named(name)?,
                "from" => request.from = Some(format_named(&words.value(&word)?)?),
                "mode" => request.flat = words.value(&word)? == "flat",
                _ if options.take(&word, &mut words)? => {}
                _ => return Err(words.unknown(&word)),
            },
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    finish(&request, HashAlgorithm::Sha256)
}

fn algorithm(name: &str) -> Result<HashAlgorithm, Failure> {
    HashAlgorithm::from_name(name).map_err(Failure::new)
}

fn finish(request: &Request, default: HashAlgorithm) -> Result<ExitCode, Failure> {
    for operand in &request.operands {
        let hash = match request.convert {
            true => parse(operand, request)?,
            false => measure(operand, request.flat, request.algorithm.unwrap_or(default))?,
        };
        let mut shown = hash.to_text(request.format, false);
        if request.truncate && hash.as_bytes().len() > 20 {
            let folded: [u8; 20] = hash.fold();
            shown = match request.format {
                HashFormat::NixBase32 => saltire_store_model::encoding::nix_base32(&folded),
                HashFormat::Base16 => saltire_store_model::encoding::base16(&folded),
                HashFormat::Base64 | HashFormat::Sri => saltire_store_model::encoding::base64(&folded),
            };
        }
        print(&format!("{shown}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A hash, in the form that it may have.
fn parse(text: &str, request: &Request) -> Result<Hash, Failure> {
    let hash = Hash::parse(text, request.algorithm).map_err(Failure::new)?;
    let Some(from) = request.from else { return Ok(hash) };
    let bare = text.split_once(':').map_or(text, |(_, bare)| bare);
    let all = [HashFormat::Base16, HashFormat::NixBase32, HashFormat::Base64];
    let found = match text.contains('-') {
        true => HashFormat::Sri,
        false => all.into_iter().find(|form| hash.to_text(*form, false).len() == bare.len()).unwrap_or(from),
    };
    match found == from {
        true => Ok(hash),
        false => Err(Failure::new(format_args!(
            "input hash '{text}' has format '{}', but '--from {}' was specified",
            name_of(found),
            name_of(from)
        ))),
    }
}

fn name_of(format: HashFormat) -> &'static str {
    match format {
        HashFormat::Base16 => "base16",
        HashFormat::NixBase32 => "nix32",
        HashFormat::Base64 => "base64",
        HashFormat::Sri => "sri",
    }
}

fn measure(file: &str, flat: bool, algorithm: HashAlgorithm) -> Result<Hash, Failure> {
    if flat {
        let content = std::fs::read(file);
        let content = content.map_err(|error| Failure::new(format_args!("can't read {file}: {error}")))?;
        return Ok(algorithm.hash(content));
    }
    let measured = measure_tree(file.as_ref(), algorithm, &mut keep_all);
    Ok(measured.map_err(Failure::new)?.0)
}
