//! From addresses and a hash to a file.

use crate::error::{FetchError, Reason};
use crate::transfer::{Ask, Client, Stop};
use rustix::fs::{FlockOperation, flock};
use saltire_debian::Mirrors;
use saltire_store_model::{Hash, HashAlgorithm, Hasher};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Prefix of addresses in Debian's archive, whose mirror is chosen when fetching.
const DEBIAN: &str = "mirror://debian/";

/// How to download.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of the cache.
    pub cache: PathBuf,
    /// The places that `mirror://debian/` stands for.
    pub mirrors: Mirrors,
    /// Whether only the cache may be used.
    pub offline: bool,
    /// How often an address is tried in all.
    pub tries: u32,
    /// The wait before the second try; doubled before each further one.
    pub pause: Duration,
    /// How long to wait for a connection; not bounded if it is zero.
    pub connect: Duration,
    /// How long to wait for an answer.
    pub patience: Duration,
    /// How long a server may send nothing in the middle of a file.
    pub stall: Duration,
    /// The file with the user names and passwords of servers, in the format of `netrc`.
    pub netrc: Option<PathBuf>,
}

impl Options {
    /// Three tries, half a second apart at first, half a minute of patience.
    pub fn new(cache: PathBuf, mirrors: Mirrors) -> Self {
        let (pause, patience) = (Duration::from_millis(500), Duration::from_secs(30));
        let (connect, stall) = (patience, patience);
        Self { cache, mirrors, offline: false, tries: 3, pause, connect, patience, stall, netrc: None }
    }
}

/// A file to fetch.
#[derive(Clone, Debug)]
pub struct Download {
    /// Its name, for messages.
    pub name: String,
    /// Addresses, the best first; `mirror://debian/PATH` stands for each mirror's.
    pub urls: Vec<String>,
    /// The hash of its bytes.
    pub hash: Hash,
}

/// A file to fetch whose hash is not known.
#[derive(Clone, Debug, Default)]
pub struct Unpinned {
    /// Its name, for messages.
    pub name: String,
    /// Addresses, the best first.
    pub urls: Vec<String>,
    /// The entity tag of the version that is known already.
    pub unless: Option<String>,
    /// Further headers, such as `Authorization`; sent to every address.
    pub headers: Vec<(String, String)>,
}

/// What came for an [`Unpinned`] request.
#[derive(Clone, Debug)]
pub struct Received {
    /// The SHA-256 of the file.
    pub hash: Hash,
    /// Whether the file is the known one: nothing was written.
    pub not_modified: bool,
    /// The file's entity tag.
    pub etag: Option<String>,
    /// An address at which this version stays, if the server told one.
    pub immutable: Option<String>,
    /// How the server said that it compressed the file on the way; it is kept as it came.
    pub encoding: Option<String>,
    /// Where redirections led.
    pub url: String,
}

/// Is told how a download goes on.
pub trait Observer {
    /// So many bytes are there, of so many in all if that is known.
    fn received(&self, bytes: u64, total: Option<u64>);
}

/// Does not care.
pub struct Unobserved;

impl Observer for Unobserved {
    fn received(&self, _: u64, _: Option<u64>) {}
}

/// What came of one try at one address; the outer error ends the whole download.
type Attempt<T> = Result<Result<T, Reason>, FetchError>;

/// Fetches pinned files.
pub struct Downloader {
    options: Options,
    client: Client,
}

impl Downloader {
    /// Makes no connection yet.
    pub fn new(options: Options) -> Self {
        let client = Client::new(&options);
        Self { options, client }
    }

    /// Whether a file with this hash is in the cache.
    pub fn is_cached(&self, hash: &Hash) -> bool {
        self.cached(hash).exists()
    }

    /// Writes the file to `target`, which must not exist, from the cache if it
    /// is there. When it fails there is no `target`.
    pub fn fetch(
        &self,
        download: &Download,
        target: &Path,
        observer: &dyn Observer,
        cancelled: &AtomicBool,
    ) -> Result<(), FetchError> {
        // A cache file that was damaged on disk is fetched once more.
        for _ in 0..2 {
            let cached = self.obtain(download, observer, cancelled)?;
            match copy_checked(&cached, target, &download.hash)? {
                true => return Ok(()),
                false => remove(&cached)?,
            }
        }
        let path = self.cached(&download.hash);
        let source = io::Error::new(io::ErrorKind::InvalidData, "its contents change while being read");
        Err(FetchError::File { action: "read", path, source })
    }

    fn cached(&self, hash: &Hash) -> PathBuf {
        self.options.cache.join(format!("{}-{}", hash.algorithm().name(), hash.to_base16()))
    }

    /// The cache's file, downloaded unless it is there.
    fn obtain(
        &self,
        download: &Download,
        observer: &dyn Observer,
        cancelled: &AtomicBool,
    ) -> Result<PathBuf, FetchError> {
        let cached = self.cached(&download.hash);
        if cached.exists() {
            return Ok(cached);
        }
        if self.options.offline {
            return Err(FetchError::Offline { name: download.name.clone() });
        }
        let cache = &self.options.cache;
        std::fs::create_dir_all(cache).map_err(|e| file_error("make the directory", cache, e))?;
        let path = cached.with_extension("part");
        let part = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut part = Part { file: part.map_err(|e| file_error("write", &path, e))?, path };
        // Another process may be downloading the same file: wait, then look again.
        flock(&part.file, FlockOperation::LockExclusive)
            .map_err(|e| file_error("lock", &part.path, e.into()))?;
        if cached.exists() {
            return Ok(cached);
        }
        self.download(download, &mut part, observer, cancelled)?;
        std::fs::rename(&part.path, &cached).map_err(|e| file_error("write", &cached, e))?;
        Ok(cached)
    }

    fn download(
        &self,
        download: &Download,
        part: &mut Part,
        observer: &dyn Observer,
        cancelled: &AtomicBool,
    ) -> Result<(), FetchError> {
        let result = self.try_each(&download.name, &download.urls, cancelled, &mut |url| {
            let result = self.attempt(url, &download.hash, part, observer, cancelled)?;
            if matches!(result, Err(Reason::Mismatch { .. })) {
                part.truncate()?;
            }
            Ok(result)
        });
        if matches!(result, Err(FetchError::Unavailable { .. })) && part.length()? == 0 {
            remove(&part.path)?;
        }
        result
    }

    /// Tries each address, again after failures that may pass.
    fn try_each<T>(
        &self,
        name: &str,
        urls: &[String],
        cancelled: &AtomicBool,
        attempt: &mut dyn FnMut(&str) -> Attempt<T>,
    ) -> Result<T, FetchError> {
        let mut attempts = Vec::new();
        for url in self.addresses(urls) {
            let mut pause = self.options.pause;
            for count in 1..=self.options.tries {
                let reason = match attempt(&url)? {
                    Ok(found) => return Ok(found),
                    Err(reason) => reason,
                };
                if !reason.is_passing() || count == self.options.tries {
                    attempts.push((url.clone(), reason));
                    break;
                }
                wait(pause, cancelled)?;
                pause *= 2;
            }
        }
        Err(FetchError::Unavailable { name: name.to_owned(), attempts })
    }

    /// Writes a file whose hash is not known to `target`, which must not exist.
    /// The cache has no part in it. When it fails there is no `target`.
    pub fn fetch_unpinned(
        &self,
        request: &Unpinned,
        target: &Path,
        observer: &dyn Observer,
        cancelled: &AtomicBool,
    ) -> Result<Received, FetchError> {
        if self.options.offline && !request.urls.iter().all(|url| url.starts_with("file://")) {
            return Err(FetchError::Offline { name: request.name.clone() });
        }
        let result = self.try_each(&request.name, &request.urls, cancelled, &mut |url| {
            check(cancelled)?;
            self.attempt_unpinned(url, request, target, observer, cancelled)
        });
        if result.is_err() {
            remove(target)?;
        }
        result
    }

    fn attempt_unpinned(
        &self,
        url: &str,
        request: &Unpinned,
        target: &Path,
        observer: &dyn Observer,
        cancelled: &AtomicBool,
    ) -> Attempt<Received> {
        let (unless, headers) = (request.unless.clone(), request.headers.clone());
        let ask = Ask { url: url.to_owned(), offset: 0, unless, headers };
        let mut answer = match self.client.get(&ask, cancelled) {
            Ok(answer) => answer,
            Err(Stop::Failed(reason)) => return Ok(Err(reason)),
            Err(Stop::Cancelled) => return Err(FetchError::Interrupted),
        };
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        let mut file = None;
        if !answer.head.not_modified {
            file = Some(File::create(target).map_err(|e| file_error("write", target, e))?);
        }
        while let Some(file) = &mut file {
            let bytes = match answer.next(cancelled) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(Stop::Failed(reason)) => return Ok(Err(reason)),
                Err(Stop::Cancelled) => return Err(FetchError::Interrupted),
            };
            file.write_all(&bytes).map_err(|e| file_error("write", target, e))?;
            hasher.update(&bytes);
            observer.received(hasher.written(), answer.head.size);
        }
        let (received, head) = (hasher.written(), answer.head);
        match head.size {
            Some(expected) if !head.not_modified && received < expected => {
                return Ok(Err(Reason::CutOff { received, expected }));
            }
            _ => {}
        }
        let not_modified = head.not_modified;
        let (etag, immutable, encoding, url) = (head.etag, head.immutable, head.encoding, head.url);
        Ok(Ok(Received { hash: hasher.finish(), not_modified, etag, immutable, encoding, url }))
    }

    fn addresses(&self, urls: &[String]) -> Vec<String> {
        let expand = |url: &String| match url.strip_prefix(DEBIAN) {
            Some(path) => self.options.mirrors.urls(path),
            None => vec![url.clone()],
        };
        let mut addresses: Vec<String> = Vec::new();
        for address in urls.iter().flat_map(expand) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// One try at one address.
    fn attempt(
        &self,
        url: &str,
        hash: &Hash,
        part: &mut Part,
        observer: &dyn Observer,
        cancelled: &AtomicBool,
    ) -> Attempt<()> {
        check(cancelled)?;
        let mut hasher = Hasher::new(hash.algorithm());
        let mut received = part.hash_into(&mut hasher)?;
        let ask = Ask { url: url.to_owned(), offset: received, ..Ask::default() };
        let mut answer = match self.client.get(&ask, cancelled) {
            Ok(answer) => answer,
            Err(Stop::Failed(reason)) => return Ok(Err(reason)),
            Err(Stop::Cancelled) => return Err(FetchError::Interrupted),
        };
        if answer.head.offset == 0 && received > 0 {
            part.truncate()?;
            hasher = Hasher::new(hash.algorithm());
            received = 0;
        }
        loop {
            let bytes = match answer.next(cancelled) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(Stop::Failed(reason)) => return Ok(Err(reason)),
                Err(Stop::Cancelled) => return Err(FetchError::Interrupted),
            };
            part.file.write_all(&bytes).map_err(|e| file_error("write", &part.path, e))?;
            hasher.update(&bytes);
            received += bytes.len() as u64;
            observer.received(received, answer.head.size);
        }
        if let Some(expected) = answer.head.size.filter(|&size| received < size) {
            return Ok(Err(Reason::CutOff { received, expected }));
        }
        let got = hasher.finish();
        Ok(if got == *hash { Ok(()) } else { Err(Reason::Mismatch { specified: *hash, got }) })
    }
}

/// What has arrived of a file, locked against other processes.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    fn length(&self) -> Result<u64, FetchError> {
        Ok(self.file.metadata().map_err(|e| file_error("read", &self.path, e))?.len())
    }

    fn truncate(&mut self) -> Result<(), FetchError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|e| file_error("write", &self.path, e))
    }

    /// Hashes what is there and leaves the position at its end; its length.
    fn hash_into(&mut self, hasher: &mut Hasher) -> Result<u64, FetchError> {
        let mut read = || {
            self.file.rewind()?;
            let mut buffer = vec![0; 128 * 1024];
            loop {
                match self.file.read(&mut buffer)? {
                    0 => return self.file.stream_position(),
                    count => hasher.update(&buffer[..count]),
                }
            }
        };
        read().map_err(|e| file_error("read", &self.path, e))
    }
}

/// Copies and hashes; `false`, and no target, if the hash is not the expected one.
fn copy_checked(source: &Path, target: &Path, expected: &Hash) -> Result<bool, FetchError> {
    let mut input = File::open(source).map_err(|e| file_error("read", source, e))?;
    let mut output = File::create_new(target).map_err(|e| file_error("write", target, e))?;
    let mut hasher = Hasher::new(expected.algorithm());
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = input.read(&mut buffer).map_err(|e| file_error("read", source, e))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        if let Err(error) = output.write_all(&buffer[..count]) {
            remove(target)?;
            return Err(file_error("write", target, error));
        }
    }
    let matches = hasher.finish() == *expected;
    if !matches {
        remove(target)?;
    }
    Ok(matches)
}

fn remove(path: &Path) -> Result<(), FetchError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error("remove", path, error)),
        _ => Ok(()),
    }
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> FetchError {
    FetchError::File { action, path: path.to_owned(), source }
}

fn check(cancelled: &AtomicBool) -> Result<(), FetchError> {
    if cancelled.load(Ordering::SeqCst) { Err(FetchError::Interrupted) } else { Ok(()) }
}

/// Sleeps, but not on after the user called it off.
fn wait(pause: Duration, cancelled: &AtomicBool) -> Result<(), FetchError> {
    let slice = Duration::from_millis(50).min(pause);
    let mut left = pause;
    while !left.is_zero() {
        check(cancelled)?;
        std::thread::sleep(slice);
        left = left.saturating_sub(slice);
    }
    Ok(())
}
