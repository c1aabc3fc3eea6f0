//! Worker processes: copies of this process that go on with its memory, do one
//! piece of work, and end.
//!
//! A copy shares the memory of its parent until one of them writes to it, so that
//! it starts in a millisecond with everything that the parent has computed, and
//! what it computes itself is gone when it ends.
//!
//! A copy has one thread. A lock that another thread of the parent held at that
//! moment would stay locked in the copy for ever, and what that thread was writing
//! would stay half-written. So a worker is started only while every other thread of
//! the process sleeps, and the work must not wait for one of them. The C library
//! keeps its own locks (those of the allocator above all) usable in the copy.

#![allow(unsafe_code)]

use crate::sys::{default_signals, every_signal, exit_now, set_signal_mask, wait_any};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Exit code of a worker whose work panicked.
const PANICKED: i32 = 101;

/// How often to look whether the other threads sleep, a millisecond apart.
const LOOKS: u32 = 50;

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerEnd {
    /// With this code: 0 when its work was done.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// A worker process. Dropping it kills it.
#[derive(Debug)]
pub struct Worker {
    process: libc::pid_t,
    output: File,
    ended: bool,
}

impl Worker {
    /// Starts a copy of this process that does `work` with the writing end of a pipe
    /// and ends. Signals end it as they end any program; when the thread that
    /// started it ends, it is killed.
    ///
    /// # Errors
    /// Those of the system, and [`io::ErrorKind::ResourceBusy`] while other threads of
    /// this process run.
    pub fn start(work: impl FnOnce(File)) -> io::Result<Self> {
        let (output, input) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        if !(0..LOOKS).any(|look| look == 0 && others_sleep() || sleeping_later()) {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy));
        }
        let parent = rustix::process::getpid();
        // A signal must not run the parent's handlers in the copy.
        let mask = set_signal_mask(&every_signal());
        // SAFETY: the other threads sleep, and by this function's contract hold nothing
        // that the work needs; the C library's fork keeps its own state whole.
        let process = unsafe { libc::fork() };
        match process {
            0 => {
                default_signals();
                set_signal_mask(&mask);
                // Not to outlive the parent, also if it ended just now.
                let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
                if rustix::process::getppid() != Some(parent) {
                    exit_now(PANICKED);
                }
                drop(output);
                let done = catch_unwind(AssertUnwindSafe(|| work(File::from(input))));
                exit_now(if done.is_ok() { 0 } else { PANICKED })
            }
            -1 => {
                let error = io::Error::last_os_error();
                set_signal_mask(&mask);
                Err(error)
            }
            process => {
                set_signal_mask(&mask);
                Ok(Self { process, output: File::from(output), ended: false })
            }
        }
    }

    /// What the work writes; it ends when the worker ends.
    pub fn output(&mut self) -> &mut File {
        &mut self.output
    }

    /// Waits until it has ended.
    pub fn wait(mut self) -> io::Result<WorkerEnd> {
        self.ended = true;
        let status = wait_any(self.process, 0)?.map_or(0, |(_, status)| status);
        Ok(match libc::WIFSIGNALED(status) {
            true => WorkerEnd::Killed(libc::WTERMSIG(status)),
            false => WorkerEnd::Exited(libc::WEXITSTATUS(status)),
        })
    }

    /// Ends this process, a worker, before its work is done; nothing is cleaned up.
    pub fn leave() -> ! {
        exit_now(0)
    }
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: the number is that of a child that was not waited for.
            unsafe { libc::kill(self.process, libc::SIGKILL) };
            let _ = wait_any(self.process, 0);
        }
    }
}

fn sleeping_later() -> bool {
    std::thread::sleep(Duration::from_millis(1));
    others_sleep()
}

/// Whether every other thread of this process sleeps, as far as can be seen.
fn others_sleep() -> bool {
    let me = rustix::thread::gettid().as_raw_nonzero().to_string();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return false };
    tasks.flatten().all(|task| {
        let stat = || std::fs::read_to_string(task.path().join("stat"));
        // proc(5): number, name in parentheses, state.
        let sleeps =
            |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['S', 'D']));
        task.file_name().to_str() == Some(&me) || stat().map_or(true, sleeps)
    })
}

/// Ends of pipes that can be read, or are at their end, among those of workers;
/// none after `timeout`.
pub fn wait_for_output(workers: &[&Worker], timeout: Duration) -> io::Result<Vec<usize>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut polled: Vec<PollFd<'_>> =
        workers.iter().map(|worker| PollFd::new(*worker, PollFlags::IN)).collect();
    let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let ready = |entry: &(usize, &PollFd<'_>)| !entry.1.revents().is_empty();
    Ok(polled.iter().enumerate().filter(ready).map(|entry| entry.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Other tests run on threads of this process: busy for a moment is no failure.
    fn start(work: impl Fn(File)) -> Option<Worker> {
        for _ in 0..100 {
            match Worker::start(&work) {
                Ok(worker) => return Some(worker),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                Err(error) => panic!("{error}"),
            }
        }
        println!("skipped: other threads of the test program never sleep");
        None
    }

    fn check(work: impl Fn(File), text: &str, end: WorkerEnd) {
        let Some(mut worker) = start(work) else { return };
        assert_eq!(wait_for_output(&[&worker], Duration::from_secs(60)).unwrap(), [0]);
        let mut output = String::new();
        worker.output().read_to_string(&mut output).unwrap();
        assert_eq!((output.as_str(), worker.wait().unwrap()), (text, end));
    }

    #[test]
    fn a_worker_has_the_memory_of_its_parent_and_tells_what_it_found() {
        let numbers: Vec<u64> = (0..1000).collect();
        let sum = |mut pipe: File| write!(pipe, "{}", numbers.iter().sum::<u64>()).unwrap();
        check(sum, "499500", WorkerEnd::Exited(0));
        check(|_| Worker::leave(), "", WorkerEnd::Exited(0));
    }

    #[test]
    fn how_a_worker_ended_is_known() {
        let killed = |_| {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap()
        };
        check(killed, "", WorkerEnd::Killed(9));
        check(|_| std::panic::resume_unwind(Box::new(())), "", WorkerEnd::Exited(PANICKED));
    }
}
