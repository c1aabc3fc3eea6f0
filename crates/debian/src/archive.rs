//! Reading of tar archives that somebody else made.
//!
//! A member's name is accepted only if it stays below the root; device nodes,
//! pipes and sockets are refused; set-user-id bits, owners, times and the like are
//! never passed on. Symbolic links are reported, not followed: whoever writes the
//! members to disk makes the links after all files, so that no file can be
//! written through one.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use liblzma::bufread::XzDecoder;
use tar::EntryType;

/// The compressions that archives come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// The older lzma.
    Lzma,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// Recognises a compression by the first bytes of the data.
    pub fn detect(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [b'B', b'Z', b'h', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x5d, 0, 0, ..] => Compression::Lzma,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// Decompresses a stream; several streams one after another are one.
    pub fn decoder<'a>(self, reader: impl Read + 'a) -> std::io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::None => Box::new(reader),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Compression::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(reader)),
            Compression::Xz => Box::new(XzStreams { decoder: Some(xz_decoder(BufReader::new(reader))?) }),
            Compression::Lzma => {
                let stream = liblzma::stream::Stream::new_lzma_decoder(MEMORY)?;
                Box::new(liblzma::read::XzDecoder::new_stream(reader, stream))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(reader)?;
                decoder.window_log_max(27)?;
                Box::new(decoder)
            }
        })
    }
}

impl Compression {
    /// The compression that binary caches call by this name.
    pub fn from_name(name: &str) -> Option<Compression> {
        Some(match name {
            "" | "none" => Compression::None,
            "gzip" => Compression::Gzip,
            "bzip2" => Compression::Bzip2,
            "xz" => Compression::Xz,
            "lzma" => Compression::Lzma,
            "zstd" => Compression::Zstd,
            _ => return None,
        })
    }

    /// Compresses a stream into `sink`, at the level that is usual for it. The older
    /// lzma is only read.
    pub fn compress(self, mut reader: impl Read, mut sink: impl Write) -> std::io::Result<()> {
        match self {
            Compression::None => {
                std::io::copy(&mut reader, &mut sink)?;
            }
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut sink, flate2::Compression::default());
                std::io::copy(&mut reader, &mut encoder)?;
                encoder.finish()?;
            }
            Compression::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(&mut sink, bzip2::Compression::best());
                std::io::copy(&mut reader, &mut encoder)?;
                encoder.finish()?;
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(&mut sink, 6);
                std::io::copy(&mut reader, &mut encoder)?;
                encoder.finish()?;
            }
            Compression::Zstd => {
                zstd::stream::copy_encode(&mut reader, &mut sink, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            }
            Compression::Lzma => return Err(std::io::Error::from(std::io::ErrorKind::Unsupported)),
        }
        sink.flush()
    }
}

/// Bytes of memory that a decoder may use: the largest dictionaries need 64 MiB.
const MEMORY: u64 = 256 << 20;

/// A decoder of one xz stream, whose blocks are decoded on all processors.
fn xz_decoder<R: BufRead>(reader: R) -> std::io::Result<XzDecoder<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let stream = liblzma::stream::MtStreamBuilder::new()
        .threads(u32::try_from(threads).unwrap_or(1))
        .memlimit_threading(MEMORY)
        .memlimit_stop(MEMORY)
        .decoder()?;
    Ok(XzDecoder::new_stream(reader, stream))
}

/// Several xz streams one after another, with padding between them.
struct XzStreams<R: BufRead> {
    /// None after the end.
    decoder: Option<XzDecoder<R>>,
}

impl<R: BufRead> Read for XzStreams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut reader) = self.decoder.take().map(XzDecoder::into_inner) else { break };
            loop {
                let rest = reader.fill_buf()?;
                match rest.iter().position(|byte| *byte != 0) {
                    None if rest.is_empty() => return Ok(0),
                    None => {
                        let count = rest.len();
                        reader.consume(count);
                    }
                    Some(padding) => {
                        reader.consume(padding);
                        self.decoder = Some(xz_decoder(reader)?);
                        break;
                    }
                }
            }
        }
        Ok(0)
    }
}

/// Bounds on what an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Number of members.
    pub members: u64,
    /// Bytes of the unpacked stream.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { members: 2_000_000, bytes: 64 << 30 }
    }
}

/// What a member of an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file; its content can be read.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link with this target, as written: it may point anywhere.
    Symlink(PathBuf),
    /// A further name of the file that has this path in the archive.
    HardLink(PathBuf),
}

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Relative to the archive's root, without `.` and `..`; empty for the root.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// When it was last changed, in seconds since 1970.
    pub modified: u64,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The data ends early, is damaged, or can't be read.
    #[error("the archive can't be read: {0}")]
    Read(#[from] std::io::Error),
    /// A name that leaves the root, or is none.
    #[error("the archive has a member with the unsafe name '{0}'")]
    UnsafeName(String),
    /// A device node or the like.
    #[error("the archive's member '{path}' is a {kind}, which is not allowed")]
    SpecialFile {
        /// The member.
        path: String,
        /// Its kind.
        kind: &'static str,
    },
    /// More members or bytes than allowed.
    #[error("the archive is too large: more than {0}")]
    TooLarge(String),
    /// Raised by the caller of [`read_tar`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// Calls `visit` for each member of an (uncompressed) tar archive, in order, with
/// a reader of its content.
pub fn read_tar<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    reader: impl Read,
    limits: Limits,
    mut visit: impl FnMut(Member, &mut dyn Read) -> Result<(), E>,
) -> Result<(), ArchiveError> {
    let mut archive = tar::Archive::new(Bounded { inner: reader, left: limits.bytes });
    let mut count = 0;
    for entry in archive.entries()? {
        let mut entry = entry.map_err(bounded)?;
        count += 1;
        if count > limits.members {
            return Err(ArchiveError::TooLarge(format!("{} members", limits.members)));
        }
        if let Some(member) = member(&entry)? {
            visit(member, &mut entry).map_err(|error| ArchiveError::Other(error.into()))?;
        }
    }
    Ok(())
}

/// What an entry is; none for headers that describe the archive.
fn member<R: Read>(entry: &tar::Entry<'_, R>) -> Result<Option<Member>, ArchiveError> {
    let raw = entry.path_bytes();
    let special = |kind| ArchiveError::SpecialFile { path: printable(&raw), kind };
    let link = || entry.link_name_bytes().unwrap_or_default().into_owned();
    let kind = match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            Kind::File { executable: entry.header().mode()? & 0o100 != 0 }
        }
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => {
            let target = link();
            if target.is_empty() || target.contains(&0) {
                return Err(ArchiveError::UnsafeName(printable(&raw)));
            }
            Kind::Symlink(PathBuf::from(OsStr::from_bytes(&target)))
        }
        EntryType::Link => Kind::HardLink(safe_path(&link())?),
        EntryType::Char | EntryType::Block => return Err(special("device node")),
        EntryType::Fifo => return Err(special("named pipe")),
        // Global pax headers, volume labels: about the archive, not members.
        _ => return Ok(None),
    };
    let path = safe_path(&raw)?;
    if path.as_os_str().is_empty() && kind != Kind::Directory {
        return Err(ArchiveError::UnsafeName(printable(&raw)));
    }
    let modified = entry.header().mtime().unwrap_or_default();
    Ok(Some(Member { path, kind, modified }))
}

/// Checks a member's name: relative, no `..`, no NUL; `.` and doubled slashes are
/// taken out.
pub fn safe_path(raw: &[u8]) -> Result<PathBuf, ArchiveError> {
    let bad = || ArchiveError::UnsafeName(printable(raw));
    if raw.first() == Some(&b'/') || raw.contains(&0) || raw.len() > 4096 {
        return Err(bad());
    }
    let mut path = PathBuf::new();
    for part in raw.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(bad()),
            part if part.len() > 255 => return Err(bad()),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}

/// For messages.
fn printable(raw: &[u8]) -> String {
    raw[..raw.len().min(200)].escape_ascii().to_string()
}

/// A reader that fails, instead of ending, when the limit is exceeded.
struct Bounded<R> {
    inner: R,
    left: u64,
}

const OVER_LIMIT: &str = "over the limit of unpacked bytes";

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| std::io::Error::other(OVER_LIMIT))?;
        Ok(count)
    }
}

fn bounded(error: std::io::Error) -> ArchiveError {
    if error.to_string().contains(OVER_LIMIT) {
        return ArchiveError::TooLarge("the allowed number of unpacked bytes".to_owned());
    }
    ArchiveError::Read(error)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tar archive of raw names, so that bad ones can be made.
    pub(crate) fn tar_of(members: &[(&str, EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, link, content) in members {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            header.set_mtime(5);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn check(members: &[(&str, EntryType, &str, &str)]) -> Result<Vec<Member>, String> {
        let mut found = Vec::new();
        let bytes = tar_of(members);
        let limits = Limits { members: 4, bytes: 1 << 20 };
        read_tar(bytes.as_slice(), limits, |member, _| -> Result<(), std::io::Error> {
            found.push(member);
            Ok(())
        })
        .map_err(|error| error.to_string())?;
        Ok(found)
    }

    #[test]
    fn good_members() {
        let found = check(&[
            ("./", EntryType::Directory, "", ""),
            ("./usr//bin/x", EntryType::Regular, "", "hi"),
            ("./y", EntryType::Symlink, "../../etc/passwd", ""),
            ("z", EntryType::Link, "./usr/bin/x", ""),
        ]);
        let member = |path: &str, kind| Member { path: path.into(), kind, modified: 5 };
        assert_eq!(
            found.unwrap(),
            [
                member("", Kind::Directory),
                member("usr/bin/x", Kind::File { executable: true }),
                member("y", Kind::Symlink("../../etc/passwd".into())),
                member("z", Kind::HardLink("usr/bin/x".into())),
            ]
        );
    }

    #[test]
    fn hostile_members() {
        let error = |name, kind, link| check(&[(name, kind, link, "")]).unwrap_err();
        let unsafe_name = "the archive has a member with the unsafe name";
        assert_eq!(error("../x", EntryType::Regular, ""), format!("{unsafe_name} '../x'"));
        assert_eq!(error("/etc/x", EntryType::Regular, ""), format!("{unsafe_name} '/etc/x'"));
        assert_eq!(error("a/../../x", EntryType::Directory, ""), format!("{unsafe_name} 'a/../../x'"));
        assert_eq!(error("x", EntryType::Link, "../x"), format!("{unsafe_name} '../x'"));
        assert_eq!(error("./", EntryType::Symlink, "/"), format!("{unsafe_name} './'"));
        assert_eq!(
            error("dev/sda", EntryType::Block, ""),
            "the archive's member 'dev/sda' is a device node, which is not allowed"
        );
        assert_eq!(
            check(&[("x", EntryType::Regular, "", "y"); 5]).unwrap_err(),
            "the archive is too large: more than 4 members"
        );
        let big = "x".repeat(2 << 20);
        check(&[("x", EntryType::Regular, "", &big), ("y", EntryType::Regular, "", "")]).unwrap_err();
    }

    #[test]
    fn streams_one_after_another() {
        let compressed = |text: &str| {
            let mut bytes = Vec::new();
            liblzma::read::XzEncoder::new(text.as_bytes(), 0).read_to_end(&mut bytes).unwrap();
            bytes
        };
        let decode = |bytes: &[u8]| {
            let mut text = String::new();
            let mut decoder = Compression::detect(bytes).decoder(bytes).unwrap();
            decoder.read_to_string(&mut text).map(|_| text).map_err(|error| error.kind())
        };
        let two = [compressed("one "), vec![0; 4], compressed("two"), vec![0; 8]].concat();
        assert_eq!(decode(&two).as_deref(), Ok("one two"));
        assert!(decode(&two[..two.len() - 12]).is_err());
        assert!(decode(&[compressed("one"), b"rest".to_vec()].concat()).is_err());
    }

    #[test]
    fn truncated_and_garbage() {
        let bytes = tar_of(&[("x", EntryType::Regular, "", "content")]);
        for length in [1, 100, 511, 513] {
            let result = read_tar(&bytes[..length], Limits::default(), |_, reader| {
                std::io::copy(reader, &mut std::io::sink()).and_then(|size| {
                    if size == 7 { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
                })
            });
            result.unwrap_err();
        }
        read_tar([7u8; 2048].as_slice(), Limits::default(), |_, _| -> Result<(), std::io::Error> { Ok(()) })
            .unwrap_err();
    }
}
