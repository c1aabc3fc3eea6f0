//! NARs and exported store objects as streams.
//!
//! An export is, for each object: the number 1, its NAR, the number 0x4558494e, its
//! path, its references, its deriver (perhaps empty), the number 0; a 0 instead of the
//! 1 ends it. Numbers are 64 bits, little-endian; texts have their length in front and
//! are padded to 8 bytes.

use super::{failed, parse_path};
use saltire_driver::{Session, StorePath};
use saltire_store_model::nar::{NarError, Visitor, keep_all, parse_one, unpack, write_tree};
use saltire_store_model::{HashAlgorithm, Hasher, PathInfo};
use saltire_terminal::{Failure, print};
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::process::ExitCode;

const MAGIC: u64 = 0x4558_494e;
/// The longest text in an export; a path is much shorter.
const MAX_TEXT: u64 = 4096;
/// References of one object.
const MAX_REFERENCES: u64 = 1 << 20;

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(format_args!("can't write to standard output: {error}"))
}

/// Writes the NAR of a file to standard output.
pub fn dump(operands: &[String]) -> Result<ExitCode, Failure> {
    let [file] = operands else { return Err(Failure::new("only one argument allowed")) };
    dump_tree(file.as_ref())
}

/// Writes the NAR of a file or directory to standard output.
pub fn dump_tree(file: &Path) -> Result<ExitCode, Failure> {
    let out = BufWriter::new(io::stdout().lock());
    let mut out = write_tree(file, out, &mut keep_all).map_err(Failure::new)?;
    out.flush().map_err(broken)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes files of a NAR on standard input.
pub fn restore(operands: &[String]) -> Result<ExitCode, Failure> {
    let [file] = operands else { return Err(Failure::new("only one argument allowed")) };
    unpack(&mut BufReader::new(io::stdin().lock()), file.as_ref()).map_err(Failure::new)?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(text.as_bytes())?;
    out.write_all(&[0; 8][..(8 - text.len() % 8) % 8])
}

/// Writes store objects to standard output.
pub fn export(session: &Session, names: &[String]) -> Result<(), Failure> {
    let store = session.store();
    let mut paths = BTreeSet::new();
    for name in names {
        paths.insert(parse_path(session, name)?);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for path in store.sort_references_first(&paths).map_err(failed)? {
        let info = store.path_info(&path).map_err(failed)?;
        out.write_all(&1u64.to_le_bytes()).map_err(broken)?;
        out = store.write_nar(&path, out).map_err(failed)?;
        let mut rest = || -> io::Result<()> {
            out.write_all(&MAGIC.to_le_bytes())?;
            write_text(&mut out, &store.display(&path))?;
            out.write_all(&(info.references.len() as u64).to_le_bytes())?;
            for reference in &info.references {
                write_text(&mut out, &store.display(reference))?;
            }
            write_text(&mut out, &info.deriver.as_ref().map(|path| store.display(path)).unwrap_or_default())?;
            out.write_all(&0u64.to_le_bytes())
        };
        rest().map_err(broken)?;
    }
    out.write_all(&0u64.to_le_bytes()).and_then(|()| out.flush()).map_err(broken)
}

/// Adds exported objects from standard input and prints their paths.
pub fn import(session: &Session) -> Result<(), Failure> {
    let store = session.store();
    let mut input = BufReader::new(io::stdin().lock());
    loop {
        match number(&mut input)? {
            0 => return Ok(()),
            1 => {}
            _ => return Err(malformed("input doesn't look like something created by 'nix-store --export'")),
        }
        let mut copy = Copy {
            inner: &mut input,
            file: BufWriter::new(tempfile().map_err(|error| malformed(&error.to_string()))?),
            hasher: Hasher::new(HashAlgorithm::Sha256),
            failed: None,
        };
        parse_one(&mut copy, &mut Ignore).map_err(Failure::new)?;
        let Copy { file, hasher, failed: failure, .. } = copy;
        if let Some(error) = failure {
            return Err(malformed(&error.to_string()));
        }
        let size = hasher.written();
        let hash = hasher.finish();
        if number(&mut input)? != MAGIC {
            return Err(malformed("Nix archive cannot be imported; wrong format"));
        }
        let path = store_path(session, &text(&mut input)?)?;
        let mut info = PathInfo::new(path, hash, size);
        let count = number(&mut input)?;
        if count > MAX_REFERENCES {
            return Err(malformed("too many references"));
        }
        for _ in 0..count {
            info.references.insert(store_path(session, &text(&mut input)?)?);
        }
        let deriver = text(&mut input)?;
        if !deriver.is_empty() {
            info.deriver = Some(store_path(session, &deriver)?);
        }
        if number(&mut input)? == 1 {
            // A signature of long ago.
            text(&mut input)?;
        }
        let mut file = file.into_inner().map_err(|error| malformed(&error.to_string()))?;
        file.rewind().map_err(|error| malformed(&error.to_string()))?;
        store.add_nar(&info, &mut file).map_err(failed)?;
        print(&format!("{}\n", store.display(&info.path)))?;
    }
}

fn malformed(text: &str) -> Failure {
    Failure::new(format_args!("can't import: {text}"))
}

fn tempfile() -> io::Result<std::fs::File> {
    ::tempfile::tempfile()
}

fn number(input: &mut dyn Read) -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes).map_err(|error| malformed(&error.to_string()))?;
    Ok(u64::from_le_bytes(bytes))
}

fn text(input: &mut dyn Read) -> Result<String, Failure> {
    let length = number(input)?;
    if length > MAX_TEXT {
        return Err(malformed("a text is too long"));
    }
    let mut bytes = vec![0; length.next_multiple_of(8) as usize];
    input.read_exact(&mut bytes).map_err(|error| malformed(&error.to_string()))?;
    bytes.truncate(length as usize);
    String::from_utf8(bytes).map_err(|_| malformed("a text is not UTF-8"))
}

fn store_path(session: &Session, text: &str) -> Result<StorePath, Failure> {
    session.parse(text).map_err(Failure::from)
}

/// Copies what is read to a file and hashes it.
struct Copy<'r> {
    inner: &'r mut dyn BufRead,
    file: BufWriter<std::fs::File>,
    hasher: Hasher,
    failed: Option<io::Error>,
}

impl Read for Copy<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.inner.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Copy<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Ok(available) = self.inner.fill_buf() {
            let taken = &available[..count.min(available.len())];
            self.hasher.update(taken);
            if let Err(error) = self.file.write_all(taken) {
                self.failed.get_or_insert(error);
            }
        }
        self.inner.consume(count);
    }
}

/// Takes an archive apart and keeps nothing.
struct Ignore;

impl Visitor for Ignore {
    fn regular(&mut self, _: bool, _: u64, content: &mut dyn Read) -> Result<(), NarError> {
        io::copy(content, &mut io::sink())
            .map(drop)
            .map_err(|source| NarError::Stream { action: "read", source })
    }

    fn symlink(&mut self, _: &[u8]) -> Result<(), NarError> {
        Ok(())
    }

    fn begin_directory(&mut self) -> Result<(), NarError> {
        Ok(())
    }

    fn enter(&mut self, _: &[u8]) -> Result<(), NarError> {
        Ok(())
    }

    fn leave(&mut self) -> Result<(), NarError> {
        Ok(())
    }

    fn end_directory(&mut self) -> Result<(), NarError> {
        Ok(())
    }
}
