//! `saltire doctor`: what this machine allows, and how to get what is missing.

use super::open;
use crate::args::{DoctorArgs, Global};
use saltire_driver::{Probe, probe};
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Tries and prints; fails if builds can't run.
pub fn run(global: &Global, args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let session = open(global, None, None)?.session;
    let probe = probe();
    let location = session.store().location();
    let store = location.physical_store.display().to_string();
    if args.json {
        let finding = |finding: &saltire_driver::Finding| {
            let problem = finding.problem.as_ref();
            serde_json::json!({
                "capability": finding.capability.to_string(),
                "works": problem.is_none(),
                "error": problem.map(|problem| &problem.error),
                "cause": problem.map(|problem| &problem.cause),
                "remedy": problem.map(|problem| &problem.remedy),
            })
        };
        let findings: Vec<_> = probe.findings.iter().map(finding).collect();
        let all = serde_json::json!({
            "system": session.platform.system,
            "store": store,
            "private": location.is_private(),
            "findings": findings,
        });
        print(&format!("{}\n", serde_json::to_string_pretty(&all).map_err(Failure::new)?))?;
    } else {
        let kind = if location.is_private() { "private" } else { "shared" };
        print(&format!("machine: {}\nstore:   {store} ({kind})\n{}", session.platform.system, text(&probe)))?;
    }
    Ok(if probe.can_build() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(probe: &Probe) -> String {
    let mut text = String::new();
    for finding in &probe.findings {
        match &finding.problem {
            None => text += &format!("ok       {}\n", finding.capability),
            Some(problem) => {
                text += &format!(
                    "missing  {}: {}\n         cause: {}\n         what to do: {}\n",
                    finding.capability, problem.error, problem.cause, problem.remedy
                );
            }
        }
    }
    text
}
