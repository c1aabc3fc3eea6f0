//! `saltire build`: builds packages and links the results.

use super::{Opened, open, package_set, platforms_or_own};
use crate::args::{BuildArgs, Global, Selection};
use saltire_driver::{Plan, Session, Target, Wanted};
use saltire_terminal::{Failure, print};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Builds, links and prints.
pub fn run(global: &Global, args: &BuildArgs) -> Result<ExitCode, Failure> {
    let Opened { session, progress } = open(global, Some(&args.selection.source), Some(&args.execution))?;
    let targets = targets(&session, &args.selection)?;
    let wanted: Vec<Wanted> = targets.iter().map(|target| target.wanted.clone()).collect();
    if args.dry_run {
        let plan = session.plan(&wanted, args.selection.via)?;
        print(&super::plan::text(&targets, &plan))?;
        return Ok(ExitCode::SUCCESS);
    }
    let announce = |plan: &Plan| progress.announce(&super::plan::summary(&targets, plan));
    let before = targets.iter().map(|target| is_there(&session, target)).collect::<Result<Vec<_>, _>>()?;
    let done = session.realise_as_planned(&wanted, args.selection.via, &announce);
    progress.finish();
    // Of what was not named one by one.
    if targets.len() > args.selection.packages.len().max(1) * args.selection.platforms.len().max(1) {
        progress.announce(&table(&session, &targets, &before)?);
    }
    done?;
    let mut paths = Vec::new();
    for target in &targets {
        for output in &target.wanted.outputs {
            paths.push((target, output, session.output(&target.wanted.derivation, output)?));
        }
    }
    if !args.no_link {
        for (index, (_, output, path)) in paths.iter().enumerate() {
            let link = link_name(&args.out_link, index, output);
            session.store().add_root(&link, path).map_err(saltire_driver::Error::from)?;
        }
    }
    let display = |path: &saltire_driver::StorePath| session.store().display(path);
    if args.json {
        let entry = |(target, output, path): &(&Target, &String, saltire_driver::StorePath)| {
            serde_json::json!({
                "package": target.package,
                "platform": target.platform.name,
                "system": target.platform.system,
                "route": target.route.route,
                "drvPath": display(&target.wanted.derivation),
                "outputs": { output.as_str(): display(path) },
            })
        };
        let entries: Vec<_> = paths.iter().map(entry).collect();
        print(&format!("{}\n", serde_json::to_string_pretty(&entries).map_err(Failure::new)?))?;
    } else if args.print_out_paths || args.no_link {
        print(&paths.iter().map(|(_, _, path)| format!("{}\n", display(path))).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every package for every platform that is asked for.
pub fn targets(session: &Arc<Session>, selection: &Selection) -> Result<Vec<Target>, Failure> {
    let set = package_set(&selection.source);
    let mut packages = selection.packages.clone();
    if packages.is_empty() {
        if matches!(set.source, saltire_driver::Source::Embedded) {
            return Err(Failure::new("no package is named")
                .hint("'hello' is one; 'saltire repl' completes their names"));
        }
        packages.push(String::new());
    }
    let mut targets = Vec::new();
    for platform in platforms_or_own(session, &selection.platforms)? {
        for package in &packages {
            targets.extend(session.targets(&set, package, platform, selection.via)?);
        }
    }
    Ok(targets)
}

/// Whether all outputs that are wanted are in the store.
fn is_there(session: &Session, target: &Target) -> Result<bool, saltire_driver::Error> {
    for output in &target.wanted.outputs {
        let Ok(path) = session.output(&target.wanted.derivation, output) else { return Ok(false) };
        if !session.store().is_valid(&path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What became of each target, and of how many.
fn table(session: &Session, targets: &[Target], before: &[bool]) -> Result<String, saltire_driver::Error> {
    let width = targets.iter().map(|target| target.package.len()).max().unwrap_or(0);
    let (mut text, mut good) = (String::new(), 0);
    for (target, before) in targets.iter().zip(before) {
        let result = match (before, is_there(session, target)?) {
            (true, _) => "was in the store",
            (false, true) => "built",
            (false, false) => "not built",
        };
        good += usize::from(result != "not built");
        text += &format!("{:width$}  {result}\n", target.package);
    }
    text += &format!("{good} of {}\n", targets.len());
    Ok(text)
}

/// As Nix names links: `result`, `result-1`, … and `result-dev` for other outputs.
fn link_name(base: &Path, index: usize, output: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    if index > 0 {
        name.push(format!("-{index}"));
    }
    if output != "out" {
        name.push(format!("-{output}"));
    }
    PathBuf::from(name)
}
