//! What the user set, and the directories that follow from the environment.

use crate::error::Error;
use crate::inputs::InputSettings;
use crate::nix_conf::NixConfig;
use saltire_eval::{Lint, Lints};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::statistics::ProfileSettings;

/// Settings, already merged from flags and environment variables.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store: `local`, `private` or a directory; `None` to find one.
    pub store: Option<String>,
    /// Debian mirrors to try first, as URLs of the directory that holds `dists` and `pool`.
    pub mirrors: Vec<String>,
    /// Use no network.
    pub offline: bool,
    /// How downloads are done.
    pub downloads: DownloadSettings,
    /// Whether builds are to be in a sandbox. They always are; the user is told so.
    pub sandbox: bool,
    /// Builds at the same time.
    pub jobs: usize,
    /// Cores that one build may use; 0 for all.
    pub cores: usize,
    /// Keep the build directory of a failed build.
    pub keep_failed: bool,
    /// How long a build may take.
    pub timeout: Option<Duration>,
    /// How long a build may write nothing.
    pub max_silence: Option<Duration>,
    /// Other machines to build on, as Nix's setting `builders` has them.
    pub builders: String,
    /// Whether other machines ask binary caches for what a build there needs.
    pub builders_use_substitutes: bool,
    /// Systems that this machine builds for besides those that are found out.
    pub extra_platforms: Vec<String>,
    /// Go on with what does not depend on a failed build.
    pub keep_going: bool,
    /// Entries of the search path for `<…>`, before those of `NIX_PATH`.
    pub search_path: Vec<String>,
    /// The search path without `NIX_PATH`.
    pub nix_path: Vec<String>,
    /// Entries in place of `NIX_PATH`, from the command line.
    pub search_path_instead: Option<Vec<String>>,
    /// Entries of the search path behind all others.
    pub search_path_behind: Vec<String>,
    /// System features beyond those that every machine has.
    pub features: Vec<String>,
    /// What `builtins.currentSystem` says, if not this machine's system.
    pub system: Option<String>,
    /// Evaluation sees only its inputs: no environment, no time, no search path.
    pub pure: bool,
    /// Evaluation sees only the search path and [`Self::allowed_uris`].
    pub restricted: bool,
    /// Beginnings of URLs that restricted evaluation may fetch from.
    pub allowed_uris: Vec<String>,
    /// Evaluation may have things built and read them.
    pub import_from_derivation: bool,
    /// Evaluation computes store paths and writes nothing to the store.
    pub read_only: bool,
    /// What evaluating locked flakes gave is kept on disk.
    pub eval_cache: bool,
    /// Calls that may be nested in evaluation.
    pub max_call_depth: u32,
    /// `|>` and `<|` are operators.
    pub pipe_operators: bool,
    /// What to do about discouraged ways of writing.
    pub lints: Lints,
    /// How inputs are fetched.
    pub inputs: InputSettings,
    /// How flakes are locked.
    pub locking: LockSettings,
    /// What is taken from binary caches.
    pub caches: CacheSettings,
    /// The address of the global flake registry; empty for none.
    pub flake_registry: String,
    /// `builtins.traceVerbose` writes.
    pub trace_verbose: bool,
    /// `builtins.warn` is an error.
    pub abort_on_warn: bool,
    /// Say of each call when it starts and ends.
    pub trace_function_calls: bool,
    /// Evaluation may run programs: `builtins.exec`.
    pub native_code: bool,
    /// Show every step of an evaluation error's trace.
    pub show_trace: bool,
    /// Colour errors.
    pub colour: bool,
    /// Profile evaluations (`--eval-profiler`).
    pub profile: Option<ProfileSettings>,
}

/// How downloads are done, as far as the user has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DownloadSettings {
    /// How often an address is tried.
    pub tries: Option<u32>,
    /// How long to wait for a connection; not bounded if it is zero.
    pub connect: Option<Duration>,
    /// How long a server may send nothing.
    pub stall: Option<Duration>,
    /// The file with user names and passwords of servers.
    pub netrc: Option<PathBuf>,
}

impl DownloadSettings {
    /// What Nix's settings say.
    pub fn from_config(config: &NixConfig) -> Self {
        let number = |name: &str| config.is_set(name).then(|| config.number(name));
        Self {
            tries: number("download-attempts").map(|tries| u32::try_from(tries).unwrap_or(u32::MAX).max(1)),
            connect: number("connect-timeout").map(Duration::from_secs),
            stall: number("stalled-download-timeout").map(Duration::from_secs),
            netrc: Some(netrc_file(config)),
        }
    }
}

/// The setting `netrc-file`, which is `netrc` beside `nix.conf` unless it is set.
fn netrc_file(config: &NixConfig) -> PathBuf {
    match (config.is_set("netrc-file"), std::env::var_os("NIX_CONF_DIR")) {
        (false, Some(directory)) => Path::new(&directory).join("netrc"),
        _ => config.text("netrc-file").into(),
    }
}

/// How flakes are locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockSettings {
    /// Lock files may have working trees with changes in them.
    pub allow_dirty_locks: bool,
    /// The first line of the message of commits.
    pub commit_summary: Option<String>,
    /// Names of flakes mean what registries say.
    pub use_registries: bool,
}

impl Default for LockSettings {
    /// With registries.
    fn default() -> Self {
        Self { allow_dirty_locks: false, commit_summary: None, use_registries: true }
    }
}

/// What is taken from binary caches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheSettings {
    /// Where they are; none to build everything.
    pub substituters: Vec<String>,
    /// Nobody has chosen them: it is no matter if they can't be reached.
    pub are_default: bool,
    /// Take only what a trusted key has signed, or what follows from its content.
    pub require_signatures: bool,
    /// Build what can't be taken from a cache that offered it.
    pub fallback: bool,
    /// Also where a derivation says `allowSubstitutes = false`.
    pub always_allow: bool,
}

impl CacheSettings {
    /// What Nix's settings say.
    pub fn from_config(config: &NixConfig) -> Self {
        let substituters = match config.is_on("substitute") {
            true => config.list("substituters"),
            false => Vec::new(),
        };
        Self {
            substituters,
            are_default: !config.is_set("substituters"),
            require_signatures: config.is_on("require-sigs"),
            fallback: config.is_on("fallback"),
            always_allow: config.is_on("always-allow-substitutes"),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: None,
            mirrors: Vec::new(),
            offline: false,
            downloads: DownloadSettings::default(),
            sandbox: true,
            jobs: 1,
            cores: 0,
            keep_failed: false,
            timeout: None,
            max_silence: None,
            builders: String::new(),
            builders_use_substitutes: false,
            extra_platforms: Vec::new(),
            keep_going: false,
            search_path: Vec::new(),
            nix_path: Vec::new(),
            search_path_instead: None,
            search_path_behind: Vec::new(),
            features: Vec::new(),
            system: None,
            pure: false,
            restricted: false,
            allowed_uris: Vec::new(),
            import_from_derivation: true,
            read_only: false,
            eval_cache: true,
            max_call_depth: 10_000,
            pipe_operators: false,
            lints: Lints::default(),
            inputs: InputSettings::default(),
            locking: LockSettings::default(),
            caches: CacheSettings::default(),
            flake_registry: String::new(),
            trace_verbose: false,
            abort_on_warn: false,
            trace_function_calls: false,
            native_code: false,
            show_trace: false,
            colour: false,
            profile: None,
        }
    }
}

impl Settings {
    /// Takes over what Nix's settings say of other machines that build.
    pub fn apply_builders(&mut self, config: &NixConfig) {
        self.builders = match (config.is_set("builders"), std::env::var("NIX_CONF_DIR")) {
            (false, Ok(directory)) => format!("@{directory}/machines"),
            _ => config.text("builders").to_owned(),
        };
        self.builders_use_substitutes = config.is_on("builders-use-substitutes");
    }

    /// Takes over what Nix's settings say.
    pub fn apply(&mut self, config: &NixConfig) {
        self.jobs = match config.text("max-jobs") {
            "auto" => std::thread::available_parallelism().map_or(1, usize::from),
            number => number.parse().unwrap_or(1),
        };
        self.cores = usize::try_from(config.number("cores")).unwrap_or(0);
        self.keep_failed = config.is_on("keep-failed");
        let seconds =
            |name: &str| Some(Duration::from_secs(config.number(name))).filter(|time| !time.is_zero());
        self.timeout = seconds("timeout");
        self.max_silence = seconds("max-silent-time");
        self.apply_builders(config);
        self.extra_platforms = config.list("extra-platforms");
        self.keep_going = config.is_on("keep-going");
        self.trace_verbose = config.is_on("trace-verbose");
        let variable = std::env::var("NIX_ABORT_ON_WARN").unwrap_or_default();
        let variable = matches!(variable.as_str(), "1" | "yes" | "true");
        self.abort_on_warn = config.is_on("abort-on-warn") || variable;
        self.trace_function_calls = config.is_on("trace-function-calls");
        self.native_code = config.is_on("allow-unsafe-native-code-during-evaluation");
        self.show_trace = config.is_on("show-trace");
        self.pure = config.is_on("pure-eval");
        self.restricted = config.is_on("restrict-eval");
        self.allowed_uris = config.list("allowed-uris");
        self.import_from_derivation = config.is_on("allow-import-from-derivation");
        self.max_call_depth = u32::try_from(config.number("max-call-depth")).unwrap_or(u32::MAX);
        self.pipe_operators = config.has_feature("pipe-operators");
        self.lints = lints(config);
        self.eval_cache = config.is_on("eval-cache");
        self.profile = (config.text("eval-profiler") == "flamegraph").then(|| ProfileSettings {
            file: config.text("eval-profile-file").into(),
            frequency: u32::try_from(config.number("eval-profiler-frequency")).unwrap_or(u32::MAX),
        });
        self.features = config.list("system-features");
        self.nix_path = match config.is_set("nix-path") {
            true => config.list("nix-path"),
            false if self.restricted => Vec::new(),
            false => usual_nix_path(),
        };
        self.inputs.allow_dirty = config.is_on("allow-dirty");
        self.inputs.warn_dirty = config.is_on("warn-dirty");
        self.inputs.ttl = Duration::from_secs(config.number("tarball-ttl"));
        let tokens = config.list("access-tokens");
        let tokens = tokens.iter().filter_map(|token| token.split_once('='));
        self.inputs.access_tokens = tokens.map(|(host, token)| (host.to_owned(), token.to_owned())).collect();
        let summary = config.text("commit-lock-file-summary");
        self.locking = LockSettings {
            allow_dirty_locks: config.is_on("allow-dirty-locks"),
            commit_summary: Some(summary.to_owned()).filter(|summary| !summary.is_empty()),
            use_registries: config.is_on("use-registries"),
        };
        self.caches = CacheSettings::from_config(config);
        self.downloads = DownloadSettings::from_config(config);
        self.inputs.trusted_keys = config.list("trusted-public-keys");
        self.flake_registry = config.text("flake-registry").to_owned();
        let system =
            [config.text("eval-system"), config.text("system")].into_iter().find(|name| !name.is_empty());
        self.system = system.map(str::to_owned);
        if !matches!(config.text("store"), "auto" | "daemon" | "") {
            self.store = Some(config.text("store").to_owned());
        }
    }
}

/// What the settings `lint-*` say.
fn lints(config: &NixConfig) -> Lints {
    let lint = |name: &str| match config.text(name) {
        "warn" => Lint::Warn,
        "fatal" => Lint::Fatal,
        _ => Lint::Ignore,
    };
    Lints {
        url_literals: lint("lint-url-literals"),
        short_path_literals: lint("lint-short-path-literals"),
        absolute_path_literals: lint("lint-absolute-path-literals"),
    }
}

/// Where Nix's channels are, as far as there are any.
fn usual_nix_path() -> Vec<String> {
    let home = std::env::var("HOME").map(|home| format!("{home}/.nix-defexpr/channels"));
    let root = "/nix/var/nix/profiles/per-user/root/channels";
    let all = home.into_iter().chain([format!("nixpkgs={root}/nixpkgs"), root.to_owned()]);
    let exists = |entry: &String| {
        let path = entry.rsplit('=').next().unwrap_or_default();
        std::path::Path::new(path).exists()
    };
    let mut paths: Vec<String> = all.filter(exists).collect();
    // In a private store a channel's link leads to where only evaluation sees something.
    let channels = std::env::var("HOME").map(|home| PathBuf::from(home).join(".nix-defexpr/channels"));
    for entry in channels.iter().filter_map(|path| std::fs::read_dir(path).ok()).flatten().flatten() {
        if let (Ok(target), Ok(name)) = (std::fs::read_link(entry.path()), entry.file_name().into_string()) {
            paths.push(format!("{name}={}", target.display()));
        }
    }
    paths
}

/// The user's directories (XDG Base Directory Specification).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// For what can be made again: `$XDG_CACHE_HOME/saltire`.
    pub cache: PathBuf,
    /// For what can't: `$XDG_DATA_HOME/saltire`.
    pub data: PathBuf,
}

impl Directories {
    /// From the environment.
    pub fn find() -> Result<Self, Error> {
        Self::from_lookup(&|name| std::env::var_os(name).map(PathBuf::from))
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Self, Error> {
        let absolute = |name| lookup(name).filter(|path| path.is_absolute());
        let below = |name, default: &str| match absolute(name) {
            Some(base) => Ok(base.join("saltire")),
            None => match absolute("HOME") {
                Some(home) => Ok(home.join(default).join("saltire")),
                None => Err(Error::NoHome { variable: name }),
            },
        };
        Ok(Self { cache: below("XDG_CACHE_HOME", ".cache")?, data: below("XDG_DATA_HOME", ".local/share")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expected: Result<(&str, &str), &str>) {
        let found = Directories::from_lookup(&|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value))
        });
        match (found, expected) {
            (Ok(found), Ok((cache, data))) => {
                assert_eq!((found.cache, found.data), (cache.into(), data.into()));
            }
            (Err(error), Err(text)) => assert_eq!(error.to_string(), text),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn directories_follow_the_specification() {
        check(&[("HOME", "/h")], Ok(("/h/.cache/saltire", "/h/.local/share/saltire")));
        check(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")], Ok(("/c/saltire", "/h/.local/share/saltire")));
        check(
            &[("HOME", "/h"), ("XDG_CACHE_HOME", "relative")],
            Ok(("/h/.cache/saltire", "/h/.local/share/saltire")),
        );
        check(&[], Err("neither XDG_CACHE_HOME nor HOME is set to an absolute path"));
    }
}
