//! Comparing the database with the files.

use std::collections::BTreeSet;

use saltire_store_model::StorePath;
use saltire_store_model::nar::{keep_all, summarize_tree};

use crate::Store;
use crate::error::Result;

/// What is wrong with a valid path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyProblem {
    /// Its files are gone. Nothing valid needed it, so it was forgotten.
    Forgotten(StorePath),
    /// Its files are gone, and other valid paths refer to it.
    Missing {
        /// The path.
        path: StorePath,
        /// What refers to it.
        referrers: BTreeSet<StorePath>,
    },
    /// Its content is not what was registered.
    Modified {
        /// The path.
        path: StorePath,
        /// Registered, in SRI form.
        expected: String,
        /// Found, in SRI form.
        got: String,
    },
    /// Its content can't be read.
    Unreadable {
        /// The path.
        path: StorePath,
        /// Why.
        reason: String,
    },
    /// SQLite's own check failed.
    Database(String),
}

/// What [`Store::verify`] found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// How many paths were looked at.
    pub checked: usize,
    /// What is wrong.
    pub problems: Vec<VerifyProblem>,
}

impl Store {
    /// Checks the database, that the files of every valid path exist, and if
    /// `contents` that they hash to what was registered. `progress` is told about
    /// each path before it is read.
    pub fn verify(&self, contents: bool, progress: &mut dyn FnMut(&StorePath)) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let broken = self.with_database(|database| database.integrity())?;
        report.problems.extend(broken.into_iter().map(VerifyProblem::Database));
        let valid = self.query_all_valid_paths()?;
        let mut order = self.sort_references_first(&valid)?;
        // What refers to others first, so that chains of missing paths can go.
        order.reverse();
        for path in order {
            report.checked += 1;
            let place = self.physical_path(&path);
            if place.symlink_metadata().is_err() {
                let mut referrers = self.query_referrers(&path)?;
                referrers.remove(&path);
                report.problems.push(if referrers.is_empty() {
                    self.with_database(|database| database.invalidate(std::slice::from_ref(&path)))?;
                    VerifyProblem::Forgotten(path)
                } else {
                    VerifyProblem::Missing { path, referrers }
                });
                continue;
            }
            if contents {
                progress(&path);
                let expected = self.path_info(&path)?.nar_hash;
                match summarize_tree(&place, &mut keep_all) {
                    Ok(found) if found.hash == expected => {}
                    Ok(found) => report.problems.push(VerifyProblem::Modified {
                        path,
                        expected: expected.to_sri(),
                        got: found.hash.to_sri(),
                    }),
                    Err(error) => {
                        report.problems.push(VerifyProblem::Unreadable { path, reason: error.to_string() })
                    }
                }
            }
        }
        Ok(report)
    }
}
