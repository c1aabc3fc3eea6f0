//! Unpacks Debian packages into a relocated tree, as `builtin:unpack-deb` does in
//! a build: to try out what a tree of the package set should consist of.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use saltire_debian::Unpack;
use saltire_relocate::{Request, Tree, relocate_tree};

/// Arguments of `xtask unpack-deb`.
#[derive(clap::Args)]
pub struct UnpackDebArguments {
    /// Directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Path under which the tree will be seen [default: DIR]
    #[arg(long, value_name = "PATH")]
    store_path: Option<PathBuf>,
    /// A tree in which libraries and programs are looked up: where it is, and where it will be seen
    #[arg(long, value_name = "DIR=PATH")]
    dependency: Vec<String>,
    /// The only directory wanted; becomes the root
    #[arg(long)]
    subtree: Option<String>,
    /// Patterns of what stays
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,
    /// Patterns of what is left out
    #[arg(long, value_name = "PATTERN")]
    remove: Vec<String>,
    /// Links to make
    #[arg(long, value_name = "PATH=TARGET")]
    link: Vec<String>,
    /// The packages
    debs: Vec<PathBuf>,
}

/// Runs the task.
pub fn run(arguments: &UnpackDebArguments) -> Result<()> {
    let start = Instant::now();
    let unpack = Unpack {
        debs: &arguments.debs,
        directory: &arguments.out,
        is_wanted: &|_| true,
        on_done: &|_| {},
        cancelled: &AtomicBool::new(false),
        limits: Default::default(),
    };
    unpack.run()?;
    let unpacked = start.elapsed();
    let pairs = arguments.dependency.iter().map(|text| {
        let (physical, logical) = text.split_once('=').ok_or_else(|| anyhow!("'{text}' has no '='"))?;
        Ok((Path::new(physical), Path::new(logical)))
    });
    let pairs: Vec<(&Path, &Path)> = pairs.collect::<Result<_>>()?;
    let dependencies: Vec<Tree> =
        pairs.iter().map(|&(physical, logical)| Tree { physical, logical }).collect();
    let physical = arguments.out.canonicalize().context("the tree just made")?;
    let report = relocate_tree(&Request {
        output: Tree { physical: &physical, logical: arguments.store_path.as_deref().unwrap_or(&physical) },
        dependencies: &dependencies,
        subtree: arguments.subtree.as_deref(),
        keep: &arguments.keep,
        remove: &arguments.remove,
        links: &arguments.link,
        shell: None,
    })?;
    println!("unpacked in {unpacked:.1?}, all in {:.1?}", start.elapsed());
    println!("{} ELF files and {} scripts changed", report.patched, report.scripts);
    for missing in &report.missing {
        println!("missing: {} for {}", missing.name, missing.file.display());
    }
    for link in &report.removed_links {
        println!("removed link: {}", link.display());
    }
    Ok(())
}
