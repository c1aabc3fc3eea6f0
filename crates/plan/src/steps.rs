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

/// Another machine that builds.
#[derive(Clone, Debug, Default)]
pub struct RemoteMachine {
    /// Its address, for messages.
    pub name: String,
    /// The systems that it builds for.
    pub systems: BTreeSet<String>,
    /// The features that it offers.
    pub features: BTreeSet<String>,
    /// The features that it offers only to what asks for all of them.
    pub mandatory: BTreeSet<String>,
}

impl RemoteMachine {
    fn can_build(&self, facts: &DerivationFacts) -> bool {
        let offers = |name: &String| self.features.contains(name) || self.mandatory.contains(name);
        self.systems.contains(&facts.system)
            && facts.required_features.iter().all(offers)
            && self.mandatory.iter().all(|name| facts.required_features.contains(name))
    }
}

/// What this machine can do, and what others can do for it.
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
    /// Whether programs may be built here at all (`max-jobs` is not 0).
    pub builds_here: bool,
    /// Other machines that build.
    pub remote: Vec<RemoteMachine>,
}

/// What the user wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// The method to use.
    pub via: Via,
}

/// How a derivation gets done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// Built on another machine.
    Remote,
}

/// How a step that another machine does can be done here as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalWay {
    /// How.
    pub method: Method,
    /// Why that way.
    pub reason: String,
    /// Systems whose emulators the build needs.
    pub emulate: Vec<String>,
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
            Method::Remote => "remote",
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
    /// For [`Method::Remote`]: the machines that can do it, by their places in
    /// [`Machine::remote`].
    #[serde(skip)]
    pub machines: Vec<usize>,
    /// How it is done here if none of the machines can be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<LocalWay>,
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
            machines: choice.machines,
            otherwise: choice.otherwise,
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
        let remote = self.remote(facts);
        let forced = self.policy.via == Via::Remote;
        let wants = || format!("'{}' needs a {} machine{}", facts.name, facts.system, features_text(facts));
        if remote.is_empty() {
            return match (forced, self.machine.builds_here) {
                (false, true) => self.here(facts),
                (true, _) => Err(Problem {
                    derivation: facts.path.clone(),
                    message: format!("{}, and the setting 'builders' names none", wants()),
                    hint: "add one to 'builders', or leave '--via remote' out".into(),
                }),
                (false, false) => Err(Problem {
                    derivation: facts.path.clone(),
                    message: format!(
                        "{}: nothing may be built here, as 'max-jobs' is 0, and the setting 'builders' names none",
                        wants()
                    ),
                    hint: "set 'max-jobs' to more, or add a machine to 'builders'".into(),
                }),
            };
        }
        let here = match forced || !self.machine.builds_here {
            true => None,
            false => self.here(facts).ok(),
        };
        match here {
            Some(mut here) if facts.prefer_local && here.emulate.is_empty() => {
                here.reason += "; 'preferLocalBuild' is set";
                Ok(here)
            }
            here => Ok(self.elsewhere(facts, remote, here)),
        }
    }

    /// The machines that can build a derivation.
    fn remote(&self, facts: &DerivationFacts) -> Vec<usize> {
        if !matches!(self.policy.via, Via::Auto | Via::Remote) {
            return Vec::new();
        }
        let all = self.machine.remote.iter().enumerate();
        all.filter(|(_, machine)| machine.can_build(facts)).map(|(index, _)| index).collect()
    }

    fn elsewhere(&self, facts: &DerivationFacts, machines: Vec<usize>, here: Option<Choice>) -> Choice {
        let first = &self.machine.remote[machines[0]].name;
        let who = match machines.len() - 1 {
            0 => first.clone(),
            others => format!("{first} or one of {others} more"),
        };
        let reason = format!("{who} builds for {}{}", facts.system, features_text(facts));
        let mut choice = Choice::new(Method::Remote, reason);
        choice.machines = machines;
        choice.otherwise =
            here.map(|here| LocalWay { method: here.method, reason: here.reason, emulate: here.emulate });
        choice
    }

    /// How a program is run on this machine.
    fn here(&self, facts: &DerivationFacts) -> Result<Choice, Problem> {
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

/// What a derivation asks of a machine, for messages.
fn features_text(facts: &DerivationFacts) -> String {
    match facts.required_features.as_slice() {
        [] => String::new(),
        features => format!(" with {}", features.join(", ")),
    }
}

struct Choice {
    method: Method,
    reason: String,
    emulate: Vec<String>,
    machines: Vec<usize>,
    otherwise: Option<LocalWay>,
}

impl Choice {
    fn new(method: Method, reason: String) -> Self {
        Self { method, reason, emulate: Vec::new(), machines: Vec::new(), otherwise: None }
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
