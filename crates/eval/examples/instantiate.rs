//! Evaluates an expression and prints the value, or a derivation's path.
//!
//! `instantiate EXPRESSION` or `instantiate FILE.nix [ATTRIBUTE.PATH]…`. With
//! `WRITE_DERIVATIONS=DIR` in the environment all derivations are written there, with
//! `PROFILE=FILE` a profile; `STATISTICS=1` prints what was counted. `TREE_CACHE=DIR`
//! keeps parsed files there.

use std::sync::Arc;

use saltire_diagnostics::{Style, render};
use saltire_eval::{Evaluator, FsHost, Host, Settings, TreeCache, Value, with_large_stack};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let failed = with_large_stack(|| {
        let mut host = FsHost::new("x86_64-linux");
        let trees = std::env::var_os("TREE_CACHE").map(|directory| Arc::new(TreeCache::open(directory)));
        if let Some(trees) = &trees {
            host = host.with_tree_cache(Arc::clone(trees));
        }
        let host = Arc::new(host);
        let profile = std::env::var_os("PROFILE");
        let settings = Settings { profile: profile.as_ref().map(|_| 4999), ..Settings::default() };
        let mut evaluator = Evaluator::new(Arc::clone(&host) as Arc<dyn Host>, settings);
        let failed = run(&mut evaluator, &arguments);
        if let Some(directory) = std::env::var_os("WRITE_DERIVATIONS") {
            write_derivations(&host, directory.as_ref());
        }
        if let (Some(file), Some(text)) = (profile, evaluator.profile())
            && let Err(error) = std::fs::write(&file, text)
        {
            eprintln!("can't write the profile: {error}");
        }
        if std::env::var_os("STATISTICS").is_some() {
            eprint!("{}", evaluator.statistics().to_json());
        }
        if let Some(Err(error)) = trees.map(|trees| trees.flush()) {
            eprintln!("can't keep syntax trees: {error}");
        }
        failed
    });
    std::process::exit(i32::from(failed));
}

fn write_derivations(host: &FsHost, directory: &std::path::Path) {
    for (path, text) in host.derivations() {
        if let Err(error) = std::fs::write(directory.join(path.base_name()), text) {
            eprintln!("can't write {path}: {error}");
        }
    }
}

fn run(evaluator: &mut Evaluator, arguments: &[String]) -> bool {
    let Some((first, attributes)) = arguments.split_first() else { return true };
    let directory = std::env::current_dir().map(|d| d.to_string_lossy().into_owned()).unwrap_or_default();
    let value = if first.ends_with(".nix") {
        evaluator.eval_file(first.as_bytes())
    } else {
        evaluator.eval_str(first, directory.as_bytes())
    };
    let mut failed = false;
    let paths = if attributes.is_empty() { &[String::new()][..] } else { attributes };
    for path in paths {
        let shown = value.clone().and_then(|value| show(evaluator, value, path));
        match shown {
            Ok(text) => println!("{}", String::from_utf8_lossy(&text)),
            Err(error) => {
                failed = true;
                let style = Style { show_trace: evaluator.settings().show_trace, ..Style::default() };
                eprint!("{}", render(&error.to_diagnostic(), evaluator.sources(), style));
            }
        }
    }
    failed
}

fn show(evaluator: &mut Evaluator, value: Value, path: &str) -> saltire_eval::Result<Vec<u8>> {
    let value = evaluator.select_path_text(value, path)?;
    if let Some(drv) = evaluator.derivation_path(value)? {
        return Ok(drv.into_bytes());
    }
    let value = evaluator.force_deep(value)?;
    Ok(evaluator.print(value))
}
