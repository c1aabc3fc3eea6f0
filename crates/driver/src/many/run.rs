//! The first process: what is evaluated where, and what comes of it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use saltire_diagnostics::Pos;
use saltire_eval::{
    Attrs, Dependency, DependencyKind, ErrorKind, EvalError, Evaluator, Host, Symbol, TreeCache, Value,
    with_large_stack,
};

use super::record::{self, Keeper};
use super::trace::{Input, Kind, TracingHost};
use super::{Answer, Effort, Mode, Outcome, Query, Row};
use crate::error::Error;
use crate::packages::{Package, is_package_name, package_value, wants_recursion};
use crate::session::{EvaluationError, Session, Whose};

/// Between the names of an item's path; in no name of a package.
const SEPARATOR: u8 = 0;

/// Members of a set from which on the first process enters it as well, so that not
/// every worker has to.
const WORTH_ENTERING: usize = 128;

/// Of so many items one is evaluated first: what it needs is needed by others as well,
/// and each worker finds it evaluated.
const SAMPLED: usize = 64;

/// Items that are evaluated first at least, to see what most depend on, and at most.
const SAMPLES: std::ops::RangeInclusive<usize> = 8..=256;

/// Items from which on that is worth it.
const WORTH_SAMPLING: usize = 256;

/// An item to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub path: Vec<u8>,
    pub mode: Mode,
    /// How often a worker ended over it.
    pub failures: u32,
}

/// What is known of an item.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub outcome: Outcome,
    /// Which first process: it depends on what all items of that process depend on.
    pub base: u32,
    /// What it depends on besides.
    pub dependency: Option<Dependency>,
    /// Which worker evaluated it; none if the first process did it.
    pub worker: Option<u32>,
    pub messages: Vec<String>,
    /// Taken from an earlier time.
    pub kept: bool,
}

/// Inputs, each once.
#[derive(Default)]
pub(super) struct Table {
    pub inputs: Vec<Input>,
    numbers: HashMap<(Kind, Box<[u8]>), u32>,
    /// An input was not the same for two processes.
    pub is_inconsistent: bool,
}

impl Table {
    /// Adds an input of earlier answers. One that changed is forgotten: it is another
    /// one when it is asked for again.
    pub fn add_kept(&mut self, input: Input, same: bool) {
        let number = self.inputs.len() as u32;
        if same {
            self.numbers.insert((input.kind, input.name.clone()), number);
        }
        self.inputs.push(input);
    }

    pub fn add(&mut self, input: Input) -> u32 {
        let key = (input.kind, input.name.clone());
        if let Some(&number) = self.numbers.get(&key) {
            let known = &mut self.inputs[number as usize];
            self.is_inconsistent |= known.digest != input.digest;
            // The older stamp was read with the content that counts.
            known.stamp = known.stamp.filter(|stamp| input.stamp.is_none_or(|other| other == *stamp));
            return number;
        }
        let number = self.inputs.len() as u32;
        self.inputs.push(input);
        self.numbers.insert(key, number);
        number
    }
}

/// Lists of dependencies; each refers to earlier ones only.
#[derive(Default)]
pub(super) struct Nodes {
    all: Vec<Dependency>,
    ends: Vec<u32>,
}

impl Nodes {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, number: usize) -> &[Dependency] {
        let start = if number == 0 { 0 } else { self.ends.get(number - 1).copied().unwrap_or(0) };
        let end = self.ends.get(number).copied().unwrap_or(start);
        &self.all[start as usize..end as usize]
    }

    pub fn add(&mut self, parts: impl IntoIterator<Item = Dependency>) -> Dependency {
        self.all.extend(parts);
        self.ends.push(self.all.len() as u32);
        Dependency::node(self.ends.len() as u32 - 1)
    }
}

/// The numbers here of a process's own inputs and nodes.
#[derive(Clone, Default)]
pub(super) struct Numbers {
    pub inputs: Vec<u32>,
    pub nodes: Vec<Dependency>,
}

impl Numbers {
    /// What a process's dependency is here.
    pub fn here(&self, dependency: Dependency) -> Option<Dependency> {
        match dependency.kind() {
            DependencyKind::Input(number) => self.inputs.get(number as usize).copied().map(Dependency::input),
            DependencyKind::Node(number) => self.nodes.get(number as usize).copied(),
        }
    }
}

/// What all items of a first process depend on, and what it said.
#[derive(Clone, Default)]
pub(super) struct Base {
    pub inputs: Vec<u32>,
    pub messages: Vec<String>,
}

/// A query that is being answered.
pub(super) struct Run<'r> {
    pub session: &'r Arc<Session>,
    pub query: &'r Query<'r>,
    pub host: Arc<TracingHost>,
    pub trees: Arc<TreeCache>,
    pub evaluator: Option<Evaluator>,
    arguments: Option<Attrs>,
    roots: Vec<Value>,
    /// Sets that were entered.
    sets: HashMap<Vec<u8>, Value>,
    pub table: Table,
    /// The last one is this process.
    pub bases: Vec<Base>,
    pub nodes: Nodes,
    /// Of this process.
    pub numbers: Numbers,
    pub items: HashMap<Vec<u8>, Item>,
    pub queue: VecDeque<Task>,
    /// Objects of processes by class: the worker's number, or none for this process.
    classes: HashMap<(Option<u32>, u64), u64>,
    pub next_class: u64,
    /// How many inputs and messages of this process were taken over.
    synced: (usize, usize),
    /// How often each message was shown.
    shown: HashMap<String, usize>,
    pub effort: Effort,
    workers: u32,
    /// An error ends the search.
    pub has_failed_item: bool,
    /// The file of earlier answers.
    keeper: Option<Keeper>,
}

pub(super) fn answer(session: &Arc<Session>, query: &Query<'_>) -> Result<Answer, Error> {
    let (host, trees) = session.store_host(Whose::Users);
    let host = Arc::new(TracingHost::new(host));
    let keeper = query.key.as_ref().and_then(|key| record::keeper(session, &*host, key));
    let answer = with_large_stack(|| {
        let mut run = Run::new(session, query, host, Arc::clone(&trees), keeper);
        let result = run.answer();
        let result = result.map_err(|error| match (&run.evaluator, error) {
            (Some(evaluator), error) => session.lay_out_error(evaluator, error),
            (None, EvaluationError::Other(error)) => error,
            (None, EvaluationError::Nix(error)) => {
                Error::Evaluation { text: error.message, exit_code: error.exit_code }
            }
        });
        if let Some(evaluator) = &run.evaluator {
            crate::statistics::report(evaluator, session.settings.profile.as_ref())?;
        }
        result
    })?;
    // A cache that can't be written is done without.
    let _ = trees.flush();
    Ok(answer)
}

/// The path without its last name, and that name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == SEPARATOR) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, &[SEPARATOR], name].concat() }
}

/// Of an item's path, the package set and the attribute path in it.
pub(super) fn shown_path(path: &[u8]) -> (usize, String) {
    let mut names = path.split(|byte| *byte == SEPARATOR).map(String::from_utf8_lossy);
    let root = names.next().and_then(|name| name.parse().ok()).unwrap_or_default();
    (root, names.collect::<Vec<_>>().join("."))
}

impl<'r> Run<'r> {
    fn new(
        session: &'r Arc<Session>,
        query: &'r Query<'r>,
        host: Arc<TracingHost>,
        trees: Arc<TreeCache>,
        keeper: Option<Keeper>,
    ) -> Self {
        Self {
            session,
            query,
            host,
            trees,
            evaluator: None,
            arguments: None,
            roots: Vec::new(),
            sets: HashMap::new(),
            table: Table::default(),
            bases: Vec::new(),
            nodes: Nodes::default(),
            numbers: Numbers::default(),
            items: HashMap::new(),
            queue: VecDeque::new(),
            classes: HashMap::new(),
            next_class: 0,
            synced: (0, 0),
            shown: HashMap::new(),
            effort: Effort::default(),
            workers: 0,
            has_failed_item: false,
            keeper,
        }
    }

    fn answer(&mut self) -> Result<Answer, EvaluationError> {
        let changed = match self.keeper.take() {
            Some(keeper) => {
                let changed = keeper.load(self);
                self.keeper = Some(keeper);
                changed
            }
            None => true,
        };
        self.bases.push(Base::default());
        self.replay();
        let whole = Task { path: Vec::new(), mode: Mode::Enter, failures: 0 };
        self.queue_missing(whole);
        let evaluates = !self.queue.is_empty();
        if evaluates {
            self.evaluate_queue()?;
            self.compare()?;
        }
        let answer = self.collect()?;
        if (evaluates || changed)
            && let Some(keeper) = self.keeper.take()
        {
            keeper.save(self);
        }
        Ok(answer)
    }

    /// Shows what items said whose results are taken.
    fn replay(&mut self) {
        let used: HashSet<u32> = self.items.values().map(|item| item.base).collect();
        let of_bases = used.iter().filter_map(|base| self.bases.get(*base as usize));
        let mut all: Vec<Vec<String>> = of_bases.map(|base| base.messages.clone()).collect();
        let mut paths: Vec<&Vec<u8>> = self.items.keys().collect();
        paths.sort_unstable();
        all.extend(paths.iter().map(|path| self.items[*path].messages.clone()));
        all.iter().for_each(|messages| self.show(messages));
    }

    /// Shows messages of one process, but for those that another one said before.
    pub fn show(&mut self, messages: &[String]) {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for message in messages {
            let count = counts.entry(message).or_default();
            *count += 1;
            let shown = self.shown.entry(message.clone()).or_default();
            if *count > *shown {
                *shown = *count;
                self.host.show(message);
            }
        }
    }

    /// Queues an item and what is in it, as far as it is not known.
    pub fn queue_missing(&mut self, task: Task) {
        let mut stack = vec![task];
        while let Some(task) = stack.pop() {
            match self.items.get(&task.path).map(|item| &item.outcome) {
                None => self.queue.push_back(task),
                Some(Outcome::Set { mode, names }) => {
                    let member =
                        |name: &Vec<u8>| Task { path: join(&task.path, name), mode: *mode, failures: 0 };
                    stack.extend(names.iter().rev().map(member));
                }
                Some(_) => {}
            }
        }
    }

    fn evaluate_queue(&mut self) -> Result<(), EvaluationError> {
        self.prepare()?;
        let mut sampled = false;
        while !self.queue.is_empty() {
            let small = self.queue.len() < self.query.division.alone || !self.may_have_workers();
            let whole = self.queue.front().is_some_and(|task| task.path.len() <= 1);
            match self.queue.front().cloned() {
                Some(task) if small || whole => {
                    self.queue.pop_front();
                    self.evaluate_here(&task)?;
                }
                Some(_) if !sampled && self.queue.len() >= WORTH_SAMPLING => {
                    sampled = true;
                    self.sample()?;
                }
                _ => self.evaluate_with_workers()?,
            }
            if self.has_failed_item {
                break;
            }
        }
        Ok(())
    }

    /// Whether the work may be divided: not if somebody wants to see the whole of it.
    pub(super) fn may_have_workers(&self) -> bool {
        let shown = std::env::var_os("NIX_SHOW_STATS").is_some_and(|value| value != "0");
        let settings = &self.session.settings;
        let watched = shown || settings.profile.is_some() || self.session.is_watched();
        self.query.division.workers > 0 && !watched
    }

    /// Makes the evaluator and evaluates what all items depend on.
    fn prepare(&mut self) -> Result<(), EvaluationError> {
        let host = Arc::clone(&self.host) as Arc<dyn Host>;
        let mut settings = self.session.evaluation_settings(Whose::Users);
        settings.dependencies = Some(self.host.dependencies);
        let evaluator = self.evaluator.insert(Evaluator::new(host, settings));
        let (roots, arguments) = (self.query.roots)(evaluator)?;
        self.roots = roots;
        self.arguments = Some(arguments);
        for root in 0..self.roots.len() {
            // If it fails here it fails where it is needed.
            let _ = self.enter(root.to_string().as_bytes());
        }
        self.host.dependencies.take(0);
        let messages = self.sync();
        let all: Vec<u32> = (0..self.numbers.inputs.len() as u32).collect();
        self.settle(&all);
        if let Some(base) = self.bases.last_mut() {
            base.messages = messages;
        }
        Ok(())
    }

    /// Makes inputs of this process ones that all its items depend on.
    fn settle(&mut self, inputs: &[u32]) {
        self.host.dependencies.make_void(inputs);
        let here = inputs.iter().filter_map(|input| self.numbers.inputs.get(*input as usize)).copied();
        if let Some(base) = self.bases.last_mut() {
            base.inputs.extend(here);
            base.inputs.sort_unstable();
            base.inputs.dedup();
        }
    }

    /// Evaluates some items from all over the queue here. What most of them depend on
    /// is taken to be what all depend on, since uses of it cost time to note, and the
    /// other items find it evaluated.
    fn sample(&mut self) -> Result<(), EvaluationError> {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        let mut packages = 0;
        let queued = self.queue.len();
        let samples = (queued / SAMPLED).clamp(*SAMPLES.start(), *SAMPLES.end());
        for part in (0..samples).rev() {
            let at = queued * part / samples;
            let Some(task) = self.queue.remove(at) else { continue };
            let dependency = match self.evaluate_here(&task) {
                Ok(dependency) => dependency,
                Err(error) if is_interruption(&error) => return Err(error),
                Err(_) => {
                    // Its turn comes, perhaps after that of another one that fails.
                    self.queue.insert(at, task);
                    continue;
                }
            };
            let outcome = self.items.get(&task.path).map(|item| &item.outcome);
            if matches!(outcome, Some(Outcome::Found { row: Some(_), .. }))
                && let Some(dependency) = dependency
            {
                packages += 1;
                for input in self.host.dependencies.inputs_of(dependency) {
                    *counts.entry(input).or_default() += 1;
                }
            }
        }
        let frequent = counts.iter().filter(|count| *count.1 * 2 > packages && packages > 2);
        let mut frequent: Vec<u32> = frequent.map(|count| *count.0).collect();
        frequent.sort_unstable();
        self.settle(&frequent);
        Ok(())
    }

    /// Takes over what this process asked for; gives what it said.
    pub fn sync(&mut self) -> Vec<String> {
        let (inputs, messages) = self.host.since(self.synced);
        self.synced = self.host.counts();
        let numbers = inputs.into_iter().map(|input| self.table.add(input));
        self.numbers.inputs.extend(numbers);
        let first = self.numbers.nodes.len() as u32;
        for parts in self.host.dependencies.nodes_from(first) {
            let parts: Vec<Dependency> =
                parts.into_iter().filter_map(|part| self.numbers.here(part)).collect();
            self.numbers.nodes.push(self.nodes.add(parts));
        }
        for message in &messages {
            *self.shown.entry(message.clone()).or_default() += 1;
        }
        messages
    }

    /// The number of this process among first processes.
    pub fn current_base(&self) -> u32 {
        self.bases.len().saturating_sub(1) as u32
    }

    /// Evaluates an item in this process. Gives what it depends on, by the numbers of
    /// this process.
    pub fn evaluate_here(&mut self, task: &Task) -> Result<Option<Dependency>, EvaluationError> {
        let start = self.host.dependencies.len();
        let outcome = self.evaluate(task);
        let own = self.host.dependencies.take(start);
        let messages = self.sync();
        let (outcome, base) = (outcome?, self.current_base());
        let dependency = own.and_then(|own| self.numbers.here(own));
        let item = Item { outcome, base, dependency, worker: None, messages, kept: false };
        self.done(task.path.clone(), item);
        Ok(own)
    }

    /// Takes an item's result.
    pub fn done(&mut self, path: Vec<u8>, mut item: Item) {
        self.effort.evaluated += 1;
        if let Outcome::Found { class, .. } = &mut item.outcome {
            *class = self.class(item.worker, *class);
        }
        let members = match &item.outcome {
            Outcome::Set { names, .. } => names.len(),
            _ => 0,
        };
        self.items.insert(path.clone(), item);
        if members > 0 {
            let before = self.queue.len();
            self.queue_missing(Task { path: path.clone(), mode: Mode::Enter, failures: 0 });
            if self.queue.len() - before >= WORTH_ENTERING && !path.is_empty() {
                // If it fails here it fails where it is needed.
                let start = self.host.dependencies.len();
                let _ = self.enter(&path);
                self.host.dependencies.take(start);
                let messages = self.sync();
                if let Some(base) = self.bases.last_mut() {
                    base.messages.extend(messages);
                }
            }
        }
    }

    /// A number for another process.
    pub fn next_worker(&mut self) -> u32 {
        self.workers += 1;
        self.workers
    }

    fn class(&mut self, worker: Option<u32>, identity: u64) -> u64 {
        let next = self.next_class;
        let class = *self.classes.entry((worker, identity)).or_insert(next);
        self.next_class = self.next_class.max(class + 1);
        class
    }

    /// The value at a path, as it is.
    fn value(&mut self, path: &[u8]) -> Result<Option<Value>, Box<EvalError>> {
        let (set, name) = split(path);
        let number = std::str::from_utf8(name).ok().and_then(|name| name.parse::<usize>().ok());
        if set.is_empty() {
            return Ok(number.and_then(|number| self.roots.get(number).copied()));
        }
        let Some(set) = self.enter(set)? else { return Ok(None) };
        Ok(match (set.as_attrs(), set.as_list()) {
            (Some(attrs), _) => attrs.get(Symbol::intern(name)),
            (None, Some(list)) => number.and_then(|number| list.get(number)),
            (None, None) => None,
        })
    }

    /// The set at a path, ready to be looked into.
    fn enter(&mut self, path: &[u8]) -> Result<Option<Value>, Box<EvalError>> {
        let key = [b"set ", path].concat();
        if let Some(value) = self.sets.get(path) {
            self.host.dependencies.recall(&key);
            return Ok(Some(*value));
        }
        let start = self.host.dependencies.len();
        let Some(value) = self.value(path)? else { return Ok(None) };
        let (Some(evaluator), Some(arguments)) = (&mut self.evaluator, self.arguments) else {
            return Ok(None);
        };
        let value = evaluator.force(value)?;
        let value = evaluator.auto_call(value, arguments)?;
        let value = evaluator.force(value)?;
        self.host.dependencies.share(&key, start);
        self.sets.insert(path.to_vec(), value);
        Ok(Some(value))
    }

    /// Evaluates an item. Errors end the search in this process; those of workers are
    /// laid out before.
    pub fn evaluate(&mut self, task: &Task) -> Result<Outcome, EvaluationError> {
        if task.path.is_empty() {
            let names = (0..self.roots.len()).map(|number| number.to_string().into_bytes()).collect();
            return Ok(Outcome::Set { mode: Mode::Enter, names });
        }
        let Some(value) = self.value(&task.path)? else { return Ok(Outcome::Nothing) };
        if task.mode != Mode::Enter {
            if let Some(outcome) = self.package(&task.path, value)? {
                return Ok(outcome);
            }
            if let Some(evaluator) = &mut self.evaluator
                && task.mode == Mode::Attribute
                && !wants_recursion(evaluator, value)?
            {
                return Ok(Outcome::Nothing);
            }
        }
        let Some(value) = self.enter(&task.path)? else { return Ok(Outcome::Nothing) };
        if let Some(outcome) = self.package(&task.path, value)? {
            return Ok(outcome);
        }
        if let Some(attrs) = value.as_attrs() {
            let combine = attrs.contains(Symbol::intern("_combineChannels"));
            let mode = if combine { Mode::Enter } else { Mode::Attribute };
            let names = attrs.sorted().into_iter().map(|attr| attr.name.as_bytes().to_vec());
            return Ok(Outcome::Set { mode, names: names.filter(|name| is_package_name(name)).collect() });
        }
        if let Some(list) = value.as_list() {
            let names = (0..list.len()).map(|number| number.to_string().into_bytes()).collect();
            return Ok(Outcome::Set { mode: Mode::Member, names });
        }
        let message = "expression does not evaluate to a derivation (or a set or list of those)";
        Err(EvalError::type_error(Pos::NONE, message).into())
    }

    /// A value as a package; `None` if it is something else.
    fn package(&mut self, path: &[u8], value: Value) -> Result<Option<Outcome>, EvaluationError> {
        let Some(evaluator) = &mut self.evaluator else { return Ok(None) };
        let name = match package_value(evaluator, value) {
            Ok(Some(name)) => name,
            Ok(None) => return Ok(None),
            Err(error) if self.query.forgive.covers(&error) => return Ok(Some(Outcome::Nothing)),
            Err(error) => return Err(error.into()),
        };
        let value = value.resolve();
        let (root, shown) = shown_path(path);
        let package = Package { value, path: Symbol::intern(&shown) };
        let row = match (self.query.describe)(evaluator, root, &package) {
            Ok(row) => row,
            Err(EvaluationError::Nix(error)) if self.query.forgive_description.covers(&error) => None,
            Err(error) => return Err(error),
        };
        let derivation = value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("drvPath")));
        let derivation = derivation.and_then(|path| path.resolve().as_str());
        let derivation = derivation.map(|path| path.as_bytes().to_vec()).unwrap_or_default();
        Ok(Some(Outcome::Found { name, derivation, class: value.identity(), row }))
    }

    /// Which object is at a path, if a package is.
    pub fn identity(&mut self, path: &[u8]) -> Option<u64> {
        let value = self.value(path).ok()??;
        let evaluator = self.evaluator.as_mut()?;
        let mut found = evaluator.force(value).ok()?;
        if !found.as_attrs().is_some_and(|attrs| evaluator.is_derivation(attrs).unwrap_or(false)) {
            found = self.enter(path).ok()??;
        }
        Some(found.identity())
    }

    /// Finds out which packages of different processes are the same.
    fn compare(&mut self) -> Result<(), EvaluationError> {
        if self.has_failed_item {
            return Ok(());
        }
        let mut groups: HashMap<_, Vec<(&Vec<u8>, &Item)>> = HashMap::new();
        for (path, item) in &self.items {
            if let Outcome::Found { name, derivation, row: Some(_), .. } = &item.outcome {
                groups.entry((name.as_slice(), derivation.as_slice())).or_default().push((path, item));
            }
        }
        // Those of one process were compared by its objects; those that were kept, then.
        let is_open = |group: &[(&Vec<u8>, &Item)]| {
            let first = group[0].1;
            let together = |item: &Item| {
                item.kept && first.kept || !item.kept && !first.kept && item.worker == first.worker
            };
            !group.iter().all(|member| together(member.1))
        };
        let open = groups.into_values().filter(|group| is_open(group));
        let mut paths: Vec<Vec<u8>> = open.flatten().map(|member| member.0.clone()).collect();
        paths.sort_unstable();
        if paths.is_empty() {
            return Ok(());
        }
        self.effort.compared = paths.len();
        let identities = self.identities(&paths)?;
        let worker = self.next_worker();
        for (path, identity) in paths.iter().zip(identities) {
            let new = identity.map(|identity| self.class(Some(worker), identity));
            if let (Some(new), Some(item)) = (new, self.items.get_mut(path))
                && let Outcome::Found { class, .. } = &mut item.outcome
            {
                *class = new;
            }
        }
        Ok(())
    }

    /// All items that the package sets lead to, in the order of their paths.
    pub fn reachable(&self) -> Vec<Vec<u8>> {
        let (mut paths, mut stack) = (Vec::new(), vec![Vec::new()]);
        while let Some(path) = stack.pop() {
            let Some(item) = self.items.get(&path) else { continue };
            if let Outcome::Set { names, .. } = &item.outcome {
                stack.extend(names.iter().rev().map(|name| join(&path, name)));
            }
            paths.push(path);
        }
        paths
    }

    /// The packages, each once unless the query wants them under all names.
    fn collect(&mut self) -> Result<Answer, EvaluationError> {
        let (mut rows, mut seen) = (Vec::new(), HashSet::new());
        for path in self.reachable() {
            let Some(item) = self.items.get(&path) else { continue };
            self.effort.kept += usize::from(item.kept);
            match &item.outcome {
                Outcome::Nothing | Outcome::Set { .. } => {}
                Outcome::Found { class, row, .. } => {
                    if (seen.insert(*class) || self.query.repeated)
                        && let Some(row) = row
                    {
                        let (root, path) = shown_path(&path);
                        rows.push(Row { root, path, description: row.clone() });
                    }
                }
                Outcome::Failed(text) => {
                    return Err(Error::Evaluation { text: text.clone(), exit_code: 1 }.into());
                }
            }
        }
        Ok(Answer { rows, effort: self.effort })
    }
}

/// Whether an error is that the user called it off.
pub(super) fn is_interruption(error: &EvaluationError) -> bool {
    matches!(error, EvaluationError::Nix(error) if error.kind == ErrorKind::Interrupted)
        || matches!(error, EvaluationError::Other(Error::Interrupted))
}
