//! The setting `builders`: other machines that build.
//!
//! One machine in a line or between semicolons: address, systems, secret key, how many
//! builds at a time, speed factor, features, features that a derivation must ask for,
//! public key of the host. `-` and what is left out stand for the usual; `@FILE` for what
//! is in a file. Source: the Nix manual, "Remote Builds" and the setting `builders`.

use crate::address::Address;
use crate::error::RemoteError;
use std::collections::BTreeSet;
use std::path::Path;
use thiserror::Error;

/// How deep files may name files.
const DEEPEST: usize = 8;

/// A machine that builds.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildMachine {
    /// Where it is.
    pub address: Address,
    /// The systems that it builds for.
    pub systems: BTreeSet<String>,
    /// How many builds it does at a time.
    pub jobs: usize,
    /// How fast it is compared to others.
    pub speed: f64,
    /// The features that it offers.
    pub features: BTreeSet<String>,
    /// The features that it offers only to derivations that ask for all of them.
    pub mandatory: BTreeSet<String>,
}

impl BuildMachine {
    /// Whether it can build what is for a system and asks for these features.
    pub fn can_build(&self, system: &str, features: &BTreeSet<String>) -> bool {
        self.systems.contains(system)
            && features.iter().all(|name| self.features.contains(name) || self.mandatory.contains(name))
            && self.mandatory.is_subset(features)
    }
}

/// What is wrong with the setting `builders`.
#[derive(Debug, Error)]
pub enum MachineError {
    /// A field is not what it should be.
    #[error("bad machine specification '{line}': {reason}")]
    Field {
        /// The machine's line.
        line: String,
        /// What is wrong.
        reason: String,
    },
    /// The address is wrong.
    #[error("bad machine specification: {0}")]
    Address(#[from] RemoteError),
    /// A file that names itself.
    #[error("the files of the setting 'builders' name each other")]
    Cycle,
}

/// Reads the setting. `read` gives what is in a file, nothing if there is none; machines
/// for which no system is given have `system`.
pub fn build_machines(
    setting: &str,
    system: &str,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Vec<BuildMachine>, MachineError> {
    let mut machines = Vec::new();
    collect(setting, system, read, DEEPEST, &mut machines)?;
    Ok(machines)
}

fn collect(
    setting: &str,
    system: &str,
    read: &dyn Fn(&Path) -> Option<String>,
    depth: usize,
    machines: &mut Vec<BuildMachine>,
) -> Result<(), MachineError> {
    let lines = setting.lines().map(|line| line.split('#').next().unwrap_or_default());
    for line in lines.flat_map(|line| line.split(';')).map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('@') {
            Some(_) if depth == 0 => return Err(MachineError::Cycle),
            Some(file) => {
                if let Some(text) = read(Path::new(file.trim())) {
                    collect(&text, system, read, depth - 1, machines)?;
                }
            }
            None => machines.push(machine(line, system)?),
        }
    }
    Ok(())
}

fn machine(line: &str, system: &str) -> Result<BuildMachine, MachineError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let field = |index: usize| words.get(index).copied().filter(|word| *word != "-");
    let set = |index: usize| -> BTreeSet<String> {
        let names = field(index).unwrap_or_default().split(',').filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let wrong = |reason: String| MachineError::Field { line: line.to_owned(), reason };
    let place = words.first().copied().unwrap_or_default();
    // What Nix takes for a host that speaks the serve protocol.
    let place = if place.contains("://") { place.to_owned() } else { format!("ssh://{place}") };
    let mut address = Address::parse(&place)?;
    if let Some(key) = field(2) {
        address.key = Some(key.to_owned());
    }
    if let Some(key) = field(7) {
        address.set_host_key(key)?;
    }
    let jobs = field(3)
        .map_or(Ok(1), |word| word.parse().map_err(|_| wrong(format!("'{word}' is no number of builds"))))?;
    let speed = field(4).map_or(Ok(1.0), |word| match word.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.0 => Ok(speed),
        _ => Err(wrong(format!("'{word}' is no speed factor"))),
    })?;
    let systems = match field(1) {
        Some(_) => set(1),
        None => [system.to_owned()].into(),
    };
    Ok(BuildMachine { address, systems, jobs, speed, features: set(5), mandatory: set(6) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(setting: &str, expected: &str) {
        let read = |path: &Path| match path.to_str() {
            Some("/machines") => Some("# none\nssh-ng://filed\n".to_owned()),
            Some("/self") => Some("@/self".to_owned()),
            _ => None,
        };
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
        let got = match build_machines(setting, "x86_64-linux", &read) {
            Ok(machines) => machines
                .iter()
                .map(|m| {
                    let key = m.address.key.as_deref().unwrap_or("-");
                    let (systems, features) = (list(&m.systems), list(&m.features));
                    let mandatory = list(&m.mandatory);
                    let name = m.address.name();
                    format!("{name} {systems} {key} {} {} [{features}] [{mandatory}]\n", m.jobs, m.speed)
                })
                .collect(),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn machines_are_read() {
        check("", "");
        check("root@a", "ssh://root@a x86_64-linux - 1 1 [] []\n");
        check(
            "ssh-ng://a i686-linux,x86_64-linux /key 8 2.5 kvm,big-parallel benchmark c3NoIEEK # rest",
            "ssh-ng://a i686-linux,x86_64-linux /key 8 2.5 [big-parallel,kvm] [benchmark]\n",
        );
        check(
            "ssh-ng://a - - - - - ; ssh-ng://b riscv64-linux\n# c\n",
            "ssh-ng://a x86_64-linux - 1 1 [] []\nssh-ng://b riscv64-linux - 1 1 [] []\n",
        );
        check("@/machines ; @/nowhere", "ssh-ng://filed x86_64-linux - 1 1 [] []\n");
    }

    #[test]
    fn mistakes_are_told() {
        check("ssh-ng://a - - x", "bad machine specification 'ssh-ng://a - - x': 'x' is no number of builds");
        check(
            "ssh-ng://a - - 1 -2",
            "bad machine specification 'ssh-ng://a - - 1 -2': '-2' is no speed factor",
        );
        check("@/self", "the files of the setting 'builders' name each other");
    }

    #[test]
    fn features_decide() {
        let text = "ssh-ng://a x86_64-linux - 1 1 kvm,extra must";
        let machine = &build_machines(text, "", &|_| None).unwrap()[0];
        let can = |system: &str, features: &[&str]| {
            machine.can_build(system, &features.iter().map(|name| (*name).to_owned()).collect())
        };
        assert!(can("x86_64-linux", &["must"]));
        assert!(can("x86_64-linux", &["must", "kvm"]));
        assert!(!can("x86_64-linux", &["kvm"]), "what is mandatory is not asked for");
        assert!(!can("x86_64-linux", &["must", "other"]));
        assert!(!can("i686-linux", &["must"]));
    }
}
