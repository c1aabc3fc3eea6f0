//! `saltire doctor`: what this machine allows, and how to get what is missing.

use super::open;
use crate::args::{DoctorArgs, Global};
use saltire_driver::{Capability, Finding, Probe, Problem, probe};
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
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let machine = format!("{}, Linux {}", session.platform.system, kernel.trim());
        print(&format!("machine  {machine}\nstore    {store} ({kind})\n\n{}", text(&probe)))?;
    }
    Ok(if probe.can_build() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What works, what does not, and what follows from that.
fn text(probe: &Probe) -> String {
    let mut text = String::new();
    for finding in probe.findings.iter().filter(|finding| finding.problem.is_none()) {
        text += &format!("ok       {}\n", finding.capability);
    }
    // What has one cause is told once.
    let mut told: Vec<&Problem> = Vec::new();
    for problem in probe.findings.iter().filter_map(|finding| finding.problem.as_ref()) {
        if told.iter().any(|before| before.cause == problem.cause) {
            continue;
        }
        told.push(problem);
        let same =
            |finding: &&Finding| finding.problem.as_ref().is_some_and(|one| one.cause == problem.cause);
        for finding in probe.findings.iter().filter(same) {
            let error = finding.problem.as_ref().map_or("", |problem| &problem.error);
            text += &format!("missing  {} ({error})\n", finding.capability);
        }
        text += &format!("         {}\n         {}\n", problem.cause, problem.remedy);
    }
    text + conclusion(probe)
}

fn conclusion(probe: &Probe) -> &'static str {
    match (probe.can_build(), probe.has(Capability::NamespacedBinfmt)) {
        (true, true) => "\nEverything can be built here, and run under emulators.\n",
        (true, false) => {
            "\nPackages can be cross-built here. Builds that run foreign programs can't be done; \
             'saltire run' and 'saltire exec' run a foreign program, but not what it starts.\n"
        }
        (false, _) => {
            "\nNothing can be built here. Evaluating, planning and fetching work, and \
             'saltire exec' runs programs outside the store.\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(capability: Capability, cause: Option<&str>) -> Finding {
        let problem = |cause: &str| Problem {
            error: "E".to_owned(),
            cause: cause.to_owned(),
            remedy: format!("Help {cause}"),
        };
        Finding { capability, problem: cause.map(problem) }
    }

    #[test]
    fn what_has_one_cause_is_told_once() {
        let probe = Probe {
            findings: vec![
                finding(Capability::UserNamespaces, Some("A")),
                finding(Capability::SystemCallFilter, None),
                finding(Capability::OwnProc, Some("B")),
                finding(Capability::OtherNamespaces, Some("A")),
            ],
        };
        assert_eq!(
            text(&probe),
            "ok       system call filters (seccomp)\n\
             missing  user namespaces (E)\n\
             missing  mount, process, network and other namespaces (E)\n         A\n         Help A\n\
             missing  a /proc of its own in a sandbox (E)\n         B\n         Help B\n\n\
             Nothing can be built here. Evaluating, planning and fetching work, and 'saltire exec' \
             runs programs outside the store.\n"
        );
    }
}
