//! What this machine can do, for the planner.

use crate::machines::Machines;
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

/// Looks at the machine.
pub(crate) fn machine(current: &Platform, settings: &Settings, machines: &Machines) -> Machine {
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
        builds_here: settings.jobs > 0,
        remote: machines.described(),
    }
}
