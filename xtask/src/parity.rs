//! `xtask parity`: compares derivation paths with those of the reference.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use saltire_diagnostics::{Style, render};
use saltire_eval::{Evaluator, FsHost, Settings, Value, with_large_stack};

/// Arguments of `xtask parity`.
#[derive(clap::Args)]
pub(crate) struct ParityArguments {
    /// A nixpkgs tree
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// Show the whole error of each attribute that fails
    #[arg(long)]
    verbose: bool,
    /// Lines of attribute, tab, path of the derivation; a name that ends in
    /// `-NAME.tsv` is about `pkgsCross.NAME`, one in `-native.tsv` about the set itself
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// The expression whose attributes are compared.
pub(crate) fn package_set(tree: &Path) -> anyhow::Result<String> {
    let tree = tree.canonicalize().with_context(|| format!("can't find the tree {}", tree.display()))?;
    let tree = tree.display();
    Ok(format!("import {tree} {{ config = {{}}; overlays = []; system = \"x86_64-linux\"; }}"))
}

/// The part of the set that a file is about, with a dot at its end unless empty.
fn prefix(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // The name before the set's name ends with a version: `nixpkgs-20.09-`.
    let start = stem.match_indices('-').find(|(at, _)| stem[..*at].ends_with(|c: char| c.is_ascii_digit()));
    match start.map(|(at, _)| &stem[at + 1..]) {
        None | Some("native") => String::new(),
        Some(name) => format!("pkgsCross.{name}."),
    }
}

#[derive(Default)]
struct Count {
    matched: usize,
    differing: usize,
    failing: usize,
}

pub(crate) fn run(arguments: &ParityArguments) -> anyhow::Result<()> {
    let expression = package_set(&arguments.tree)?;
    let mut good = true;
    for file in &arguments.files {
        let text = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
        let count = with_large_stack(|| check_file(&expression, &prefix(file), &text, arguments.verbose))?;
        let Count { matched, differing, failing } = count;
        println!("{}: {matched} matched, {differing} differing, {failing} failing", file.display());
        good &= differing + failing == 0;
    }
    if good { Ok(()) } else { bail!("not all derivation paths are those of the reference") }
}

fn check_file(expression: &str, prefix: &str, text: &str, verbose: bool) -> anyhow::Result<Count> {
    let host = Arc::new(FsHost::new("x86_64-linux"));
    let mut evaluator = Evaluator::new(host, Settings::default());
    let set = match evaluator.eval_str(expression, b"/") {
        Ok(set) => set,
        Err(error) => {
            bail!("{}", render(&error.to_diagnostic(), evaluator.sources(), Style::default()))
        }
    };
    let mut count = Count::default();
    for line in text.lines() {
        let Some((attribute, expected)) = line.split_once('\t') else { continue };
        match derivation_path(&mut evaluator, set, &format!("{prefix}{attribute}")) {
            Ok(Some(path)) if path == expected => count.matched += 1,
            Ok(path) => {
                count.differing += 1;
                println!(
                    "{prefix}{attribute}: {} instead of {expected}",
                    path.as_deref().unwrap_or("no derivation")
                );
            }
            Err(error) => {
                count.failing += 1;
                if verbose {
                    let style = Style { show_trace: true, ..Style::default() };
                    let text = render(&error.to_diagnostic(), evaluator.sources(), style);
                    println!("{prefix}{attribute}:\n{text}");
                } else {
                    println!("{prefix}{attribute}: {error}");
                }
            }
        }
    }
    Ok(count)
}

fn derivation_path(
    evaluator: &mut Evaluator,
    set: Value,
    path: &str,
) -> saltire_eval::Result<Option<String>> {
    let value = evaluator.select_path_text(set, path)?;
    evaluator.derivation_path(value)
}

#[cfg(test)]
mod tests {
    use super::prefix;
    use std::path::Path;

    #[test]
    fn a_file_name_says_which_set() {
        assert_eq!(prefix(Path::new("x/nixpkgs-20.09-native.tsv")), "");
        assert_eq!(
            prefix(Path::new("nixpkgs-20.09-aarch64-multiplatform.tsv")),
            "pkgsCross.aarch64-multiplatform."
        );
    }
}
