//! `saltire plan`: what building would do, and why.

use super::{Opened, build, open};
use crate::args::{Global, PlanArgs};
use saltire_driver::{Method, Plan, Target, Wanted};
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Prints the plan.
pub fn run(global: &Global, args: &PlanArgs) -> Result<ExitCode, Failure> {
    let Opened { session, .. } = open(global, Some(&args.selection.source), None)?;
    let targets = build::targets(&session, &args.selection)?;
    let wanted: Vec<Wanted> = targets.iter().map(|target| target.wanted.clone()).collect();
    let plan = session.plan(&wanted, args.selection.via)?;
    if args.json {
        let targets: Vec<_> = targets
            .iter()
            .map(|target| {
                serde_json::json!({
                    "package": target.package,
                    "platform": target.platform.name,
                    "route": target.route.route,
                    "reason": target.route.reason,
                    "derivation": session.store().display(&target.wanted.derivation),
                })
            })
            .collect();
        let all = serde_json::json!({ "targets": targets, "steps": plan.steps, "problems": plan.problems });
        print(&format!("{}\n", serde_json::to_string_pretty(&all).map_err(Failure::new)?))?;
    } else {
        print(&text(&targets, &plan))?;
    }
    Ok(if plan.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The plan for people: what was chosen, then each step with its reason.
pub fn text(targets: &[Target], plan: &Plan) -> String {
    let mut text = choices(targets);
    if plan.steps.is_empty() {
        text += "Nothing to do: all of it is in the store.\n";
    }
    for (index, step) in plan.steps.iter().enumerate() {
        text += &format!("{:4}. {:9} {} ({})\n", index + 1, step.method.to_string(), step.name, step.reason);
    }
    for problem in &plan.problems {
        text += &format!("problem: {}\nhint: {}\n", problem.message, problem.hint);
    }
    text
}

/// The plan in a few lines, shown before it is carried out.
pub fn summary(targets: &[Target], plan: &Plan) -> String {
    let mut text = choices(targets);
    let parts: [(Method, &str, bool); 7] = [
        (Method::Substitute, "from a cache", false),
        (Method::Fetch, "to fetch", false),
        (Method::Builtin, "to unpack", false),
        (Method::Native, "to build", true),
        (Method::Cross, "to cross-build", true),
        (Method::Emulate, "to build under an emulator", true),
        (Method::Remote, "to build on other machines", true),
    ];
    let part = |(method, what, named): &(Method, &str, bool)| {
        let names: Vec<&str> =
            plan.steps.iter().filter(|step| step.method == *method).map(|step| step.name.as_str()).collect();
        match (names.len(), named) {
            (0, _) => None,
            (count, true) if count <= MAX_NAMES => Some(format!("{what}: {}", names.join(", "))),
            (count, _) => Some(format!("{count} {what}")),
        }
    };
    let parts: Vec<String> = parts.iter().filter_map(part).collect();
    text += &format!("{}; 'saltire plan' says more\n", parts.join(", "));
    text
}

/// More builds than this are counted, not named.
const MAX_NAMES: usize = 3;

/// A line for each target: which variant, and why; for the many of a set one line.
fn choices(targets: &[Target]) -> String {
    let alike = |one: &Target, other: &Target| {
        one.platform.name == other.platform.name && one.route.reason == other.route.reason
    };
    let line = |what: &str, target: &Target| {
        let (platform, route) = (&target.platform.name, &target.route);
        format!("{what} for {platform}: {}, because {}\n", route.route, route.reason)
    };
    let lines = |group: &[Target]| -> String {
        match group {
            [first, ..] if group.len() > MAX_LINES => line(&format!("{} packages", group.len()), first),
            _ => group.iter().map(|target| line(&target.package, target)).collect(),
        }
    };
    targets.chunk_by(alike).map(lines).collect()
}

/// More targets of one kind than this are counted, not named.
const MAX_LINES: usize = 20;
