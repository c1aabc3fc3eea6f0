//! What this machine can do, for the planner.

use crate::settings::Settings;
use saltire_plan::Machine;
use saltire_platforms::{Emulator, Platform, can_execute, platforms};
use saltire_sandbox::BinfmtEntry;
use std::path::Path;

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

/// The line that registers an emulator, which is a static program at `path`.
///
/// Format: the kernel's `Documentation/admin-guide/binfmt-misc.rst`. Flags: `P`
/// keeps the program's own `argv[0]`, `O` opens programs that may only be
/// executed, `F` opens the emulator now, so that it need not exist where programs run.
pub(crate) fn binfmt_entry(emulator: &Emulator, path: &Path) -> BinfmtEntry {
    let escape = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let (magic, mask) = (escape(emulator.magic()), escape(emulator.mask()));
    let line = format!(":{}:M::{magic}:{mask}:{}:POF", emulator.name, path.display());
    BinfmtEntry { label: emulator.program(), line: line.into_bytes() }
}
