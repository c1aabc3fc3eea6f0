//! Runs steps in parallel, each after those it needs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

/// Which limit a job falls under: downloads wait for the network, builds for processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Limited by [`Limits::downloads`].
    Download,
    /// Limited by [`Limits::builds`].
    Build,
    /// Limited by [`Limits::remote`].
    Remote,
    /// In [`Lane::Remote`] if there is room, else in [`Lane::Build`].
    Either,
}

impl Lane {
    /// Whether jobs of this lane can be done by the workers of another.
    fn includes(self, worker: Lane) -> bool {
        self == worker || self == Lane::Either && matches!(worker, Lane::Build | Lane::Remote)
    }
}

/// A step to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Indices of the jobs that must have succeeded before.
    pub after: Vec<usize>,
    /// What limits it.
    pub lane: Lane,
}

/// How many jobs run at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In [`Lane::Download`].
    pub downloads: usize,
    /// In [`Lane::Build`].
    pub builds: usize,
    /// In [`Lane::Remote`].
    pub remote: usize,
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not started: something it needs failed, or all was called off.
    Skipped,
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
}

struct State {
    /// Jobs that wait for nothing more, lowest index last.
    ready: Vec<usize>,
    /// For each job, how many that it needs have not succeeded yet.
    waiting: Vec<usize>,
    outcomes: Vec<Outcome>,
    running: usize,
    /// How many of those run in [`Lane::Remote`].
    running_remote: usize,
    /// No further job is to start.
    stopped: bool,
}

struct Schedule<'a> {
    jobs: &'a [Job],
    dependents: Vec<Vec<usize>>,
    state: Mutex<State>,
    changed: Condvar,
    keep_going: bool,
    cancelled: &'a AtomicBool,
    limits: Limits,
}

/// Runs all jobs; `work` is given a job's index and the lane that it is in, and returns
/// whether the job succeeded.
///
/// Without `keep_going` no job starts after one has failed; with it, all that do
/// not depend on a failed one. When `cancelled` becomes true no further job
/// starts; ending those that run is up to `work`.
pub fn run_all(
    jobs: &[Job],
    limits: Limits,
    keep_going: bool,
    cancelled: &AtomicBool,
    work: &(dyn Fn(usize, Lane) -> bool + Sync),
) -> Vec<Outcome> {
    let mut dependents = vec![Vec::new(); jobs.len()];
    for (index, job) in jobs.iter().enumerate() {
        for &before in &job.after {
            dependents[before].push(index);
        }
    }
    let waiting: Vec<usize> = jobs.iter().map(|job| job.after.len()).collect();
    let ready = (0..jobs.len()).rev().filter(|&index| waiting[index] == 0).collect();
    let outcomes = vec![Outcome::Skipped; jobs.len()];
    let state = Mutex::new(State { ready, waiting, outcomes, running: 0, running_remote: 0, stopped: false });
    let schedule =
        Schedule { jobs, dependents, state, changed: Condvar::new(), keep_going, cancelled, limits };
    let count = |lane| jobs.iter().filter(|job| job.lane.includes(lane)).count();
    std::thread::scope(|scope| {
        let lanes =
            [(Lane::Download, limits.downloads), (Lane::Build, limits.builds), (Lane::Remote, limits.remote)];
        for (lane, limit) in lanes {
            for _ in 0..limit.max(1).min(count(lane)) {
                let schedule = &schedule;
                scope.spawn(move || schedule.worker(lane, work));
            }
        }
    });
    schedule.state.into_inner().unwrap_or_else(|e| e.into_inner()).outcomes
}

impl Schedule<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn worker(&self, lane: Lane, work: &(dyn Fn(usize, Lane) -> bool + Sync)) {
        while let Some(index) = self.next(lane) {
            let success = work(index, lane);
            self.finish(index, lane, success);
        }
    }

    /// Waits for a job of the lane; `None` when there will be no more.
    fn next(&self, lane: Lane) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stopped || self.cancelled.load(Ordering::SeqCst) {
                return None;
            }
            let remote_is_full = state.running_remote >= self.limits.remote.max(1);
            let fits = |index: &usize| match self.jobs[*index].lane {
                Lane::Either if lane == Lane::Build => remote_is_full,
                other => other.includes(lane),
            };
            if let Some(position) = state.ready.iter().rposition(fits) {
                state.running += 1;
                state.running_remote += usize::from(lane == Lane::Remote);
                // Others may now take what this lane has no room for.
                self.changed.notify_all();
                return Some(state.ready.remove(position));
            }
            if state.running == 0 && state.ready.is_empty() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    fn finish(&self, index: usize, lane: Lane, success: bool) {
        let mut state = self.lock();
        state.running -= 1;
        state.running_remote -= usize::from(lane == Lane::Remote);
        state.outcomes[index] = if success { Outcome::Succeeded } else { Outcome::Failed };
        if success {
            for &dependent in &self.dependents[index] {
                state.waiting[dependent] -= 1;
                if state.waiting[dependent] == 0 {
                    state.ready.push(dependent);
                }
            }
            state.ready.sort_unstable_by(|a, b| b.cmp(a));
        } else if !self.keep_going {
            state.stopped = true;
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(jobs: &[(&[usize], Lane)], failing: &[usize], keep_going: bool, expected: &str) {
        let jobs: Vec<Job> =
            jobs.iter().map(|(after, lane)| Job { after: after.to_vec(), lane: *lane }).collect();
        let order = Mutex::new(Vec::new());
        let limits = Limits { downloads: 3, builds: 1, remote: 2 };
        let outcomes = run_all(&jobs, limits, keep_going, &AtomicBool::new(false), &|index, _| {
            for before in &jobs[index].after {
                assert!(order.lock().unwrap().contains(before), "{before} runs before {index}");
            }
            order.lock().unwrap().push(index);
            !failing.contains(&index)
        });
        let letters = outcomes.iter().map(|outcome| match outcome {
            Outcome::Skipped => '-',
            Outcome::Succeeded => 's',
            Outcome::Failed => 'f',
        });
        assert_eq!(letters.collect::<String>(), expected);
    }

    #[test]
    fn jobs_run_after_those_they_need() {
        use Lane::{Build, Download};
        check(&[], &[], false, "");
        check(
            &[(&[], Download), (&[], Download), (&[0, 1], Build), (&[2], Build), (&[0], Build)],
            &[],
            false,
            "sssss",
        );
    }

    #[test]
    fn a_failure_stops_what_depends_on_it_and_without_keep_going_all() {
        use Lane::Build;
        check(&[(&[], Build), (&[0], Build), (&[], Build)], &[0], false, "f--");
        check(&[(&[], Build), (&[0], Build), (&[], Build)], &[0], true, "f-s");
    }

    #[test]
    fn jobs_for_either_lane_are_done_here_once_the_other_is_full() {
        use Lane::{Either, Remote};
        check(&[(&[], Remote), (&[0], Either), (&[1], Lane::Build)], &[], false, "sss");
        // Both lanes have to work at the same time for the barrier to open.
        let jobs = vec![Job { after: vec![], lane: Either }; 2];
        let (both, lanes) = (std::sync::Barrier::new(2), Mutex::new(Vec::new()));
        let limits = Limits { downloads: 1, builds: 1, remote: 1 };
        run_all(&jobs, limits, false, &AtomicBool::new(false), &|_, lane| {
            lanes.lock().unwrap().push(lane);
            both.wait();
            true
        });
        let lanes = lanes.into_inner().unwrap();
        assert!(lanes.contains(&Remote) && lanes.contains(&Lane::Build), "{lanes:?}");
    }

    #[test]
    fn nothing_starts_once_cancelled() {
        let jobs = [Job { after: vec![], lane: Lane::Build }];
        let limits = Limits { downloads: 1, builds: 1, remote: 0 };
        let outcomes = run_all(&jobs, limits, false, &AtomicBool::new(true), &|_, _| true);
        assert_eq!(outcomes, [Outcome::Skipped]);
    }
}
