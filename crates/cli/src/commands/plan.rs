//! `saltire plan`: what building would do, and why.

use super::{Opened, build, open};
use crate::args::{Global, PlanArgs};
use crate::failure::{Failure, print};
use saltire_driver::{Plan, Target, Wanted};
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
    let mut text = String::new();
    for target in targets {
        let (package, platform, route) = (&target.package, &target.platform.name, &target.route);
        text += &format!("{package} for {platform}: {}, because {}\n", route.route, route.reason);
    }
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
