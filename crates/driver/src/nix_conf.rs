//! Nix's settings: `nix.conf`, `NIX_CONFIG`, `--option`.
//!
//! The order is the reference's: the machine's file, the user's files (the first
//! counts most), `NIX_CONFIG`, then the command line. A setting that nobody has
//! heard of is a warning, a wrong value an error.

use crate::nix_settings::{KNOWN, Kind, Known};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The values of Nix's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NixConfig {
    /// By name, what differs from the default.
    values: BTreeMap<&'static str, String>,
    /// What the user should know, such as names that don't exist.
    pub warnings: Vec<String>,
}

/// Why settings can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A line that is neither a setting nor an include.
    #[error("syntax error in configuration line '{line}' in '{place}'")]
    Line {
        /// The line.
        line: String,
        /// The file, or the environment variable.
        place: String,
    },
    /// A file that another includes is not there.
    #[error("file '{file}' included from '{place}' not found")]
    Include {
        /// The file.
        file: String,
        /// Where it is named.
        place: String,
    },
    /// A value that the setting can't have.
    #[error("{kind} '{name}' has invalid value '{value}'{}", kind.expected())]
    Value {
        /// What sort of setting it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// The value.
        value: String,
    },
}

/// Whether there is a setting of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was set.
    Known,
    /// There is none.
    Unknown,
}

/// What is read from outside: environment variables and files.
pub(crate) struct Outside<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    pub file: &'a dyn Fn(&Path) -> Option<String>,
}

impl NixConfig {
    /// The settings of this machine, this user and the environment.
    pub fn load() -> Result<Self, ConfigError> {
        let variable = |name: &str| std::env::var(name).ok();
        let file =
            |path: &Path| std::fs::read(path).ok().map(|text| String::from_utf8_lossy(&text).into_owned());
        Self::load_from(&Outside { variable: &variable, file: &file })
    }

    pub(crate) fn load_from(outside: &Outside<'_>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let directory = (outside.variable)("NIX_CONF_DIR").unwrap_or_else(|| "/etc/nix".to_owned());
        config.read_file(&Path::new(&directory).join("nix.conf"), outside)?;
        for path in user_files(outside.variable).iter().rev() {
            config.read_file(path, outside)?;
        }
        if let Some(text) = (outside.variable)("NIX_CONFIG") {
            config.read_text(&text, "NIX_CONFIG", None, outside)?;
        }
        Ok(config)
    }

    fn read_file(&mut self, path: &Path, outside: &Outside<'_>) -> Result<(), ConfigError> {
        match (outside.file)(path) {
            Some(text) => self.read_text(&text, &path.display().to_string(), path.parent(), outside),
            None => Ok(()),
        }
    }

    fn read_text(
        &mut self,
        text: &str,
        place: &str,
        directory: Option<&Path>,
        outside: &Outside<'_>,
    ) -> Result<(), ConfigError> {
        for line in text.lines() {
            let meant = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = meant.split_whitespace().collect();
            let wrong = || ConfigError::Line { line: line.to_owned(), place: place.to_owned() };
            match words.as_slice() {
                [] => {}
                [include @ ("include" | "!include"), file] => {
                    let path = directory.unwrap_or(Path::new(".")).join(file);
                    if *include == "include" && (outside.file)(&path).is_none() {
                        let file = path.display().to_string();
                        return Err(ConfigError::Include { file, place: place.to_owned() });
                    }
                    self.read_file(&path, outside)?;
                }
                [name, "=", value @ ..] => {
                    if self.set(name, &value.join(" "))? == Found::Unknown {
                        self.warnings.push(format!("unknown setting '{name}'"));
                    }
                }
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }

    /// Sets a setting by its name, an alias or `extra-NAME`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<Found, ConfigError> {
        if let Some(known) = find(name) {
            let value = known.kind.checked(known.name, value)?;
            if known.name == "warn-short-path-literals" {
                self.replaced(known.name, &value, "lint-short-path-literals");
            }
            self.values.insert(known.name, value);
            return Ok(Found::Known);
        }
        let Some(known) = name.strip_prefix("extra-").and_then(find).filter(|known| known.kind.takes_more())
        else {
            return Ok(Found::Unknown);
        };
        let mut items = self.list(known.name);
        for item in value.split_whitespace() {
            if !items.iter().any(|known| known == item) {
                items.push(item.to_owned());
            }
        }
        self.values.insert(known.name, items.join(" "));
        Ok(Found::Known)
    }

    /// A lint's older switch was set.
    fn replaced(&mut self, old: &str, value: &str, lint: &'static str) {
        let value = if value == "true" { "warn" } else { "ignore" };
        self.warnings.push(format!("'{old}' is deprecated, use '{lint} = {value}' instead"));
        self.values.entry(lint).or_insert_with(|| value.to_owned());
    }

    /// Sets what was set in another configuration.
    pub fn merge(&mut self, other: &Self) {
        self.values.extend(other.values.iter().map(|(name, value)| (*name, value.clone())));
    }

    /// The value as text; empty if there is no such setting.
    pub fn text(&self, name: &str) -> &str {
        let Some(known) = find(name) else { return "" };
        self.values.get(known.name).map_or(known.default, String::as_str)
    }

    /// Whether somebody set it.
    pub fn is_set(&self, name: &str) -> bool {
        find(name).is_some_and(|known| self.values.contains_key(known.name))
    }

    /// The value of a setting that is yes or no.
    pub fn is_on(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// The value of a setting that is a list of words.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.text(name).split_whitespace().map(str::to_owned).collect()
    }

    /// The value of a setting that is a number.
    pub fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// Whether an experimental feature is on.
    pub fn has_feature(&self, name: &str) -> bool {
        self.list("experimental-features").iter().any(|feature| feature == name)
    }

    /// All settings with their values, by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static Known, &str)> {
        KNOWN.iter().map(|known| (known, self.text(known.name)))
    }
}

/// The setting of that name or alias.
pub fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name || known.aliases.contains(&name))
}

impl Kind {
    /// What a value has to be, where that is not plain to see.
    fn expected(self) -> &'static str {
        match self {
            Kind::Jobs => " (expected 'auto' or an integer)",
            Kind::Lint => " (expected 'ignore', 'warn', or 'fatal')",
            _ => "",
        }
    }

    /// The value in its usual form.
    fn checked(self, name: &str, value: &str) -> Result<String, ConfigError> {
        let wrong = || ConfigError::Value { kind: self, name: name.to_owned(), value: value.to_owned() };
        match self {
            Kind::Boolean => match value {
                "true" | "yes" | "1" => Ok("true".to_owned()),
                "false" | "no" | "0" => Ok("false".to_owned()),
                _ => Err(wrong()),
            },
            Kind::Number => {
                let (digits, factor) = match value.as_bytes().last() {
                    Some(b'K') => (&value[..value.len() - 1], 1 << 10),
                    Some(b'M') => (&value[..value.len() - 1], 1 << 20),
                    Some(b'G') => (&value[..value.len() - 1], 1 << 30),
                    Some(b'T') => (&value[..value.len() - 1], 1u64 << 40),
                    _ => (value, 1),
                };
                let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
                number.map(|number| number.to_string()).ok_or_else(wrong)
            }
            Kind::Jobs if value == "auto" => Ok(value.to_owned()),
            Kind::Jobs => value.parse::<u32>().map(|number| number.to_string()).map_err(|_| wrong()),
            Kind::Sandbox => match value {
                "relaxed" => Ok("relaxed".to_owned()),
                "true" | "yes" | "1" => Ok("true".to_owned()),
                "false" | "no" | "0" => Ok("false".to_owned()),
                _ => Err(wrong()),
            },
            Kind::Lint if matches!(value, "ignore" | "warn" | "fatal") => Ok(value.to_owned()),
            Kind::Lint => Err(wrong()),
            Kind::List | Kind::Table | Kind::Mounts => {
                Ok(value.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            Kind::Text | Kind::Optional => Ok(value.to_owned()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Boolean => "Boolean setting",
            Kind::Number => "setting",
            Kind::Jobs => "configuration setting",
            Kind::Sandbox | Kind::Lint => "option",
            Kind::List | Kind::Table | Kind::Mounts | Kind::Text | Kind::Optional => "setting",
        })
    }
}

/// The user's files, the one that counts most first.
fn user_files(variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let split = |text: String| std::env::split_paths(&text).collect::<Vec<_>>();
    if let Some(files) = variable("NIX_USER_CONF_FILES") {
        return split(files);
    }
    let home = || Some(Path::new(&variable("HOME")?).join(".config"));
    let own = variable("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(home);
    let others = variable("XDG_CONFIG_DIRS").map_or_else(|| vec![PathBuf::from("/etc/xdg")], split);
    own.into_iter().chain(others).map(|directory| directory.join("nix/nix.conf")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<NixConfig, ConfigError> {
        let get = |list: &[(&str, &str)], key: &str| {
            list.iter().find(|(name, _)| *name == key).map(|(_, text)| (*text).to_owned())
        };
        NixConfig::load_from(&Outside {
            variable: &|name| get(variables, name),
            file: &|path| get(files, path.to_str().unwrap()),
        })
    }

    fn check(variables: &[(&str, &str)], files: &[(&str, &str)], name: &str, expected: &str) {
        assert_eq!(load(variables, files).unwrap().text(name), expected);
    }

    #[test]
    fn later_places_count_more() {
        let files = [
            ("/etc/nix/nix.conf", "cores = 1 # machine\nmax-jobs=3"),
            ("/h/.config/nix/nix.conf", "cores = 2"),
            ("/etc/xdg/nix/nix.conf", "cores = 7\ntimeout = 8"),
        ];
        let files = [files[0], files[1], files[2]].map(|(name, text)| (name, text));
        let good = [("/etc/nix/nix.conf", "cores = 1"), files[1], files[2]];
        check(&[("HOME", "/h")], &good, "cores", "2");
        check(&[("HOME", "/h")], &good, "timeout", "8");
        check(&[("HOME", "/h"), ("NIX_CONFIG", "cores = 4")], &good, "cores", "4");
        check(&[("NIX_USER_CONF_FILES", "/a:/b")], &[("/a", "cores = 5"), ("/b", "cores = 6")], "cores", "5");
        check(&[("NIX_CONF_DIR", "/c")], &[("/c/nix.conf", "cores = 9")], "cores", "9");
        let wrong = load(&[], &files).unwrap_err().to_string();
        assert_eq!(wrong, "syntax error in configuration line 'max-jobs=3' in '/etc/nix/nix.conf'");
    }

    #[test]
    fn files_include_others() {
        let config = "include a.conf\n!include missing.conf\n";
        check(&[], &[("/etc/nix/nix.conf", config), ("/etc/nix/a.conf", "cores = 3")], "cores", "3");
        let wrong = load(&[], &[("/etc/nix/nix.conf", "include b")]).unwrap_err().to_string();
        assert_eq!(wrong, "file '/etc/nix/b' included from '/etc/nix/nix.conf' not found");
    }

    #[test]
    fn values_are_checked_and_extra_ones_appended() {
        let config = |text| load(&[("NIX_CONFIG", text)], &[]);
        assert!(config("keep-going = yes").unwrap().is_on("keep-going"));
        assert_eq!(config("min-free = 2G").unwrap().number("min-free"), 2 << 30);
        let text = "extra-platforms = a b\nextra-extra-platforms = b c";
        assert_eq!(config(text).unwrap().list("extra-platforms"), ["a", "b", "c"]);
        assert_eq!(config("build-cores = 3").unwrap().text("cores"), "3");
        assert_eq!(config("nonsense = 1").unwrap().warnings, ["unknown setting 'nonsense'"]);
        let wrong = config("keep-going = maybe").unwrap_err().to_string();
        assert_eq!(wrong, "Boolean setting 'keep-going' has invalid value 'maybe'");
    }
}
