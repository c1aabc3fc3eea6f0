//! The indexes of a Debian archive: `Release`, `Packages` and `Sources`.
//!
//! A `Release` text vouches for the indexes by SHA-256, an index for the files
//! of the pool; whoever calls this has checked the signature on the first and
//! the hash of the second.

use std::collections::BTreeMap;

use crate::deb822::{Paragraph, paragraphs};
use crate::lock::{LockedFile, LockedPackage, LockedSource, is_pool_path, is_sha256};
use crate::version;

/// What is wrong with an index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A field that every record has is absent.
    #[error("the record of '{package}' in the index has no field '{field}'")]
    MissingField {
        /// The record's package, or "?".
        package: String,
        /// Name of the field.
        field: &'static str,
    },
    /// A field can't be what it says.
    #[error("the record of '{package}' in the index has the invalid field '{field}: {value}'")]
    InvalidField {
        /// The record's package, or "?".
        package: String,
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: String,
    },
}

/// A `Release` file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// For example `bookworm`.
    pub codename: String,
    /// When it was made, as text: `Sat, 11 Jul 2026 10:16:37 UTC`.
    pub date: String,
    /// Indexes by path relative to the `Release` file.
    pub files: BTreeMap<String, IndexFile>,
}

/// An index that a `Release` file lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

impl Release {
    /// Reads the text of a `Release` file (of an `InRelease` file: the signed
    /// text within).
    pub fn parse(text: &str) -> Result<Release, IndexError> {
        let paragraph = paragraphs(text).next().unwrap_or_default();
        let mut files = BTreeMap::new();
        for line in paragraph.lines("SHA256") {
            let (sha256, size, path) = checksum_line("Release", "SHA256", line)?;
            files.insert(path.to_owned(), IndexFile { sha256: sha256.to_owned(), size });
        }
        Ok(Release {
            codename: required(&paragraph, "Codename")?.to_owned(),
            date: required(&paragraph, "Date")?.to_owned(),
            files,
        })
    }
}

/// A record of a `Packages` index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryPackage<'a> {
    /// The package's name.
    pub name: &'a str,
    /// What a lock file says about it.
    pub locked: LockedPackage,
    /// The names in `Depends` and `Pre-Depends`, alternatives in the order of
    /// the text, without versions and architectures.
    pub dependencies: Vec<&'a str>,
}

/// Reads a `Packages` index. Of several versions of a package the highest stays.
pub fn parse_packages(text: &str) -> Result<BTreeMap<&str, BinaryPackage<'_>>, IndexError> {
    let mut packages: BTreeMap<&str, BinaryPackage> = BTreeMap::new();
    for paragraph in paragraphs(text) {
        let name = required(&paragraph, "Package")?;
        let size = required(&paragraph, "Size")?;
        let locked = LockedPackage {
            version: required(&paragraph, "Version")?.to_owned(),
            architecture: required(&paragraph, "Architecture")?.to_owned(),
            file: locked_file(
                name,
                required(&paragraph, "Filename")?.to_owned(),
                required(&paragraph, "SHA256")?,
                size.parse().map_err(|_| invalid(name, "Size", size))?,
            )?,
        };
        let dependencies = ["Pre-Depends", "Depends"]
            .iter()
            .flat_map(|field| paragraph.get(field).unwrap_or("").split([',', '|']))
            .filter_map(|clause| clause.split([' ', '\n', '\t', ':', '(']).find(|word| !word.is_empty()))
            .collect();
        match packages.get(name) {
            Some(known) if version::compare(&known.locked.version, &locked.version).is_ge() => {}
            _ => drop(packages.insert(name, BinaryPackage { name, locked, dependencies })),
        }
    }
    Ok(packages)
}

/// Reads a `Sources` index: per source package its archives (`orig` and Debian's
/// changes; descriptions and detached signatures are left out). Of several
/// versions the highest stays.
pub fn parse_sources(text: &str) -> Result<BTreeMap<&str, LockedSource>, IndexError> {
    let mut sources: BTreeMap<&str, LockedSource> = BTreeMap::new();
    for paragraph in paragraphs(text) {
        let name = required(&paragraph, "Package")?;
        let version = required(&paragraph, "Version")?.to_owned();
        let directory = required(&paragraph, "Directory")?;
        let mut files = Vec::new();
        for line in paragraph.lines("Checksums-Sha256") {
            let (sha256, size, file) = checksum_line(name, "Checksums-Sha256", line)?;
            if !file.ends_with(".dsc") && !file.ends_with(".asc") {
                files.push(locked_file(name, format!("{directory}/{file}"), sha256, size)?);
            }
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        match sources.get(name) {
            Some(known) if version::compare(&known.version, &version).is_ge() => {}
            _ => drop(sources.insert(name, LockedSource { version, files })),
        }
    }
    Ok(sources)
}

fn locked_file(package: &str, path: String, sha256: &str, size: u64) -> Result<LockedFile, IndexError> {
    if !is_pool_path(&path) {
        return Err(invalid(package, "Filename", &path));
    }
    if !is_sha256(sha256) {
        return Err(invalid(package, "SHA256", sha256));
    }
    Ok(LockedFile { path, sha256: sha256.to_owned(), size })
}

/// `<sha256> <size> <name>`.
fn checksum_line<'a>(
    package: &str,
    field: &'static str,
    line: &'a str,
) -> Result<(&'a str, u64, &'a str), IndexError> {
    let mut words = line.split_whitespace();
    let (Some(sha256), Some(size), Some(name)) = (words.next(), words.next(), words.next()) else {
        return Err(invalid(package, field, line));
    };
    let size = size.parse().map_err(|_| invalid(package, field, line))?;
    if !is_sha256(sha256) {
        return Err(invalid(package, field, line));
    }
    Ok((sha256, size, name))
}

fn required<'a>(paragraph: &Paragraph<'a>, field: &'static str) -> Result<&'a str, IndexError> {
    paragraph.get(field).ok_or_else(|| IndexError::MissingField {
        package: paragraph.get("Package").unwrap_or("?").to_owned(),
        field,
    })
}

fn invalid(package: &str, field: &'static str, value: &str) -> IndexError {
    IndexError::InvalidField { package: package.to_owned(), field, value: value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0c1db013abf431ecff01ec900aa2842a3e1cf5bee62ed91b6b047c43110f3157";

    #[test]
    fn release() {
        let text = format!(
            "Codename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nMD5Sum:\n 00 1 x\nSHA256:\n {HASH}   12 main/source/Sources.xz\n"
        );
        let release = Release::parse(&text).unwrap();
        assert_eq!(release.codename, "bookworm");
        assert_eq!(release.files["main/source/Sources.xz"], IndexFile { sha256: HASH.to_owned(), size: 12 });
        assert_eq!(
            Release::parse("Codename: x").unwrap_err().to_string(),
            "the record of '?' in the index has no field 'Date'"
        );
        Release::parse("Codename: x\nDate: y\nSHA256:\n 12 12 z").unwrap_err();
    }

    fn package(version: &str, path: &str) -> String {
        format!(
            "Package: libx\nVersion: {version}\nArchitecture: all\nDepends: a (>= 1) | b:any,\n c\nPre-Depends: d\nFilename: {path}\nSize: 5\nSHA256: {HASH}\n\n"
        )
    }

    #[test]
    fn packages() {
        let text = package("1.9-1", "pool/old.deb") + &package("1.10-1", "pool/x.deb");
        let packages = parse_packages(&text).unwrap();
        let found = &packages["libx"];
        assert_eq!(found.locked.version, "1.10-1");
        assert_eq!(found.locked.file.path, "pool/x.deb");
        assert_eq!(found.dependencies, ["d", "a", "b", "c"]);
        assert_eq!(
            parse_packages(&package("1", "pool/../../x")).unwrap_err().to_string(),
            "the record of 'libx' in the index has the invalid field 'Filename: pool/../../x'"
        );
    }

    #[test]
    fn sources() {
        let text = format!(
            "Package: hello\nVersion: 2.10-3\nDirectory: pool/main/h/hello\nChecksums-Sha256:\n {HASH} 1 hello.dsc\n {HASH} 2 hello_2.10.orig.tar.gz\n {HASH} 3 hello_2.10.orig.tar.gz.asc\n {HASH} 4 hello_2.10-3.debian.tar.xz\n"
        );
        let sources = parse_sources(&text).unwrap();
        let paths: Vec<_> = sources["hello"].files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            ["pool/main/h/hello/hello_2.10-3.debian.tar.xz", "pool/main/h/hello/hello_2.10.orig.tar.gz"]
        );
    }
}
