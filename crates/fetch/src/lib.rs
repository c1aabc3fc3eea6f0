//! Downloads of files that are pinned by hash, and the cache of them.
//!
//! A [`Downloader`] tries a file's addresses one after another, resumes what was
//! cut off, and lets nothing into its cache whose hash is not the pinned one. The
//! cache is addressed by hash, so it serves every store and makes the second
//! build work without a network.
//!
//! An [`input::Input`] describes something whose version may still have to be found
//! out (a branch, an address); a [`Fetcher`] makes a [`Tree`] of files of it.
//!
//! Absent on purpose: evaluation, and the store's database. The caller copies
//! what was downloaded to where it belongs.

mod archive;
mod download;
mod error;
pub mod input;
mod netrc;
mod transfer;
mod tree;

#[cfg(test)]
mod tests;

pub use archive::{UnpackError, Unpacked, unpack_archive};
pub use download::{Download, Downloader, Observer, Options, Received, Unobserved, Unpinned};
pub use error::{FetchError, Reason};
pub use tree::{Fetcher, Tree, TreeError};
