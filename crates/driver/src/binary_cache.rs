//! Binary caches: directories, here (`file://`) or on a web server, of compressed
//! NARs and of `.narinfo` files that say what they are.
//!
//! Source of the format: the Nix manual, "Serving a Nix store via HTTP" and "HTTP
//! Binary Cache Store". A cache is not trusted: what it says of a path counts if a
//! trusted key has signed it, or if the path follows from the content.

use saltire_debian::archive::Compression;
use saltire_fetch::{Downloader, FetchError, Reason, Unobserved, Unpinned};
use saltire_store::StoreError;
use saltire_store_model::{
    HashAlgorithm, Hasher, HashingWriter, NarInfo, PathInfo, PublicKeys, SecretKey, StoreDir, StorePath,
};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use thiserror::Error;

/// The file that says what a cache is.
const CACHE_INFO: &str = "nix-cache-info";

/// Why something can't be copied from or to another store.
#[derive(Debug, Error)]
pub enum CopyError {
    /// A file of a web server can't be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of a cache can't be read or written.
    #[error("can't {action} {}: {source}", .path.display())]
    File {
        /// "read", "write", …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cache holds paths of another store directory.
    #[error("binary cache '{cache}' is for Nix stores with prefix '{has}', not '{wanted}'")]
    Prefix {
        /// The cache's address.
        cache: String,
        /// Its store directory.
        has: String,
        /// This store's.
        wanted: String,
    },
    /// There is nothing at the address of a cache.
    #[error("'{0}' does not appear to be a binary cache")]
    NoCache(String),
    /// What a cache says of a path can't be understood.
    #[error("what '{cache}' says of '{path}' is wrong: {reason}")]
    Wrong {
        /// The cache's address.
        cache: String,
        /// The path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody who is trusted vouches for a path.
    #[error("cannot add path '{0}' because it lacks a signature by a trusted key")]
    Untrusted(String),
    /// A path that is to be copied is not there.
    #[error("path '{path}' does not exist in the store '{store}'")]
    Missing {
        /// The path.
        path: String,
        /// Where it should be.
        store: String,
    },
    /// A store on another machine can't be used.
    #[error("'{store}': {source}")]
    Machine {
        /// Its address.
        store: String,
        /// Why.
        source: saltire_remote::RemoteError,
    },
    /// A store of a kind that there is nothing for here.
    #[error("don't know how to open Nix store with URI '{0}'")]
    Unknown(String),
    /// Web servers are only read.
    #[error("cannot write to binary cache '{0}'")]
    ReadOnly(String),
    /// A key can't be used.
    #[error("can't use the key in {}: {reason}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A store of another machine tells no logs.
    #[error("store '{0}' does not support retrieving build logs")]
    NoLogs(String),
    /// Another machine answered otherwise than it should.
    #[error("'{store}': {reason}")]
    Remote {
        /// Which.
        store: String,
        /// What is wrong.
        reason: String,
    },
}

impl CopyError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(FetchError::Unavailable { .. }) => {
                Some("check the address, the network and the proxy settings".into())
            }
            Self::Fetch(error) => error.hint(),
            Self::Machine { source, .. } => source.hint(),
            Self::Untrusted(_) => Some(
                "add the key of who signed it to 'trusted-public-keys', or switch the check off with '--no-check-sigs' (builds: '--no-require-sigs')"
                    .into(),
            ),
            Self::Unknown(_) => Some(
                "stores are 'file:///DIRECTORY', 'http(s)://…', 'ssh://HOST', 'local', '/ROOT' and 'local?root=/ROOT'".into(),
            ),
            Self::ReadOnly(_) => Some("copy to 'file:///DIRECTORY' and upload the directory".into()),
            _ => None,
        }
    }
}

pub(crate) fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    move |source| CopyError::File { action, path: path.to_owned(), source }
}

/// Bytes that are decompressed at a time.
const BUFFER: usize = 64 << 10;

/// How a cache is reached.
#[derive(Clone)]
pub struct Access {
    /// Downloads.
    pub downloader: Arc<Downloader>,
    /// A directory for what is on its way.
    pub scratch: PathBuf,
    /// Ends what runs when it becomes true.
    pub cancelled: Arc<AtomicBool>,
}

/// What is in front of a cache's NARs.
enum Place {
    Directory(PathBuf),
    Web(String),
}

/// A binary cache.
pub struct BinaryCache {
    /// Its address, as messages name it.
    pub url: String,
    /// Lower ones are asked first.
    pub priority: u32,
    /// What it says counts without a signature (`?trusted=true`).
    pub trusted: bool,
    place: Place,
    store_dir: StoreDir,
    compression: Compression,
    compression_name: String,
    /// Signs what is written.
    secret_key: Option<SecretKey>,
    access: Access,
}

impl BinaryCache {
    /// A cache at an address, `file://…` or `http(s)://…`, perhaps with parameters
    /// (`compression`, `priority`, `secret-key`, `trusted`).
    pub fn open(url: &str, store_dir: &StoreDir, access: Access) -> Result<Self, CopyError> {
        let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
        let address = address.trim_end_matches('/');
        let parameter = |name: &str| {
            let mut all = parameters.split('&').filter_map(|pair| pair.split_once('='));
            all.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        let place = match address.strip_prefix("file://") {
            Some(path) => Place::Directory(path.into()),
            None => Place::Web(address.to_owned()),
        };
        let name = parameter("compression").unwrap_or("xz");
        let wrong = |reason: String| CopyError::Remote { store: url.to_owned(), reason };
        let compression = Compression::from_name(name).filter(|found| *found != Compression::Lzma);
        let compression = compression.ok_or_else(|| wrong(format!("unknown compression method '{name}'")))?;
        let secret_key = parameter("secret-key").map(|path| read_key(Path::new(path))).transpose()?;
        let priority = parameter("priority").and_then(|text| text.parse().ok());
        let trusted = parameter("trusted").is_some_and(|value| matches!(value, "true" | "1"));
        let mut cache = Self {
            url: address.to_owned(),
            priority: priority.unwrap_or(50),
            trusted,
            place,
            store_dir: store_dir.clone(),
            compression,
            compression_name: name.to_owned(),
            secret_key,
            access,
        };
        if let Some(found) = cache.check()?
            && priority.is_none()
        {
            cache.priority = found;
        }
        Ok(cache)
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Directory(_))
    }

    /// Reads what the cache says of itself: its priority.
    fn check(&self) -> Result<Option<u32>, CopyError> {
        let Some(text) = self.text(CACHE_INFO)? else {
            return match self.place {
                Place::Directory(_) => Ok(None),
                Place::Web(_) => Err(CopyError::NoCache(self.url.clone())),
            };
        };
        let field =
            |name: &str| text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name);
        if let Some((_, has)) = field("StoreDir")
            && has.trim() != self.store_dir.as_str()
        {
            let (cache, has) = (self.url.clone(), has.trim().to_owned());
            return Err(CopyError::Prefix { cache, has, wanted: self.store_dir.as_str().to_owned() });
        }
        Ok(field("Priority").and_then(|(_, value)| value.trim().parse().ok()))
    }

    /// A small file; nothing if there is none.
    fn text(&self, name: &str) -> Result<Option<String>, CopyError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let bytes = std::fs::read(file.path()).map_err(file_error("read", file.path()))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A file, on this machine; nothing if there is none.
    fn file(&self, name: &str) -> Result<Option<Fetched>, CopyError> {
        let root = match &self.place {
            Place::Directory(root) => {
                let path = root.join(name);
                return Ok(path.exists().then_some(Fetched::There(path)));
            }
            Place::Web(root) => root,
        };
        let url = if name.contains("://") { name.to_owned() } else { format!("{root}/{name}") };
        let scratch = &self.access.scratch;
        std::fs::create_dir_all(scratch).map_err(file_error("create", scratch))?;
        let directory = tempfile::Builder::new().prefix(".new-").tempdir_in(scratch);
        let directory = directory.map_err(file_error("write to", scratch))?;
        let target = directory.path().join("file");
        let request = Unpinned { name: url.clone(), urls: vec![url], ..Unpinned::default() };
        let fetched =
            self.access.downloader.fetch_unpinned(&request, &target, &Unobserved, &self.access.cancelled);
        match fetched {
            Ok(received) => Ok(Some(Fetched::Brought {
                path: target,
                encoding: received.encoding,
                _directory: directory,
            })),
            Err(FetchError::Unavailable { attempts, .. })
                if attempts.iter().all(|(_, reason)| matches!(reason, Reason::Status(403 | 404 | 410))) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn info_name(path: &StorePath) -> String {
        format!("{}.narinfo", path.hash_part())
    }

    fn wrong(&self, path: &StorePath, reason: impl ToString) -> CopyError {
        let path = self.store_dir.display(path);
        CopyError::Wrong { cache: self.url.clone(), path, reason: reason.to_string() }
    }

    /// What the cache says of a path; nothing if it does not have it. Not checked.
    pub fn info(&self, path: &StorePath) -> Result<Option<NarInfo>, CopyError> {
        let Some(text) = self.text(&Self::info_name(path))? else { return Ok(None) };
        let info = NarInfo::parse(&self.store_dir, &text);
        let info = info.map_err(|error| self.wrong(path, error))?;
        match info.info.path == *path {
            true => Ok(Some(info)),
            false => Err(self.wrong(path, format!("it is about '{}'", info.info.path.base_name()))),
        }
    }

    /// Whether somebody trusted vouches for what the cache says.
    pub fn vouched(&self, info: &NarInfo, keys: &PublicKeys) -> bool {
        self.trusted || is_vouched(&info.info, keys, &self.store_dir)
    }

    /// Calls `read` with a path's NAR.
    pub fn with_nar<T>(
        &self,
        info: &NarInfo,
        read: impl FnOnce(&mut dyn Read) -> Result<T, CopyError>,
    ) -> Result<T, CopyError> {
        let path = &info.info.path;
        let compression = Compression::from_name(&info.compression).ok_or_else(|| {
            self.wrong(path, format!("NARs compressed with '{}' can't be read", info.compression))
        })?;
        // An address elsewhere is no place in a directory.
        let leads_out = info.url.starts_with('/') || info.url.split('/').any(|part| part == "..");
        if self.is_local() && (leads_out || info.url.contains("://")) {
            return Err(self.wrong(path, format!("'{}' is no file of it", info.url)));
        }
        let file = self
            .file(&info.url)?
            .ok_or_else(|| CopyError::Missing { path: info.url.clone(), store: self.url.clone() })?;
        let opened = File::open(file.path()).map_err(file_error("read", file.path()))?;
        let mut reader =
            compression.decoder(BufReader::new(opened)).map_err(file_error("read", file.path()))?;
        read(&mut reader)
    }

    /// Writes a path with its NAR to the cache. What it refers to should be there.
    pub fn put(&self, info: &PathInfo, nar: &mut dyn Read) -> Result<(), CopyError> {
        let Place::Directory(root) = &self.place else { return Err(CopyError::ReadOnly(self.url.clone())) };
        let nars = root.join("nar");
        std::fs::create_dir_all(&nars).map_err(file_error("create", &nars))?;
        self.write_cache_info(root)?;
        let file = tempfile::Builder::new().prefix(".new-").permissions(readable()).tempfile_in(&nars);
        let file = file.map_err(file_error("write to", &nars))?;
        let mut sink = HashingWriter::new(HashAlgorithm::Sha256, file.as_file());
        let mut source = Checked { inner: nar, hasher: Hasher::new(HashAlgorithm::Sha256) };
        let compressed = self.compression.compress(BufReader::new(&mut source), &mut sink);
        compressed.map_err(file_error("write", file.path()))?;
        let got = source.hasher.finish();
        if got != info.nar_hash {
            let path = self.store_dir.display(&info.path);
            let (expected, got) = (info.nar_hash.to_sri(), got.to_sri());
            let reason = format!("hash of path '{path}' has changed from '{expected}' to '{got}'!");
            return Err(CopyError::Remote { store: self.url.clone(), reason });
        }
        let (_, hash, size) = sink.finish();
        let suffix = match self.compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Bzip2 => ".bz2",
            Compression::Xz | Compression::Lzma => ".xz",
            Compression::Zstd => ".zst",
        };
        let url = format!("nar/{}.nar{suffix}", hash.to_nix_base32());
        let place = root.join(&url);
        file.persist(&place).map_err(|failure| failure.error).map_err(file_error("write", &place))?;
        let mut info = info.clone();
        if let Some(key) = &self.secret_key {
            key.sign_path(&mut info, &self.store_dir);
        }
        let name = Self::info_name(&info.path);
        let narinfo = NarInfo {
            info,
            url,
            compression: self.compression_name.clone(),
            file_hash: Some(hash),
            file_size: Some(size),
        };
        write_whole(&root.join(name), narinfo.print(&self.store_dir))
    }

    /// Replaces what the cache says of a path, such as its signatures.
    pub fn put_info(&self, info: &NarInfo) -> Result<(), CopyError> {
        let Place::Directory(root) = &self.place else { return Err(CopyError::ReadOnly(self.url.clone())) };
        write_whole(&root.join(Self::info_name(&info.info.path)), info.print(&self.store_dir))
    }

    /// The log of a derivation's build; nothing if the cache does not have it.
    pub(crate) fn log(&self, derivation: &StorePath) -> Result<Option<Vec<u8>>, CopyError> {
        let Some(file) = self.file(&Self::log_name(derivation))? else { return Ok(None) };
        file.content().map(Some).map_err(file_error("read", file.path()))
    }

    /// Adds the log of a derivation's build.
    pub(crate) fn put_log(&self, derivation: &StorePath, log: &[u8]) -> Result<(), CopyError> {
        let Place::Directory(root) = &self.place else { return Err(CopyError::ReadOnly(self.url.clone())) };
        let logs = root.join("log");
        std::fs::create_dir_all(&logs).map_err(file_error("create", &logs))?;
        self.write_cache_info(root)?;
        write_whole(&root.join(Self::log_name(derivation)), log)
    }

    fn log_name(derivation: &StorePath) -> String {
        format!("log/{}", derivation.base_name())
    }

    fn write_cache_info(&self, root: &Path) -> Result<(), CopyError> {
        let path = root.join(CACHE_INFO);
        match path.exists() {
            true => Ok(()),
            false => write_whole(&path, format!("StoreDir: {}\n", self.store_dir.as_str())),
        }
    }

    /// The paths that a cache on this machine has.
    pub fn all(&self) -> Result<Vec<StorePath>, CopyError> {
        let Place::Directory(root) = &self.place else {
            let reason = "the paths of a binary cache on a web server can't be listed".to_owned();
            return Err(CopyError::Remote { store: self.url.clone(), reason });
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(root).map_err(file_error("read", root))? {
            let path = entry.map_err(file_error("read", root))?.path();
            if path.extension().is_some_and(|extension| extension == "narinfo") {
                let text = std::fs::read_to_string(&path).map_err(file_error("read", &path))?;
                paths.extend(NarInfo::parse(&self.store_dir, &text).map(|info| info.info.path));
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// Whether a path follows from its content, or is signed with one of the keys.
pub fn is_vouched(info: &PathInfo, keys: &PublicKeys, store_dir: &StoreDir) -> bool {
    info.has_right_content_address(store_dir).ok().flatten() == Some(true)
        || keys.count_valid(info, store_dir) > 0
}

/// The secret key in a file.
pub fn read_key(path: &Path) -> Result<SecretKey, CopyError> {
    let text = std::fs::read_to_string(path).map_err(file_error("read", path))?;
    SecretKey::parse(&text)
        .map_err(|error| CopyError::Key { path: path.to_owned(), reason: error.to_string() })
}

/// A file that was there or has come.
enum Fetched {
    There(PathBuf),
    Brought {
        path: PathBuf,
        /// How the server said that it compressed it on the way (`Content-Encoding`).
        encoding: Option<String>,
        /// Removes it in the end.
        _directory: tempfile::TempDir,
    },
}

impl Fetched {
    fn path(&self) -> &Path {
        match self {
            Self::There(path) | Self::Brought { path, .. } => path,
        }
    }

    /// The content, as it was before it was compressed on the way.
    fn content(&self) -> io::Result<Vec<u8>> {
        let mut file = BufReader::new(File::open(self.path())?);
        let encoding = match self {
            Self::There(_) => None,
            Self::Brought { encoding, .. } => encoding.as_deref(),
        };
        let mut content = Vec::new();
        match encoding {
            None | Some("identity") => file.read_to_end(&mut content)?,
            Some("br") => brotli_decompressor::Decompressor::new(file, BUFFER).read_to_end(&mut content)?,
            Some(other) => match Compression::from_name(other.trim_start_matches("x-")) {
                Some(compression) => compression.decoder(file)?.read_to_end(&mut content)?,
                None => return Err(io::Error::other(format!("it is compressed with '{other}'"))),
            },
        };
        Ok(content)
    }
}

/// Hashes what is read.
struct Checked<'a> {
    inner: &'a mut dyn Read,
    hasher: Hasher,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// Writes a file so that it is never seen half written.
fn write_whole(path: &Path, text: impl AsRef<[u8]>) -> Result<(), CopyError> {
    let error = || file_error("write", path);
    let parent = path.parent().unwrap_or(Path::new("/"));
    let file = tempfile::Builder::new().prefix(".new-").permissions(readable()).tempfile_in(parent);
    let file = file.map_err(error())?;
    std::fs::write(file.path(), text).map_err(error())?;
    file.persist(path).map_err(|failure| failure.error).map_err(error())?;
    Ok(())
}
