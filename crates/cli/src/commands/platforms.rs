//! `saltire platforms`: every platform, how its packages are built here and how its
//! programs run.

use super::{Opened, open};
use crate::args::{Global, PlatformsArgs};
use saltire_driver::Session;
use saltire_platforms::{Execution, Platform};
use saltire_terminal::{Failure, print};
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;

/// What is known of a platform.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: &'static str,
    aliases: &'static [String],
    description: &'static str,
    system: &'static str,
    config: &'static str,
    libc: Option<&'static str>,
    debian_architecture: Option<&'static str>,
    dynamic_linker: Option<&'static str>,
    /// `native`, `cross`, `emulate`; empty if its packages can only be evaluated.
    build: Vec<&'static str>,
    /// The package set's name for the kind of its toolchain; none if there is none.
    toolchain: Option<String>,
    /// `native`, `emulate` or nothing.
    run: Option<&'static str>,
    /// The emulator, where there is one and it is needed.
    emulator: Option<String>,
}

/// Prints the list, or more about those that are named.
pub fn run(global: &Global, args: &PlatformsArgs) -> Result<ExitCode, Failure> {
    let platforms = select(&args.platforms)?;
    let Opened { session, .. } = open(global, None, None)?;
    let rows = rows(&session, platforms)?;
    if args.json {
        let text = serde_json::to_string_pretty(&rows).map_err(Failure::new)?;
        print(&format!("{text}\n"))?;
    } else if args.platforms.is_empty() {
        print(&table(&rows))?;
    } else {
        print(&rows.iter().map(details).collect::<Vec<_>>().join("\n"))?;
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

fn rows(session: &Arc<Session>, platforms: Vec<&'static Platform>) -> Result<Vec<Row>, Failure> {
    let toolchains = session.toolchains()?;
    let row = |platform: &'static Platform| {
        let own = session.platform;
        let toolchain = toolchains.get(&platform.name).cloned();
        let run = match saltire_platforms::execution(own, platform) {
            Execution::Native | Execution::Compatible { .. } => Some("native"),
            _ if platform.is_linux() && platform.emulator().is_some() => Some("emulate"),
            _ => None,
        };
        let mut build = Vec::new();
        if platform.name == own.name {
            build.push("native");
        } else if toolchain.is_some() {
            build.push("cross");
        }
        if run == Some("emulate") && session.has_native_tools_of(platform) {
            build.push("emulate");
        }
        let emulator = platform.emulator().filter(|_| run == Some("emulate"));
        Row {
            name: &platform.name,
            aliases: &platform.aliases,
            description: &platform.description,
            system: &platform.system,
            config: &platform.config,
            libc: platform.libc.as_deref(),
            debian_architecture: platform.debian_arch.as_deref(),
            dynamic_linker: platform.dynamic_linker.as_deref(),
            build,
            toolchain,
            run,
            emulator: emulator.map(|emulator| emulator.program()),
        }
    };
    Ok(platforms.into_iter().map(row).collect())
}

impl Row {
    /// How packages are built, in a few words.
    fn build_text(&self) -> String {
        match self.build.as_slice() {
            [] => "evaluates only".to_owned(),
            methods => methods.join(", "),
        }
    }

    /// What the toolchain is, in a few words.
    fn toolchain_text(&self) -> String {
        let libc = self.libc.unwrap_or("no C library");
        match self.toolchain.as_deref() {
            None => "-".to_owned(),
            Some("wasi") => "Clang, wasi-libc".to_owned(),
            Some("avr") => "GCC, avr-libc".to_owned(),
            Some("mingw") => "GCC, MinGW-w64".to_owned(),
            Some("source") => format!("GCC, {libc} (from source)"),
            Some(_) => format!("GCC, {libc}"),
        }
    }

    /// What runs programs.
    fn run_text(&self) -> &str {
        match (&self.emulator, self.run) {
            (Some(emulator), _) => emulator.strip_suffix("-static").unwrap_or(emulator),
            (None, run) => run.unwrap_or("-"),
        }
    }
}

fn table(rows: &[Row]) -> String {
    let header = ["NAME", "TRIPLE", "BUILD", "TOOLCHAIN", "RUN"].map(str::to_owned);
    let cells = rows.iter().map(|row| {
        let run = row.run_text().to_owned();
        [row.name.to_owned(), row.config.to_owned(), row.build_text(), row.toolchain_text(), run]
    });
    let lines: Vec<[String; 5]> = std::iter::once(header).chain(cells).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |line: &[String; 5]| {
        let columns = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("{}{}\n", columns.collect::<String>(), line[4])
    };
    lines.iter().map(line).collect()
}

/// One platform, with all its names.
fn details(row: &Row) -> String {
    let mut names: Vec<&str> = vec![row.system, row.config];
    names.extend(row.debian_architecture);
    names.extend(row.aliases.iter().map(String::as_str));
    let means_it = |name: &&str| saltire_platforms::lookup(name).is_ok_and(|found| found.name == row.name);
    names.retain(|name| *name != row.name && means_it(name));
    names.dedup();
    let libc = match (row.libc, row.dynamic_linker) {
        (Some(libc), Some(linker)) => format!("{libc}, {linker}"),
        (libc, _) => libc.unwrap_or("none").to_owned(),
    };
    let lines = [
        ("also called", names.join(", ")),
        ("system", row.system.to_owned()),
        ("triple", row.config.to_owned()),
        ("C library", libc),
        ("build", row.build_text()),
        ("toolchain", row.toolchain_text()),
        ("run", row.run_text().to_owned()),
    ];
    let line = |(what, value): (&str, String)| format!("  {what:<11}  {value}\n");
    format!("{}: {}\n{}", row.name, row.description, lines.map(line).concat())
}
