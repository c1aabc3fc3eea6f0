//! The texts of APT's sources (sources.list(5)): the one-line and the deb822
//! style. Options such as `signed-by` do not matter here: what is fetched is
//! pinned by its hash.

use crate::deb822::paragraphs;

/// An archive that binary or source packages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Root of the archive, as written, without the slashes at its end.
    pub uri: String,
    /// For example `bookworm`, `bookworm-updates`.
    pub suites: Vec<String>,
    /// For example `main`.
    pub components: Vec<String>,
}

/// Reads a file of the one-line style: `deb [options] uri suite component…`.
pub fn parse_one_line(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let (kind, rest) = line.split_once(char::is_whitespace)?;
    if kind != "deb" && kind != "deb-src" {
        return None;
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let uri = words.next()?.trim_end_matches('/').to_owned();
    let suites = vec![words.next()?];
    Some(Source { uri, suites, components: words.collect() })
}

/// Reads a file of the deb822 style. Disabled sources are left out.
pub fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for paragraph in paragraphs(text) {
        let enabled = paragraph.get("Enabled").unwrap_or("yes");
        let is_debian = paragraph.words("Types").any(|kind| kind == "deb" || kind == "deb-src");
        if !is_debian || ["no", "false", "0", "off", "without", "disable"].contains(&enabled) {
            continue;
        }
        let words = |field| paragraph.words(field).map(str::to_owned).collect::<Vec<_>>();
        for uri in paragraph.words("URIs") {
            sources.push(Source {
                uri: uri.trim_end_matches('/').to_owned(),
                suites: words("Suites"),
                components: words("Components"),
            });
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(uri: &str, suites: &[&str], components: &[&str]) -> Source {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Source { uri: uri.into(), suites: owned(suites), components: owned(components) }
    }

    #[test]
    fn one_line() {
        let text = "# deb http://off.example/debian bookworm main\n\
            deb http://a.example/debian/ bookworm main contrib # note\n\
            deb [ arch=amd64 signed-by=/k.gpg ] https://b.example/debian bookworm-updates main\n\
            deb-src http://c.example/debian bookworm main\nrpm http://d.example x\ndeb\ndeb [x\n";
        assert_eq!(
            parse_one_line(text),
            [
                source("http://a.example/debian", &["bookworm"], &["main", "contrib"]),
                source("https://b.example/debian", &["bookworm-updates"], &["main"]),
                source("http://c.example/debian", &["bookworm"], &["main"]),
            ]
        );
    }

    #[test]
    fn deb822_style() {
        let text = "Types: deb\n# http://comment.example\nURIs: http://a.example/debian http://b.example/debian/\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nEnabled: no\nTypes: deb\nURIs: http://off.example\nSuites: x\n";
        let suites = ["bookworm", "bookworm-updates"];
        assert_eq!(
            parse_deb822(text),
            [
                source("http://a.example/debian", &suites, &["main"]),
                source("http://b.example/debian", &suites, &["main"]),
            ]
        );
    }
}
