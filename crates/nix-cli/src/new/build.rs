//! `nix build`: builds installables and links the results.

use crate::arguments::{Arguments, Word};
use crate::build::{realise, say_plan};
use crate::installable::{Goal, InstallableOptions};
use crate::options::{Opened, Options, add_root};
use crate::profile::Profile;
use saltire_driver::{Session, StorePath, Wanted};
use saltire_terminal::{Failure, Progress, print};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix build [OPTION]… [INSTALLABLE]…

Builds installables and links the results.

  -o, --out-link NAME    the name of the link to the result (default: result)
      --no-link          make no link
      --profile PATH     make the result a new generation of a profile
      --print-out-paths  print the store paths of the results
      --json             print what was built as JSON
      --rebuild          build again what is there, and compare
      --dry-run          only say what would be done
  -f, --file FILE, --expr EXPR, --arg NAME EXPR, --argstr NAME TEXT, --impure
  -L, --print-build-logs show the builds' output
  -j, --max-jobs N, --cores N, -k, --keep-going, -K, --keep-failed
";

/// Runs `nix build`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::default();
    let mut link = Some("result".to_owned());
    let (mut paths, mut json, mut rebuild, mut profile) = (false, false, false, None);
    while let Some(word) = words.next()? {
        if installables.take(&word, &mut words)? {
            continue;
        }
        match &word {
            Word::Short('o') => link = Some(words.value(&word)?),
            Word::Long(name) if name == "out-link" => link = Some(words.value(&word)?),
            Word::Long(name) if name == "no-link" => link = None,
            Word::Long(name) if name == "profile" => profile = Some(words.value(&word)?),
            Word::Long(name) if name == "rebuild" => rebuild = true,
            Word::Long(name) if name == "print-out-paths" => paths = true,
            Word::Long(name) if name == "json" => json = true,
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let (Opened { session, progress }, all) = installables.open(&mut options)?;
    let mut goals = Vec::new();
    for installable in &all {
        goals.extend(installable.goals(&session, &options)?);
    }
    if options.dry_run {
        say_plan(&session, &wanted_of(&goals))?;
        return Ok(ExitCode::SUCCESS);
    }
    let built = if rebuild {
        let result = session.rebuild(&wanted_of(&goals));
        progress.finish();
        result?;
        outputs_of(&session, &goals)?
    } else {
        build_goals(&session, &progress, &goals)?
    };
    if let Some(link) = link {
        for (number, one) in built.iter().enumerate() {
            for (output, path) in &one.outputs {
                let number_text = if number > 0 { format!("-{number}") } else { String::new() };
                let output = if output == "out" { String::new() } else { format!("-{output}") };
                add_root(&session, &format!("{link}{number_text}{output}"), 1, path)?;
            }
        }
    }
    if let Some(profile) = &profile {
        let all: Vec<&StorePath> = built.iter().flat_map(|one| &one.outputs).map(|(_, path)| path).collect();
        let [path] = all.as_slice() else {
            return Err(Failure::new(format_args!(
                "'--profile' requires that the arguments produce a single store path, but there are {}",
                all.len()
            )));
        };
        Profile::open(&session, Some(profile))?.set(&session, path)?;
    }
    let display = |path: &StorePath| session.store().display(path);
    if json {
        let entry = |one: &Built| {
            let outputs: serde_json::Map<_, _> =
                one.outputs.iter().map(|(name, path)| (name.clone(), json!(display(path)))).collect();
            match &one.derivation {
                Some(derivation) => json!({ "drvPath": display(derivation), "outputs": outputs }),
                None => json!(one.outputs.first().map(|(_, path)| display(path))),
            }
        };
        let all: Vec<_> = built.iter().map(entry).collect();
        print(&format!("{}\n", serde_json::Value::from(all)))?;
    } else if paths {
        let lines = built.iter().flat_map(|one| &one.outputs).map(|(_, path)| format!("{}\n", display(path)));
        print(&lines.collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What was built, or was there.
pub struct Built {
    /// What made it, if that is known.
    pub derivation: Option<StorePath>,
    /// By name.
    pub outputs: Vec<(String, StorePath)>,
}

/// The goals that have to be built.
pub fn wanted_of(goals: &[Goal]) -> Vec<Wanted> {
    let wanted = |goal: &Goal| match goal {
        Goal::Built(wanted) => Some(wanted.clone()),
        Goal::Path(_) => None,
    };
    goals.iter().filter_map(wanted).collect()
}

/// Builds what has to be and says where it is.
pub fn build_goals(
    session: &Arc<Session>,
    progress: &Progress,
    goals: &[Goal],
) -> Result<Vec<Built>, Failure> {
    realise(session, progress, &wanted_of(goals))?;
    outputs_of(session, goals)
}

/// Where goals are that are there.
fn outputs_of(session: &Session, goals: &[Goal]) -> Result<Vec<Built>, Failure> {
    let mut built = Vec::new();
    for goal in goals {
        built.push(match goal {
            Goal::Path(path) => {
                if !session.store().is_valid(path).map_err(saltire_driver::Error::from)? {
                    let path = session.store().display(path);
                    return Err(Failure::new(format_args!(
                        "path '{path}' is not valid: it is not in the store"
                    )));
                }
                Built { derivation: None, outputs: vec![("out".to_owned(), path.clone())] }
            }
            Goal::Built(wanted) => {
                let all = session.store().query_derivation_outputs(&wanted.derivation);
                let all = all.map_err(saltire_driver::Error::from)?;
                let names: Vec<String> = if wanted.outputs.is_empty() {
                    all.keys().cloned().collect()
                } else {
                    wanted.outputs.clone()
                };
                let mut outputs = Vec::new();
                for name in names {
                    outputs.push((name.clone(), session.output(&wanted.derivation, &name)?));
                }
                Built { derivation: Some(wanted.derivation.clone()), outputs }
            }
        });
    }
    Ok(built)
}
