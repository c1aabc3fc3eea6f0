//! Adding objects.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use saltire_store_model::nar::{FileKind, Filter, NarError, nar_of_file, unpack, write_tree};
use saltire_store_model::{
    ContentAddress, Derivation, Finished, Hash, HashAlgorithm, Hasher, Ingestion, ModuloError, PathInfo,
    References, StorePath,
};

use crate::error::{Context, Result, StoreError};
use crate::temporary::TemporaryObject;
use crate::{PathLocks, Registration, Store, Wait, remove_tree};

/// Archives up to this length are kept in memory between hashing and unpacking.
const MAX_BUFFERED_NAR: usize = 64 << 20;

/// How much of a stream is taken at once.
const STREAM_BUFFER: usize = 128 * 1024;

/// Whether an object is forced to disk before it is registered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// Yes, unless the store's options say otherwise.
    Synced,
    /// No: there may be thousands of them, and what they were made from is here.
    Usual,
}

/// A text file for the store (`builtins.toFile`, `.drv`), addressed by its content.
#[derive(Clone, Debug)]
pub struct TextObject {
    /// Its path; has to be the one that content, references and name give.
    pub path: StorePath,
    /// Its content.
    pub content: Vec<u8>,
    /// What it refers to.
    pub references: BTreeSet<StorePath>,
    /// For a `.drv` file, the outputs whose paths are known.
    pub derivation_outputs: BTreeMap<String, StorePath>,
}

impl TextObject {
    /// The `.drv` file of a derivation, from what [`Derivation::finish`] returned.
    pub fn of_derivation(derivation: &Derivation, finished: Finished) -> Self {
        Self {
            path: finished.path,
            content: finished.text,
            references: derivation.references(),
            derivation_outputs: finished.outputs,
        }
    }
}

/// A source that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedTree {
    /// Where it is in the store.
    pub path: StorePath,
    /// Its content address.
    pub content_address: ContentAddress,
}

impl Store {
    /// Adds a text file and returns its path.
    pub fn add_text(
        &self,
        name: &str,
        content: &[u8],
        references: &BTreeSet<StorePath>,
    ) -> Result<StorePath> {
        let path = self.store_dir().make_text_path(name, content, references)?;
        self.add_texts(&[TextObject {
            path: path.clone(),
            content: content.to_owned(),
            references: references.clone(),
            derivation_outputs: BTreeMap::new(),
        }])?;
        Ok(path)
    }

    /// Writes the `.drv` file of a derivation whose output paths are filled in.
    pub fn add_derivation(&self, derivation: &Derivation) -> Result<StorePath> {
        let text = derivation.print(self.store_dir())?;
        let path = derivation.path_of_text(self.store_dir(), &text)?;
        let outputs = derivation.output_paths(self.store_dir())?;
        let finished = Finished { path: path.clone(), text, outputs };
        self.add_texts(&[TextObject::of_derivation(derivation, finished)])?;
        Ok(path)
    }

    /// Adds text files, in one transaction: far quicker than one by one. They may
    /// refer to each other in any order. Those that are valid already are skipped.
    pub fn add_texts(&self, objects: &[TextObject]) -> Result<()> {
        self.add_temp_roots(objects.iter().map(|object| &object.path))?;
        let valid = self.query_valid(objects.iter().map(|object| &object.path))?;
        let mut seen = HashSet::new();
        let mut registrations = Vec::new();
        for object in objects {
            if valid.contains(&object.path) || !seen.insert(&object.path) {
                continue;
            }
            self.write_text(object)?;
            let nar = nar_of_file(&object.content, false);
            let mut info = PathInfo::new(object.path.clone(), Hash::sha256(&nar), nar.len() as u64);
            info.references = object.references.clone();
            info.content_address =
                Some(ContentAddress { ingestion: Ingestion::Text, hash: Hash::sha256(&object.content) });
            let derivation_outputs = object.derivation_outputs.clone();
            registrations.push(Registration { info, derivation_outputs });
        }
        if registrations.is_empty() { Ok(()) } else { self.register(&registrations) }
    }

    /// Puts a text file in its place. No lock is needed: everybody who does this
    /// at the same time renames the same content to the same name.
    fn write_text(&self, object: &TextObject) -> Result<()> {
        let temporary = TemporaryObject::new(self.temporary_path()?);
        let path = temporary.path();
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o444).open(path).at("create", path)?;
        file.write_all(&object.content).at("write", path)?;
        file.set_permissions(PermissionsExt::from_mode(0o444)).at("set the mode of", path)?;
        let second = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        file.set_modified(second).at("set the time of", path)?;
        let destination = self.physical_path(&object.path);
        if destination.is_dir() {
            remove_tree(&destination)?;
        }
        temporary.move_to(&destination)
    }

    /// Adds a regular file with this content, addressed by its flat hash or by
    /// that of its NAR.
    pub fn add_file(
        &self,
        name: &str,
        content: &[u8],
        executable: bool,
        ingestion: Ingestion,
        algorithm: HashAlgorithm,
    ) -> Result<AddedTree> {
        let nar = nar_of_file(content, executable);
        let hash = match ingestion {
            Ingestion::Nar => algorithm.hash(&nar),
            Ingestion::Flat | Ingestion::Text => algorithm.hash(content),
        };
        let content_address = ContentAddress { ingestion, hash };
        let path =
            self.store_dir().make_content_addressed_path(name, &content_address, &References::default())?;
        let mut info = PathInfo::new(path.clone(), Hash::sha256(&nar), nar.len() as u64);
        info.content_address = Some(content_address);
        self.add_with(info, Durability::Usual, &mut |place| Ok(unpack(&mut nar.as_slice(), place)?))?;
        Ok(AddedTree { path, content_address })
    }

    /// Adds the object at `source` (links in it are kept, not followed), without
    /// what `filter` rejects, addressed by the hash of its NAR.
    pub fn add_tree(
        &self,
        name: &str,
        source: &Path,
        algorithm: HashAlgorithm,
        filter: &mut Filter<'_>,
    ) -> Result<AddedTree> {
        let mut rejected = HashSet::new();
        let mut recording = |path: &Path, kind: FileKind| {
            let keep = filter(path, kind)?;
            if !keep {
                rejected.insert(path.to_owned());
            }
            Ok(keep)
        };
        let measured = write_tree(source, Measure::new(algorithm), &mut recording)?;
        let Measure { sha256, other, buffer } = measured;
        let nar_size = sha256.written();
        let nar_hash = sha256.finish();
        let hash = other.map_or(nar_hash, Hasher::finish);
        let content_address = ContentAddress { ingestion: Ingestion::Nar, hash };
        let path =
            self.store_dir().make_content_addressed_path(name, &content_address, &References::default())?;
        let mut info = PathInfo::new(path.clone(), nar_hash, nar_size);
        info.content_address = Some(content_address);
        self.add_with(info, Durability::Usual, &mut |place| match &buffer {
            Some(nar) => Ok(unpack(&mut nar.as_slice(), place)?),
            None => copy_tree(source, place, &rejected, &nar_hash),
        })?;
        Ok(AddedTree { path, content_address })
    }

    /// Adds the object whose NAR comes from `reader`, if its hash and size are those
    /// of `info`. Takes exactly the NAR's bytes, or none if the path is valid.
    pub fn add_nar(&self, info: &PathInfo, reader: &mut dyn Read) -> Result<()> {
        if info.has_right_content_address(self.store_dir())? == Some(false) {
            return Err(StoreError::WrongContentAddress(self.display(&info.path)));
        }
        self.add_with(info.clone(), Durability::Synced, &mut |place| {
            let mut source = HashingReader {
                inner: BufReader::with_capacity(STREAM_BUFFER, (&mut *reader).take(info.nar_size)),
                hasher: Hasher::new(HashAlgorithm::Sha256),
            };
            unpack(&mut source, place)?;
            let size = source.hasher.written();
            if size != info.nar_size {
                return Err(StoreError::SizeMismatch {
                    path: self.display(&info.path),
                    specified: info.nar_size,
                    got: size,
                });
            }
            let subject = format!("path '{}'", self.display(&info.path));
            check_hash(subject, &info.nar_hash, &source.hasher.finish())?;
            self.check_content_address(info, place)
        })
    }

    /// Puts the object whose NAR comes from `reader` in the place of a valid path whose
    /// files were damaged.
    pub fn replace_nar(&self, info: &PathInfo, reader: &mut dyn Read) -> Result<()> {
        self.add_temp_root(&info.path)?;
        let _locks = self.lock_paths([&info.path], Wait::Block, &mut |_| ())?;
        let temporary = TemporaryObject::new(self.temporary_path()?);
        let mut source = HashingReader {
            inner: BufReader::with_capacity(STREAM_BUFFER, reader),
            hasher: Hasher::new(HashAlgorithm::Sha256),
        };
        unpack(&mut source, temporary.path())?;
        let subject = format!("path '{}'", self.display(&info.path));
        check_hash(subject, &self.path_info(&info.path)?.nar_hash, &source.hasher.finish())?;
        let destination = self.physical_path(&info.path);
        remove_tree(&destination)?;
        temporary.move_to(&destination)
    }

    /// Checks that the content at `place` has the hash that `info` says it is addressed by.
    fn check_content_address(&self, info: &PathInfo, place: &Path) -> Result<()> {
        let Some(address) = &info.content_address else { return Ok(()) };
        if info.references.contains(&info.path) {
            // Hashed modulo itself, which only the store that built it can vouch for.
            return Ok(());
        }
        let got = crate::outputs::content_hash(place, address, &self.display(&info.path))?;
        check_hash(format!("path '{}'", self.display(&info.path)), &address.hash, &got)
    }

    /// Locks the path, lets `create` make the object at a temporary place, moves
    /// it to its own, and registers it; unless the path is valid.
    fn add_with(
        &self,
        info: PathInfo,
        durability: Durability,
        create: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<()> {
        self.add_temp_root(&info.path)?;
        if self.is_valid(&info.path)? {
            return Ok(());
        }
        let _locks = self.lock_paths([&info.path], Wait::Block, &mut |_| ())?;
        if self.is_valid(&info.path)? {
            return Ok(());
        }
        let temporary = TemporaryObject::new(self.temporary_path()?);
        create(temporary.path())?;
        let derivation_outputs = if info.path.is_derivation() {
            self.checked_derivation_outputs(&info.path, temporary.path())?
        } else {
            BTreeMap::new()
        };
        let destination = self.physical_path(&info.path);
        remove_tree(&destination)?;
        temporary.move_to(&destination)?;
        let synced = match durability {
            Durability::Synced => self.sync(),
            Durability::Usual => Ok(()),
        };
        let registered = synced.and_then(|()| self.register(&[Registration { info, derivation_outputs }]));
        if registered.is_err() {
            let _ = remove_tree(&destination);
        }
        registered
    }

    /// The outputs of a `.drv` file that came from elsewhere, if they are the
    /// ones that its text gives: else a foreign derivation could claim
    /// the output path of another.
    fn checked_derivation_outputs(
        &self,
        path: &StorePath,
        file: &Path,
    ) -> Result<BTreeMap<String, StorePath>> {
        let text = std::fs::read(file).at("read", file)?;
        let name = path.derivation_name().unwrap_or_default();
        let derivation = Derivation::parse(self.store_dir(), name, &text)?;
        let wrong = |reason: String| StoreError::WrongOutputs { path: self.display(path), reason };
        let mut again = derivation.clone();
        let finished = again.finish(self.store_dir(), &self.modulo, |input| self.read_derivation(input));
        match finished {
            Ok(finished) if finished.path == *path && again.outputs == derivation.outputs => {
                Ok(finished.outputs)
            }
            Ok(_) => Err(wrong("its text gives others".to_owned())),
            Err(ModuloError::Read { source, .. }) => Err(source),
            Err(other) => Err(wrong(other.to_string())),
        }
    }

    /// Locks store paths against other processes (and other threads) that
    /// create them. None if `wait` is `Never` and one is taken.
    pub fn lock_paths<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
        wait: Wait,
        on_wait: &mut dyn FnMut(&Path),
    ) -> Result<Option<PathLocks>> {
        crate::create_directory(&self.location().physical_store)?;
        let places: Vec<PathBuf> = paths.into_iter().map(|path| self.physical_path(path)).collect();
        PathLocks::acquire(places, wait, on_wait)
    }

    /// Forces what was written to the store's file system to disk.
    pub(crate) fn sync(&self) -> Result<()> {
        if !self.options.sync {
            return Ok(());
        }
        let store = &self.location.physical_store;
        let directory = File::open(store).at("open", store)?;
        rustix::fs::syncfs(&directory).at("synchronise", store)
    }
}

/// An error if the hashes differ.
pub(crate) fn check_hash(subject: String, specified: &Hash, got: &Hash) -> Result<()> {
    if specified == got {
        return Ok(());
    }
    Err(StoreError::HashMismatch { subject, specified: specified.to_sri(), got: got.to_sri() })
}

/// Hashes an archive and, while it is small enough, keeps it.
struct Measure {
    sha256: Hasher,
    /// If the path needs another hash than SHA-256.
    other: Option<Hasher>,
    buffer: Option<Vec<u8>>,
}

impl Measure {
    fn new(algorithm: HashAlgorithm) -> Self {
        Self {
            sha256: Hasher::new(HashAlgorithm::Sha256),
            other: (algorithm != HashAlgorithm::Sha256).then(|| Hasher::new(algorithm)),
            buffer: Some(Vec::new()),
        }
    }
}

impl Write for Measure {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.sha256.update(data);
        if let Some(other) = &mut self.other {
            other.update(data);
        }
        match &mut self.buffer {
            Some(buffer) if buffer.len() + data.len() <= MAX_BUFFERED_NAR => {
                buffer.extend_from_slice(data);
            }
            buffer => *buffer = None,
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies a tree without the rejected objects, and checks that it is still the
/// one that was hashed.
fn copy_tree(source: &Path, destination: &Path, rejected: &HashSet<PathBuf>, expected: &Hash) -> Result<()> {
    let (reader, writer) = io::pipe().at("create a pipe for", source)?;
    let sink = saltire_store_model::HashingWriter::new(HashAlgorithm::Sha256, writer);
    let (written, unpacked) = std::thread::scope(|scope| {
        let unpacking = scope.spawn(|| {
            let mut reader = BufReader::with_capacity(STREAM_BUFFER, reader);
            unpack(&mut reader, destination)
        });
        let written =
            write_tree(source, sink, &mut |path, _| Ok(!rejected.contains(path))).map(|sink| sink.finish().1);
        let unpacked = unpacking.join().unwrap_or_else(|_| {
            Err(NarError::Stream { action: "read", source: io::ErrorKind::Other.into() })
        });
        (written, unpacked)
    });
    // If unpacking failed, writing did too, with a broken pipe.
    unpacked?;
    if written? == *expected { Ok(()) } else { Err(StoreError::Changed(source.to_owned())) }
}

/// Hashes exactly the bytes that are consumed.
struct HashingReader<R> {
    inner: BufReader<R>,
    hasher: Hasher,
}

impl<R: Read> BufRead for HashingReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.hasher.update(&self.inner.buffer()[..count]);
        self.inner.consume(count);
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}
