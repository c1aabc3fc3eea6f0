//! Workers: what they are given, what they tell, and what happens when one ends
//! before it is done.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use saltire_eval::is_interrupted;
use saltire_sandbox::{Worker, WorkerEnd, wait_for_output};

use super::Outcome;
use super::run::{Item, Numbers, Run, Task, is_interruption};
use super::wire::{Decoder, Encoder};
use crate::error::Error;
use crate::session::EvaluationError;

/// How often an item may end its worker.
const TRIES: u32 = 2;

/// How long to wait for a worker before looking whether the user called it off.
const PATIENCE: Duration = Duration::from_millis(200);

/// How much work is not told yet, at most: it is lost if the worker is killed.
const UNSENT: Duration = Duration::from_millis(20);

/// The largest frame that is taken, in bytes.
const LARGEST_FRAME: usize = 1 << 30;

// What a frame is about.
const ITEM: u8 = 1;
const TREE: u8 = 2;
const GAVE_UP: u8 = 3;
const IDENTITY: u8 = 4;

/// A worker and what it was given.
struct Running {
    worker: Worker,
    tasks: Vec<Task>,
    /// How many of them are done.
    done: usize,
    /// It can't do the next one; this process can.
    gave_up: bool,
    /// What came of frames that are not whole.
    pending: Vec<u8>,
    number: u32,
    /// Its inputs and nodes: those of this process when it was started, and its own.
    numbers: Numbers,
}

/// What one end of a pipe said.
enum Said {
    Something,
    End,
}

impl Run<'_> {
    /// Empties the queue with workers.
    pub(super) fn evaluate_with_workers(&mut self) -> Result<(), EvaluationError> {
        self.sync();
        // What was parsed so far, so that no worker sends it.
        let _ = self.trees.flush();
        let mut limit = self.query.division.workers.max(1);
        let mut patience = UNSENT;
        let mut running: VecDeque<Running> = VecDeque::new();
        loop {
            while running.len() < limit && !self.queue.is_empty() && !self.has_failed_item {
                match self.start_worker(patience)? {
                    Some(worker) => running.push_back(worker),
                    // Without another process, this one does it.
                    None if running.is_empty() => {
                        if let Some(task) = self.queue.pop_front() {
                            self.evaluate_here(&task)?;
                        }
                    }
                    None => break,
                }
            }
            if running.is_empty() {
                return Ok(());
            }
            if is_interrupted() {
                return Err(Error::Interrupted.into());
            }
            let workers: Vec<&Worker> = running.iter().map(|running| &running.worker).collect();
            let ready = wait_for_output(&workers, PATIENCE).map_err(processes)?;
            for index in ready.into_iter().rev() {
                let Some(worker) = running.get_mut(index) else { continue };
                if let Said::Something = self.listen(worker)? {
                    continue;
                }
                if let Some(worker) = running.remove(index)
                    && self.ended(worker)?
                {
                    // Perhaps memory is short. It must be seen which item ends a worker.
                    (limit, patience) = (1, Duration::ZERO);
                }
            }
        }
    }

    /// Starts a worker for the next items, which tells of items at least after `patience`
    /// of work; `None` if there can't be one now.
    fn start_worker(&mut self, patience: Duration) -> Result<Option<Running>, EvaluationError> {
        let mut count = self.query.division.items.max(1).min(self.queue.len());
        // What ended a worker before has one to itself.
        let suspect = |task: &Task| task.failures > 0;
        if let Some(at) = self.queue.iter().take(count).position(suspect) {
            count = at.max(1);
        }
        let tasks: Vec<Task> = self.queue.drain(..count).collect();
        let Ok(worker) = Worker::start(|pipe| self.work(Pipe::new(pipe, patience), &tasks)) else {
            tasks.into_iter().rev().for_each(|task| self.queue.push_front(task));
            return Ok(None);
        };
        self.effort.workers += 1;
        let (number, numbers) = (self.next_worker(), self.numbers.clone());
        Ok(Some(Running { worker, tasks, done: 0, gave_up: false, pending: Vec::new(), number, numbers }))
    }

    /// In a worker: evaluates items and tells what they are.
    fn work(&mut self, pipe: Pipe, tasks: &[Task]) {
        let pipe = Arc::new(Mutex::new(pipe));
        let last = Arc::clone(&pipe);
        self.host.become_worker(Box::new(move || {
            let mut pipe = lock(&last);
            pipe.send(&Encoder(vec![GAVE_UP]));
            pipe.flush();
            Worker::leave();
        }));
        self.work_on(&pipe, tasks);
        lock(&pipe).flush();
    }

    fn work_on(&mut self, pipe: &Mutex<Pipe>, tasks: &[Task]) {
        let start = self.allocated();
        let mut counts = self.host.counts();
        let log = self.host.dependencies;
        let mut nodes = log.node_count();
        for task in tasks {
            let before = log.len();
            let outcome = match self.evaluate(task) {
                Ok(outcome) => outcome,
                // Nothing was found out.
                Err(error) if is_interruption(&error) => return,
                Err(error) => Outcome::Failed(self.error_text(error)),
            };
            let dependency = log.take(before);
            let (inputs, messages) = self.host.since(counts);
            counts = self.host.counts();
            let new_nodes = log.nodes_from(nodes);
            nodes += new_nodes.len() as u32;
            let mut frame = Encoder(vec![ITEM]);
            frame.outcome(&outcome);
            frame.messages(&messages);
            frame.number(inputs.len() as u32);
            inputs.iter().for_each(|input| frame.input(input));
            frame.number(new_nodes.len() as u32);
            new_nodes.iter().for_each(|parts| frame.dependencies(parts));
            frame.dependency(dependency);
            lock(pipe).send(&frame);
            if matches!(outcome, Outcome::Failed(_)) || self.allocated() - start > self.query.division.memory
            {
                break;
            }
        }
        for (key, tree) in self.trees.take_new() {
            let mut frame = Encoder(vec![TREE]);
            frame.0.extend_from_slice(&key);
            frame.text(&tree);
            lock(pipe).send(&frame);
        }
    }

    fn allocated(&self) -> u64 {
        self.evaluator.as_ref().map_or(0, saltire_eval::Evaluator::allocated)
    }

    fn error_text(&self, error: EvaluationError) -> String {
        match &self.evaluator {
            Some(evaluator) => self.session.error_text(evaluator, error),
            None => String::new(),
        }
    }

    /// Reads what a worker says now.
    fn listen(&mut self, running: &mut Running) -> Result<Said, EvaluationError> {
        let mut buffer = [0; 1 << 16];
        let count = running.worker.output().read(&mut buffer).map_err(processes)?;
        if count == 0 {
            return Ok(Said::End);
        }
        running.pending.extend_from_slice(&buffer[..count]);
        let pending = std::mem::take(&mut running.pending);
        let mut rest = Decoder(&pending);
        while let Some(frame) = next_frame(&mut rest)? {
            if self.take_frame(running, frame).is_none() {
                return Err(garbled().into());
            }
        }
        running.pending = rest.0.to_vec();
        Ok(Said::Something)
    }

    fn take_frame(&mut self, running: &mut Running, frame: &[u8]) -> Option<()> {
        let mut frame = Decoder(frame);
        match frame.byte()? {
            ITEM => {
                let outcome = frame.outcome()?;
                let messages: Vec<String> = frame.messages()?;
                let inputs = frame.many(22, Decoder::input)?;
                let nodes = frame.many(4, Decoder::dependencies)?;
                let dependency = frame.dependency()?;
                let numbers = &mut running.numbers;
                numbers.inputs.extend(inputs.into_iter().map(|input| self.table.add(input)));
                for parts in nodes {
                    let parts: Option<Vec<_>> = parts.into_iter().map(|part| numbers.here(part)).collect();
                    numbers.nodes.push(self.nodes.add(parts?));
                }
                let dependency = match dependency {
                    Some(dependency) => Some(numbers.here(dependency)?),
                    None => None,
                };
                let path = running.tasks.get(running.done)?.path.clone();
                running.done += 1;
                self.show(&messages);
                self.has_failed_item |= matches!(outcome, Outcome::Failed(_));
                let (base, worker) = (self.current_base(), Some(running.number));
                self.done(path, Item { outcome, base, dependency, worker, messages, kept: false });
            }
            TREE => {
                let key = frame.bytes(16)?.try_into().ok()?;
                self.trees.put(key, frame.text()?);
            }
            GAVE_UP => running.gave_up = true,
            _ => return None,
        }
        Some(())
    }

    /// Takes back what a worker left that ended. Whether it was killed.
    fn ended(&mut self, running: Running) -> Result<bool, EvaluationError> {
        let Running { worker, mut tasks, done, gave_up, .. } = running;
        let end = worker.wait().map_err(processes)?;
        let mut left = tasks.split_off(done.min(tasks.len()));
        if is_interrupted() {
            return Err(Error::Interrupted.into());
        }
        if gave_up && !left.is_empty() {
            let task = left.remove(0);
            self.evaluate_here(&task)?;
        }
        let failed = end != WorkerEnd::Exited(0) || done == 0 && !gave_up;
        if let (true, Some(task)) = (failed, left.first_mut()) {
            task.failures += 1;
            if task.failures >= TRIES {
                let attribute = super::run::shown_path(&task.path).1;
                return Err(Error::Worker { attribute, end: end_text(end) }.into());
            }
        }
        left.into_iter().rev().for_each(|task| self.queue.push_front(task));
        Ok(matches!(end, WorkerEnd::Killed(_)))
    }

    /// Which objects are at paths, all seen in one process.
    pub(super) fn identities(&mut self, paths: &[Vec<u8>]) -> Result<Vec<Option<u64>>, EvaluationError> {
        if paths.len() >= self.query.division.alone && self.may_have_workers() {
            let started = Worker::start(|pipe| self.tell_identities(pipe, paths));
            if let Ok(mut worker) = started {
                let mut output = Vec::new();
                worker.output().read_to_end(&mut output).map_err(processes)?;
                worker.wait().map_err(processes)?;
                let mut decoder = Decoder(&output);
                let mut found = Vec::new();
                while let Some(frame) = next_frame(&mut decoder)? {
                    let mut frame = Decoder(frame);
                    if frame.byte() == Some(IDENTITY) {
                        found.push(frame.byte().filter(|is| *is != 0).and_then(|_| frame.long()));
                    }
                }
                if found.len() == paths.len() {
                    return Ok(found);
                }
            }
        }
        // It gave up, or there was none.
        let found = paths.iter().map(|path| self.identity(path)).collect();
        self.sync();
        Ok(found)
    }

    fn tell_identities(&mut self, pipe: File, paths: &[Vec<u8>]) {
        let mut pipe = Pipe::new(pipe, UNSENT);
        self.host.become_worker(Box::new(|| Worker::leave()));
        for path in paths {
            let identity = self.identity(path);
            let mut frame = Encoder(vec![IDENTITY, u8::from(identity.is_some())]);
            frame.long(identity.unwrap_or_default());
            pipe.send(&frame);
        }
        pipe.flush();
    }
}

/// To the first process. Several frames are written at once: each time wakes it up.
struct Pipe {
    file: File,
    waiting: Vec<u8>,
    /// When something was written.
    last: Instant,
    /// After this time something is written again.
    patience: Duration,
}

impl Pipe {
    fn new(file: File, patience: Duration) -> Self {
        Self { file, waiting: Vec::new(), last: Instant::now(), patience }
    }

    fn send(&mut self, frame: &Encoder) {
        /// What a pipe takes at once, in bytes.
        const MANY: usize = 1 << 16;
        self.waiting.extend_from_slice(&(frame.0.len() as u32).to_le_bytes());
        self.waiting.extend_from_slice(&frame.0);
        if self.waiting.len() >= MANY || self.last.elapsed() >= self.patience {
            self.flush();
        }
    }

    /// If nobody listens any more there is nobody to tell.
    fn flush(&mut self) {
        if self.file.write_all(&self.waiting).is_err() {
            Worker::leave();
        }
        self.waiting.clear();
        self.last = Instant::now();
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next frame, if it is there as a whole.
fn next_frame<'a>(bytes: &mut Decoder<'a>) -> Result<Option<&'a [u8]>, EvaluationError> {
    let mut ahead = Decoder(bytes.0);
    let Some(length) = ahead.number() else { return Ok(None) };
    if length as usize > LARGEST_FRAME {
        return Err(garbled().into());
    }
    let frame = ahead.bytes(length as usize);
    if frame.is_some() {
        bytes.0 = ahead.0;
    }
    Ok(frame)
}

fn processes(source: std::io::Error) -> EvaluationError {
    Error::Workers(source).into()
}

fn garbled() -> Error {
    Error::Workers(std::io::Error::from(std::io::ErrorKind::InvalidData))
}

fn end_text(end: WorkerEnd) -> String {
    match end {
        WorkerEnd::Exited(code) => format!("ended with code {code}"),
        WorkerEnd::Killed(signal) => format!("was killed by signal {signal}"),
    }
}
