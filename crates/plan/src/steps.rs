//! How each derivation that is not there yet gets there.

use crate::graph::{BuilderKind, DerivationFacts, Graph};
use crate::route::Via;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

/// A store path that a binary cache offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitute {
    /// The cache's address.
    pub cache: String,
    /// Compressed size in bytes.
    pub download_size: u64,
}

/// What is there already.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Store paths that are valid in the store.
    pub valid: HashSet<String>,
    /// Store paths that a binary cache offers.
    pub substitutable: HashMap<String, Substitute>,
    /// Derivations (`.drv` paths) whose download is in the local download cache.
    pub downloaded: HashSet<String>,
}

/// What this machine can do.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its own system, such as `x86_64-linux`.
    pub system: String,
    /// Other systems whose programs its processor and kernel run.
    pub extra_systems: BTreeSet<String>,
    /// By system, the emulator that runs that system's programs.
    pub emulators: BTreeMap<String, String>,
    /// Why nothing can be emulated, if that is so.
    pub no_emulation: Option<String>,
    /// The `system-features` it offers, `emulate-…` aside.
    pub features: BTreeSet<String>,
    /// Why nothing can be downloaded, if that is so (`--offline`).
    pub no_network: Option<String>,
}

/// What the user wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// The method to use.
    pub via: Via,
}

/// How a derivation gets done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Its outputs come from a binary cache.
    Substitute,
    /// A pinned file is downloaded.
    Fetch,
    /// Done inside our process, by a `builtin:` builder.
    Builtin,
    /// Built by this machine's tools, for this machine's platform.
    Native,
    /// Built by this machine's tools, for another platform.
    Cross,
    /// Built by another platform's tools under an emulator.
    Emulate,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Substitute => "substitute",
            Method::Fetch => "fetch",
            Method::Builtin => "builtin",
            Method::Native => "native",
            Method::Cross => "cross",
            Method::Emulate => "emulate",
        })
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Index into [`Graph::nodes`].
    #[serde(skip)]
    pub node: usize,
    /// The derivation's store path.
    pub derivation: String,
    /// Its name.
    pub name: String,
    /// How it gets done.
    pub method: Method,
    /// Why that way.
    pub reason: String,
    /// Systems whose emulators the build needs.
    pub emulate: Vec<String>,
    /// Indices of the steps that come before.
    pub after: Vec<usize>,
}

/// A derivation that can't get done on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The derivation's store path.
    pub derivation: String,
    /// Why it can't be built.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What will be done, each step behind those it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// What stands in the way; a plan with problems can't be carried out.
    pub problems: Vec<Problem>,
}

/// Plans how to get what the graph's roots ask for.
pub fn plan(graph: &Graph, known: &Known, machine: &Machine, policy: Policy) -> Plan {
    let mut planner = Planner { graph, known, machine, policy, done: HashMap::new(), plan: Plan::default() };
    for root in &graph.roots {
        planner.visit(root.node, &root.outputs);
    }
    planner.plan
}

struct Planner<'a> {
    graph: &'a Graph,
    known: &'a Known,
    machine: &'a Machine,
    policy: Policy,
    /// Nodes that were planned, with their step if they need one.
    done: HashMap<usize, Option<usize>>,
    plan: Plan,
}

impl Planner<'_> {
    /// Plans a node and, first, what it needs. An explicit stack: graphs are deep.
    fn visit(&mut self, root: usize, outputs: &[String]) {
        let mut stack = vec![(root, self.missing(root, outputs), false)];
        while let Some((node, missing, inputs_done)) = stack.pop() {
            if self.done.get(&node).is_some_and(|step| step.is_some() || !missing) {
                continue;
            }
            if !missing {
                self.done.insert(node, None);
                continue;
            }
            if inputs_done || self.substitute(node).is_some() {
                self.add_step(node);
                continue;
            }
            stack.push((node, missing, true));
            for input in self.graph.nodes[node].inputs.iter().rev() {
                stack.push((input.node, self.missing(input.node, &input.outputs), false));
            }
        }
    }

    fn missing(&self, node: usize, outputs: &[String]) -> bool {
        let wanted = |name: &String| outputs.is_empty() || outputs.contains(name);
        self.graph.nodes[node].outputs.iter().any(|o| wanted(&o.name) && !self.known.valid.contains(&o.path))
    }

    /// The cache that offers the missing outputs of a derivation.
    fn substitute(&self, node: usize) -> Option<&Substitute> {
        let outputs = self.graph.nodes[node].outputs.iter();
        let missing = outputs.filter(|output| !self.known.valid.contains(&output.path));
        let mut found = missing.map(|output| self.known.substitutable.get(&output.path));
        found.try_fold(None, |first, next| next.map(|s| Some(first.unwrap_or(s)))).flatten()
    }

    fn add_step(&mut self, node: usize) {
        let facts = &self.graph.nodes[node];
        let substitute = self.substitute(node);
        let after = match substitute {
            Some(_) => Vec::new(),
            None => {
                let steps = facts.inputs.iter().filter_map(|input| *self.done.get(&input.node)?);
                steps.collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        let choice = match substitute {
            Some(s) => Ok(Choice::new(Method::Substitute, format!("{} has it", s.cache))),
            None => self.method(facts),
        };
        let choice = choice.unwrap_or_else(|problem| {
            self.plan.problems.push(problem);
            Choice::new(Method::Native, "can't be done".into())
        });
        self.plan.steps.push(Step {
            node,
            derivation: facts.path.clone(),
            name: facts.name.clone(),
            method: choice.method,
            reason: choice.reason,
            emulate: choice.emulate,
            after,
        });
        self.done.insert(node, Some(self.plan.steps.len() - 1));
    }

    fn method(&self, facts: &DerivationFacts) -> Result<Choice, Problem> {
        match &facts.builder {
            BuilderKind::Fetch { url } => self.fetch(facts, url),
            BuilderKind::Builtin(name) => {
                Ok(Choice::new(Method::Builtin, format!("'{name}' runs inside saltire, on any machine")))
            }
            BuilderKind::Program => self.program(facts),
        }
    }

    fn fetch(&self, facts: &DerivationFacts, url: &str) -> Result<Choice, Problem> {
        if self.known.downloaded.contains(&facts.path) {
            return Ok(Choice::new(Method::Fetch, "pinned by hash, and in the download cache".into()));
        }
        match &self.machine.no_network {
            None => Ok(Choice::new(Method::Fetch, format!("pinned by hash, from {url}"))),
            Some(why) => Err(Problem {
                derivation: facts.path.clone(),
                message: format!("{url} is not in the download cache and can't be fetched: {why}"),
                hint: "run the command once with a network, or leave out '--offline'".into(),
            }),
        }
    }

    fn program(&self, facts: &DerivationFacts) -> Result<Choice, Problem> {
        let machine = self.machine;
        let mut choice = if facts.system == machine.system {
            match &facts.cross_config {
                Some(triple) => {
                    Choice::new(Method::Cross, format!("{} tools that build for {triple}", facts.system))
                }
                None => Choice::new(Method::Native, format!("{} is this machine's own system", facts.system)),
            }
        } else if machine.extra_systems.contains(&facts.system) {
            Choice::new(
                Method::Native,
                format!("this {} machine runs {} programs itself", machine.system, facts.system),
            )
        } else {
            let emulator = self.emulator(facts, &facts.system)?;
            let mut choice = Choice::new(
                Method::Emulate,
                format!(
                    "wants {}, this machine is {}; {emulator} runs its tools",
                    facts.system, machine.system
                ),
            );
            choice.emulate.push(facts.system.clone());
            choice
        };
        self.features(facts, &mut choice)?;
        Ok(choice)
    }

    /// Honours `requiredSystemFeatures`.
    fn features(&self, facts: &DerivationFacts, choice: &mut Choice) -> Result<(), Problem> {
        for feature in &facts.required_features {
            if let Some(system) = feature.strip_prefix("emulate-") {
                if system == self.machine.system || self.machine.extra_systems.contains(system) {
                    continue;
                }
                let emulator = self.emulator(facts, system)?;
                choice.reason.push_str(&format!("; {emulator} runs what it makes"));
                if !choice.emulate.iter().any(|s| s == system) {
                    choice.emulate.push(system.to_owned());
                }
            } else if !self.machine.features.contains(feature) {
                return Err(Problem {
                    derivation: facts.path.clone(),
                    message: format!(
                        "'{}' requires the system feature '{feature}', which this machine does not offer",
                        facts.name
                    ),
                    hint: format!("if it does, say so with '--option system-features \"… {feature}\"'"),
                });
            }
        }
        Ok(())
    }

    fn emulator(&self, facts: &DerivationFacts, system: &str) -> Result<&str, Problem> {
        let problem = |message: String, hint: &str| Problem {
            derivation: facts.path.clone(),
            message,
            hint: hint.to_owned(),
        };
        let wants = format!(
            "'{}' is to be run by {system} tools, and this machine is {}",
            facts.name, self.machine.system
        );
        if matches!(self.policy.via, Via::Native) {
            return Err(problem(
                format!("{wants}; '--via native' forbids emulating"),
                "leave '--via native' out",
            ));
        }
        if let Some(why) = &self.machine.no_emulation {
            return Err(problem(
                format!("{wants}; nothing can be emulated: {why}"),
                "'saltire doctor' says what is missing",
            ));
        }
        match self.machine.emulators.get(system) {
            Some(emulator) => Ok(emulator),
            None => Err(problem(
                format!("{wants}; there is no emulator for {system}"),
                "'saltire platforms' lists what can be emulated",
            )),
        }
    }
}

struct Choice {
    method: Method,
    reason: String,
    emulate: Vec<String>,
}

impl Choice {
    fn new(method: Method, reason: String) -> Self {
        Self { method, reason, emulate: Vec::new() }
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
