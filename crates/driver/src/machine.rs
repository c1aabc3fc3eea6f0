//! What this machine can do, for the planner.

use crate::settings::Settings;
use saltire_plan::Machine;
use saltire_platforms::{Platform, can_execute, platforms};
use saltire_sandbox::{Capability, Finding, find_problem};
use std::sync::OnceLock;

/// System features that every machine offers, as in Nix.
const FEATURES: [&str; 3] = ["benchmark", "big-parallel", "nixos-test"];

/// What a machine without a sandbox can do all the same.
pub(crate) const WITHOUT_SANDBOX: &str =
    "without it, 'saltire' evaluates, plans and unpacks, and 'saltire exec' runs programs outside the store";

/// Why builds can't be emulated here, found out once: by trying.
fn no_emulation() -> Option<String> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let problem = find_problem(Capability::NamespacedBinfmt)?;
        Some(problem.cause.trim_end_matches('.').to_owned())
    };
    FOUND.get_or_init(find).clone()
}

/// What keeps builds from running in a sandbox here, found out by trying.
pub(crate) fn no_sandbox() -> Option<Finding> {
    let finding = |capability| Some(Finding { capability, problem: Some(find_problem(capability)?) });
    Capability::FOR_BUILDS.into_iter().find_map(finding)
}

/// How many other machines the setting `builders` names: lines, or parts between
/// semicolons; `@FILE` stands for what is in a file.
pub(crate) fn remote_builders(setting: &str) -> usize {
    let meant = |text: &str| {
        let lines = text.split(['\n', ';']).map(|line| line.split('#').next().unwrap_or_default().trim());
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let count = |line: &String| match line.strip_prefix('@') {
        Some(file) => meant(&std::fs::read_to_string(file).unwrap_or_default()).len(),
        None => 1,
    };
    meant(setting).iter().map(count).sum()
}

/// Looks at the machine.
pub(crate) fn machine(current: &Platform, settings: &Settings) -> Machine {
    let linux = || platforms().iter().filter(|platform| platform.is_linux());
    let emulators =
        linux().filter_map(|platform| Some((platform.system.clone(), platform.emulator()?.program())));
    let mut features: std::collections::BTreeSet<String> = FEATURES.map(str::to_owned).into();
    if rustix::fs::access("/dev/kvm", rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK).is_ok() {
        features.insert("kvm".to_owned());
    }
    features.extend(settings.features.iter().cloned());
    Machine {
        system: current.system.clone(),
        extra_systems: linux()
            .filter(|platform| can_execute(current, platform) && platform.system != current.system)
            .map(|platform| platform.system.clone())
            .chain(settings.extra_platforms.iter().cloned())
            .collect(),
        emulators: emulators.collect(),
        no_emulation: no_emulation(),
        features,
        no_network: settings.offline.then(|| "'--offline' is set".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::remote_builders;

    #[test]
    fn remote_builders_are_counted() {
        assert_eq!(remote_builders(""), 0);
        assert_eq!(remote_builders("@/nowhere"), 0);
        assert_eq!(remote_builders("ssh://a x86_64-linux ; ssh-ng://b\n# c\n"), 2);
    }
}
