//! Puts the parts together: settings, package sets, evaluation against the store,
//! plans and their execution, and running what was built.
//!
//! Absent on purpose: how anything is shown. What happens is told through
//! [`Events`], errors are values ([`Error`]) with hints.

mod access;
mod answers;
mod attribute_path;
mod binary_cache;
mod closure;
mod content_addressed;
mod error;
mod execute;
mod flake;
mod graph;
mod host;
mod host_fetch;
mod inputs;
mod logs;
mod machine;
mod machines;
mod many;
mod nix_conf;
mod nix_settings;
mod other_store;
mod package_set;
mod packages;
mod program;
mod run;
mod schedule;
mod select;
mod served;
mod session;
mod settings;
mod ssh_store;
mod statistics;
mod store_target;
mod substitute;
mod toolchains;

pub use answers::Answers;
pub use attribute_path::{find_along, split_attribute_path};
pub use binary_cache::{BinaryCache, CopyError, is_vouched, read_key};
pub use content_addressed::make_content_addressed;
pub use error::Error;
pub use flake::{FlakeAttribute, Flakes, user_registry};
pub use graph::Wanted;
pub use inputs::{InputSettings, InputStoreError, Inputs, StoredInput};
pub use many::{Answer, Describe, Division, Effort, Query, Roots, Row};
pub use nix_conf::{ConfigError, Found, NixConfig, find as find_setting};
pub use nix_settings::{Kind as SettingKind, Known as KnownSetting};
pub use other_store::{CopyOptions, Known, OtherStore};
pub use packages::{Forgive, Package, packages};
pub use program::{ProgramError, ProgramProblem, Runnable};
pub use run::{Emulators, Launch};
pub use saltire_build::{Event, Events, Silent, StepId, StepKind};
pub use saltire_flake::{
    FlakeRef, LockFlags, LockedFlake, OutputNames, Target as FlakeTarget, is_input_path,
};
pub use saltire_plan::{Method, Plan, Step, Via};
pub use saltire_remote::{Speaker, serve_serve, serve_worker};
pub use saltire_sandbox::{Capability, Finding, Probe, Problem, probe};
pub use saltire_store_model::StorePath;
pub use select::{
    Argument, PackageSet, Source, Target, argument_set, arguments, current_directory, file_argument,
};
pub use served::{ServedStore, ToClient};
pub use session::{EvaluationError, MakeDebugger, Session};
pub use settings::{CacheSettings, Directories, DownloadSettings, LockSettings, Settings};
pub use ssh_store::SshStore;
pub use statistics::ProfileSettings;
