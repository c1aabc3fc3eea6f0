//! What changed between two lock files, for people.

use crate::lock_file::{Edge, LockFile, LockedInput, path_text};
use crate::reference::FlakeRef;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The changes, a few lines for each input; empty if there are none.
pub fn diff(old: &LockFile, new: &LockFile) -> String {
    let (before, after) = (old.all_inputs(), new.all_inputs());
    let mut text = String::new();
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let name = path_text(path);
        // Writing to a string can't fail.
        let _ = match (before.get(path), after.get(path)) {
            (None, Some(edge)) => writeln!(text, "• Added input '{name}':\n    {}", describe(new, edge)),
            (Some(_), None) => writeln!(text, "• Removed input '{name}'"),
            (Some(from), Some(to)) if !same((old, from), (new, to)) => {
                let (from, to) = (describe(old, from), describe(new, to));
                writeln!(text, "• Updated input '{name}':\n    {from}\n  → {to}")
            }
            _ => Ok(()),
        };
    }
    text
}

fn locked<'a>(lock: &'a LockFile, edge: &Edge) -> Option<&'a LockedInput> {
    match edge {
        Edge::Node(index) => lock.nodes[*index].locked.as_ref(),
        Edge::Follows(_) => None,
    }
}

fn same((old, from): (&LockFile, &Edge), (new, to): (&LockFile, &Edge)) -> bool {
    match (from, to) {
        (Edge::Follows(from), Edge::Follows(to)) => from == to,
        (Edge::Node(_), Edge::Node(_)) => {
            locked(old, from).map(|locked| &locked.locked) == locked(new, to).map(|locked| &locked.locked)
        }
        _ => false,
    }
}

fn describe(lock: &LockFile, edge: &Edge) -> String {
    match edge {
        Edge::Follows(path) => format!("follows '{}'", path_text(path)),
        Edge::Node(_) => locked(lock, edge).map_or_else(String::new, |locked| with_date(&locked.locked)),
    }
}

/// A reference with the day of its last change.
fn with_date(reference: &FlakeRef) -> String {
    match reference.input.int("lastModified") {
        Some(seconds) => format!("'{reference}' ({})", date(seconds)),
        None => format!("'{reference}'"),
    }
}

/// Seconds since 1970 as `YYYY-MM-DD` in UTC.
fn date(seconds: u64) -> String {
    const DAY: u64 = 86_400;
    const FOUR_CENTURIES: u64 = 146_097;
    // Years that begin on 1 March have the leap day at their end.
    let days = seconds / DAY + 719_468;
    let (era, day) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock_file::Node;

    fn lock(inputs: &[(&str, &str)]) -> LockFile {
        let mut lock = LockFile::default();
        for (name, target) in inputs {
            let edge = match target.strip_prefix("->") {
                Some(target) => Edge::Follows(vec![target.to_owned()]),
                None => {
                    let locked = FlakeRef::parse(target, None).unwrap();
                    let locked =
                        LockedInput { original: locked.clone(), locked, is_flake: true, parent: None };
                    lock.nodes.push(Node { locked: Some(locked), ..Node::default() });
                    Edge::Node(lock.nodes.len() - 1)
                }
            };
            lock.nodes[0].inputs.insert((*name).to_owned(), edge);
        }
        lock
    }

    #[test]
    fn changes_are_told() {
        let old = lock(&[("a", "path:/a"), ("b", "path:/b"), ("c", "->a"), ("e", "path:/e")]);
        let new =
            lock(&[("a", "path:/a2?lastModified=951782400"), ("c", "->b"), ("d", "->a"), ("e", "path:/e")]);
        let expected = "• Updated input 'a':\n    'path:/a'\n  → 'path:/a2?lastModified=951782400' (2000-02-29)\n\
                        • Removed input 'b'\n\
                        • Updated input 'c':\n    follows 'a'\n  → follows 'b'\n\
                        • Added input 'd':\n    follows 'a'\n";
        assert_eq!(diff(&old, &new), expected);
        assert_eq!(diff(&old, &old), "");
    }
}
