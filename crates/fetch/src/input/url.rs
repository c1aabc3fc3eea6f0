//! URLs as flake references have them (RFC 3986, leniently).

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A URL in parts; the parts are decoded unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// Before the colon, such as `git+https`.
    pub scheme: String,
    /// Between `//` and the path, as written.
    pub authority: Option<String>,
    /// The path as written, with its percent signs.
    pub raw_path: String,
    /// The parameters behind `?`.
    pub query: BTreeMap<String, String>,
    /// What is behind `#`.
    pub fragment: String,
}

/// Characters that stay as they are everywhere.
const UNRESERVED: &str = "-._~";
/// Further ones that stay in a path.
const IN_PATH: &str = ":@/!$&'()*+,;=";
/// Further ones that stay in a parameter.
const IN_QUERY: &str = ":@/?";
/// Further ones that stay in a fragment.
const IN_FRAGMENT: &str = ":@/?!$&'()*+,;=^ \"";

impl Url {
    /// Takes a URL apart; the message says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = |problem: &str| format!("'{text}' is not a valid URL: {problem}");
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = rest.split_once(':').ok_or_else(|| bad("it has no scheme"))?;
        if !is_scheme(scheme) {
            return Err(bad("its scheme has other characters than a-z, 0-9, '+', '.' and '-'"));
        }
        let (authority, path) = match rest.strip_prefix("//") {
            None => (None, rest),
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(rest[..end].to_owned()), &rest[end..])
            }
        };
        if path.chars().chain(authority.iter().flat_map(|text| text.chars())).any(|c| c.is_control()) {
            return Err(bad("it has control characters"));
        }
        let decoded =
            |part: &str| percent_decode(part).ok_or_else(|| bad("a '%' is not followed by two digits"));
        decoded(path)?;
        let mut parameters = BTreeMap::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or_else(|| bad("a parameter has no value"))?;
            parameters.insert(decoded(name)?, decoded(value)?);
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            authority,
            raw_path: path.to_owned(),
            query: parameters,
            fragment: decoded(fragment)?,
        })
    }

    /// A URL with this path, which is not encoded yet.
    pub fn new(scheme: &str, authority: Option<&str>, path: &str) -> Self {
        let (scheme, authority) = (scheme.to_owned(), authority.map(str::to_owned));
        Self { scheme, authority, raw_path: percent_encode(path, IN_PATH), ..Self::default() }
    }

    /// The path, decoded.
    pub fn path(&self) -> String {
        percent_decode(&self.raw_path).unwrap_or_else(|| self.raw_path.clone())
    }

    /// The path's parts between slashes, as written, empty ones left out.
    pub fn segments(&self) -> Vec<&str> {
        self.raw_path.split('/').filter(|part| !part.is_empty()).collect()
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.scheme)?;
        if let Some(authority) = &self.authority {
            write!(f, "//{authority}")?;
        }
        f.write_str(&self.raw_path)?;
        for (index, (name, value)) in self.query.iter().enumerate() {
            let (name, value) = (percent_encode(name, IN_QUERY), percent_encode(value, IN_QUERY));
            write!(f, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        if !self.fragment.is_empty() {
            write!(f, "#{}", percent_encode(&self.fragment, IN_FRAGMENT))?;
        }
        Ok(())
    }
}

/// Whether a text can be the part of a URL before the colon.
pub fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+.-".contains(c))
}

/// Replaces `%41` by `A` and so on; nothing if a `%` is not followed by two hexadecimal
/// digits or the result is not UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Replaces all but letters, digits, `-._~` and the characters `also`.
pub fn percent_encode(text: &str, also: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let character = char::from(byte);
        let stays =
            byte.is_ascii_alphanumeric() || UNRESERVED.contains(character) || also.contains(character);
        if byte.is_ascii() && stays {
            encoded.push(character);
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, parts: &str) {
        let found = match Url::parse(text) {
            Ok(url) => {
                assert_eq!(Url::parse(&url.to_string()).as_ref(), Ok(&url));
                format!("{}|{:?}|{}|{:?}|{}", url.scheme, url.authority, url.path(), url.query, url.fragment)
            }
            Err(error) => error,
        };
        assert_eq!(found, parts);
    }

    #[test]
    fn parts() {
        check("path:./a%20b?x=1%3D#f^o", "path|None|./a b|{\"x\": \"1=\"}|f^o");
        check("git+file:///x/y", "git+file|Some(\"\")|/x/y|{}|");
        check("https://u:p@h:1?a=b", "https|Some(\"u:p@h:1\")||{\"a\": \"b\"}|");
        check("x", "'x' is not a valid URL: it has no scheme");
        check(
            "a b:c",
            "'a b:c' is not a valid URL: its scheme has other characters than a-z, 0-9, '+', '.' and '-'",
        );
        check("a:%4", "'a:%4' is not a valid URL: a '%' is not followed by two digits");
        check("a:b?c", "'a:b?c' is not a valid URL: a parameter has no value");
    }
}
