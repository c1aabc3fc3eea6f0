//! The machines of the setting `builders`: which one does what, and how.
//!
//! A machine does as many builds at a time as it is said to; that holds for all
//! processes here together, by locks on files that Nix uses as well.

use crate::error::Error;
use crate::session::Session;
use crate::settings::Settings;
use rustix::fs::{FlockOperation, flock};
use saltire_build::{BuildError, Elsewhere, ElsewhereJob, FailureKind};
use saltire_plan::RemoteMachine;
use saltire_remote::{
    BuildMachine, BuildMode, BuildOptions, BuildResult, BuildStatus, Connection, Message, Peer, RemoteError,
    SshOptions, build_machines,
};
use saltire_store::StoreLocation;
use saltire_store_model::nar::unpack;
use saltire_store_model::{HashAlgorithm, Hasher, PathInfo, StorePath};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is looked whether another process is done with a machine.
const LOOK: Duration = Duration::from_millis(300);

/// How long lines of a builder may come behind the news that it has ended.
const LAST_LINES: Duration = Duration::from_millis(20);

/// The machines of the setting `builders`.
pub(crate) struct Machines {
    all: Vec<BuildMachine>,
    states: Mutex<Vec<State>>,
    changed: Condvar,
    /// Where the locks are.
    directory: PathBuf,
}

/// What is known of a machine while this process runs.
#[derive(Default)]
struct State {
    running: usize,
    is_unreachable: bool,
    /// Connections that are not in use.
    idle: Vec<Connection>,
}

/// Room for a build on a machine, until this is dropped.
pub(crate) struct MachinePlace<'a> {
    machines: &'a Machines,
    session: &'a Session,
    index: usize,
    /// Held while the machine is used; nothing where locks can't be made.
    _lock: Option<File>,
}

impl Machines {
    pub fn read(settings: &Settings, system: &str, location: &StoreLocation) -> Result<Self, Error> {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let all = build_machines(&settings.builders, system, &read)?;
        let states = Mutex::new(all.iter().map(|_| State::default()).collect());
        let directory = location.state_dir.join("current-load");
        Ok(Self { all, states, changed: Condvar::new(), directory })
    }

    /// What the planner has to know.
    pub fn described(&self) -> Vec<RemoteMachine> {
        let described = |machine: &BuildMachine| RemoteMachine {
            name: machine.address.name().to_owned(),
            systems: machine.systems.clone(),
            features: machine.features.clone(),
            mandatory: machine.mandatory.clone(),
        };
        self.all.iter().map(described).collect()
    }

    /// Whether a machine builds for a system.
    pub fn build_for(&self, system: &str) -> bool {
        self.all.iter().any(|machine| machine.systems.contains(system))
    }

    /// How many builds they do at a time, together.
    pub fn jobs(&self) -> usize {
        self.all.iter().map(|machine| machine.jobs).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one of some machines has room; `None` if none can be reached, or if it
    /// was called off.
    pub fn take<'a>(&'a self, session: &'a Session, among: &[usize]) -> Option<MachinePlace<'a>> {
        let mut states = self.lock();
        loop {
            let mut usable: Vec<usize> = among
                .iter()
                .copied()
                .filter(|&index| !states[index].is_unreachable && self.all[index].jobs > 0)
                .collect();
            if usable.is_empty() || session.is_cancelled() {
                return None;
            }
            usable.retain(|&index| states[index].running < self.all[index].jobs);
            let load = |index: usize| (states[index].running as f64, self.all[index].speed);
            usable.sort_by(|&a, &b| order(load(a), load(b)));
            for index in usable {
                if let Ok(lock) = self.place_lock(index) {
                    states[index].running += 1;
                    return Some(MachinePlace { machines: self, session, index, _lock: lock });
                }
            }
            states = self.changed.wait_timeout(states, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A lock that no other process has; an error if they have all of them.
    fn place_lock(&self, index: usize) -> Result<Option<File>, ()> {
        let machine = &self.all[index];
        // Where there can be no locks, this process does not know of others.
        if std::fs::create_dir_all(&self.directory).is_err() {
            return Ok(None);
        }
        let name = machine.address.name().replace('/', "_");
        for place in 0..machine.jobs {
            let file = File::options()
                .create(true)
                .append(true)
                .open(self.directory.join(format!("{name}-{place}")));
            let Ok(file) = file else { return Ok(None) };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Ok(Some(file));
            }
        }
        Err(())
    }
}

/// The order in which machines are tried, from how many builds run on them and how fast
/// they are: the least busy for its speed first, then the fastest.
fn order((load, speed): (f64, f64), (other_load, other_speed): (f64, f64)) -> std::cmp::Ordering {
    let busy = |load: f64, speed: f64| if speed > 0.0 { load / speed } else { f64::INFINITY };
    busy(load, speed)
        .total_cmp(&busy(other_load, other_speed))
        .then(other_speed.total_cmp(&speed))
        .then(load.total_cmp(&other_load))
}

impl Drop for MachinePlace<'_> {
    fn drop(&mut self) {
        self.machines.lock()[self.index].running -= 1;
        self.machines.changed.notify_all();
    }
}

impl MachinePlace<'_> {
    fn machine(&self) -> &BuildMachine {
        &self.machines.all[self.index]
    }

    /// The machine is not tried again.
    pub fn is_unreachable(&self) {
        self.machines.lock()[self.index].is_unreachable = true;
    }

    fn connect(&self) -> Result<Connection, RemoteError> {
        if let Some(connection) = self.machines.lock()[self.index].idle.pop() {
            return Ok(connection);
        }
        let session = self.session;
        let options = SshOptions::from_environment();
        let store = session.store().store_dir();
        let mut connection =
            self.machine().address.connect(store, &options, session.cancelled(), &mut |_| {})?;
        let seconds = |time: Option<Duration>| time.map_or(0, |time| time.as_secs());
        let settings = &session.settings;
        let options = BuildOptions {
            jobs: 1,
            cores: settings.cores as u64,
            keep_failed: settings.keep_failed,
            keep_going: false,
            timeout: seconds(settings.timeout),
            max_silence: seconds(settings.max_silence),
            use_substitutes: settings.builders_use_substitutes,
        };
        match connection.peer.set_options(&options, &mut |_| {}) {
            Ok(()) => Ok(connection),
            Err(error) => Err(connection.explain(error)),
        }
    }

    /// Does a build over a connection.
    fn run(
        &self,
        connection: &mut Connection,
        job: &mut ElsewhereJob<'_>,
    ) -> Result<(BuildResult, Vec<PathInfo>), RemoteError> {
        let peer = &mut *connection.peer;
        self.send(peer, job.inputs, false)?;
        let log = Mutex::new(&mut *job.log);
        let line = |line: &[u8]| {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log(line);
            log(b"\n");
        };
        let mut message = |message: Message| {
            if let Some(text) = message.log_line() {
                line(text.as_bytes());
            }
        };
        // Whoever does not trust us builds only what it can check the names of.
        let result = if peer.trusts_us() == Some(false) && job.derivation.fixed_output().is_none() {
            let all = self.session.store().query_closure([job.path]).map_err(local)?;
            self.send(peer, &all, true)?;
            peer.build_path(job.path, &[], BuildMode::Normal, &mut message)?
        } else {
            let (lines, done) = (&mut connection.lines, AtomicBool::new(false));
            std::thread::scope(|scope| {
                let (done, line) = (&done, &line);
                scope.spawn(move || forward(lines, done, line));
                let mode = BuildMode::Normal;
                let result = peer.build_derivation(job.path, job.derivation, job.inputs, mode, &mut message);
                done.store(true, Ordering::Relaxed);
                result
            })?
        };
        let mut infos = Vec::new();
        if result.status.is_success() {
            for (path, place) in &job.outputs {
                infos.push(self.receive(peer, path, place)?);
            }
        }
        Ok((result, infos))
    }

    /// Copies paths that are not there, each behind what it refers to.
    fn send(
        &self,
        peer: &mut dyn Peer,
        paths: &BTreeSet<StorePath>,
        check_signatures: bool,
    ) -> Result<(), RemoteError> {
        let store = self.session.store();
        let substitute = self.session.settings.builders_use_substitutes;
        let there = peer.query_valid(paths, substitute, &mut |_| {})?;
        let missing: BTreeSet<StorePath> = paths.difference(&there).cloned().collect();
        let mut infos = Vec::new();
        for path in store.sort_references_first(&missing).map_err(local)? {
            infos.push(PathInfo { ultimate: false, ..store.path_info(&path).map_err(local)? });
        }
        if infos.is_empty() {
            return Ok(());
        }
        let nar = |info: &PathInfo, output: &mut dyn io::Write| {
            store.write_nar(&info.path, output).map(drop).map_err(io::Error::other)
        };
        peer.add(&infos, check_signatures, &nar, &mut |_| {})
    }

    /// Takes an output, whose NAR has to be what the machine says it is.
    fn receive(&self, peer: &mut dyn Peer, path: &StorePath, place: &Path) -> Result<PathInfo, RemoteError> {
        let shown = self.session.store().display(path);
        let info = peer.path_info(path, &mut |_| {})?;
        let info =
            info.ok_or_else(|| RemoteError::Refused(format!("'{shown}' is not there after the build")))?;
        let mut result = Ok(());
        peer.with_nar(path, &mut |_| {}, &mut |input| {
            let hasher = Hasher::new(HashAlgorithm::Sha256);
            let mut hashing = HashingReader { inner: Read::take(input, info.nar_size), hasher };
            result = unpack(&mut BufReader::new(&mut hashing), place);
            io::copy(&mut hashing, &mut io::sink())?;
            match (&result, hashing.hasher.written(), hashing.hasher.finish()) {
                (Ok(()), size, hash) if size == info.nar_size && hash == info.nar_hash => Ok(()),
                (Err(_), ..) => Ok(()),
                _ => {
                    let text = format!("'{shown}' did not arrive as it is said to be");
                    Err(io::Error::new(io::ErrorKind::InvalidData, text))
                }
            }
        })?;
        match result {
            Ok(()) => Ok(info),
            Err(error) => Err(RemoteError::Refused(format!("can't take '{shown}': {error}"))),
        }
    }
}

/// Hands on lines until no more are to be expected.
fn forward(lines: &mut Receiver<Vec<u8>>, done: &AtomicBool, line: &(dyn Fn(&[u8]) + Sync)) {
    loop {
        match lines.recv_timeout(LAST_LINES) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Timeout) if !done.load(Ordering::Relaxed) => {}
            Err(_) => return,
        }
    }
}

struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// An error of the store here.
fn local(error: saltire_store::StoreError) -> RemoteError {
    RemoteError::Refused(error.to_string())
}

impl Elsewhere for MachinePlace<'_> {
    fn build(&self, mut job: ElsewhereJob<'_>) -> Result<Vec<PathInfo>, BuildError> {
        let name = job.derivation.name.clone();
        let machine = self.machine().address.name().to_owned();
        let unreachable = |error: RemoteError| match error {
            RemoteError::Interrupted => BuildError::Interrupted,
            error => BuildError::Unreachable {
                name: name.clone(),
                machine: machine.clone(),
                source: Box::new(error),
            },
        };
        let failed = |message: String, status: BuildStatus| BuildError::Elsewhere {
            name: name.clone(),
            machine: machine.clone(),
            message,
            kind: match status {
                BuildStatus::TimedOut => FailureKind::TimedOut,
                BuildStatus::NotDeterministic => FailureKind::NotDeterministic,
                _ => FailureKind::Permanent,
            },
            tail: Vec::new(),
        };
        let mut connection = self.connect().map_err(unreachable)?;
        match self.run(&mut connection, &mut job) {
            Ok((result, infos)) => {
                self.machines.lock()[self.index].idle.push(connection);
                match result.status.is_success() {
                    true => Ok(infos),
                    false => Err(failed(result.error, result.status)),
                }
            }
            Err(RemoteError::Refused(message)) => Err(failed(message, BuildStatus::Failed)),
            Err(error) => Err(unreachable(connection.explain(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn the_least_busy_for_its_speed_is_first() {
        let check = |machines: &[(f64, f64)], expected: &[usize]| {
            let mut indices: Vec<usize> = (0..machines.len()).collect();
            indices.sort_by(|&a, &b| order(machines[a], machines[b]));
            assert_eq!(indices, expected);
        };
        check(&[(0.0, 1.0), (0.0, 2.0)], &[1, 0]);
        check(&[(1.0, 1.0), (1.0, 2.0), (0.0, 1.0)], &[2, 1, 0]);
        check(&[(2.0, 4.0), (1.0, 1.0), (0.0, 0.0)], &[0, 1, 2]);
    }
}
