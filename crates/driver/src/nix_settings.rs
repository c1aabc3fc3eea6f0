//! The names, kinds and defaults of Nix's settings (those of Nix 2.35).
//!
//! Settings that have no meaning here are known as well, so that a machine's
//! `nix.conf` is read without complaint; [`Settings::apply`](crate::Settings::apply)
//! takes over those that have one.

/// What sort of value a setting has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Boolean,
    /// A number, perhaps with a unit (`K`, `M`, `G`, `T`).
    Number,
    /// A number or `auto`.
    Jobs,
    /// Yes, no or `relaxed`.
    Sandbox,
    /// What to do about something discouraged: `ignore`, `warn` or `fatal`.
    Lint,
    /// Words.
    List,
    /// Words, each a name, `=` and a value.
    Table,
    /// Words, each a path, perhaps with `=` and where it is, perhaps with `?`.
    Mounts,
    /// Any text.
    Text,
    /// Any text, of which none is different from an empty one.
    Optional,
}

impl Kind {
    /// Whether `extra-NAME` adds to what is set.
    pub(crate) fn takes_more(self) -> bool {
        matches!(self, Self::List | Self::Table | Self::Mounts)
    }
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Its older names.
    pub aliases: &'static [&'static str],
    /// What sort of value it has.
    pub kind: Kind,
    /// Its value when nobody sets it.
    pub default: &'static str,
}

const fn known(name: &'static str, kind: Kind, default: &'static str) -> Known {
    Known { name, aliases: &[], kind, default }
}

const fn aliased(setting: Known, aliases: &'static [&'static str]) -> Known {
    Known { aliases, ..setting }
}

use Kind::{Boolean, Jobs, Lint, List, Mounts, Number, Optional, Sandbox, Table, Text};

/// All settings, by name.
pub const KNOWN: &[Known] = &[
    known("abort-on-warn", Boolean, "false"),
    known("accept-flake-config", Boolean, "false"),
    known("access-tokens", Table, ""),
    known("allow-dirty", Boolean, "true"),
    known("allow-dirty-locks", Boolean, "false"),
    known("allow-import-from-derivation", Boolean, "true"),
    known("allow-new-privileges", Boolean, "false"),
    known("allow-symlinked-store", Boolean, "false"),
    known("allow-unsafe-native-code-during-evaluation", Boolean, "false"),
    known("allowed-impure-host-deps", List, ""),
    known("allowed-uris", List, ""),
    known("allowed-users", List, "*"),
    known("always-allow-substitutes", Boolean, "false"),
    known("auto-allocate-uids", Boolean, "false"),
    known("auto-optimise-store", Boolean, "false"),
    known("bash-prompt", Text, ""),
    known("bash-prompt-prefix", Text, ""),
    known("bash-prompt-suffix", Text, ""),
    known("build-dir", Optional, ""),
    known("build-hook", List, ""),
    known("build-poll-interval", Number, "5"),
    known("build-users-group", Text, ""),
    known("builders", Text, "@/etc/nix/machines"),
    known("builders-use-substitutes", Boolean, "false"),
    aliased(known("commit-lock-file-summary", Text, ""), &["commit-lockfile-summary"]),
    aliased(known("compress-build-log", Boolean, "true"), &["build-compress-log"]),
    known("connect-timeout", Number, "15"),
    aliased(known("cores", Number, "0"), &["build-cores"]),
    known("debugger-on-trace", Boolean, "false"),
    known("debugger-on-warn", Boolean, "false"),
    known("diff-hook", Optional, ""),
    known("download-buffer-size", Number, "1048576"),
    known("download-speed", Number, "0"),
    known("eval-attrset-update-layer-rhs-threshold", Number, "16"),
    known("eval-cache", Boolean, "true"),
    known("eval-cores", Jobs, "1"),
    known("eval-profile-file", Text, "nix.profile"),
    known("eval-profiler", Text, "disabled"),
    known("eval-profiler-frequency", Number, "99"),
    known("eval-system", Text, ""),
    known("experimental-features", List, "nix-command flakes fetch-tree"),
    known("external-builders", Text, "[]"),
    known("extra-platforms", List, ""),
    aliased(known("fallback", Boolean, "false"), &["build-fallback"]),
    aliased(known("filetransfer-retry-attempts", Number, "5"), &["download-attempts"]),
    known("filetransfer-retry-delay", Number, "100"),
    known("filetransfer-retry-delay-rate-limited", Number, "5000"),
    known("filetransfer-retry-jitter", Boolean, "true"),
    known("filetransfer-retry-max-delay", Number, "60000"),
    known("filter-syscalls", Boolean, "true"),
    known("flake-registry", Text, "https://channels.nixos.org/flake-registry.json"),
    known("fsync-metadata", Boolean, "true"),
    known("fsync-store-paths", Boolean, "false"),
    known("gc-reserved-space", Number, "8388608"),
    known("hashed-mirrors", List, ""),
    aliased(known("http-connections", Number, "25"), &["binary-caches-parallel-connections"]),
    known("http2", Boolean, "true"),
    known("http3", Boolean, "false"),
    known("id-count", Number, "8388608"),
    known("ignore-try", Boolean, "false"),
    known("ignored-acls", List, "security.csm security.selinux system.nfs4_acl"),
    aliased(known("impersonate-linux-26", Boolean, "false"), &["build-impersonate-linux-26"]),
    known("impure-env", Table, ""),
    known("json-log-path", Optional, ""),
    aliased(known("keep-build-log", Boolean, "true"), &["build-keep-log"]),
    aliased(known("keep-derivations", Boolean, "true"), &["gc-keep-derivations"]),
    aliased(known("keep-env-derivations", Boolean, "false"), &["env-keep-derivations"]),
    known("keep-failed", Boolean, "false"),
    known("keep-going", Boolean, "false"),
    aliased(known("keep-outputs", Boolean, "false"), &["gc-keep-outputs"]),
    known("lint-absolute-path-literals", Lint, "ignore"),
    known("lint-short-path-literals", Lint, "ignore"),
    known("lint-url-literals", Lint, "ignore"),
    known("log-lines", Number, "25"),
    aliased(known("max-build-log-size", Number, "0"), &["build-max-log-size"]),
    known("max-call-depth", Number, "10000"),
    known("max-free", Number, "9223372036854775807"),
    aliased(known("max-jobs", Jobs, "auto"), &["build-max-jobs"]),
    aliased(known("max-silent-time", Number, "0"), &["build-max-silent-time"]),
    aliased(known("max-substitution-jobs", Number, "16"), &["substitution-max-jobs"]),
    known("min-free", Number, "0"),
    known("min-free-check-interval", Number, "5"),
    known("nar-buffer-size", Number, "33554432"),
    known("narinfo-cache-meta-ttl", Number, "604800"),
    known("narinfo-cache-negative-ttl", Number, "3600"),
    known("narinfo-cache-positive-ttl", Number, "2592000"),
    known("netrc-file", Text, "/etc/nix/netrc"),
    known("nix-path", List, ""),
    known("nix-shell-always-looks-for-shell-nix", Boolean, "true"),
    known("nix-shell-shebang-arguments-relative-to-script", Boolean, "true"),
    known("plugin-files", List, ""),
    known("post-build-hook", Text, ""),
    known("pre-build-hook", Text, ""),
    known("preallocate-contents", Boolean, "false"),
    known("print-missing", Boolean, "true"),
    known("pure-eval", Boolean, "false"),
    known("require-drop-supplementary-groups", Boolean, "false"),
    known("require-sigs", Boolean, "true"),
    known("restrict-eval", Boolean, "false"),
    known("run-diff-hook", Boolean, "false"),
    aliased(known("sandbox", Sandbox, "true"), &["build-use-chroot", "build-use-sandbox"]),
    known("sandbox-build-dir", Text, "/build"),
    known("sandbox-dev-shm-size", Text, "50%"),
    known("sandbox-fallback", Boolean, "false"),
    aliased(known("sandbox-paths", Mounts, ""), &["build-chroot-dirs", "build-sandbox-paths"]),
    known("secret-key-files", List, ""),
    known("show-trace", Boolean, "false"),
    known("ssl-cert-file", Text, ""),
    known("stalled-download-timeout", Number, "300"),
    known("start-id", Number, "872415232"),
    known("store", Text, "auto"),
    aliased(known("substitute", Boolean, "true"), &["build-use-substitutes"]),
    aliased(known("substituters", List, "https://cache.nixos.org/"), &["binary-caches"]),
    known("sync-before-registering", Boolean, "false"),
    known("system", Text, ""),
    known("system-features", List, ""),
    known("tarball-ttl", Number, "3600"),
    aliased(known("timeout", Number, "0"), &["build-timeout"]),
    known("trace-function-calls", Boolean, "false"),
    known("trace-import-from-derivation", Boolean, "false"),
    known("trace-verbose", Boolean, "false"),
    known("trust-tarballs-from-git-forges", Boolean, "true"),
    aliased(
        known("trusted-public-keys", List, "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="),
        &["binary-cache-public-keys"],
    ),
    aliased(known("trusted-substituters", List, ""), &["trusted-binary-caches"]),
    known("trusted-users", List, "root"),
    known("upgrade-nix-store-path-url", Text, ""),
    known("use-case-hack", Boolean, "false"),
    known("use-cgroups", Boolean, "false"),
    known("use-registries", Boolean, "true"),
    known("use-sqlite-wal", Boolean, "true"),
    known("use-xdg-base-directories", Boolean, "false"),
    known("user-agent-suffix", Text, ""),
    known("warn-dirty", Boolean, "true"),
    known("warn-large-path-threshold", Number, "0"),
    known("warn-short-path-literals", Boolean, "false"),
];

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn names_are_sorted_and_unique() {
        let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }
}
