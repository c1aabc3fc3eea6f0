//! A sampling profiler of calls, whose result flame graph programs read.
//!
//! While it is on, each call's start and end look at the clock; when a period
//! has passed, the calls that are going on are one sample. While it is off it
//! costs a test of a pointer per call. The same calls can be traced: a line for each
//! start and end (`trace-function-calls`).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use saltire_diagnostics::{Pos, SourceMap};

use crate::builtins::Builtin;
use crate::error::Result;
use crate::evaluator::Evaluator;
use crate::ir::LambdaCode;
use crate::symbol::Symbol;
use crate::value::Value;

/// A call that is going on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Call {
    callee: Callee,
    /// Where it is called.
    pos: Pos,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Callee {
    Function(Option<Symbol>),
    Builtin(&'static str),
    /// `derivationStrict` of a derivation with this name.
    Derivation(Symbol),
}

/// Who watches calls.
pub(crate) struct Profile {
    sampler: Option<Sampler>,
    /// Whether to write a line when a call starts and when it ends.
    trace: bool,
}

impl Profile {
    /// Takes as many samples a second, if any; 99 if that is zero.
    pub(crate) fn new(frequency: Option<u32>, trace: bool) -> Self {
        Self { sampler: frequency.map(Sampler::new), trace }
    }
}

/// What is known so far.
struct Sampler {
    period: Duration,
    next: Instant,
    calls: Vec<Call>,
    samples: HashMap<Vec<Call>, u64>,
}

impl Sampler {
    fn new(frequency: u32) -> Self {
        let period = Duration::from_secs(1) / if frequency == 0 { 99 } else { frequency };
        Self { period, next: Instant::now() + period, calls: Vec::new(), samples: HashMap::new() }
    }

    /// Takes the samples that are due.
    fn sample(&mut self) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let late = now - self.next;
        let count = 1 + late.as_nanos() / self.period.as_nanos().max(1);
        self.next = now + self.period;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        match self.samples.get_mut(self.calls.as_slice()) {
            Some(known) => *known += count,
            None => {
                self.samples.insert(self.calls.clone(), count);
            }
        }
    }

    /// A line for each different stack: its calls from the outermost, separated by
    /// semicolons, a space, and how often it was seen.
    fn folded(&self, sources: &SourceMap) -> String {
        let name = |call: &Call| {
            let mut text = match sources.resolve(call.pos) {
                Some(at) => format!("{at}:"),
                None => String::new(),
            };
            let _ = match call.callee {
                Callee::Function(None) => write!(text, "anonymous lambda"),
                Callee::Function(Some(name)) => write!(text, "{name}"),
                Callee::Builtin(name) => write!(text, "primop {name}"),
                Callee::Derivation(name) => write!(text, "primop derivationStrict:{name}"),
            };
            text.replace([';', '\n'], "_")
        };
        let mut names: HashMap<Call, String> = HashMap::new();
        let mut lines = Vec::new();
        for (calls, count) in &self.samples {
            let mut line = String::new();
            for call in calls {
                let name = names.entry(*call).or_insert_with(|| name(call));
                line.push_str(if line.is_empty() { "" } else { ";" });
                line.push_str(name);
            }
            if !line.is_empty() {
                lines.push(format!("{line} {count}\n"));
            }
        }
        lines.sort_unstable();
        lines.concat()
    }
}

impl Evaluator {
    /// What the profiler saw so far, as folded stacks; `None` if it is not on.
    pub fn profile(&self) -> Option<String> {
        let sampler = self.profile.as_ref()?.sampler.as_ref()?;
        Some(sampler.folded(&self.shared.sources))
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn profiled_function(
        &mut self,
        code: &'static LambdaCode,
        pos: Pos,
        work: impl FnOnce(&mut Self) -> Result<Value>,
    ) -> Result<Value> {
        self.profiled(Call { callee: Callee::Function(code.name), pos }, work)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn profiled_builtin(
        &mut self,
        builtin: &'static Builtin,
        arguments: &[Value],
        pos: Pos,
        work: impl FnOnce(&mut Self) -> Result<Value>,
    ) -> Result<Value> {
        let mut callee = Callee::Builtin(builtin.name);
        if builtin.name == "derivationStrict"
            && let Some(name) =
                arguments.first().and_then(|input| input.resolve().as_attrs()?.get(self.names.name))
            && let Some(name) = name.resolve().as_str()
        {
            callee = Callee::Derivation(name.symbol());
        }
        self.profiled(Call { callee, pos }, work)
    }

    fn profiled(&mut self, call: Call, work: impl FnOnce(&mut Self) -> Result<Value>) -> Result<Value> {
        self.trace_call("entered", call.pos);
        if let Some(sampler) = self.sampler() {
            sampler.sample();
            sampler.calls.push(call);
        }
        let result = work(self);
        if let Some(sampler) = self.sampler() {
            sampler.sample();
            sampler.calls.pop();
        }
        self.trace_call("exited", call.pos);
        result
    }

    fn sampler(&mut self) -> Option<&mut Sampler> {
        self.profile.as_mut()?.sampler.as_mut()
    }

    fn trace_call(&self, what: &str, pos: Pos) {
        if !self.profile.as_ref().is_some_and(|profile| profile.trace) {
            return;
        }
        let place = self.shared.sources.resolve(pos).map(|place| place.to_string());
        let place = place.unwrap_or_else(|| "undefined position".to_owned());
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let text = format!("function-trace {what} {place} at {time}");
        self.host().message(&text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{Evaluator, FsHost, Settings};

    #[test]
    fn what_only_traces_takes_no_samples() {
        let settings = Settings { trace_function_calls: true, ..Settings::default() };
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), settings);
        evaluator.eval_str("(x: x) 1", b"/").unwrap();
        assert_eq!(evaluator.profile(), None);
    }

    #[test]
    fn calls_are_sampled_outermost_first() {
        let settings = Settings { profile: Some(1_000_000), ..Settings::default() };
        let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), settings);
        let text = "let inner = n: builtins.foldl' builtins.add 0 (builtins.genList (i: i) n);\n\
                    outer = n: inner n + inner n; in outer 3000";
        evaluator.eval_str(text, b"/").unwrap();
        let profile = evaluator.profile().unwrap();
        let expected = "«string»:2:34:outer;«string»:2:12:inner;«string»:1:16:primop foldl'";
        assert!(profile.lines().any(|line| line.contains(expected)), "{profile}");
        let counted = |line: &str| line.rsplit_once(' ').is_some_and(|(_, n)| n.parse::<u64>().is_ok());
        assert!(profile.lines().all(counted), "{profile}");
    }
}
