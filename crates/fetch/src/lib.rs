//! Downloads of files that are pinned by hash, and the cache of them.
//!
//! A [`Downloader`] tries a file's addresses one after another, resumes what was
//! cut off, and lets nothing into its cache whose hash is not the pinned one. The
//! cache is addressed by hash, so it serves every store and makes the second
//! build work without a network.
//!
//! Absent on purpose: evaluation, and the store's database. The caller copies
//! what was downloaded to where it belongs.

mod download;
mod error;
mod transfer;

#[cfg(test)]
mod tests;

pub use download::{Download, Downloader, Observer, Options, Unobserved};
pub use error::{FetchError, Reason};
