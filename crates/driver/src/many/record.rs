//! Earlier answers, in files.
//!
//! A file is about one question: a program version, settings, and what the question
//! itself is about. It holds a checksum, the inputs, what processes asked for, and
//! the items. It is replaced as a whole; of two processes that do so at the same
//! time, the last one's stays. A file that is damaged or can't be read or written is
//! as good as none.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use saltire_eval::{Dependency, DependencyKind, Host};
use saltire_store_model::{HashAlgorithm, Hasher};

use super::Outcome;
use super::run::{Base, Item, Run};
use super::wire::{Decoder, Encoder};
use crate::session::Session;

/// What a file starts with.
const MAGIC: &[u8] = b"saltire attributes 1\n";

/// The most bytes that all files have together; the newest are kept.
const MOST: u64 = 256 << 20;

/// Where answers to a question are.
pub(super) struct Keeper {
    path: PathBuf,
}

/// Where answers to the question are kept, if they are.
pub(super) fn keeper(session: &Session, host: &dyn Host, key: &[u8]) -> Option<Keeper> {
    let settings = &session.settings;
    // What restricted evaluation may see depends on more than is noted.
    // What a program writes depends on anything.
    let unknown = settings.restricted || settings.native_code;
    if !settings.eval_cache || unknown || settings.pure || session.is_watched() {
        return None;
    }
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    add(env!("CARGO_PKG_VERSION").as_bytes());
    // Programs of the same version that are not the same.
    let program = std::env::current_exe().and_then(fs::metadata).ok()?;
    let time = program.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    add(format!("{} {}", program.len(), time.as_nanos()).as_bytes());
    add(session.system().as_bytes());
    add(host.store_dir().as_str().as_bytes());
    add(session
        .store()
        .location()
        .to_physical(Path::new(host.store_dir().as_str()))
        .as_os_str()
        .as_encoded_bytes());
    for (prefix, path) in host.search_path() {
        add(prefix.as_bytes());
        add(path.as_bytes());
    }
    let switches = [
        settings.pipe_operators,
        settings.read_only,
        settings.import_from_derivation,
        settings.trace_verbose,
        settings.abort_on_warn,
    ];
    add(format!("{switches:?} {:?} {}", settings.lints, settings.max_call_depth).as_bytes());
    add(key);
    let name = hasher.finish().to_base16();
    let path = session.cache_directory().join("attributes").join(format!("{}.items", &name[..40]));
    Some(Keeper { path })
}

fn checksum(bytes: &[u8]) -> [u8; 16] {
    HashAlgorithm::Sha256.hash(bytes).as_bytes()[..16].try_into().unwrap_or_default()
}

impl Keeper {
    /// Takes what is kept and still right. Whether the file is worth writing again
    /// though nothing else changed: stamps are new.
    pub fn load(&self, run: &mut Run<'_>) -> bool {
        let Ok(file) = fs::read(&self.path) else { return false };
        let Some(body) = file.strip_prefix(MAGIC).and_then(|rest| rest.split_at_checked(16)) else {
            return false;
        };
        if checksum(body.1) != *body.0 {
            return false;
        }
        read(&mut Decoder(body.1), run).unwrap_or(false)
    }

    /// Keeps what is known now.
    pub fn save(&self, run: &Run<'_>) {
        if run.table.is_inconsistent {
            return;
        }
        let body = write(run);
        let Some(directory) = self.path.parent() else { return };
        let temporary = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let whole = [MAGIC, &checksum(&body), &body].concat();
        // Who can't write does without.
        let written = fs::create_dir_all(directory)
            .and_then(|()| fs::write(&temporary, &whole))
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        make_room(directory);
    }
}

/// Removes the oldest files until the others are few enough.
fn make_room(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    let mut total = 0;
    for (_, size, path) in files {
        total += size;
        if total > MOST {
            // Another process may have done it.
            let _ = fs::remove_file(path);
        }
    }
}

fn read(body: &mut Decoder<'_>, run: &mut Run<'_>) -> Option<bool> {
    let inputs = body.many(22, Decoder::input)?;
    let mut stamps_changed = false;
    let mut changed = Vec::with_capacity(inputs.len());
    for mut input in inputs {
        let (same, stamp) = run.host.check(&input);
        stamps_changed |= same && stamp != input.stamp;
        changed.push(!same);
        if same {
            input.stamp = stamp;
        }
        run.table.add_kept(input, same);
    }
    let mut changed_nodes: Vec<bool> = Vec::new();
    for _ in 0..body.number()? {
        let parts = body.dependencies()?;
        let changes = |part: &Dependency| has_changed(*part, &changed, &changed_nodes);
        changed_nodes.push(parts.iter().any(changes));
        run.nodes.add(parts);
    }
    let bases = body.many(8, |body| Some(Base { inputs: body.numbers()?, messages: body.messages()? }))?;
    let changes = |base: &Base| {
        base.inputs.iter().any(|input| has_changed(Dependency::input(*input), &changed, &changed_nodes))
    };
    let changed_bases: Vec<bool> = bases.iter().map(changes).collect();
    run.bases = bases;
    for _ in 0..body.number()? {
        let path = body.text()?.to_vec();
        let base = body.number()?;
        let dependency = body.dependency()?;
        let messages = body.messages()?;
        let outcome = body.outcome()?;
        if changed_bases.get(base as usize).copied().unwrap_or(true)
            || dependency.is_some_and(|part| has_changed(part, &changed, &changed_nodes))
        {
            continue;
        }
        if let Outcome::Found { class, .. } = &outcome {
            run.next_class = run.next_class.max(class + 1);
        }
        run.items.insert(path, Item { outcome, base, dependency, worker: None, messages, kept: true });
    }
    Some(stamps_changed)
}

fn has_changed(part: Dependency, inputs: &[bool], nodes: &[bool]) -> bool {
    let (all, number) = match part.kind() {
        DependencyKind::Input(number) => (inputs, number),
        DependencyKind::Node(number) => (nodes, number),
    };
    all.get(number as usize).copied().unwrap_or(true)
}

/// Numbers of what is used, in a new order.
struct Renumbered {
    numbers: Vec<u32>,
    order: Vec<u32>,
}

impl Renumbered {
    /// Of so many, none is used yet.
    fn new(count: usize) -> Self {
        Self { numbers: vec![u32::MAX; count], order: Vec::new() }
    }

    fn number(&mut self, old: u32) -> u32 {
        match self.numbers.get_mut(old as usize) {
            Some(number) => {
                if *number == u32::MAX {
                    *number = self.order.len() as u32;
                    self.order.push(old);
                }
                *number
            }
            None => u32::MAX,
        }
    }
}

/// Which nodes items lead to.
fn used_nodes(run: &Run<'_>, paths: &[Vec<u8>]) -> Vec<bool> {
    let mut used = vec![false; run.nodes.len()];
    let mark = |part: Dependency, used: &mut [bool]| {
        if let DependencyKind::Node(number) = part.kind()
            && let Some(used) = used.get_mut(number as usize)
        {
            *used = true;
        }
    };
    let items = paths.iter().filter_map(|path| run.items.get(path));
    items.filter_map(|item| item.dependency).for_each(|part| mark(part, &mut used));
    // Nodes refer to earlier ones only.
    for number in (0..used.len()).rev() {
        if used[number] {
            run.nodes.get(number).iter().for_each(|part| mark(*part, &mut used));
        }
    }
    used
}

fn write(run: &Run<'_>) -> Vec<u8> {
    let paths = run.reachable();
    let mut inputs = Renumbered::new(run.table.inputs.len());
    let mut nodes = Renumbered::new(run.nodes.len());
    let mut bases = Renumbered::new(run.bases.len());
    let mut lists = Encoder::default();
    for (number, _) in used_nodes(run, &paths).iter().enumerate().filter(|node| *node.1) {
        let parts: Vec<Dependency> =
            run.nodes.get(number).iter().map(|part| renumber(*part, &mut inputs, &mut nodes)).collect();
        lists.dependencies(&parts);
        nodes.number(number as u32);
    }
    let mut items = Encoder::default();
    items.number(paths.len() as u32);
    for path in &paths {
        let Some(item) = run.items.get(path) else { continue };
        items.text(path);
        items.number(bases.number(item.base));
        items.dependency(item.dependency.map(|part| renumber(part, &mut inputs, &mut nodes)));
        items.messages(&item.messages);
        items.outcome(&item.outcome);
    }
    let mut common = Encoder::default();
    common.number(bases.order.len() as u32);
    for base in bases.order.iter().filter_map(|base| run.bases.get(*base as usize)) {
        let numbers: Vec<u32> = base.inputs.iter().map(|number| inputs.number(*number)).collect();
        common.numbers(&numbers);
        common.messages(&base.messages);
    }
    let mut body = Encoder::default();
    body.number(inputs.order.len() as u32);
    for input in inputs.order.iter().filter_map(|number| run.table.inputs.get(*number as usize)) {
        body.input(input);
    }
    body.number(nodes.order.len() as u32);
    for part in [lists, common, items] {
        body.0.extend(part.0);
    }
    body.0
}

fn renumber(part: Dependency, inputs: &mut Renumbered, nodes: &mut Renumbered) -> Dependency {
    match part.kind() {
        DependencyKind::Input(number) => Dependency::input(inputs.number(number) & (u32::MAX >> 1)),
        DependencyKind::Node(number) => Dependency::node(nodes.number(number) & (u32::MAX >> 1)),
    }
}
