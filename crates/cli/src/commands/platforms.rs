//! `saltire platforms`: every platform, and how this machine runs its programs.

use crate::args::PlatformsArgs;
use saltire_platforms::{Execution, Platform};
use saltire_terminal::{Failure, print};
use serde::Serialize;
use std::process::ExitCode;

/// A line of the list.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    system: &'static str,
    config: &'static str,
    libc: Option<&'static str>,
    /// `native`, the emulator's name, or nothing.
    run: Option<String>,
    description: &'static str,
}

/// Prints the list.
pub fn run(args: &PlatformsArgs) -> Result<ExitCode, Failure> {
    let rows: Vec<Row> = select(&args.platforms)?.into_iter().map(row).collect();
    if args.json {
        let text = serde_json::to_string_pretty(&rows).map_err(Failure::new)?;
        print(&format!("{text}\n"))?;
    } else {
        print(&table(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All platforms, or those that are named.
fn select(names: &[String]) -> Result<Vec<&'static Platform>, Failure> {
    if names.is_empty() {
        return Ok(saltire_platforms::platforms().iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

/// The platform of that name, system or triple.
pub fn find(name: &str) -> Result<&'static Platform, Failure> {
    saltire_platforms::lookup(name)
        .map_err(|unknown| Failure::new(unknown).hint("'saltire platforms' lists all of them"))
}

fn row(platform: &'static Platform) -> Row {
    Row {
        name: &platform.name,
        system: &platform.system,
        config: &platform.config,
        libc: platform.libc.as_deref(),
        run: how_to_run(platform),
        description: &platform.description,
    }
}

/// How this machine runs the platform's programs.
fn how_to_run(platform: &Platform) -> Option<String> {
    let execution = Platform::current().map(|current| saltire_platforms::execution(current, platform));
    match execution {
        Some(Execution::Native) => Some("native".to_owned()),
        Some(Execution::Compatible { .. }) => Some("native (compatible)".to_owned()),
        _ => platform.is_linux().then(|| platform.emulator()).flatten().map(|emulator| emulator.program()),
    }
}

fn table(rows: &[Row]) -> String {
    let header = ["NAME", "SYSTEM", "TRIPLE", "RUN"].map(str::to_owned);
    let cells = rows.iter().map(|row| {
        let run = row.run.clone().unwrap_or_else(|| "-".to_owned());
        [row.name.to_owned(), row.system.to_owned(), row.config.to_owned(), run]
    });
    let lines: Vec<[String; 4]> = std::iter::once(header).chain(cells).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[name, system, config, run]: &[String; 4]| {
        format!("{name:0$}  {system:1$}  {config:2$}  {run}\n", widths[0], widths[1], widths[2])
    };
    lines.iter().map(line).collect()
}
