//! Archives of source code, unpacked: tar in any usual compression, zip, and NAR.
//!
//! Archives are hostile. Nothing is written outside the target, whatever they
//! say: files are only written below directories made here, and symbolic links,
//! which may point anywhere, are made after all files.

use saltire_debian::archive::{ArchiveError, Compression, Kind, Limits, Member, read_tar, safe_path};
use saltire_store_model::nar::{self, NarError};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Cursor, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

/// Why an archive could not be unpacked.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// The archive is damaged, hostile, or of no known kind.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The zip archive is damaged or hostile.
    #[error("the zip archive can't be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The NAR is damaged.
    #[error(transparent)]
    Nar(#[from] NarError),
    /// A member that would be written through a link, or over a directory.
    #[error("the archive's member '{}' is in the way of another one", .0.display())]
    InTheWay(PathBuf),
    /// Reading the archive or writing a file failed.
    #[error("can't {action} {}: {source}", .path.display())]
    File {
        /// "read", "write", …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The user called it off.
    #[error("interrupted")]
    Interrupted,
}

/// What an archive held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The latest time of change of its members, in seconds since 1970; 0 if none
    /// is known.
    pub last_modified: u64,
}

/// How a NAR begins: the length of its first string, and the string.
const NAR_MAGIC: [u8; 21] = *b"\x0d\0\0\0\0\0\0\0nix-archive-1";

/// How a zip archive with at least one member begins.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";

/// Unpacks the archive `file` to `target`, which must not exist. If all of it is in
/// one directory at its top, that directory's contents are the result. When it
/// fails, what it wrote is removed.
pub fn unpack_archive(file: &Path, target: &Path, cancelled: &AtomicBool) -> Result<Unpacked, UnpackError> {
    let result = unpack(file, target, cancelled);
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(target).or_else(|_| fs::remove_file(target));
    }
    result
}

fn unpack(file: &Path, target: &Path, cancelled: &AtomicBool) -> Result<Unpacked, UnpackError> {
    let mut start = [0; 8];
    let mut input = File::open(file).map_err(io_error("read", file))?;
    let known = read_up_to(&mut input, &mut start).map_err(io_error("read", file))?;
    let mut writer = Writer { root: target, cancelled, links: BTreeMap::new(), last_modified: 0 };
    if start[..known].starts_with(ZIP_MAGIC) {
        fs::create_dir(target).map_err(io_error("create", target))?;
        writer.take_zip(input)?;
    } else {
        let decoder = Compression::detect(&start[..known]);
        let decoder = decoder.decoder(Cursor::new(start).take(known as u64).chain(input));
        let mut reader = BufReader::with_capacity(1 << 17, decoder.map_err(io_error("read", file))?);
        let mut begin = [0; NAR_MAGIC.len()];
        let known = read_up_to(&mut reader, &mut begin).map_err(io_error("read", file))?;
        let mut reader = Cursor::new(&begin[..known]).chain(reader);
        if begin == NAR_MAGIC {
            nar::unpack(&mut reader, target)?;
            return Ok(Unpacked::default());
        }
        fs::create_dir(target).map_err(io_error("create", target))?;
        writer.take_tar(reader)?;
    }
    writer.make_links()?;
    let last_modified = writer.last_modified;
    hoist_only_directory(target)?;
    Ok(Unpacked { last_modified })
}

/// Writes members below a directory.
struct Writer<'a> {
    root: &'a Path,
    cancelled: &'a AtomicBool,
    /// Links still to be made, by their path: to where, and whether it is hard.
    links: BTreeMap<PathBuf, (PathBuf, bool)>,
    last_modified: u64,
}

impl Writer<'_> {
    fn take_tar(&mut self, reader: impl Read) -> Result<(), UnpackError> {
        let mut failure = None;
        let result = read_tar(reader, Limits::default(), |member, content| {
            self.take(member, content).map_err(|error| match error {
                // What the archive's data made fail is the archive's failure.
                UnpackError::File { action: READ_MEMBER, source, .. } => source,
                error => {
                    failure = Some(error);
                    io::Error::other("stopped")
                }
            })
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(result?),
        }
    }

    fn take_zip(&mut self, file: File) -> Result<(), UnpackError> {
        let mut archive = zip::ZipArchive::new(file)?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index)?;
            let path = safe_path(entry.name_raw())?;
            let kind = if entry.is_dir() {
                Kind::Directory
            } else if entry.is_symlink() {
                let mut link = Vec::new();
                let path = &path;
                (&mut entry).take(4096).read_to_end(&mut link).map_err(io_error(READ_MEMBER, path))?;
                Kind::Symlink(PathBuf::from(std::ffi::OsStr::from_bytes(&link)))
            } else {
                Kind::File { executable: entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0) }
            };
            self.take(Member { path, kind, modified: 0 }, &mut entry)?;
        }
        Ok(())
    }

    fn take(&mut self, member: Member, content: &mut dyn Read) -> Result<(), UnpackError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(UnpackError::Interrupted);
        }
        self.last_modified = self.last_modified.max(member.modified);
        let path = self.root.join(&member.path);
        match member.kind {
            Kind::Directory => fs::create_dir_all(&path).map_err(io_error("create", &path))?,
            Kind::Symlink(target) => {
                self.links.insert(member.path, (target, false));
            }
            Kind::HardLink(target) => {
                self.links.insert(member.path, (target, true));
            }
            Kind::File { executable } => {
                // A later member of the same name takes the place of an earlier one.
                self.links.remove(&member.path);
                write_file(&path, executable, content)?;
            }
        }
        Ok(())
    }

    /// Makes the links: hard ones first, so that none leads through a symbolic one.
    fn make_links(&self) -> Result<(), UnpackError> {
        for is_hard in [true, false] {
            for (path, (target, _)) in self.links.iter().filter(|(_, (_, hard))| *hard == is_hard) {
                let through_link = |above: &Path| self.links.get(above).is_some_and(|(_, hard)| !hard);
                if path.ancestors().skip(1).any(through_link) {
                    return Err(UnpackError::InTheWay(path.clone()));
                }
                let place = self.root.join(path);
                create_parent(&place)?;
                remove_earlier(&place)?;
                if !is_hard {
                    symlink(target, &place).map_err(io_error("create the link", &place))?;
                    continue;
                }
                let from = self.root.join(target);
                if !fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_file()) {
                    return Err(UnpackError::InTheWay(path.clone()));
                }
                fs::hard_link(&from, &place).map_err(io_error("create the link", &place))?;
            }
        }
        Ok(())
    }
}

/// The action of an error that comes from the archive, not from the disk.
const READ_MEMBER: &str = "unpack";

fn write_file(path: &Path, executable: bool, content: &mut dyn Read) -> Result<(), UnpackError> {
    create_parent(path)?;
    remove_earlier(path)?;
    let mode = if executable { 0o755 } else { 0o644 };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(io_error("create", path))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => file.write_all(&buffer[..count]).map_err(io_error("write", path))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error(READ_MEMBER, path)(error)),
        }
    }
}

fn create_parent(path: &Path) -> Result<(), UnpackError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(io_error("create", parent))
}

/// Removes a file of an earlier member.
fn remove_earlier(path: &Path) -> Result<(), UnpackError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(UnpackError::InTheWay(path.to_owned())),
        Ok(_) => fs::remove_file(path).map_err(io_error("remove", path)),
        Err(_) => Ok(()),
    }
}

/// If there is nothing but one directory, its contents take the place of the whole.
fn hoist_only_directory(target: &Path) -> Result<(), UnpackError> {
    let read = || fs::read_dir(target)?.take(2).collect::<io::Result<Vec<_>>>();
    let entries = read().map_err(io_error("read", target))?;
    let [only] = entries.as_slice() else { return Ok(()) };
    if !only.file_type().is_ok_and(|kind| kind.is_dir()) {
        return Ok(());
    }
    let mut aside = target.as_os_str().to_owned();
    aside.push(".top");
    let aside = PathBuf::from(aside);
    let moved = fs::rename(only.path(), &aside).and_then(|()| fs::remove_dir(target));
    moved.and_then(|()| fs::rename(&aside, target)).map_err(io_error("move", &aside))
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnpackError {
    let path = path.to_owned();
    move |source| UnpackError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::EntryType::{self, Directory, Link, Regular, Symlink};

    type Members<'a> = &'a [(&'a str, EntryType, &'a str)];

    /// A tar archive of names with contents, or with link targets.
    fn tar_of(members: Members) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (index, (name, kind, text)) in members.iter().enumerate() {
            let is_link = matches!(kind, Link | Symlink);
            let content = if is_link { "" } else { text };
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            if is_link {
                header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_entry_type(*kind);
            header.set_mode(if content.starts_with("#!") { 0o755 } else { 0o644 });
            header.set_mtime(100 + index as u64);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// Unpacks bytes: what the result is, a line for each thing, or the error.
    fn unpacked(bytes: &[u8]) -> Result<(Vec<String>, u64), String> {
        let place = tempfile::tempdir().unwrap();
        let (file, target) = (place.path().join("file"), place.path().join("target"));
        fs::write(&file, bytes).unwrap();
        let result = unpack_archive(&file, &target, &AtomicBool::new(false));
        let beside = fs::read_dir(place.path()).unwrap().count();
        let unpacked = result.map_err(|error| {
            assert_eq!(beside, 1, "nothing stays after a failure");
            error.to_string().replace(&format!("{}/", place.path().display()), "")
        })?;
        assert_eq!(beside, 2);
        let mut lines = Vec::new();
        list(&target, &target, &mut lines);
        lines.sort();
        Ok((lines, unpacked.last_modified))
    }

    fn list(root: &Path, path: &Path, lines: &mut Vec<String>) {
        use std::os::unix::fs::PermissionsExt;
        let name = path.strip_prefix(root).unwrap().display();
        let metadata = fs::symlink_metadata(path).unwrap();
        if metadata.is_symlink() {
            lines.push(format!("{name} -> {}", fs::read_link(path).unwrap().display()));
        } else if metadata.is_dir() {
            let entries: Vec<_> = fs::read_dir(path).unwrap().collect();
            if entries.is_empty() {
                lines.push(format!("{name}/"));
            }
            entries.into_iter().for_each(|entry| list(root, &entry.unwrap().path(), lines));
        } else {
            let text = fs::read_to_string(path).unwrap();
            lines.push(format!("{name} {:o} {text}", metadata.permissions().mode() & 0o777));
        }
    }

    fn check(members: Members, expected: &[&str]) {
        let (lines, last_modified) = unpacked(&tar_of(members)).unwrap();
        assert_eq!(lines, expected);
        assert_eq!(last_modified, 99 + members.len() as u64);
    }

    #[test]
    fn one_directory_at_the_top_is_taken_off() {
        let members: Members = &[
            ("p-1/", Directory, ""),
            ("p-1/run", Regular, "#!x"),
            ("p-1/empty/", Directory, ""),
            ("p-1/link", Symlink, "../run"),
            ("p-1/same", Link, "p-1/run"),
        ];
        check(members, &["empty/", "link -> ../run", "run 755 #!x", "same 755 #!x"]);
        check(&[("p/a", Regular, "A"), ("b", Regular, "B")], &["b 644 B", "p/a 644 A"]);
        // Only a directory counts, and only one level.
        check(&[("a", Regular, "A")], &["a 644 A"]);
        check(&[("p/p/a", Regular, "A")], &["p/a 644 A"]);
    }

    #[test]
    fn a_later_member_replaces_an_earlier_one() {
        check(&[("a", Regular, "1"), ("a", Regular, "2")], &["a 644 2"]);
        check(&[("a", Symlink, "x"), ("a", Regular, "2")], &["a 644 2"]);
        check(&[("a", Regular, "1"), ("a", Symlink, "x")], &["a -> x"]);
    }

    #[test]
    fn nothing_is_written_through_links() {
        let in_the_way = |path: &str| format!("the archive's member '{path}' is in the way of another one");
        let error = |members: Members| unpacked(&tar_of(members)).unwrap_err();
        assert_eq!(error(&[("a", Symlink, "/tmp"), ("a/b", Regular, "x")]), in_the_way("target/a"));
        assert_eq!(error(&[("a", Symlink, "/tmp"), ("a/b", Symlink, "x")]), in_the_way("a/b"));
        assert_eq!(error(&[("a", Symlink, "/etc/passwd"), ("b", Link, "a")]), in_the_way("b"));
        assert_eq!(error(&[("../x", Regular, "")]), "the archive has a member with the unsafe name '../x'");
    }

    #[test]
    fn compressions_zip_and_nar() {
        let tar = tar_of(&[("p/a", Regular, "A")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file("p/a", options).unwrap();
        zip.write_all(b"A").unwrap();
        let zip = zip.finish().unwrap().into_inner();
        let nar = nar::nar_of_file(b"A", true);
        for (bytes, expected) in [(gzip.finish().unwrap(), "a 644 A"), (zip, "a 755 A"), (nar, " 555 A")] {
            assert_eq!(unpacked(&bytes).unwrap().0, [expected]);
        }
    }

    #[test]
    fn damaged_archives_are_errors() {
        let tar = tar_of(&[("p/a", Regular, "A")]);
        for bytes in
            [&tar[..600], b"no archive, but longer than any magic number", b"\x1f\x8bx", b"PK\x03\x04xx"]
        {
            unpacked(bytes).unwrap_err();
        }
    }
}
