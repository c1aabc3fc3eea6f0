//! Carrying out plans: steps in parallel, here and on other machines.

use crate::error::Error;
use crate::graph::{Loaded, Wanted, facts};
use crate::machine::no_sandbox;
use crate::machines::Machines;
use crate::schedule::{Job, Lane, Limits, Outcome, run_all};
use crate::session::Session;
use saltire_build::{BuildError, BuildRequest, Builder, Event, StepId, StepKind};
use saltire_plan::{Graph, Input, Known, Method, Plan, Step, Via};
use saltire_sandbox::BinfmtEntry;
use saltire_store::StoreError;
use saltire_store_model::{Derivation, StorePath};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// Downloads at the same time.
const DOWNLOADS: usize = 6;

/// What the steps of a plan share.
struct Execution<'a> {
    session: &'a Arc<Session>,
    loaded: &'a Loaded,
    machines: &'a Machines,
    /// What builds here need, made ready before the first that may be done here.
    local: Mutex<Local>,
    /// Held by the one build that is done here because no machine can be reached.
    stranded: Mutex<()>,
}

/// What builds here need.
#[derive(Default)]
struct Local {
    shell: Option<PathBuf>,
    /// By system.
    emulators: HashMap<String, Vec<BinfmtEntry>>,
}

impl Session {
    pub(crate) fn execute(self: &Arc<Self>, loaded: &Loaded, plan: &Plan) -> Result<(), Error> {
        let machines = self.machines()?;
        let execution = Execution {
            session: self,
            loaded,
            machines,
            local: Mutex::default(),
            stranded: Mutex::default(),
        };
        let runs_programs =
            |step: &&Step| matches!(step.method, Method::Native | Method::Cross | Method::Emulate);
        let mut here = plan.steps.iter().filter(runs_programs).peekable();
        if here.peek().is_some() {
            // Before anything is downloaded in vain.
            execution.prepare(here.flat_map(|step| &step.emulate))?;
        }
        let lane = |step: &Step| match step.method {
            Method::Fetch | Method::Substitute => Lane::Download,
            Method::Remote if step.otherwise.is_some() => Lane::Either,
            Method::Remote => Lane::Remote,
            _ => Lane::Build,
        };
        let job = |step: &Step| Job { after: step.after.clone(), lane: lane(step) };
        let jobs: Vec<Job> = plan.steps.iter().map(job).collect();
        let downloads = jobs.iter().filter(|job| job.lane == Lane::Download).count();
        self.events.event(Event::Planned { downloads, builds: jobs.len() - downloads });
        let errors = Mutex::new(Vec::new());
        let limits = Limits {
            downloads: DOWNLOADS,
            // What runs inside this process does so even where no programs may be built.
            builds: self.settings.jobs.max(1),
            remote: machines.jobs(),
        };
        let outcomes = run_all(&jobs, limits, self.settings.keep_going, self.cancelled(), &|index, lane| {
            let result = execution.step(&plan.steps[index], StepId(index), lane == Lane::Remote);
            result.map_err(|error| errors.lock().unwrap_or_else(PoisonError::into_inner).push(error)).is_ok()
        });
        let errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.cancelled().load(Ordering::SeqCst) {
            return Err(Error::Interrupted);
        }
        let mut errors = errors.into_iter();
        match errors.next() {
            Some(Failure::Build(first)) => {
                let others = errors.map(|error| match error {
                    Failure::Build(error) => error.kind(),
                    Failure::Other(_) => None,
                });
                Err(Error::Build { first: Box::new(first), others: others.collect() })
            }
            Some(Failure::Other(error)) => Err(error),
            None => {
                debug_assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Succeeded));
                Ok(())
            }
        }
    }

    /// Builds derivations again, whose outputs are valid, and compares.
    pub fn rebuild(self: &Arc<Self>, wanted: &[Wanted]) -> Result<(), Error> {
        for one in wanted {
            let derivation = Arc::new(self.store.read_derivation(&one.derivation)?);
            let inputs = derivation.input_derivations.iter().map(|(path, outputs)| Wanted {
                derivation: path.clone(),
                outputs: outputs.iter().cloned().collect(),
            });
            let inputs: Vec<Wanted> = inputs.collect();
            let outputs = derivation.output_paths(self.store.store_dir()).map_err(StoreError::from)?;
            if self.store.query_valid(outputs.values())?.len() == derivation.outputs.len() {
                self.realise(&inputs, Via::Auto)?;
            }
            let graph = Graph {
                nodes: vec![facts(&self.store, &one.derivation, &derivation, &outputs)],
                roots: vec![Input { node: 0, outputs: Vec::new() }],
            };
            let plan = self.plan_here(&graph, &Known::default())?;
            let derivations = vec![(one.derivation.clone(), derivation)];
            let loaded = Loaded { graph, known: Known::default(), derivations };
            let machines = self.machines()?;
            let (local, stranded) = Default::default();
            let execution = Execution { session: self, loaded: &loaded, machines, local, stranded };
            for step in &plan.steps {
                execution.again(step)?;
            }
        }
        Ok(())
    }

    /// Builds with what a derivation needs being there already.
    pub(crate) fn builder(&self, shell: Option<PathBuf>) -> Builder<'_> {
        Builder {
            store: &self.store,
            downloader: self.downloader(),
            events: &*self.events,
            cancelled: self.cancelled(),
            sandbox_shell: shell,
            cores: self.settings.cores,
            keep_failed: self.settings.keep_failed,
            timeout: self.settings.timeout,
            max_silence: self.settings.max_silence,
        }
    }

    /// Takes the outputs of a derivation from binary caches.
    fn substitute_outputs(&self, derivation: &Derivation) -> Result<(), BuildError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| BuildError::Substitute {
            name: derivation.name.clone(),
            source,
        };
        let outputs = derivation.output_paths(self.store.store_dir());
        let outputs: Vec<StorePath> = outputs.map_err(|error| failed(error.into()))?.into_values().collect();
        self.substitute(&outputs).map_err(|error| failed(error.into()))
    }

    /// Whether programs for a system are built here in the 32-bit personality.
    fn wants_linux32(&self, system: &[u8]) -> bool {
        saltire_platforms::by_system(&String::from_utf8_lossy(system))
            .is_some_and(|platform| platform.cpu().bits == 32 && self.platform.cpu().bits == 64)
    }
}

/// Why a step failed.
enum Failure {
    Build(BuildError),
    /// Before it began.
    Other(Error),
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Execution<'_> {
    /// Makes ready what builds here need.
    fn prepare<'s>(&self, systems: impl Iterator<Item = &'s String>) -> Result<(), Error> {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if local.shell.is_none() {
            self.session.tell_of_sandbox();
            no_sandbox().map_or(Ok(()), |finding| Err(Error::NoSandbox(finding)))?;
            local.shell = Some(self.session.tool("sandboxShell")?.join("bin/busybox"));
        }
        for system in systems {
            if !local.emulators.contains_key(system) {
                let emulator = saltire_platforms::by_system(system).and_then(|platform| platform.emulator());
                let entries = self.session.emulator_entries(emulator.as_slice())?;
                local.emulators.insert(system.clone(), entries);
            }
        }
        Ok(())
    }

    /// Does a step; one for other machines is done there if it `may_go`.
    fn step(&self, step: &Step, id: StepId, may_go: bool) -> Result<(), Failure> {
        let session = self.session;
        let kind = match step.method {
            Method::Fetch | Method::Substitute => StepKind::Download,
            Method::Builtin => StepKind::Builtin,
            Method::Native | Method::Cross | Method::Emulate | Method::Remote => StepKind::Build,
        };
        let reason = match &step.otherwise {
            Some(way) if !may_go => format!("{}: the other machines are busy; {}", way.method, way.reason),
            _ => format!("{}: {}", step.method, step.reason),
        };
        let (name, derivation) = (step.name.as_str(), step.derivation.as_str());
        session.tell(Event::Started { step: id, kind, name, derivation, reason: &reason });
        let (_, derivation) = &self.loaded.derivations[step.node];
        let result = match step.method {
            Method::Substitute => session.substitute_outputs(derivation).map_err(Failure::from),
            Method::Remote if may_go || step.otherwise.is_none() => self.remote(step, id),
            Method::Remote => self.otherwise(step, id),
            method => self.here(step, id, method, &step.emulate),
        };
        session.tell(Event::Finished { step: id, name: &step.name, success: result.is_ok() });
        result
    }

    /// Does a step again whose outputs are there.
    fn again(&self, step: &Step) -> Result<(), Error> {
        let runs_programs = matches!(step.method, Method::Native | Method::Cross | Method::Emulate);
        if runs_programs {
            self.prepare(step.emulate.iter())?;
        }
        let (id, name) = (StepId(0), step.name.as_str());
        let kind = if runs_programs { StepKind::Build } else { StepKind::Builtin };
        self.session.tell(Event::Planned { downloads: 0, builds: 1 });
        let derivation = step.derivation.as_str();
        self.session.tell(Event::Started { step: id, kind, name, derivation, reason: "again, to compare" });
        let (builder, request) = self.request(step, id, step.method, &step.emulate);
        let result = builder.check(&request);
        self.session.tell(Event::Finished { step: id, name, success: result.is_ok() });
        result.map_err(|error| match error {
            BuildError::Interrupted => Error::Interrupted,
            error => Error::Build { first: Box::new(error), others: Vec::new() },
        })
    }

    fn here(&self, step: &Step, id: StepId, method: Method, emulate: &[String]) -> Result<(), Failure> {
        let (builder, request) = self.request(step, id, method, emulate);
        Ok(builder.build(&request)?)
    }

    fn request(
        &self,
        step: &Step,
        id: StepId,
        method: Method,
        emulate: &[String],
    ) -> (Builder<'_>, BuildRequest<'_>) {
        let (path, derivation) = &self.loaded.derivations[step.node];
        let (shell, emulators) = {
            let local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
            let emulators = emulate.iter().filter_map(|system| local.emulators.get(system));
            (local.shell.clone(), emulators.flatten().cloned().collect())
        };
        let linux32 = method == Method::Native && self.session.wants_linux32(&derivation.system);
        let request = BuildRequest { path, derivation, step: id, emulators, linux32 };
        (self.session.builder(shell), request)
    }

    /// Does here what other machines were to do.
    fn otherwise(&self, step: &Step, id: StepId) -> Result<(), Failure> {
        let Some(way) = &step.otherwise else { return Ok(()) };
        self.prepare(way.emulate.iter())?;
        self.here(step, id, way.method, &way.emulate)
    }

    /// Does a step on the best machine that can be reached; here if there is none.
    fn remote(&self, step: &Step, id: StepId) -> Result<(), Failure> {
        let (path, derivation) = &self.loaded.derivations[step.node];
        let request = BuildRequest { path, derivation, step: id, emulators: Vec::new(), linux32: false };
        let builder = self.session.builder(None);
        loop {
            let Some(place) = self.machines.take(self.session, &step.machines) else { break };
            match builder.build_at(&request, Some(&place)) {
                Err(error @ BuildError::Unreachable { .. }) => {
                    place.is_unreachable();
                    self.session.tell(Event::Warning(&error));
                }
                other => return Ok(other?),
            }
        }
        if self.session.is_cancelled() {
            return Err(BuildError::Interrupted.into());
        }
        if step.otherwise.is_none() {
            return Err(BuildError::NoMachine { name: step.name.clone() }.into());
        }
        self.session.tell(Event::Warning(&format_args!(
            "none of the machines that could build '{}' can be reached: it is built here",
            step.name
        )));
        let _one = self.stranded.lock().unwrap_or_else(PoisonError::into_inner);
        self.otherwise(step, id)
    }
}
