//! User names and passwords of web servers, from a file such as `/etc/nix/netrc`.
//!
//! The format is that of `ftp`, as curl reads it: words with white space between them, of
//! which `machine HOST`, `default`, `login NAME` and `password PASSWORD` count. A word may
//! be in double quotes, `#` begins a comment, and `macdef` a macro, which ends at an empty
//! line.

use saltire_store_model::encoding::base64;
use std::path::Path;

/// What is known of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// The host; none for the entry that holds for all others.
    machine: Option<String>,
    login: String,
    password: String,
}

/// The entries of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Netrc(Vec<Entry>);

impl Netrc {
    /// Reads a file. One that can't be read has no entries, as in Nix.
    pub fn read(path: &Path) -> Self {
        std::fs::read(path)
            .map_or_else(|_| Self::default(), |text| Self::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut words = words(text).into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                // Without a host it would hold for all.
                "machine" => match words.next() {
                    Some(host) => entries.push(Entry { machine: Some(host), ..Entry::default() }),
                    None => break,
                },
                "default" => entries.push(Entry::default()),
                "login" | "password" | "account" => {
                    let value = words.next().unwrap_or_default();
                    match entries.last_mut() {
                        Some(entry) if word == "login" => entry.login = value,
                        Some(entry) if word == "password" => entry.password = value,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Self(entries)
    }

    /// The value of `Authorization` for an address; none if it names a user itself, or if
    /// nothing is known of its host.
    pub fn authorization(&self, url: &str) -> Option<String> {
        let (_, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        if authority.contains('@') {
            return None;
        }
        let host = match authority.strip_prefix('[') {
            Some(address) => address.split(']').next()?,
            None => authority.split(':').next()?,
        };
        let is_meant = |entry: &&Entry| match &entry.machine {
            Some(machine) => machine.eq_ignore_ascii_case(host),
            None => true,
        };
        let entry = self.0.iter().find(is_meant)?;
        let pair = format!("{}:{}", entry.login, entry.password);
        Some(format!("Basic {}", base64(pair.as_bytes())))
    }
}

/// The words that count.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        if in_macro {
            in_macro = !line.trim().is_empty();
            continue;
        }
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (word, behind) = word(rest);
            in_macro |= word == "macdef";
            all.push(word);
            rest = behind.trim_start();
        }
        if in_macro {
            // The macro's name is no keyword.
            all.pop();
        }
    }
    all
}

/// The first word, and what is behind it.
fn word(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut word = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => word.push('\n'),
                Some('r') => word.push('\r'),
                Some('t') => word.push('\t'),
                Some(other) => word.push(other),
                None => {}
            },
            other => word.push(other),
        }
    }
    (word, characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# mine: machine no login no\n\
machine cache.example login me password secret\n\
macdef init\nmachine other.example login wrong\n\n\
machine other.example\n\tlogin \"a b\"\n\tpassword \"q\\\"#\" account x\n";

    fn check(file: &str, url: &str, expected: Option<&str>) {
        let expected = expected.map(|pair| format!("Basic {}", base64(pair.as_bytes())));
        assert_eq!(Netrc::parse(file).authorization(url), expected, "{url}");
    }

    #[test]
    fn hosts_have_the_accounts_of_the_file() {
        check(FILE, "https://cache.example/a", Some("me:secret"));
        check(FILE, "http://CACHE.example:8080?x", Some("me:secret"));
        check(FILE, "https://other.example", Some("a b:q\"#"));
        check(FILE, "https://example/cache.example", None);
        check(FILE, "https://you@cache.example/", None);
        check("default login d password e", "http://[::1]:80/", Some("d:e"));
        check("machine ::1 login d", "http://[::1]:80/", Some("d:"));
    }

    #[test]
    fn damaged_files_have_what_can_be_read() {
        for text in ["", "machine", "machine a login", "login x", "\"", "machine \"\\", "macdef"] {
            check(text, "http://b/", None);
        }
        assert_eq!(Netrc::read(Path::new("/nonexistent")), Netrc::default());
    }
}
