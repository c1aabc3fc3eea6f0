//! What the embedded package set has for each platform.

use crate::error::Error;
use crate::package_set;
use crate::session::Session;
use saltire_debian::Lock;
use saltire_eval::Symbol;
use saltire_platforms::Platform;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock};

/// The kind of every platform's toolchain; null where there is none.
const KINDS: &str =
    "set: builtins.mapAttrs (_: packages: packages.buildPackages.toolchainKind) (set { }).pkgsCross";

/// What the package set calls a toolchain that it has not.
const MISSING: &str = "missing";

/// The package without which nothing can be built.
const COMPILER: &str = "gcc-12";

impl Session {
    /// The kinds of the toolchains with which this machine builds for platforms, by
    /// the platform's name: `glibc`, `musl`, `source`, `mingw`, …, as the attribute
    /// `toolchainKind` of the embedded package set says.
    pub fn toolchains(self: &Arc<Self>) -> Result<BTreeMap<String, String>, Error> {
        let set = self.package_set()?;
        self.evaluate(|evaluator| {
            let set = evaluator.eval_file(set.as_os_str().as_bytes())?;
            let kinds = evaluator.eval_str(KINDS, b"/")?;
            let kinds = evaluator.call(kinds, &[set], saltire_diagnostics::Pos::NONE)?;
            let kinds = evaluator.force(kinds)?;
            let mut found = BTreeMap::new();
            for platform in saltire_platforms::platforms() {
                let kind = kinds.as_attrs().and_then(|kinds| kinds.get(Symbol::intern(&platform.name)));
                let Some(kind) = kind else { continue };
                let kind = evaluator.force(kind)?;
                let kind = kind.as_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
                if let Some(kind) = kind.filter(|kind| kind != MISSING) {
                    found.insert(platform.name.clone(), kind);
                }
            }
            Ok(found)
        })
    }

    /// Whether the package set's bootstrap seed has tools that run on a platform,
    /// with which its packages can be built on it, or under an emulator.
    pub fn has_native_tools_of(&self, platform: &Platform) -> bool {
        static ARCHITECTURES: OnceLock<BTreeSet<String>> = OnceLock::new();
        let known = ARCHITECTURES.get_or_init(architectures_with_a_compiler);
        platform.is_default_of_system()
            && platform.debian_arch.as_ref().is_some_and(|architecture| known.contains(architecture))
    }
}

/// Debian's architectures whose compiler is in the seed's lock file.
fn architectures_with_a_compiler() -> BTreeSet<String> {
    let text = package_set::file("seed/debian.lock.json").and_then(|text| std::str::from_utf8(text).ok());
    let lock = text.and_then(|text| Lock::parse(text).ok());
    let packages = lock.into_iter().flat_map(|lock| lock.packages);
    packages.filter(|(_, packages)| packages.contains_key(COMPILER)).map(|(name, _)| name).collect()
}
