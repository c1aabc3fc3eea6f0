//! The text form of derivations: one ATerm,
//! `Derive([outputs],[input derivations],[input sources],system,builder,[arguments],[environment])`.
//!
//! Strings are quoted, with `\"`, `\\`, `\n`, `\r` and `\t` escaped and every
//! other byte as it is. Lists are sorted; there is no white space.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::ops::Range;

use bstr::{BString, ByteSlice};

use super::{Derivation, DerivationOutput};
use crate::content_address::{ContentAddress, Ingestion};
use crate::hash::{Hash, HashAlgorithm, HashError, Hasher};
use crate::store_path::{StoreDir, StorePath, StorePathError, is_name_character};

/// Why a text is not a derivation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing derivation '{name}' at byte {offset}: {reason}")]
pub struct ParseError {
    /// The derivation's name.
    pub name: String,
    /// Where, from the start of the text.
    pub offset: usize,
    /// What is wrong there.
    pub reason: ParseReason,
}

/// What can be wrong with a derivation's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseReason {
    /// Something else had to be here.
    #[error("expected '{0}'")]
    Expected(&'static str),
    /// The text ends inside a string.
    #[error("the string that starts here does not end")]
    UnterminatedString,
    /// The text goes on behind the closing parenthesis.
    #[error("trailing text")]
    Trailing,
    /// A store path is malformed.
    #[error(transparent)]
    StorePath(#[from] StorePathError),
    /// A hash or its algorithm is malformed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A name is not UTF-8.
    #[error("name is not UTF-8")]
    NotUtf8,
    /// An output's name can't be part of a store path's.
    #[error("output name {0:?} is not allowed")]
    BadOutputName(String),
    /// A map has two entries with one key.
    #[error("'{0}' occurs twice")]
    Duplicate(String),
    /// A fixed output's path is not the one that its hash gives.
    #[error("fixed output '{output}' has path '{path}', should be '{expected}'")]
    WrongFixedPath {
        /// The output.
        output: String,
        /// The path in the text.
        path: String,
        /// The path from the hash.
        expected: String,
    },
    /// A path given for an output whose path can't be known.
    #[error("output '{0}' is addressed by content that is not known but has a path")]
    UnexpectedPath(String),
    /// A format of a later version.
    #[error("this derivation uses the experimental feature '{0}', which is not supported")]
    Version(String),
}

/// A derivation's text.
pub(super) struct Printed {
    pub(super) text: Vec<u8>,
    /// Where the list of input derivations is in it.
    pub(super) inputs: Range<usize>,
    /// Where output paths were left out, front to back, and of which output.
    holes: Vec<(usize, usize)>,
}

impl Printed {
    /// The text with the paths of all outputs, in the order of their names, where they
    /// were left out.
    pub(super) fn with_outputs(&self, paths: &[String]) -> Self {
        let mut text = Vec::with_capacity(self.text.len() + self.holes.len() * 80);
        let (mut done, mut shift) = (0, 0);
        for (at, output) in &self.holes {
            text.extend_from_slice(&self.text[done..*at]);
            text.extend_from_slice(paths[*output].as_bytes());
            done = *at;
            if *at <= self.inputs.start {
                shift = text.len() - done;
            }
        }
        text.extend_from_slice(&self.text[done..]);
        let inputs = self.inputs.start + shift..self.inputs.end + shift;
        Self { text, inputs, holes: Vec::new() }
    }

    /// SHA-256 of the text with another list of inputs.
    pub(super) fn hash_with_inputs(&self, inputs: &[u8]) -> Hash {
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        hasher.update(&self.text[..self.inputs.start]);
        hasher.update(inputs);
        hasher.update(&self.text[self.inputs.end..]);
        hasher.finish()
    }
}

/// The list of input derivations as it is hashed: base 16 hashes instead of paths.
/// Pairs of a hash and an output, sorted; an empty name is no output.
pub(super) fn print_hashed_inputs(inputs: &[(&str, &str)]) -> Vec<u8> {
    let store_dir = StoreDir::default();
    let mut printer = Printer::new(inputs.len() * 80 + 2, &store_dir);
    // Hashes can't fail to be printed, as paths can.
    let _ = printer.list(inputs.chunk_by(|a, b| a.0 == b.0), |printer, outputs| {
        printer.raw("(");
        printer.plain(outputs[0].0);
        printer.input_outputs(outputs.iter().map(|input| input.1).filter(|output| !output.is_empty()))
    });
    printer.text
}

impl Derivation {
    /// The text of the `.drv` file.
    pub fn print(&self, store_dir: &StoreDir) -> Result<Vec<u8>, StorePathError> {
        Ok(self.print_with(store_dir, false)?.text)
    }

    /// The text; if `mask` with all output paths empty.
    pub(super) fn print_with(&self, store_dir: &StoreDir, mask: bool) -> Result<Printed, StorePathError> {
        let mut printer = Printer::new(self.estimate(), store_dir);
        printer.raw("Derive(");
        printer.list(self.outputs.iter().enumerate(), |printer, (index, (output, value))| {
            printer.output(&self.name, output, value, mask.then_some(index))
        })?;
        printer.raw(",");
        let start = printer.text.len();
        printer.list(self.input_derivations.iter(), |printer, (path, outputs)| {
            printer.raw("(");
            printer.path(path);
            printer.input_outputs(outputs.iter().map(String::as_str))
        })?;
        let inputs = start..printer.text.len();
        printer.raw(",");
        printer.list(self.input_sources.iter(), |printer, path| {
            printer.path(path);
            Ok(())
        })?;
        printer.raw(",");
        printer.string(&self.system);
        printer.raw(",");
        printer.string(&self.builder);
        printer.raw(",");
        printer.list(self.arguments.iter(), |printer, argument| {
            printer.string(argument);
            Ok(())
        })?;
        printer.raw(",");
        printer.list(self.environment.iter(), |printer, (name, value)| {
            let masked =
                if mask { self.outputs.keys().position(|output| name == output.as_bytes()) } else { None };
            printer.raw("(");
            printer.string(name);
            printer.raw(",");
            match masked {
                Some(output) => printer.hole(output),
                None => printer.string(value),
            }
            printer.raw(")");
            Ok(())
        })?;
        printer.raw(")");
        Ok(Printed { text: printer.text, inputs, holes: printer.holes })
    }

    /// About how long the text will be, to allocate once.
    fn estimate(&self) -> usize {
        let environment: usize =
            self.environment.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
        let arguments: usize = self.arguments.iter().map(|argument| argument.len() + 8).sum();
        let paths = self.outputs.len() + self.input_derivations.len() + self.input_sources.len();
        128 + environment + environment / 16 + arguments + paths * 110
    }

    /// Reads the text of a `.drv` file; `name` is the derivation's, without `.drv`.
    pub fn parse(store_dir: &StoreDir, name: &str, text: &[u8]) -> Result<Self, ParseError> {
        let mut parser = Parser { text, offset: 0, store_dir };
        parser.derivation(name).map_err(|reason| ParseError {
            name: name.to_owned(),
            offset: parser.offset,
            reason,
        })
    }
}

struct Printer<'s> {
    text: Vec<u8>,
    store_dir: &'s StoreDir,
    holes: Vec<(usize, usize)>,
}

impl<'s> Printer<'s> {
    fn new(capacity: usize, store_dir: &'s StoreDir) -> Self {
        Self { text: Vec::with_capacity(capacity), store_dir, holes: Vec::new() }
    }

    /// The place of an output's path, left empty.
    fn hole(&mut self, output: usize) {
        self.text.push(b'"');
        self.holes.push((self.text.len(), output));
        self.text.push(b'"');
    }

    fn raw(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Quotes a text that needs no escapes: paths, hashes, checked names.
    fn plain(&mut self, text: &str) {
        self.text.push(b'"');
        self.raw(text);
        self.text.push(b'"');
    }

    fn path(&mut self, path: &StorePath) {
        self.text.push(b'"');
        self.text.extend_from_slice(self.store_dir.as_str().as_bytes());
        self.text.push(b'/');
        self.text.extend_from_slice(path.base_name().as_bytes());
        self.text.push(b'"');
    }

    fn string(&mut self, string: &[u8]) {
        self.text.push(b'"');
        // Most pieces of this size have nothing to escape, which is seen for all of
        // their bytes at once.
        for piece in string.chunks(32) {
            if !piece.iter().fold(false, |any, byte| any | is_escaped(*byte)) {
                self.text.extend_from_slice(piece);
                continue;
            }
            for byte in piece {
                match ESCAPED[usize::from(*byte)] {
                    0 => self.text.push(*byte),
                    letter => self.text.extend_from_slice(&[b'\\', letter]),
                }
            }
        }
        self.text.push(b'"');
    }

    fn list<T>(
        &mut self,
        items: impl Iterator<Item = T>,
        mut each: impl FnMut(&mut Self, T) -> Result<(), StorePathError>,
    ) -> Result<(), StorePathError> {
        self.text.push(b'[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            each(self, item)?;
        }
        self.text.push(b']');
        Ok(())
    }

    /// The rest of an input: its outputs, and the parenthesis.
    fn input_outputs<'o>(&mut self, outputs: impl Iterator<Item = &'o str>) -> Result<(), StorePathError> {
        self.raw(",");
        self.list(outputs, |printer, output| {
            printer.string(output.as_bytes());
            Ok(())
        })?;
        self.raw(")");
        Ok(())
    }

    fn output(
        &mut self,
        derivation_name: &str,
        output: &str,
        value: &DerivationOutput,
        masked: Option<usize>,
    ) -> Result<(), StorePathError> {
        self.raw("(");
        self.string(output.as_bytes());
        self.raw(",");
        match masked {
            Some(index) => self.hole(index),
            None => match value.path(self.store_dir, derivation_name, output)? {
                Some(path) => self.path(&path),
                None => self.plain(""),
            },
        }
        self.raw(",");
        let (algorithm, hash) = match value {
            DerivationOutput::InputAddressed { .. } | DerivationOutput::Deferred => {
                (String::new(), String::new())
            }
            DerivationOutput::Fixed(address) => (
                method_algorithm(address.ingestion, address.hash.algorithm().name()),
                address.hash.to_base16(),
            ),
            DerivationOutput::Floating { ingestion, algorithm } => {
                (method_algorithm(*ingestion, algorithm.name()), String::new())
            }
            DerivationOutput::Impure { ingestion, algorithm } => {
                (method_algorithm(*ingestion, algorithm.name()), "impure".to_owned())
            }
        };
        self.plain(&algorithm);
        self.raw(",");
        self.plain(&hash);
        self.raw(")");
        Ok(())
    }
}

fn method_algorithm(ingestion: Ingestion, algorithm: &str) -> String {
    format!("{}{algorithm}", ingestion.prefix())
}

/// The character behind the backslash, 0 for bytes that need none.
const ESCAPED: [u8; 256] = {
    let mut table = [0; 256];
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table
};

/// Whether [`ESCAPED`] has something for a byte: without a table, so that many bytes
/// are compared at once.
fn is_escaped(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte == b'\n') | (byte == b'\r') | (byte == b'\t')
}

struct Parser<'t> {
    text: &'t [u8],
    offset: usize,
    store_dir: &'t StoreDir,
}

type Parsed<T> = Result<T, ParseReason>;

impl<'t> Parser<'t> {
    fn derivation(&mut self, name: &str) -> Parsed<Derivation> {
        let mut derivation = Derivation { name: name.to_owned(), ..Derivation::default() };
        if self.text.starts_with(b"DrvWithVersion(") {
            self.expect("DrvWithVersion(")?;
            return Err(ParseReason::Version(self.utf8()?));
        }
        self.expect("Derive([")?;
        while self.item()? {
            let (output, value) = self.output(name)?;
            if derivation.outputs.insert(output.clone(), value).is_some() {
                return Err(ParseReason::Duplicate(output));
            }
        }
        self.expect(",[")?;
        while self.item()? {
            self.expect("(")?;
            let path = self.path()?;
            self.expect(",[")?;
            let mut outputs = BTreeSet::new();
            while self.item()? {
                outputs.insert(self.output_name()?);
            }
            self.expect(")")?;
            if derivation.input_derivations.insert(path.clone(), outputs).is_some() {
                return Err(ParseReason::Duplicate(path.to_string()));
            }
        }
        self.expect(",[")?;
        while self.item()? {
            let path = self.path()?;
            derivation.input_sources.insert(path);
        }
        self.expect(",")?;
        derivation.system = self.owned()?;
        self.expect(",")?;
        derivation.builder = self.owned()?;
        self.expect(",[")?;
        while self.item()? {
            let argument = self.owned()?;
            derivation.arguments.push(argument);
        }
        self.expect(",[")?;
        while self.item()? {
            self.expect("(")?;
            let variable = self.owned()?;
            self.expect(",")?;
            let value = self.owned()?;
            self.expect(")")?;
            match derivation.environment.entry(variable) {
                Entry::Vacant(entry) => entry.insert(value),
                Entry::Occupied(entry) => return Err(ParseReason::Duplicate(entry.key().to_string())),
            };
        }
        self.expect(")")?;
        if self.offset < self.text.len() {
            return Err(ParseReason::Trailing);
        }
        Ok(derivation)
    }

    fn expect(&mut self, what: &'static str) -> Parsed<()> {
        if !self.text[self.offset..].starts_with(what.as_bytes()) {
            return Err(ParseReason::Expected(what));
        }
        self.offset += what.len();
        Ok(())
    }

    /// Whether another item of the list follows. Takes the comma before it, or
    /// the bracket that ends the list.
    fn item(&mut self) -> Parsed<bool> {
        let first = self.text[..self.offset].ends_with(b"[");
        match self.text.get(self.offset) {
            Some(b']') => {
                self.offset += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.offset += 1;
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => Err(ParseReason::Expected(if first { "]" } else { "," })),
        }
    }

    fn string(&mut self) -> Parsed<Cow<'t, [u8]>> {
        let start = self.offset;
        self.expect("\"")?;
        let text = self.text;
        let mut unescaped = Vec::new();
        let mut from = self.offset;
        loop {
            let Some(length) = text[from..].find_byteset(b"\"\\") else {
                self.offset = start;
                return Err(ParseReason::UnterminatedString);
            };
            let at = from + length;
            if text[at] == b'"' {
                self.offset = at + 1;
                if unescaped.is_empty() {
                    return Ok(Cow::Borrowed(&text[from..at]));
                }
                unescaped.extend_from_slice(&text[from..at]);
                return Ok(Cow::Owned(unescaped));
            }
            let Some(escaped) = text.get(at + 1) else {
                self.offset = start;
                return Err(ParseReason::UnterminatedString);
            };
            if unescaped.is_empty() {
                unescaped.reserve(2 * length + 128);
            }
            unescaped.extend_from_slice(&text[from..at]);
            unescaped.push(match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                other => *other,
            });
            from = at + 2;
        }
    }

    fn owned(&mut self) -> Parsed<BString> {
        Ok(self.string()?.into_owned().into())
    }

    fn utf8(&mut self) -> Parsed<String> {
        String::from_utf8(self.string()?.into_owned()).map_err(|_| ParseReason::NotUtf8)
    }

    fn output_name(&mut self) -> Parsed<String> {
        let name = self.utf8()?;
        if name.is_empty() || !name.bytes().all(is_name_character) {
            return Err(ParseReason::BadOutputName(name));
        }
        Ok(name)
    }

    fn path(&mut self) -> Parsed<StorePath> {
        let text = self.string()?;
        Ok(self.store_dir.parse(text)?)
    }

    fn output(&mut self, derivation_name: &str) -> Parsed<(String, DerivationOutput)> {
        self.expect("(")?;
        let output = self.output_name()?;
        self.expect(",")?;
        let path = self.string()?;
        self.expect(",")?;
        let algorithm = self.utf8()?;
        self.expect(",")?;
        let hash = self.utf8()?;
        self.expect(")")?;
        if algorithm.is_empty() && !hash.is_empty() {
            return Err(HashError::NoAlgorithm(hash).into());
        }
        let value = if algorithm.is_empty() && path.is_empty() {
            DerivationOutput::Deferred
        } else if algorithm.is_empty() {
            DerivationOutput::InputAddressed { path: self.store_dir.parse(&path)? }
        } else {
            let (ingestion, algorithm) = Ingestion::split_prefix(&algorithm)?;
            match hash.as_str() {
                "" | "impure" if !path.is_empty() => {
                    return Err(ParseReason::UnexpectedPath(output));
                }
                "" => DerivationOutput::Floating { ingestion, algorithm },
                "impure" => DerivationOutput::Impure { ingestion, algorithm },
                digits => {
                    let hash = Hash::parse_unprefixed(digits, algorithm)?;
                    let value = DerivationOutput::Fixed(ContentAddress { ingestion, hash });
                    self.check_fixed_path(derivation_name, &output, &value, &path)?;
                    value
                }
            }
        };
        Ok((output, value))
    }

    /// The path of a fixed output is redundant; a file in which it is wrong
    /// would otherwise have one output path here and another elsewhere.
    fn check_fixed_path(
        &self,
        derivation_name: &str,
        output: &str,
        value: &DerivationOutput,
        path: &[u8],
    ) -> Parsed<()> {
        let expected = value.path(self.store_dir, derivation_name, output)?;
        let expected = expected.map(|path| self.store_dir.display(&path)).unwrap_or_default();
        if expected.as_bytes() == path {
            return Ok(());
        }
        Err(ParseReason::WrongFixedPath {
            output: output.to_owned(),
            path: path.to_str_lossy().into_owned(),
            expected,
        })
    }
}
