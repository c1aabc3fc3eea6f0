//! Several threads that evaluate in the same evaluation.
//!
//! Each thread has an evaluator and a region of its own; values, code and the files
//! that were read are shared. A thunk that is being forced names the thread that
//! does it. Another thread that needs it waits, unless it would wait for itself in
//! the end: a thread's unfinished thunks all need what it is doing now, so a circle
//! of threads that wait for each other is infinite recursion.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use saltire_diagnostics::Pos;

use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::Evaluator;
use crate::stack::with_large_stack;
use crate::value::{MAX_OWNERS, Owner, Thunk};

/// What the threads know of each other.
#[derive(Default)]
pub(crate) struct Threads {
    /// How many evaluators were made for threads.
    made: AtomicU32,
    /// Which threads wait, for which thunk and hence for which thread.
    waits: Mutex<Vec<Wait>>,
}

struct Wait {
    waiter: Owner,
    thunk: Thunk,
}

impl Threads {
    /// A number for another thread; `None` if there are too many.
    pub(crate) fn register(&self) -> Option<Owner> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        (number < MAX_OWNERS).then_some(Owner(number))
    }

    fn waits(&self) -> std::sync::MutexGuard<'_, Vec<Wait>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether, if `first` waits for `thunk`, it waits for itself. Every entry in
/// `waits` whose thunk is unfinished is a thread that does not go on.
fn is_circle(waits: &[Wait], first: Owner, thunk: Thunk) -> bool {
    let mut owner = thunk.owner();
    for _ in 0..=waits.len() {
        match owner {
            None => return false,
            Some(owner) if owner == first => return true,
            Some(_) => {}
        }
        let next = waits.iter().find(|wait| Some(wait.waiter) == owner);
        owner = next.and_then(|wait| wait.thunk.owner());
    }
    false
}

impl Evaluator {
    /// Waits until a thunk that another thread forces has a result. An error if it
    /// can't ever have one.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait_for(&self, thunk: Thunk) -> Result<()> {
        let infinite = || {
            let message = "infinite recursion encountered";
            Err(EvalError::new(ErrorKind::InfiniteRecursion, Pos::NONE, message))
        };
        let Some(me) = self.owner else { return infinite() };
        if thunk.owner() == Some(me) {
            return infinite();
        }
        // Most thunks take less than a microsecond.
        for _ in 0..200 {
            if thunk.owner().is_none() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        let threads = &self.shared.threads;
        {
            let mut waits = threads.waits();
            if is_circle(&waits, me, thunk) {
                return infinite();
            }
            waits.push(Wait { waiter: me, thunk });
        }
        let mut pause = Duration::from_micros(5);
        while thunk.owner().is_some() && !crate::interactive::is_interrupted() {
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_micros(200));
        }
        threads.waits().retain(|wait| wait.waiter != me);
        if crate::interactive::is_interrupted() {
            return Err(EvalError::new(ErrorKind::Interrupted, Pos::NONE, "interrupted by the user"));
        }
        Ok(())
    }

    /// Does `work` for each item on several threads, which take the items in order,
    /// and gives the results in the items' order. Not for use while a value is being
    /// evaluated. With one thread, or if there can't be another, it is done here.
    pub fn parallel<I: Sync, T: Send>(
        &mut self,
        threads: usize,
        items: &[I],
        work: impl Fn(&mut Evaluator, &I) -> T + Sync,
    ) -> Vec<T> {
        let threads = if self.debug.is_some() { 1 } else { threads };
        let forks: Vec<_> = (0..threads.min(items.len())).map_while(|_| self.fork()).collect();
        if forks.len() < 2 {
            return items.iter().map(|item| work(self, item)).collect();
        }
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(items.len()));
        let (next, results_of_all, work) = (&next, &results, &work);
        let counts = std::thread::scope(|scope| {
            let run = |fork: Box<dyn FnOnce() -> Evaluator + Send>| {
                scope.spawn(move || {
                    with_large_stack(|| {
                        let mut evaluator = fork();
                        while let index = next.fetch_add(1, Ordering::Relaxed)
                            && let Some(item) = items.get(index)
                        {
                            let result = work(&mut evaluator, item);
                            let mut results = results_of_all.lock().unwrap_or_else(PoisonError::into_inner);
                            results.push((index, result));
                        }
                        evaluator.region.counts
                    })
                })
            };
            let handles: Vec<_> = forks.into_iter().map(|fork| run(Box::new(fork))).collect();
            handles
                .into_iter()
                .map(|handle| match handle.join() {
                    Ok(counts) => counts,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect::<Vec<_>>()
        });
        self.shared.threads.made.store(0, Ordering::Relaxed);
        for counts in &counts {
            self.region.counts.add(counts);
        }
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_unstable_by_key(|result| result.0);
        results.into_iter().map(|result| result.1).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{ErrorKind, Evaluator, FsHost, Settings, Symbol, Value};

    fn evaluate(text: &str) -> (Evaluator, Value) {
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
        let value = evaluator.eval_str(text, b"/").unwrap();
        (evaluator, value)
    }

    #[test]
    fn threads_share_what_they_evaluate() {
        let text = "let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2);
            shared = map (i: fib (10 + i - i / 8 * 8)) (genList (i: i) 64);
            in genList (i: builtins.foldl' builtins.add i shared) 16";
        let (mut evaluator, list) = evaluate(&text.replace("genList", "builtins.genList"));
        let items: Vec<Value> = list.as_list().unwrap().iter().collect();
        for _ in 0..3 {
            let sums = evaluator
                .parallel(4, &items, |evaluator, item| evaluator.force(*item).unwrap().as_int().unwrap());
            let differences: Vec<i64> = sums.iter().map(|sum| sum - sums[0]).collect();
            assert_eq!(differences, (0..16).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_circle_of_threads_is_infinite_recursion() {
        // Each needs the other after a while, so that both are begun.
        let text = "let slow = n: if n == 0 then 0 else slow (n - 1);
            s = { a = slow 3000 + s.b; b = slow 3000 + s.c; c = slow 3000 + s.a; }; in s";
        for _ in 0..20 {
            let (mut evaluator, set) = evaluate(text);
            let names = ["a", "b", "c"].map(Symbol::intern);
            let kinds = evaluator.parallel(3, &names, |evaluator, name| {
                let value = set.as_attrs().unwrap().get(*name).unwrap();
                evaluator.force(value).map_err(|error| error.kind)
            });
            assert!(kinds.iter().all(|kind| matches!(kind, Err(ErrorKind::InfiniteRecursion))));
        }
    }

    #[test]
    fn an_error_reaches_every_thread() {
        let text = "let slow = n: if n == 0 then throw \"no\" else slow (n - 1); x = slow 3000;
            in [ (x + 1) (x + 2) (x + 3) (x + 4) ]";
        let (mut evaluator, list) = evaluate(text);
        let items: Vec<Value> = list.as_list().unwrap().iter().collect();
        let messages = evaluator
            .parallel(4, &items, |evaluator, item| evaluator.force(*item).map_err(|error| error.message));
        assert!(
            messages.iter().all(|message| message.as_ref().is_err_and(|text| text == "no")),
            "{messages:?}"
        );
    }
}
