//! Debian's formats: `.deb` files, archive indexes, the lock file that pins
//! packages, and the choice of a mirror.
//!
//! Everything read here comes from elsewhere and is parsed with bounds; nothing
//! here opens a connection or starts a process. The formats are those of the
//! manual pages deb(5), deb822(5), sources.list(5), deb-version(7), and of
//! Debian's wiki page "DebianRepository/Format".
//!
//! # Overview
//!
//! - [`Lock`]: the pinned packages and sources (`pkgs/seed/debian.lock.json`).
//! - [`Mirrors`]: from settings and the text of the machine's APT sources to the
//!   URLs to try for a path below the archive's root.
//! - [`deb`]: the members of a `.deb` file; [`archive`]: tar archives, read safely.
//! - [`unpack::Unpack`]: packages to a directory.
//! - [`deb822`], [`index`], [`version`]: what making a lock file needs.

pub mod archive;
pub mod deb;
pub mod deb822;
pub mod index;
pub mod lock;
pub mod mirror;
pub mod sources_list;
pub mod unpack;
pub mod version;

pub use lock::{Lock, LockError, LockedFile, LockedPackage, LockedSource};
pub use mirror::{Mirrors, SNAPSHOT_ARCHIVE};
pub use unpack::{Unpack, UnpackError};
