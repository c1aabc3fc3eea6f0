//! Values: 4 bytes each.
//!
//! The low three bits say what the word is: a small integer, `null` or a boolean
//! is in the word itself, everything else is the address of an object in a
//! [region](crate::region), all of which are below 4 GiB. Objects are immutable, but for three kinds of word
//! that are atomic: a thunk's state, and the slots of environments, lists and
//! attribute sets, where a thunk may be replaced by what it evaluated to.

#![allow(unsafe_code)]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::attrs::{Attrs, AttrsObj};
use crate::builtins::Builtin;
use crate::dependencies::Dependency;
use crate::error::EvalError;
use crate::ir::{Expr, ExprRef, LambdaCode};
use crate::list::{List, ListObj};
use crate::near::{Near, near};
use crate::region::{Region, pair};
use crate::string::{Str, StrObj};

/// A value, or a thunk that will become one.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Value(u32);

const TAG: u32 = 7;
const THUNK: u32 = 0;
const INT: u32 = 1;
const ATTRS: u32 = 2;
const LIST: u32 = 3;
const STRING: u32 = 4;
const CLOSURE: u32 = 5;
const OTHER: u32 = 6;
const IMMEDIATE: u32 = 7;

/// What a value is, for matching.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Not evaluated yet, or evaluated with the result in the thunk.
    Thunk(Thunk),
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string with its context.
    String(Str),
    /// A path: absolute and normal.
    Path(Str),
    /// A list.
    List(List),
    /// An attribute set.
    Attrs(Attrs),
    /// A function written in the language.
    Lambda(Closure),
    /// A builtin function.
    Builtin(&'static Builtin),
    /// A builtin function that has some, not all, of its arguments.
    Partial(&'static Partial),
}

/// Objects that are too rare for a tag of their own.
pub(crate) enum Other {
    Int(i64),
    Float(f64),
    Path(Str),
    Builtin(&'static Builtin),
    Partial(&'static Partial),
}

/// A builtin with some of its arguments.
pub struct Partial {
    /// The builtin.
    pub builtin: &'static Builtin,
    /// Fewer than its arity.
    pub arguments: &'static [Value],
}

impl Value {
    /// `null`
    pub const NULL: Value = Value(IMMEDIATE);
    /// `false`
    pub const FALSE: Value = Value(IMMEDIATE | 1 << 3);
    /// `true`
    pub const TRUE: Value = Value(IMMEDIATE | 2 << 3);

    /// A boolean.
    #[inline]
    pub fn from_bool(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }

    /// An integer that fits in 29 bits.
    #[inline]
    pub(crate) fn small_int(value: i64) -> Option<Self> {
        let word = (value as i32) << 3;
        (i64::from(word >> 3) == value).then_some(Self(word as u32 | INT))
    }

    #[inline]
    pub(crate) fn from_str(string: Str) -> Self {
        Self(near(string.0) | STRING)
    }

    #[inline]
    pub(crate) fn from_other(other: &'static Other) -> Self {
        Self(near(other) | OTHER)
    }

    #[inline]
    pub(crate) fn new_closure(region: &mut Region, code: &'static LambdaCode, env: &'static Env) -> Self {
        region.counts.closures += 1;
        Self::from_closure(region.alloc(ClosureObj::new(code, env, 0)))
    }

    /// As [`Value::new_closure`], where nothing asked for the value yet.
    #[inline]
    pub(crate) fn new_delayed_closure(
        region: &mut Region,
        code: &'static LambdaCode,
        env: &'static Env,
    ) -> Self {
        region.counts.closures += 1;
        Self::from_closure(region.alloc(ClosureObj::new(code, env, DELAYED)))
    }

    #[inline]
    fn from_closure(closure: &'static ClosureObj) -> Self {
        Self(near(closure) | CLOSURE)
    }

    /// An attribute set as a value.
    #[inline]
    pub fn from_attrs(attrs: Attrs) -> Self {
        Self(near(attrs.0) | ATTRS)
    }

    /// A list as a value.
    #[inline]
    pub fn from_list(list: List) -> Self {
        Self(near(list.0) | LIST)
    }

    #[inline]
    pub(crate) fn from_thunk(thunk: Thunk) -> Self {
        Self(near(thunk.0) | THUNK)
    }

    /// Whether two evaluated values are equal, if that is seen at once.
    #[inline(always)]
    pub(crate) fn quick_equal(self, other: Self) -> Option<bool> {
        let immediate = |value: Self| matches!(value.0 & TAG, INT | IMMEDIATE);
        match (immediate(self), immediate(other)) {
            (true, true) => Some(self.0 == other.0),
            // An integer may be equal to a number that is an object.
            (true, false) if self.0 & TAG == IMMEDIATE || other.0 & TAG != OTHER => Some(false),
            (false, true) if other.0 & TAG == IMMEDIATE || self.0 & TAG != OTHER => Some(false),
            (false, false) => match (self.as_str(), other.as_str()) {
                (Some(left), Some(right)) => Some(left.as_bytes() == right.as_bytes()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether both are the same object or the same immediate value.
    #[inline]
    pub fn is_same(self, other: Self) -> bool {
        self.0 == other.0
    }

    /// A number that only this object (or this immediate value) has.
    #[inline]
    pub fn identity(self) -> u64 {
        u64::from(self.0)
    }

    /// The address of the object that this is or refers to, if any.
    #[inline(always)]
    pub(crate) fn address(self) -> Option<usize> {
        (!matches!(self.0 & TAG, INT | IMMEDIATE)).then_some((self.0 & !TAG) as usize)
    }

    /// Moves the object, if it refers to no others and has at most `limit` bytes,
    /// to memory that the caller owns or that is its own. Gives the value to use
    /// instead of this one, and the object's size in bytes.
    pub(crate) fn move_leaf(self, to: usize, limit: usize) -> Option<(Self, usize)> {
        match self.kind() {
            Kind::String(text) => text.move_to(to, limit).map(|(text, size)| (Self::from_str(text), size)),
            Kind::Int(_) | Kind::Float(_) if size_of::<Other>() <= limit => {
                let from: *const Other = self.pointer::<Other>(OTHER);
                let to = to as *mut Other;
                // SAFETY: the caller gives the memory, which may overlap the object.
                unsafe {
                    std::ptr::copy(from, to, 1);
                    Some((Self::from_other(&*to), size_of::<Other>()))
                }
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn pointer<T>(self, tag: u32) -> &'static T {
        debug_assert_eq!(self.0 & TAG, tag);
        // SAFETY: only called by accessors that checked the tag, which says that
        // the rest of the word is the address of a `T` that is never freed.
        unsafe { &*((self.0 - tag) as usize as *const T) }
    }

    /// Whether this is a thunk, evaluated or not.
    #[inline(always)]
    pub fn is_thunk(self) -> bool {
        self.0 & TAG == THUNK
    }

    /// The thunk, if it is one.
    #[inline(always)]
    pub fn as_thunk(self) -> Option<Thunk> {
        (self.0 & TAG == THUNK).then(|| Thunk(self.pointer(THUNK)))
    }

    /// The value itself, or for an evaluated thunk its result; else the thunk.
    #[inline(always)]
    pub fn resolve(self) -> Self {
        match self.as_thunk() {
            Some(thunk) => match thunk.result() {
                Some(result) => result,
                None => match thunk.pending() {
                    Pending::Tracked(result, _) => result,
                    _ => self,
                },
            },
            None => self,
        }
    }

    /// As [`Value::resolve`], but a tracked thunk stays: using its result has to be noted.
    #[inline(always)]
    pub(crate) fn resolve_untracked(self) -> Self {
        self.as_thunk().and_then(Thunk::result).unwrap_or(self)
    }

    /// As [`Value::resolve_untracked`], but a function stays behind its thunk: functions in
    /// sets and lists are equal only if they are in the same thunk.
    #[inline(always)]
    pub(crate) fn shorten(self) -> Self {
        match self.as_thunk().and_then(Thunk::result) {
            Some(result) if result.replaces_thunk() => result,
            _ => self,
        }
    }

    /// Whether a slot may hold this instead of the thunk that gave it: not if it
    /// is (or may be) a function.
    #[inline(always)]
    pub(crate) fn replaces_thunk(self) -> bool {
        !matches!(self.0 & TAG, CLOSURE | OTHER)
    }

    /// The attribute set, if it is one (a thunk is not).
    #[inline(always)]
    pub fn as_attrs(self) -> Option<Attrs> {
        (self.0 & TAG == ATTRS).then(|| Attrs(self.pointer::<AttrsObj>(ATTRS)))
    }

    /// The list, if it is one (a thunk is not).
    #[inline(always)]
    pub fn as_list(self) -> Option<List> {
        (self.0 & TAG == LIST).then(|| List(self.pointer::<ListObj>(LIST)))
    }

    /// The string, if it is one (a thunk is not).
    #[inline(always)]
    pub fn as_str(self) -> Option<Str> {
        (self.0 & TAG == STRING).then(|| Str(self.pointer::<StrObj>(STRING)))
    }

    /// The function written in the language, if it is one (a thunk is not).
    #[inline(always)]
    pub fn as_closure(self) -> Option<Closure> {
        (self.0 & TAG == CLOSURE).then(|| Closure(self.pointer::<ClosureObj>(CLOSURE)))
    }

    /// The builtin function, if it is one that has no arguments yet.
    #[inline(always)]
    pub(crate) fn as_builtin(self) -> Option<&'static Builtin> {
        match self.0 & TAG {
            OTHER => match self.pointer::<Other>(OTHER) {
                Other::Builtin(builtin) => Some(builtin),
                _ => None,
            },
            _ => None,
        }
    }

    /// The boolean, if it is one (a thunk is not).
    #[inline(always)]
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            w if w == Self::TRUE.0 => Some(true),
            w if w == Self::FALSE.0 => Some(false),
            _ => None,
        }
    }

    /// The integer in the word itself.
    #[inline(always)]
    fn small(self) -> i64 {
        i64::from(self.0 as i32 >> 3)
    }

    /// The integer, if it is one (a thunk is not).
    #[inline(always)]
    pub fn as_int(self) -> Option<i64> {
        match self.0 & TAG {
            INT => Some(self.small()),
            OTHER => match self.pointer::<Other>(OTHER) {
                Other::Int(value) => Some(*value),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether this is `null`.
    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.0 == Self::NULL.0
    }

    /// The path, if it is one (a thunk is not).
    pub fn as_path(self) -> Option<Str> {
        match self.kind() {
            Kind::Path(path) => Some(path),
            _ => None,
        }
    }

    /// What this is.
    #[inline]
    pub fn kind(self) -> Kind {
        match self.0 & TAG {
            INT => Kind::Int(self.small()),
            ATTRS => Kind::Attrs(Attrs(self.pointer(ATTRS))),
            LIST => Kind::List(List(self.pointer(LIST))),
            STRING => Kind::String(Str(self.pointer(STRING))),
            CLOSURE => Kind::Lambda(Closure(self.pointer(CLOSURE))),
            OTHER => match self.pointer::<Other>(OTHER) {
                Other::Int(value) => Kind::Int(*value),
                Other::Float(value) => Kind::Float(*value),
                Other::Path(path) => Kind::Path(*path),
                Other::Builtin(builtin) => Kind::Builtin(builtin),
                Other::Partial(partial) => Kind::Partial(partial),
            },
            IMMEDIATE => match self.0 >> 3 {
                0 => Kind::Null,
                bit => Kind::Bool(bit == 2),
            },
            _ => Kind::Thunk(Thunk(self.pointer(THUNK))),
        }
    }

    /// Whether this can be called without looking for `__functor`.
    pub fn is_function(self) -> bool {
        matches!(self.kind(), Kind::Lambda(_) | Kind::Builtin(_) | Kind::Partial(_))
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind() {
            Kind::Thunk(_) => f.write_str("Thunk"),
            Kind::Null => f.write_str("Null"),
            Kind::Bool(value) => write!(f, "Bool({value})"),
            Kind::Int(value) => write!(f, "Int({value})"),
            Kind::Float(value) => write!(f, "Float({value})"),
            Kind::String(text) => write!(f, "String({text:?})"),
            Kind::Path(text) => write!(f, "Path({text:?})"),
            Kind::List(list) => write!(f, "List({})", list.len()),
            Kind::Attrs(attrs) => write!(f, "Attrs({})", attrs.len()),
            Kind::Lambda(_) => f.write_str("Lambda"),
            Kind::Builtin(builtin) => write!(f, "Builtin({})", builtin.name),
            Kind::Partial(partial) => write!(f, "Partial({})", partial.builtin.name),
        }
    }
}

/// A place that holds a value and in which a thunk may be replaced by its result.
#[repr(transparent)]
pub struct Slot(AtomicU32);

impl Slot {
    /// Holds nothing yet: a variable whose thunk is not made.
    const UNSET: u32 = 0;

    /// What it holds. Only slots of environments under construction hold nothing.
    #[inline(always)]
    pub fn get(&self) -> Value {
        Value(self.0.load(Ordering::Acquire))
    }

    #[inline(always)]
    pub(crate) fn get_if_set(&self) -> Option<Value> {
        let word = self.0.load(Ordering::Acquire);
        (word != Self::UNSET).then_some(Value(word))
    }

    /// Only for slots of objects that are being made; see [`Slot::replace_thunk`].
    #[inline(always)]
    pub(crate) fn set(&self, value: Value) {
        self.0.store(value.0, Ordering::Release);
    }

    /// Puts a thunk's result in the place of the thunk.
    #[inline(always)]
    pub(crate) fn replace_thunk(&self, region: &mut Region, result: Value) {
        // The result of a tracked thunk stays behind its mark.
        if result.replaces_thunk() && self.get().as_thunk().is_none_or(|thunk| thunk.result().is_some()) {
            region.wrote(std::ptr::from_ref(self) as usize, result);
            self.set(result);
        }
    }
}

/// A function written in the language, with its environment.
#[derive(Clone, Copy)]
pub struct Closure(pub(crate) &'static ClosureObj);

pub(crate) struct ClosureObj {
    pub(crate) code: Near<LambdaCode>,
    /// The environment's address, with [`DELAYED`].
    env: AtomicU32,
}

/// Says of a closure that it was made ahead of time, in place of a thunk that would
/// have to be made first, and not used yet: it is printed as the thunk would be.
const DELAYED: u32 = 1;

impl ClosureObj {
    #[inline]
    fn new(code: &'static LambdaCode, env: &'static Env, delayed: u32) -> Self {
        Self { code: Near::new(code), env: AtomicU32::new(near(env) | delayed) }
    }
}

impl Closure {
    /// The name of its argument, if that is taken as it is and not by its attributes.
    pub fn argument(self) -> Option<crate::Symbol> {
        let code = self.0.code;
        if code.formals.is_some() { None } else { code.argument }
    }

    /// The environment. The closure counts as used.
    #[inline(always)]
    pub(crate) fn env(self) -> &'static Env {
        let word = self.0.env.load(Ordering::Relaxed);
        if word & DELAYED != 0 {
            self.0.env.store(word & !DELAYED, Ordering::Relaxed);
        }
        // SAFETY: `new` stored the address of an environment, which is never freed.
        unsafe { &*((word & !DELAYED) as usize as *const Env) }
    }

    /// Counts as used from now on.
    pub(crate) fn mark_used(self) {
        self.env();
    }

    /// Whether it is printed as not evaluated.
    pub(crate) fn is_delayed(self) -> bool {
        self.0.env.load(Ordering::Relaxed) & DELAYED != 0
    }
}

/// Variables of one scope, and the scope around it.
#[repr(C)]
pub(crate) struct Env {
    up: Near<Env>,
    slots: [Slot; 0],
}

/// Objects that are needed again and again.
pub(crate) struct Common {
    /// The scope of builtins and of every file: all its variables are constants.
    pub(crate) env: &'static Env,
    pub(crate) empty_list: List,
    /// Code of thunks that hold values instead of an environment.
    pub(crate) apply1: ExprRef,
    pub(crate) apply2: ExprRef,
    pub(crate) select: ExprRef,
}

pub(crate) static COMMON: LazyLock<Common> = LazyLock::new(|| {
    let region = &mut Region::new();
    let at = region.words(1);
    // SAFETY: there is room for an environment without slots, which nobody leaves.
    let env = unsafe {
        at.cast::<Env>().write(Env { up: Near::new(at.cast::<Env>().as_ref()), slots: [] });
        at.cast::<Env>().as_ref()
    };
    Common {
        env,
        empty_list: List(region.alloc(ListObj::EMPTY)),
        apply1: Near::new(region.alloc(Expr::Apply1)),
        apply2: Near::new(region.alloc(Expr::Apply2)),
        select: Near::new(region.alloc(Expr::ThunkSelect)),
    }
});

impl Env {
    /// A scope with unset variables.
    #[inline]
    pub(crate) fn new(region: &mut Region, up: &'static Env, slots: usize) -> &'static Env {
        let words = slots / 2 + 1;
        let at = region.words(words);
        region.counts.envs += 1;
        region.counts.env_slots += slots as u64;
        // SAFETY: there is room for the header and the slots; zero is an unset slot.
        unsafe {
            at.write(pair(near(up), 0));
            if words <= 5 {
                // Volatile, so that this becomes no call, which costs more than these words.
                for index in 1..words {
                    at.add(index).write_volatile(0);
                }
            } else {
                std::ptr::write_bytes(at.as_ptr().add(1), 0, words - 1);
            }
            at.cast::<Env>().as_ref()
        }
    }

    /// A scope with one variable.
    #[inline(always)]
    pub(crate) fn with_value(region: &mut Region, up: &'static Env, value: Value) -> &'static Env {
        region.counts.envs += 1;
        region.counts.env_slots += 1;
        // SAFETY: the pair is the header and the slot.
        unsafe { region.pair(near(up), value.0).cast::<Env>().as_ref() }
    }

    /// A copy of a scope of which the first `filled` variables are set.
    #[inline]
    pub(crate) fn copy(&self, region: &mut Region, filled: usize, slots: usize) -> &'static Env {
        let copy = Self::new(region, self.up.get(), slots);
        for index in 0..filled as u32 {
            copy.slot(index).set(self.slot(index).get().shorten());
        }
        copy
    }

    /// A variable. The caller has `index` from lowering, which counted the slots.
    #[inline(always)]
    pub(crate) fn slot(&self, index: u32) -> &Slot {
        // SAFETY: lowering resolves names only to slots that `new` made.
        unsafe { &*self.slots.as_ptr().add(index as usize) }
    }

    /// The scope `depth` levels out.
    #[inline(always)]
    pub(crate) fn outer(&'static self, depth: u32) -> &'static Env {
        let mut env = self;
        for _ in 0..depth {
            env = env.up.get();
        }
        env
    }
}

/// A computation that is done at most once.
#[derive(Clone, Copy)]
pub struct Thunk(pub(crate) &'static ThunkObj);

/// The state is one of: a value's word (evaluated; its tag is never zero), the
/// address of code (not evaluated), or a multiple of [`OWNED`] (being evaluated, by
/// the thread with that number). The code may also say that evaluation failed, or
/// what the result depends on; then the result is in the payload.
#[repr(C)]
pub(crate) struct ThunkObj {
    state: AtomicU32,
    payload: [AtomicU32; 1],
}

/// The states of thunks that are being evaluated: this for the only thread that
/// there is, the next multiples for others. No code is at these addresses.
const OWNED: u32 = 8;

/// How many threads have numbers, zero among them.
pub(crate) const MAX_OWNERS: u32 = 500;

/// The number of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) u32);

/// What a thunk is before it is forced.
pub(crate) enum Pending {
    Value(Value),
    Blackhole,
    Failed(&'static EvalError),
    Code(ExprRef),
    Tracked(Value, Dependency),
}

impl Thunk {
    #[inline]
    pub(crate) fn in_env(region: &mut Region, code: ExprRef, env: &'static Env) -> Value {
        region.counts.thunks += 1;
        region.counts.thunk_words += 1;
        // SAFETY: the pair is the state and the payload.
        unsafe { Value::from_thunk(Thunk(region.pair(code.address(), near(env)).cast().as_ref())) }
    }

    /// A thunk whose evaluation failed.
    #[cold]
    pub(crate) fn failed(region: &mut Region, error: &'static EvalError) -> Value {
        let error = Near::new(region.alloc(error));
        let code = region.alloc(Expr::Failed(error));
        let thunk = ThunkObj { state: AtomicU32::new(near(code)), payload: [AtomicU32::new(0)] };
        Value::from_thunk(Thunk(region.alloc(thunk)))
    }

    /// A thunk that was evaluated.
    pub(crate) fn finished(region: &mut Region, value: Value) -> Value {
        region.counts.thunks += 1;
        region.counts.thunk_words += 1;
        let thunk = ThunkObj { state: AtomicU32::new(value.0), payload: [AtomicU32::new(0)] };
        Value::from_thunk(Thunk(region.alloc(thunk)))
    }

    /// A thunk with values in place of an environment, for code that knows it.
    #[inline]
    pub(crate) fn with_values(region: &mut Region, code: ExprRef, values: &[Value]) -> Value {
        let words = values.len() / 2 + 1;
        let at = region.words(words).cast::<u32>();
        region.counts.thunks += 1;
        region.counts.thunk_words += words as u64;
        // SAFETY: there is room for the state and the values.
        unsafe {
            at.write(code.address());
            for (index, value) in values.iter().enumerate() {
                at.add(1 + index).write(value.0);
            }
            Value::from_thunk(Thunk(at.cast::<ThunkObj>().as_ref()))
        }
    }

    /// The result, if it was evaluated.
    #[inline(always)]
    pub(crate) fn result(self) -> Option<Value> {
        let word = self.0.state.load(Ordering::Acquire);
        (word & TAG != 0).then_some(Value(word))
    }

    pub(crate) fn pending(self) -> Pending {
        let word = self.0.state.load(Ordering::Acquire);
        if word & TAG != 0 {
            Pending::Value(Value(word))
        } else if word <= OWNED * MAX_OWNERS {
            Pending::Blackhole
        } else {
            // SAFETY: the only other states are addresses of code.
            match unsafe { &*(word as usize as *const Expr) } {
                Expr::Failed(error) => Pending::Failed(error.get()),
                Expr::Tracked(dependency) => Pending::Tracked(self.value(0), *dependency),
                code => Pending::Code(Near::new(code)),
            }
        }
    }

    /// The environment of a thunk made by `in_env`.
    #[inline(always)]
    pub(crate) fn env(self) -> &'static Env {
        // SAFETY: the caller saw code that runs in an environment.
        unsafe { &*(self.0.payload[0].load(Ordering::Relaxed) as usize as *const Env) }
    }

    /// A value of a thunk made by `with_values` with more than `index` values.
    #[inline(always)]
    pub(crate) fn value(self, index: usize) -> Value {
        // SAFETY: the caller saw code that takes as many values.
        Value(unsafe { (*self.0.payload.as_ptr().add(index)).load(Ordering::Relaxed) })
    }

    /// Marks the thunk as being evaluated, where there is only one thread.
    #[inline(always)]
    pub(crate) fn start(self) {
        self.0.state.store(OWNED, Ordering::Relaxed);
    }

    /// Marks the thunk as being evaluated by a thread, unless another was faster.
    pub(crate) fn start_as(self, owner: Owner, code: ExprRef) -> bool {
        let started = OWNED * (1 + owner.0);
        self.0.state.compare_exchange(code.address(), started, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The thread that evaluates the thunk; `None` if nobody does.
    pub(crate) fn owner(self) -> Option<Owner> {
        let word = self.0.state.load(Ordering::Acquire);
        let started = word & TAG == 0 && (OWNED..=OWNED * MAX_OWNERS).contains(&word);
        started.then(|| Owner(word / OWNED - 1))
    }

    #[inline(always)]
    pub(crate) fn finish(self, region: &mut Region, value: Value) {
        region.wrote(std::ptr::from_ref(self.0) as usize, value);
        self.0.state.store(value.0, Ordering::Release);
    }

    /// As [`Thunk::finish`], with code that says what the result depends on.
    #[cold]
    pub(crate) fn finish_tracked(self, region: &mut Region, value: Value, code: ExprRef) {
        region.wrote(std::ptr::from_ref(self.0) as usize, value);
        // Every thunk has a word for its environment or first value, not needed any more.
        self.0.payload[0].store(value.0, Ordering::Relaxed);
        self.0.state.store(code.address(), Ordering::Release);
    }

    /// Back to not evaluated, or to code that says how evaluation ended.
    pub(crate) fn restore(self, code: ExprRef) {
        self.0.state.store(code.address(), Ordering::Release);
    }
}
