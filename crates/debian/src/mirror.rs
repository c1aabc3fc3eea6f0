//! Where to fetch a file of Debian's archive from.
//!
//! The order: the mirrors of the settings, or if there are none those that the
//! machine's APT configuration names; then Debian's snapshot archive, which keeps
//! every version for ever. What is fetched is pinned by hash, so no place needs
//! to be trusted.

use crate::sources_list::{Source, parse_deb822, parse_one_line};

/// Root of Debian's snapshot archive, to which a time is appended.
pub const SNAPSHOT_ARCHIVE: &str = "https://snapshot.debian.org/archive/debian";

/// The places that have Debian's archive, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrors {
    roots: Vec<String>,
}

impl Mirrors {
    /// Chooses the places.
    ///
    /// `settings` are roots such as `http://mirror.example/debian`; if there are
    /// any, APT's are not looked at. `apt` are the names and texts of the machine's
    /// APT sources (`/etc/apt/sources.list`, `/etc/apt/sources.list.d/*`); names
    /// that end in `.sources` have the deb822 style. `snapshot` is the time in the
    /// lock file, `YYYYMMDDTHHMMSSZ`.
    pub fn choose<Name: AsRef<str>, Text: AsRef<str>>(
        settings: &[String],
        apt: &[(Name, Text)],
        snapshot: Option<&str>,
    ) -> Mirrors {
        let mut roots: Vec<String> = Vec::new();
        let mut add = |root: &str| {
            let root = root.trim_end_matches('/');
            if !root.is_empty() && !roots.iter().any(|known| known == root) {
                roots.push(root.to_owned());
            }
        };
        for root in settings {
            add(root);
        }
        if settings.is_empty() {
            for (name, text) in apt {
                let sources = if name.as_ref().ends_with(".sources") {
                    parse_deb822(text.as_ref())
                } else {
                    parse_one_line(text.as_ref())
                };
                sources.iter().filter_map(archive_root).for_each(&mut add);
            }
        }
        if let Some(time) = snapshot {
            add(&format!("{SNAPSHOT_ARCHIVE}/{time}"));
        }
        Mirrors { roots }
    }

    /// The URLs to try for a path relative to the archive's root, best first.
    pub fn urls(&self, path: &str) -> Vec<String> {
        let path = encode(path.trim_start_matches('/'));
        self.roots.iter().map(|root| format!("{root}/{path}")).collect()
    }

    /// The roots of the archive, best first.
    pub fn roots(&self) -> &[String] {
        &self.roots
    }
}

/// The root of Debian's main archive, if this source has it: its path ends in
/// `debian`, or it has a suite with the name of a Debian release (a mirror's path
/// may be anything). A source of another distribution's or vendor's packages and
/// the security archive, which has a pool of its own, do not.
fn archive_root(source: &Source) -> Option<&str> {
    const RELEASES: [&str; 6] = ["bullseye", "bookworm", "trixie", "forky", "duke", "sid"];
    let known_scheme = ["http://", "https://", "file:/"].iter().any(|scheme| source.uri.starts_with(scheme));
    let is_named = source.uri.rsplit('/').next() == Some("debian");
    let is_release = source.suites.iter().any(|suite| RELEASES.contains(&suite.as_str()));
    let has_main = source.components.iter().any(|component| component == "main");
    let is_security = source.suites.iter().all(|suite| suite.contains("security"));
    (known_scheme && (is_named || is_release) && has_main && !is_security).then_some(source.uri.as_str())
}

/// Percent-encodes what may not stand in the path of a URL.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~+:,=@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const APT: &[(&str, &str)] = &[
        ("/etc/apt/sources.list", "deb https://vendor.example/apt stable main\n"),
        (
            "/etc/apt/sources.list.d/debian.sources",
            "Types: deb\nURIs: http://a.example/debian/\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
             Types: deb\nURIs: http://a.example/debian-security\nSuites: bookworm-security\nComponents: main\n",
        ),
        ("/etc/apt/sources.list.d/more.list", "deb http://b.example/debian bookworm main\n"),
    ];

    #[test]
    fn from_apt_then_snapshot() {
        let mirrors = Mirrors::choose(&[], APT, Some("20260712T101637Z"));
        assert_eq!(
            mirrors.urls("pool/main/h/hello/hello_2.10.orig.tar.gz"),
            [
                "http://a.example/debian/pool/main/h/hello/hello_2.10.orig.tar.gz",
                "http://b.example/debian/pool/main/h/hello/hello_2.10.orig.tar.gz",
                "https://snapshot.debian.org/archive/debian/20260712T101637Z/pool/main/h/hello/hello_2.10.orig.tar.gz",
            ]
        );
    }

    #[test]
    fn mirrors_with_other_names() {
        let apt = [(
            "x.list",
            "deb https://proxy.example/deb-cache bookworm main\ndeb https://vendor.example/x bookworm stable\n",
        )];
        assert_eq!(Mirrors::choose(&[], &apt, None).roots(), ["https://proxy.example/deb-cache"]);
    }

    #[test]
    fn settings_replace_apt() {
        let mirrors = Mirrors::choose(&["file:///srv/debian/".to_owned()], APT, None);
        assert_eq!(mirrors.roots(), ["file:///srv/debian"]);
    }

    #[test]
    fn bare_machine() {
        let mirrors = Mirrors::choose::<&str, &str>(&[], &[], Some("20260712T101637Z"));
        assert_eq!(
            mirrors.urls("x%3a~"),
            ["https://snapshot.debian.org/archive/debian/20260712T101637Z/x%253a~"]
        );
    }
}
