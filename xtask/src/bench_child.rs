//! The work of `xtask bench-eval`, done in a process of its own.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use saltire_eval::{Evaluator, FsHost, Settings, Symbol, TreeCache, Value, expect_threads, with_large_stack};

/// The variable that names the directory of the cache of parsed files.
pub(crate) const TREES: &str = "BENCH_TREE_CACHE";

/// What to do.
pub(crate) enum Job {
    /// Evaluate a derivation.
    Derivation {
        /// The expression.
        expression: String,
        /// An attribute of it; empty for itself.
        attribute: String,
    },
    /// Read a file as far as evaluating it does.
    Parse {
        /// The file.
        file: PathBuf,
    },
    /// Evaluate all packages that `nix-env -qa` finds.
    All {
        /// The package set.
        tree: PathBuf,
    },
    /// Evaluate every fifth attribute of a package set.
    Fifth {
        /// The package set.
        tree: PathBuf,
        /// On as many threads.
        threads: usize,
    },
}

impl Job {
    /// As arguments of the child.
    pub(crate) fn to_words(&self) -> Vec<String> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        match self {
            Self::Derivation { expression, attribute } => {
                vec!["derivation".into(), expression.clone(), attribute.clone()]
            }
            Self::Parse { file } => vec!["parse".into(), path(file)],
            Self::All { tree } => vec!["all".into(), path(tree)],
            Self::Fifth { tree, threads } => vec!["fifth".into(), path(tree), threads.to_string()],
        }
    }

    /// From arguments of the child.
    pub(crate) fn from_words(words: &[String]) -> anyhow::Result<Self> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match words[..] {
            ["derivation", expression, attribute] => {
                Self::Derivation { expression: expression.to_owned(), attribute: attribute.to_owned() }
            }
            ["parse", file] => Self::Parse { file: file.into() },
            ["all", tree] => Self::All { tree: tree.into() },
            ["fifth", tree, threads] => Self::Fifth { tree: tree.into(), threads: threads.parse()? },
            _ => bail!("no such job"),
        })
    }
}

/// Does it.
pub(crate) fn run(job: &Job) -> anyhow::Result<()> {
    if let Job::Fifth { threads: threads @ 2.., .. } = job {
        expect_threads(*threads);
    }
    with_large_stack(|| {
        let mut host = FsHost::new("x86_64-linux");
        let trees = std::env::var_os(TREES).map(|directory| Arc::new(TreeCache::open(directory)));
        if let Some(trees) = &trees {
            host = host.with_tree_cache(Arc::clone(trees));
        }
        let mut evaluator = Evaluator::new(Arc::new(host), Settings::default());
        let result = match job {
            Job::Derivation { expression, attribute } => derivation(&mut evaluator, expression, attribute),
            Job::Parse { file } => evaluator.eval_file(file.as_os_str().as_bytes()).map(drop),
            Job::All { tree } => all(&mut evaluator, tree),
            Job::Fifth { tree, threads } => fifth(&mut evaluator, tree, *threads),
        };
        if std::env::var_os("NIX_SHOW_STATS").is_some() {
            eprint!("{}", evaluator.statistics().to_json());
        }
        if let Some(trees) = trees {
            trees.flush()?;
        }
        result.map_err(|error| anyhow!("{error}"))
    })
}

fn derivation(evaluator: &mut Evaluator, expression: &str, attribute: &str) -> saltire_eval::Result<()> {
    let value = evaluator.eval_str(expression, b"/")?;
    let value = evaluator.select_path_text(value, attribute)?;
    let path = evaluator.derivation_path(value)?;
    println!("{}", path.unwrap_or_default());
    Ok(())
}

fn package_set(evaluator: &mut Evaluator, tree: &Path) -> saltire_eval::Result<Value> {
    let set = evaluator.eval_file(tree.as_os_str().as_bytes())?;
    evaluator.select_path_text(set, "")
}

fn all(evaluator: &mut Evaluator, tree: &Path) -> saltire_eval::Result<()> {
    let set = package_set(evaluator, tree)?;
    let mut found = Vec::new();
    walk(evaluator, set, "", &mut found)?;
    for line in found {
        println!("{line}");
    }
    Ok(())
}

/// As `nix-env` looks for derivations: in sets with `recurseForDerivations`; what
/// fails by `throw` or `assert` is passed over.
fn walk(
    evaluator: &mut Evaluator,
    set: Value,
    prefix: &str,
    found: &mut Vec<String>,
) -> saltire_eval::Result<()> {
    let recurse = Symbol::intern("recurseForDerivations");
    let Some(attrs) = set.as_attrs() else { return Ok(()) };
    for attr in attrs.sorted() {
        let name = format!("{prefix}{}", attr.name);
        let path = match evaluator.derivation_path(attr.value) {
            Ok(path) => path,
            Err(error) if error.is_catchable() => continue,
            Err(error) => return Err(error),
        };
        if let Some(path) = path {
            found.push(format!("{name}  {path}"));
            continue;
        }
        let value = evaluator.force(attr.value)?;
        let Some(wanted) = value.as_attrs().and_then(|attrs| attrs.get(recurse)) else { continue };
        if evaluator.force(wanted)?.as_bool() == Some(true) {
            walk(evaluator, value, &format!("{name}."), found)?;
        }
    }
    Ok(())
}

fn fifth(evaluator: &mut Evaluator, tree: &Path, threads: usize) -> saltire_eval::Result<()> {
    let set = package_set(evaluator, tree)?;
    let Some(attrs) = set.as_attrs() else { return Ok(()) };
    let items: Vec<Value> = attrs.sorted().iter().step_by(5).map(|attr| attr.value).collect();
    let paths = evaluator.parallel(threads, &items, |evaluator, item| evaluator.derivation_path(*item));
    for path in paths.into_iter().flatten().flatten() {
        println!("{path}");
    }
    Ok(())
}
