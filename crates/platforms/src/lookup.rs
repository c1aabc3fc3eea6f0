//! Finding a platform by any of the names that people use.

use std::fmt;

use crate::platform::{Platform, cpu_by_name, platforms};

/// How many suggestions an error carries.
const SUGGESTIONS: usize = 4;

/// No platform has that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPlatform {
    /// What was asked for.
    pub name: String,
    /// The nearest names that exist, best first.
    pub suggestions: Vec<&'static str>,
}

impl fmt::Display for UnknownPlatform {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "unknown platform '{}'", self.name)?;
        match self.suggestions.as_slice() {
            [] => Ok(()),
            [one] => write!(out, "; did you mean '{one}'?"),
            [first @ .., last] => {
                let first: Vec<_> = first.iter().map(|name| format!("'{name}'")).collect();
                write!(out, "; did you mean {} or '{last}'?", first.join(", "))
            }
        }
    }
}

impl std::error::Error for UnknownPlatform {}

/// The platform with exactly this `pkgsCross` name or alias.
pub fn by_name(name: &str) -> Option<&'static Platform> {
    platforms()
        .iter()
        .find(|platform| platform.name == name)
        .or_else(|| platforms().iter().find(|platform| platform.aliases.iter().any(|alias| alias == name)))
}

/// The platform that a Nix system alone stands for (`riscv64-linux`).
pub fn by_system(system: &str) -> Option<&'static Platform> {
    platforms().iter().find(|platform| platform.system == system)
}

/// The platform with this configuration triple, in any of the spellings that
/// [`normalise_triple`] makes equal; Debian's triples are known as well.
pub fn by_config(config: &str) -> Option<&'static Platform> {
    let wanted = normalise_triple(config);
    platforms()
        .iter()
        .find(|platform| platform.config == config)
        .or_else(|| platforms().iter().find(|platform| normalise_triple(&platform.config) == wanted))
        .or_else(|| {
            platforms().iter().find(|platform| {
                platform.debian_triple.as_deref().is_some_and(|triple| normalise_triple(triple) == wanted)
            })
        })
}

/// The platform that Debian calls so (`arm64`).
pub fn by_debian_arch(architecture: &str) -> Option<&'static Platform> {
    platforms().iter().find(|platform| platform.debian_arch.as_deref() == Some(architecture))
}

/// The platform that any name stands for: name or alias, Nix system,
/// configuration triple, Debian's architecture or triple, a CPU (as printed by
/// `uname -m`: Linux on it), with `linux/` before it for container people.
///
/// # Errors
/// None has that name; the error has the nearest that exist.
pub fn lookup(name: &str) -> Result<&'static Platform, UnknownPlatform> {
    let by_cpu = |name: &str| cpu_by_name(name).and_then(|cpu| by_system(&format!("{}-linux", cpu.name)));
    let by_architecture = |name: &str| by_debian_arch(name).or_else(|| by_cpu(name));
    by_name(name)
        .or_else(|| by_system(name))
        .or_else(|| by_config(name))
        .or_else(|| by_architecture(name))
        .or_else(|| {
            // `arm64-linux`, `ppc64le-linux`, `linux/arm64`
            let stem = name.strip_suffix("-linux").or_else(|| name.strip_prefix("linux/"))?;
            by_architecture(stem).or_else(|| by_name(stem).filter(|found| found.is_linux()))
        })
        .ok_or_else(|| UnknownPlatform { name: name.to_owned(), suggestions: suggestions(name) })
}

/// A triple without its vendor, where that says nothing: `riscv64-linux-gnu`
/// and `riscv64-unknown-linux-gnu` are the same.
pub fn normalise_triple(config: &str) -> String {
    let parts: Vec<&str> = config.split('-').collect();
    match parts.as_slice() {
        [cpu, "unknown" | "pc" | "none", rest @ ..] if !rest.is_empty() => {
            format!("{cpu}-{}", rest.join("-"))
        }
        _ => config.to_owned(),
    }
}

/// The names nearest to one that does not exist, at most one per platform.
fn suggestions(name: &str) -> Vec<&'static str> {
    let wanted = name.to_lowercase();
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for platform in platforms() {
        let mut names: Vec<&'static str> = vec![&platform.name];
        names.extend(platform.aliases.iter().map(String::as_str));
        if platform.is_default_of_system() {
            names.push(&platform.system);
        }
        names.push(&platform.config);
        let nearest = names
            .into_iter()
            .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
            .min_by_key(|(distance, _)| *distance);
        found.extend(nearest);
    }
    // A third of the letters wrong, or a common start, is still worth a guess.
    let limit = (wanted.len() / 3).max(2);
    found.retain(|(distance, candidate)| {
        *distance <= limit || (wanted.len() >= 3 && candidate.to_lowercase().starts_with(&wanted))
    });
    found.sort_by_key(|(distance, _)| *distance);
    found.truncate(SUGGESTIONS);
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Number of single-letter edits between two words (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..other.len() {
            let above = row[column + 1];
            row[column + 1] =
                (diagonal + usize::from(letter != other[column])).min(above + 1).min(row[column] + 1);
            diagonal = above;
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        match lookup(name) {
            Ok(platform) => assert_eq!(platform.name, expected, "{name}"),
            Err(error) => assert_eq!(error.to_string(), expected, "{name}"),
        }
    }

    #[test]
    fn names_of_every_kind() {
        check("riscv64", "riscv64");
        check("riscv64-linux", "riscv64");
        check("riscv64-unknown-linux-gnu", "riscv64");
        check("riscv64-linux-gnu", "riscv64");
        check("linux/riscv64", "riscv64");
        check("aarch64", "aarch64-multiplatform");
        check("arm64", "aarch64-multiplatform");
        check("arm64-linux", "aarch64-multiplatform");
        check("linux/arm64", "aarch64-multiplatform");
        check("armv7l-linux", "armv7l-hf-multiplatform");
        check("linux/arm/v7", "armv7l-hf-multiplatform");
        check("armhf", "armv7l-hf-multiplatform");
        check("arm-linux-gnueabihf", "armv7l-hf-multiplatform");
        check("armv5tel-unknown-linux-gnueabi", "sheevaplug");
        check("armel", "sheevaplug");
        check("armv6l-linux", "raspberryPi");
        check("amd64", "gnu64");
        check("x86_64-linux", "gnu64");
        check("x86_64-pc-linux-gnu", "gnu64");
        check("i686-linux", "gnu32");
        check("linux/386", "gnu32");
        check("ppc64le", "powernv");
        check("ppc64el", "powernv");
        check("mips-linux", "mips-linux-gnu");
        check("mipsel-linux", "mipsel-linux-gnu");
        check("mips64el-linux", "mips64el-linux-gnuabi64");
        check("x86_64-windows", "mingwW64");
        check("wasm32-wasi", "wasi32");
    }

    #[test]
    fn suggestions_for_a_slip() {
        check("riscv46", "unknown platform 'riscv46'; did you mean 'riscv64' or 'riscv32'?");
        check("rasberrypi", "unknown platform 'rasberrypi'; did you mean 'raspberryPi'?");
        check("", "unknown platform ''");
        check("zebra-9000-quux", "unknown platform 'zebra-9000-quux'");
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
