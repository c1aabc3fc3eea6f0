//! Builds the jobs of `pkgs/release-cross.nix`, runs what was built, and writes
//! `docs/platforms.md`: what is known to work for which platform.
//!
//! Outcomes are kept in `docs/platforms.results`, one job a line, so that a run for
//! some platforms leaves what is known of the others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// Arguments of `xtask release-cross`.
#[derive(clap::Args)]
pub struct ReleaseArguments {
    /// Only this platform; may be given several times
    #[arg(long)]
    platform: Vec<String>,
    /// Only this package; may be given several times
    #[arg(long)]
    package: Vec<String>,
    /// Build nothing: only write the page from what is known
    #[arg(long)]
    page_only: bool,
    /// The program to build with
    #[arg(long, value_name = "FILE", default_value = "target/release/saltire")]
    saltire: PathBuf,
}

/// A job of the list.
#[derive(Deserialize)]
struct Job {
    platform: String,
    package: String,
    check: Option<Check>,
}

/// How to see that a package runs.
#[derive(Deserialize)]
struct Check {
    /// A program below the output, with arguments.
    run: String,
    /// What its output begins with; a simulator's may have more.
    says: String,
    /// A package of this machine, with arguments, that runs it.
    simulator: Option<String>,
}

/// What became of a job; better ones are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    Failed,
    Built,
    Ran,
}

impl Outcome {
    const ALL: [(Outcome, &'static str); 3] =
        [(Outcome::Failed, "failed"), (Outcome::Built, "built"), (Outcome::Ran, "ran")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(outcome, _)| *outcome == self).map_or("failed", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Outcome> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(outcome, _)| *outcome)
    }
}

/// What the release file says of platforms, by their names.
struct Facts {
    /// What makes code for them.
    toolchains: BTreeMap<String, String>,
    /// Why nothing can be built for some, or run.
    remarks: BTreeMap<String, String>,
}

/// Outcomes by platform and package.
type Results = BTreeMap<String, BTreeMap<String, Outcome>>;

/// Runs the task.
pub fn run(arguments: &ReleaseArguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let release = root.join("pkgs/release-cross.nix");
    let record = root.join("docs/platforms.results");
    let mut results = read(&record)?;
    let facts = Facts {
        toolchains: evaluate(arguments, &release, "toolchains")?,
        remarks: evaluate(arguments, &release, "remarks")?,
    };
    if !arguments.page_only {
        let jobs: Vec<Job> = evaluate(arguments, &release, "list")?;
        let chosen = |wanted: &[String], name: &String| wanted.is_empty() || wanted.contains(name);
        for job in &jobs {
            if chosen(&arguments.platform, &job.platform) && chosen(&arguments.package, &job.package) {
                let outcome = attempt(arguments, &release, job)?;
                println!("{:28} {:12} {}", job.platform, job.package, outcome.name());
                results.entry(job.platform.clone()).or_default().insert(job.package.clone(), outcome);
                std::fs::write(&record, print(&results))?;
            }
        }
    }
    let page = root.join("docs/platforms.md");
    std::fs::write(&page, describe(&results, &facts)).with_context(|| format!("{}", page.display()))?;
    Ok(())
}

/// An attribute of the release file, as data.
fn evaluate<T: serde::de::DeserializeOwned>(
    arguments: &ReleaseArguments,
    release: &Path,
    attribute: &str,
) -> Result<T> {
    let output = Command::new(&arguments.saltire)
        .args(["eval", "--json", "-f"])
        .arg(release)
        .arg(attribute)
        .output()
        .with_context(|| format!("running {}", arguments.saltire.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Builds a job and runs what was built.
fn attempt(arguments: &ReleaseArguments, release: &Path, job: &Job) -> Result<Outcome> {
    let attribute = format!("{}.{}", job.platform, job.package);
    let output = Command::new(&arguments.saltire)
        .args(["build", "--no-link", "--print-out-paths", "-f"])
        .arg(release)
        .arg(&attribute)
        .output()
        .with_context(|| format!("running {}", arguments.saltire.display()))?;
    if !output.status.success() {
        eprintln!("{attribute}: {}", String::from_utf8_lossy(&output.stderr));
        return Ok(Outcome::Failed);
    }
    let Some(check) = &job.check else { return Ok(Outcome::Built) };
    let paths = String::from_utf8(output.stdout)?;
    let Some(path) = paths.lines().next() else { bail!("{attribute}: built, but no path was printed") };
    let home = tempfile::tempdir()?;
    let with = check.simulator.as_ref().map(|simulator| format!("run -f \"$SET\" {simulator}"));
    let ran = Command::new("sh")
        .arg("-c")
        .arg(format!("exec \"$SALTIRE\" {} {path}/{}", with.as_deref().unwrap_or("exec"), check.run))
        .env("SALTIRE", std::fs::canonicalize(&arguments.saltire)?)
        .env("SET", release.with_file_name(""))
        // Wine's: its files, no messages of its own, no window.
        .env("WINEPREFIX", home.path())
        .env("WINEDEBUG", "-all")
        .env_remove("DISPLAY")
        .output()?;
    // Some print their version to standard error.
    let said = [ran.stdout, ran.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if said.starts_with(&check.says) || with.is_some() && said.contains(&check.says) {
        return Ok(Outcome::Ran);
    }
    eprintln!("{attribute}: '{}' was to say '{}', and said '{}'", check.run, check.says, said.trim());
    Ok(Outcome::Built)
}

fn read(record: &Path) -> Result<Results> {
    let text = match std::fs::read_to_string(record) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("{}", record.display())),
    };
    let mut results = Results::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [platform, package, outcome] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            bail!("{}: '{line}' is not 'platform package outcome'", record.display());
        };
        let outcome = Outcome::parse(outcome)
            .with_context(|| format!("{}: '{outcome}' is no outcome", record.display()))?;
        results.entry(platform.to_owned()).or_default().insert(package.to_owned(), outcome);
    }
    Ok(results)
}

fn print(results: &Results) -> String {
    let mut text =
        String::from("# Outcomes of `cargo xtask release-cross`: platform, package, failed, built or ran.\n");
    for (platform, packages) in results {
        for (package, outcome) in packages {
            let _ = writeln!(text, "{platform} {package} {}", outcome.name());
        }
    }
    text
}

/// The page. A platform's tier is the best that one of its packages came to.
fn describe(results: &Results, facts: &Facts) -> String {
    let mut text = String::from(
        "# Platforms\n\n\
         Written by `cargo xtask release-cross`, which builds the jobs of `pkgs/release-cross.nix` on\n\
         x86_64-linux and runs what was built, under an emulator where needed.\n\n\
         - **runs**: packages are cross-built, and their programs were seen to run\n\
         - **builds**: packages are cross-built\n\
         - **evaluates**: derivations can be computed; the toolchain may be missing\n\n\
         Toolchains are explained in [packages.md](packages.md#toolchains).\n\n\
         | platform | tier | toolchain | packages that run | only built | failed | why not more |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let none = BTreeMap::new();
    let tier = |platform: &String| results.get(platform).unwrap_or(&none).values().max().copied();
    let mut platforms: Vec<&String> = facts.toolchains.keys().collect();
    platforms.sort_by_key(|platform| std::cmp::Reverse(tier(platform)));
    for platform in platforms {
        let packages = results.get(platform).unwrap_or(&none);
        let with = |wanted: Outcome| {
            let names = packages.iter().filter(|(_, outcome)| **outcome == wanted);
            names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let tier = match tier(platform) {
            Some(Outcome::Ran) => "runs",
            Some(Outcome::Built) => "builds",
            Some(Outcome::Failed) | None => "evaluates",
        };
        let _ = writeln!(
            text,
            "| `{platform}` | {tier} | {} | {} | {} | {} | {} |",
            facts.toolchains[platform],
            with(Outcome::Ran),
            with(Outcome::Built),
            with(Outcome::Failed),
            facts.remarks.get(platform).map_or("", String::as_str)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Facts, Outcome, Results, describe, print};

    #[test]
    fn a_page() {
        let packages = |list: &[(&str, Outcome)]| list.iter().map(|(n, o)| ((*n).to_owned(), *o)).collect();
        let results: Results =
            [("b".to_owned(), packages(&[("hello", Outcome::Ran), ("zlib", Outcome::Built)]))].into();
        let texts = |list: &[(&str, &str)]| list.iter().map(|&(n, k)| (n.to_owned(), k.to_owned())).collect();
        let facts = Facts {
            toolchains: texts(&[("a", "missing"), ("b", "glibc")]),
            remarks: texts(&[("a", "no headers")]),
        };
        let page = describe(&results, &facts);
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(
            rows,
            [
                "| `b` | runs | glibc | hello | zlib |  |  |",
                "| `a` | evaluates | missing |  |  |  | no headers |"
            ]
        );
        assert!(print(&results).ends_with("b hello ran\nb zlib built\n"));
    }
}
