//! `.deb` files (deb(5)): an `ar` archive with the members `debian-binary`,
//! `control.tar*` and `data.tar*`, in this order.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::archive::{ArchiveError, Compression, Limits, Member, read_tar};

/// What is wrong with a `.deb` file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct DebError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: DebProblem,
}

/// The kinds of [`DebError`].
#[derive(Debug, thiserror::Error)]
pub enum DebProblem {
    /// Can't be opened or read.
    #[error("can't be read: {0}")]
    Read(#[from] std::io::Error),
    /// Not a `.deb` at all.
    #[error("is not a Debian package (no 'ar' archive with 'debian-binary' first)")]
    NotDeb,
    /// A later version of the format.
    #[error("has version {0:?} of the package format; only 2 is known")]
    Format(String),
    /// The archive's structure is damaged.
    #[error("is a broken Debian package: {0}")]
    Broken(&'static str),
    /// The tar archive within is damaged or hostile.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Calls `visit` for each member of a `.deb` file's data.
pub fn read_data<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    path: &Path,
    limits: Limits,
    visit: impl FnMut(Member, &mut dyn Read) -> Result<(), E>,
) -> Result<(), DebError> {
    let run = || -> Result<(), DebProblem> {
        let mut file = BufReader::with_capacity(1 << 17, File::open(path)?);
        let size = data_member(&mut file)?;
        let mut data = file.take(size);
        let mut start = [0; 8];
        let known = read_up_to(&mut data, &mut start)?;
        let compression = Compression::detect(&start[..known]);
        let decoder = compression.decoder(start[..known].chain(data))?;
        Ok(read_tar(decoder, limits, visit)?)
    };
    run().map_err(|problem| DebError { path: path.to_owned(), problem })
}

/// Seeks to the content of `data.tar*`; its size in bytes.
fn data_member(file: &mut (impl Read + Seek)) -> Result<u64, DebProblem> {
    let mut magic = [0; 8];
    if read_up_to(file, &mut magic)? != 8 || &magic != b"!<arch>\n" {
        return Err(DebProblem::NotDeb);
    }
    let mut is_first = true;
    loop {
        let mut header = [0; 60];
        match read_up_to(file, &mut header)? {
            0 if is_first => return Err(DebProblem::NotDeb),
            0 => return Err(DebProblem::Broken("it has no member 'data.tar'")),
            60 => {}
            _ => return Err(DebProblem::Broken("it ends within a member's header")),
        }
        if &header[58..] != b"`\n" {
            return Err(DebProblem::Broken("a member's header is damaged"));
        }
        let text =
            |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).unwrap_or("").trim_end();
        let name = text(0..16).trim_end_matches('/');
        let size: u64 =
            text(48..58).parse().map_err(|_| DebProblem::Broken("a member's size is no number"))?;
        if is_first {
            if name != "debian-binary" {
                return Err(DebProblem::NotDeb);
            }
            is_first = false;
            let mut version = [0; 16];
            let length = read_up_to(&mut file.take(size.min(16)), &mut version)?;
            if !version[..length].starts_with(b"2.") {
                return Err(DebProblem::Format(
                    String::from_utf8_lossy(&version[..length]).trim().to_owned(),
                ));
            }
            file.seek(SeekFrom::Current((size + size % 2) as i64 - length as i64))?;
            continue;
        }
        if name.starts_with("data.tar") {
            return Ok(size);
        }
        // At most ten digits, so this can't overflow.
        file.seek(SeekFrom::Current((size + size % 2) as i64))?;
    }
}

/// Fills the buffer as far as there is data.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::archive::tests::tar_of;

    /// A package with these members: name, kind, target of a link, content.
    pub(crate) fn deb_of(members: &[(&str, tar::EntryType, &str, &str)]) -> Vec<u8> {
        let parts =
            [b"!<arch>\n".to_vec(), member("debian-binary", b"2.0\n"), member("data.tar", &tar_of(members))];
        parts.concat()
    }

    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100644, content.len()).into_bytes();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len() + content.len() % 2, b'\n');
        bytes
    }

    fn tar() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o644);
        builder.append_data(&mut header, "./usr/share/a~b", "hi".as_bytes()).unwrap();
        builder.into_inner().unwrap()
    }

    fn check(parts: &[Vec<u8>]) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), parts.concat()).unwrap();
        let mut found = Vec::new();
        read_data(file.path(), Limits::default(), |member, reader| -> Result<(), std::io::Error> {
            let mut content = String::new();
            reader.read_to_string(&mut content)?;
            found.push(format!("{}={content}", member.path.display()));
            Ok(())
        })
        .map_err(|error| error.problem.to_string())?;
        Ok(found)
    }

    #[test]
    fn every_compression() {
        let tar = tar();
        let gzip = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, &tar).unwrap();
            encoder.finish().unwrap()
        };
        let xz = liblzma::encode_all(tar.as_slice(), 1).unwrap();
        let zstd = zstd::encode_all(tar.as_slice(), 1).unwrap();
        for (name, data) in
            [("data.tar", tar), ("data.tar.gz", gzip), ("data.tar.xz/", xz), ("data.tar.zst", zstd)]
        {
            let parts = [
                b"!<arch>\n".to_vec(),
                member("debian-binary", b"2.0\n"),
                member("control.tar.xz", b"odd"),
                member(name, &data),
            ];
            assert_eq!(check(&parts).unwrap(), ["usr/share/a~b=hi"], "{name}");
        }
    }

    #[test]
    fn broken_packages() {
        let magic = b"!<arch>\n".to_vec();
        let not_deb = "is not a Debian package (no 'ar' archive with 'debian-binary' first)";
        assert_eq!(check(&[b"<html>".to_vec()]).unwrap_err(), not_deb);
        assert_eq!(check(&[]).unwrap_err(), not_deb);
        assert_eq!(check(&[magic.clone(), member("x", b"")]).unwrap_err(), not_deb);
        let start = [magic.clone(), member("debian-binary", b"2.0\n")].concat();
        assert_eq!(
            check(std::slice::from_ref(&start)).unwrap_err(),
            "is a broken Debian package: it has no member 'data.tar'"
        );
        assert_eq!(
            check(&[start.clone(), b"data".to_vec()]).unwrap_err(),
            "is a broken Debian package: it ends within a member's header"
        );
        assert_eq!(
            check(&[magic, member("debian-binary", b"3.0\n")]).unwrap_err(),
            "has version \"3.0\" of the package format; only 2 is known"
        );
        let xz = liblzma::encode_all(tar().as_slice(), 1).unwrap();
        let mut cut = [start, member("data.tar.xz", &xz)].concat();
        cut.truncate(cut.len() - xz.len() / 2);
        check(&[cut]).unwrap_err();
    }
}
