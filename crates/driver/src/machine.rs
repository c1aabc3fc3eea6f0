//! What this machine can do, for the planner.

use crate::settings::Settings;
use saltire_plan::Machine;
use saltire_platforms::{Platform, can_execute, platforms};

/// System features that every machine offers, as in Nix.
const FEATURES: [&str; 3] = ["benchmark", "big-parallel", "nixos-test"];

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
            .collect(),
        emulators: emulators.collect(),
        no_emulation: None,
        features,
        no_network: settings.offline.then(|| "'--offline' is set".to_owned()),
    }
}
