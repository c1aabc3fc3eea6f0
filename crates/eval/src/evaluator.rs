//! The evaluator's state and its interface to the rest of the program.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bumpalo::Bump;
use saltire_diagnostics::{Origin, Pos, SourceFile, SourceMap, Style, render_warning};
use saltire_store_model::{HashAlgorithm, Hasher, ModuloCache, StorePath};
use saltire_syntax::{Lints, ParseError, ParseOptions};

use crate::attrs::{Attr, Attrs};
use crate::builtins::{self, Builtin};
use crate::context::Context;
use crate::debug::Debug;
use crate::dependencies::DependencyLog;
use crate::derivation::{DERIVATION_FUNCTION, DERIVATION_ORIGIN, FETCHURL_FUNCTION, FETCHURL_PATH};
use crate::error::{ErrorKind, EvalError, Result, did_you_mean_variable};
use crate::host::{Host, HostError};
use crate::ir::{ExprRef, FileCode};
use crate::list::List;
use crate::lower::Lowerer;
use crate::parallel::Threads;
use crate::paths;
use crate::profile::Profile;
use crate::region::Region;
use crate::scope::{Scope, ScopeKind};
use crate::stack;
use crate::string::Str;
use crate::symbol::{Interner, Symbol, WellKnown};
use crate::tree_cache::TreeKey;
use crate::value::{COMMON, Other, Owner, Thunk, Value};

/// How to evaluate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Calls that may be nested before it is an error.
    pub max_call_depth: u32,
    /// Whether to keep a trace of all calls in errors.
    pub show_trace: bool,
    /// Whether `builtins.currentSystem`, the environment and so on are absent.
    pub pure: bool,
    /// Whether `|>` and `<|` are operators.
    pub pipe_operators: bool,
    /// What to do about discouraged ways of writing.
    pub lints: Lints,
    /// Whether `builtins.traceVerbose` writes.
    pub trace_verbose: bool,
    /// Whether `builtins.warn` is an error.
    pub abort_on_warn: bool,
    /// Whether to say of each call when it starts and ends.
    pub trace_function_calls: bool,
    /// Whether there is `builtins.exec`.
    pub native_code: bool,
    /// Samples a second that the profiler takes (0: as many as it is used to); no
    /// profile if none.
    pub profile: Option<u32>,
    /// Where to note what results depend on, if somebody wants to know. Not with
    /// several threads.
    pub dependencies: Option<&'static DependencyLog>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_call_depth: 10_000,
            show_trace: false,
            pure: false,
            pipe_operators: false,
            lints: Lints::default(),
            trace_verbose: false,
            abort_on_warn: false,
            trace_function_calls: false,
            native_code: false,
            profile: None,
            dependencies: None,
        }
    }
}

impl Settings {
    /// How to parse.
    pub fn parse_options(&self) -> ParseOptions {
        ParseOptions { pipe_operators: self.pipe_operators, lints: self.lints }
    }

    /// Whether each call's start and end are to be seen.
    fn watches_calls(&self) -> bool {
        self.profile.is_some() || self.trace_function_calls
    }

    /// What each call has to know: how deeply calls may be nested, and whether nobody
    /// wants to know which functions are being called.
    fn for_calls(&self) -> (u32, bool) {
        (self.max_call_depth, !self.show_trace && !self.watches_calls())
    }
}

/// What all threads of an evaluation share.
pub(crate) struct Shared {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) settings: Settings,
    pub(crate) sources: SourceMap,
    /// Files by resolved path.
    pub(crate) files: Mutex<foldhash::HashMap<Vec<u8>, Value>>,
    pub(crate) modulo: ModuloCache,
    pub(crate) threads: Threads,
    /// Store paths of sources by path, for interpolated paths.
    pub(crate) sources_in_store: Mutex<HashMap<Vec<u8>, StorePath>>,
}

/// Evaluates expressions, on the thread that it was made on.
///
/// Deep recursion needs a large stack: call [`with_large_stack`](crate::with_large_stack)
/// around everything. Without it evaluation works as far as the thread's stack is known to reach.
pub struct Evaluator {
    pub(crate) shared: Arc<Shared>,
    pub(crate) region: Region,
    /// For what is lowered.
    pub(crate) code: Region,
    /// Code of the last tracked thunk.
    pub(crate) tracked: Option<crate::ir::ExprRef>,
    /// For syntax trees while a file is parsed or a part lowered.
    arena: Bump,
    /// Bytes of the trees that are kept.
    tree_bytes: u64,
    /// Symbols of names with a meaning.
    pub names: WellKnown,
    pub(crate) depth: u32,
    pub(crate) max_depth: u32,
    /// Whether nobody wants to know which functions are being called.
    pub(crate) unwatched: bool,
    /// Levels of data that are being gone through.
    pub(crate) nesting: u32,
    pub(crate) stack_limit: usize,
    /// This thread's number, if there are others.
    pub(crate) owner: Option<Owner>,
    pub(crate) globals: &'static Scope,
    pub(crate) builtins: Value,
    /// Strings of one byte.
    characters: Box<[Option<Value>; 256]>,
    /// Compiled patterns of `match` and `split`.
    pub(crate) regexes: HashMap<Symbol, std::rc::Rc<saltire_posix_regex::Regex>>,
    pub(crate) profile: Option<Box<Profile>>,
    pub(crate) debug: Option<Box<Debug>>,
    pub(crate) dependencies: &'static DependencyLog,
    not_send: PhantomData<*const ()>,
}

impl Evaluator {
    /// An evaluator without any file read.
    pub fn new(host: Arc<dyn Host>, settings: Settings) -> Self {
        let shared = Arc::new(Shared {
            host,
            settings,
            sources: SourceMap::new(),
            files: Mutex::default(),
            modulo: ModuloCache::new(),
            threads: Threads::default(),
            sources_in_store: Mutex::default(),
        });
        static NOTHING: Scope = Scope { up: None, kind: ScopeKind::Hidden };
        let mut evaluator = Self::on_this_thread(shared, None, &NOTHING, Value::NULL);
        let settings = &evaluator.shared.settings;
        let profile = || Box::new(Profile::new(settings.profile, settings.trace_function_calls));
        evaluator.profile = settings.watches_calls().then(profile);
        evaluator.dependencies = settings.dependencies.unwrap_or(&crate::dependencies::NOTHING);
        evaluator.make_globals();
        evaluator
    }

    /// An evaluator for the thread that it is made on.
    fn on_this_thread(
        shared: Arc<Shared>,
        owner: Option<Owner>,
        globals: &'static Scope,
        builtins: Value,
    ) -> Self {
        let (max_depth, unwatched) = shared.settings.for_calls();
        Self {
            shared,
            region: Region::new(),
            tracked: None,
            code: Region::new(),
            arena: Bump::new(),
            tree_bytes: 0,
            names: WellKnown::get(),
            depth: 0,
            max_depth,
            unwatched,
            nesting: 0,
            stack_limit: stack::limit(),
            owner,
            globals,
            builtins,
            characters: Box::new([None; 256]),
            regexes: HashMap::new(),
            profile: None,
            debug: None,
            dependencies: &crate::dependencies::NOTHING,
            not_send: PhantomData,
        }
    }

    fn make_globals(&mut self) {
        let mut attrs = Vec::new();
        let mut globals = Vec::new();
        for builtin in builtins::available(&self.shared.settings) {
            let name = Symbol::intern(builtin.name);
            let value = self.new_builtin(builtin);
            attrs.push(Attr { name, value, pos: Pos::NONE });
            let global = if builtin.global { name } else { Symbol::intern(format!("__{}", builtin.name)) };
            globals.push((global, value));
        }
        for (name, value, global) in self.constants() {
            let plain = Symbol::intern(name);
            attrs.push(Attr { name: plain, value, pos: Pos::NONE });
            let global = if global { plain } else { Symbol::intern(format!("__{name}")) };
            globals.push((global, value));
        }
        // `builtins.builtins` is the set itself: a thunk that is done once the set exists.
        let this = Thunk::with_values(&mut self.region, COMMON.apply1, &[Value::NULL, Value::NULL]);
        let builtins_name = Symbol::intern("builtins");
        attrs.push(Attr { name: builtins_name, value: this, pos: Pos::NONE });
        let set = Value::from_attrs(Attrs::from_unsorted(&mut self.region, attrs));
        if let Some(thunk) = this.as_thunk() {
            thunk.finish(&mut self.region, set);
        }
        globals.push((builtins_name, set));
        globals.sort_unstable_by_key(|entry| entry.0);
        let globals = self.code.alloc_slice(globals);
        self.globals = self.code.alloc(Scope { up: None, kind: ScopeKind::Constants(globals) });
        self.builtins = set;
    }

    /// Builtins that are values: name, value, whether global without `__`.
    fn constants(&mut self) -> Vec<(&'static str, Value, bool)> {
        let host = Arc::clone(&self.shared.host);
        let mut all = vec![
            ("true", Value::TRUE, true),
            ("false", Value::FALSE, true),
            ("null", Value::NULL, true),
            ("nixVersion", self.new_string(crate::NIX_VERSION.as_bytes()), false),
            ("langVersion", self.new_int(crate::LANGUAGE_VERSION), false),
            ("storeDir", self.new_string(host.store_dir().as_str().as_bytes()), false),
        ];
        if !self.shared.settings.pure {
            if let Some(system) = host.current_system() {
                all.push(("currentSystem", self.new_string(system.as_bytes()), false));
            }
            // Asked for when it is used, so that the host knows what depends on it.
            let function = self.new_builtin(&builtins::CURRENT_TIME);
            all.push(("currentTime", self.new_call(function, Value::NULL), false));
        }
        let search_path = self.search_path_value();
        all.push(("nixPath", search_path, false));
        let scope = self.globals_for_derivation();
        let expr = self.parse_text(DERIVATION_ORIGIN, DERIVATION_FUNCTION.into(), b"/", scope);
        if let Ok(expr) = expr {
            let value = Thunk::in_env(&mut self.region, expr, COMMON.env);
            all.push(("derivation", value, true));
        }
        all
    }

    /// The names that the internal definition of `derivation` uses.
    fn globals_for_derivation(&mut self) -> &'static Scope {
        let mut names: Vec<(Symbol, Value)> = Vec::new();
        for builtin in builtins::tables() {
            let value = self.new_builtin(builtin);
            names.push((Symbol::intern(builtin.name), value));
        }
        names.sort_unstable_by_key(|entry| entry.0);
        let names = self.code.alloc_slice(names);
        self.code.alloc(Scope { up: None, kind: ScopeKind::Constants(names) })
    }

    fn search_path_value(&mut self) -> Value {
        let entries = self.shared.host.search_path();
        let (prefix, path) = (self.names.prefix, self.names.path);
        let entries: Vec<Value> = entries
            .iter()
            .map(|(name, value)| {
                let name = self.new_string(name.as_bytes());
                let value = self.new_string(value.as_bytes());
                self.new_attrs(vec![(prefix, name), (path, value)])
            })
            .collect();
        self.new_list(&entries)
    }

    /// The host.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.shared.host
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The source texts read so far, for rendering errors.
    pub fn sources(&self) -> &SourceMap {
        &self.shared.sources
    }

    /// The set `builtins`.
    pub fn builtins(&self) -> Value {
        self.builtins
    }

    /// Bytes of values and code made so far.
    pub fn allocated(&self) -> u64 {
        self.region.allocated()
            + self.region.shapes.as_ref().map_or(0, |shapes| shapes.allocated())
            + self.code.allocated()
    }

    /// Bytes of syntax trees.
    pub(crate) fn tree_bytes(&self) -> u64 {
        self.tree_bytes
    }

    /// Another evaluator for another thread, with the same files and host. This one
    /// must not evaluate meanwhile. `None` if there are too many threads.
    pub(crate) fn fork(&self) -> Option<impl FnOnce() -> Evaluator + Send + use<>> {
        let shared = Arc::clone(&self.shared);
        let owner = Some(shared.threads.register()?);
        let (globals, builtins) = (self.globals, self.builtins);
        Some(move || Self::on_this_thread(shared, owner, globals, builtins))
    }

    fn add_source(&mut self, source: Option<Arc<SourceFile>>, base: &[u8]) -> Result<&'static FileCode> {
        let Some(source) = source else {
            return Err(EvalError::other(Pos::NONE, "more than four gigabytes of source text"));
        };
        let home = self.shared.host.home_dir();
        let base = if base == b"/" { Vec::new() } else { base.to_vec() };
        Ok(self.code.alloc(FileCode { source, tree: OnceLock::new(), base, home }))
    }

    fn parse(
        &mut self,
        file: &'static FileCode,
        text: &[u8],
        stamp: Option<TreeKey>,
        scope: &'static Scope,
    ) -> Result<ExprRef> {
        let tree = self.tree(&file.source, text, stamp, scope)?;
        self.lower_file(file, tree, scope)
    }

    fn lower_file(
        &mut self,
        file: &'static FileCode,
        tree: Vec<u8>,
        scope: &'static Scope,
    ) -> Result<ExprRef> {
        self.tree_bytes += tree.len() as u64;
        let tree: &'static [u8] = Box::leak(tree.into_boxed_slice());
        file.tree.get_or_init(|| tree);
        self.lower(file, 0, scope, None)
    }

    /// The syntax tree of a text, as bytes. All its variables are bound, in it or in `scope`.
    /// `stamp` is another key under which to keep it.
    fn tree(
        &mut self,
        source: &SourceFile,
        text: &[u8],
        stamp: Option<TreeKey>,
        scope: &'static Scope,
    ) -> Result<Vec<u8>> {
        // Elsewhere, only the builtins are in scope.
        let keep = std::ptr::eq(scope, self.globals);
        // A tree that is kept warns of nothing.
        if text.len() < WORTH_KEEPING || !self.shared.settings.lints.are_off() {
            let tree = self.parse_tree(source, text, scope)?;
            if let (true, Some(key)) = (keep, stamp) {
                self.shared.host.keep_tree(key, &tree);
            }
            return Ok(tree);
        }
        let key = self.tree_key(TEXT, text);
        let tree = match self.shared.host.kept_tree(&key) {
            Some(tree) => tree,
            None => {
                let tree = self.parse_tree(source, text, scope)?;
                if !keep {
                    return Ok(tree);
                }
                self.shared.host.keep_tree(key, &tree);
                tree
            }
        };
        if let Some(stamp) = stamp {
            self.shared.host.link_tree(stamp, key);
        }
        Ok(tree)
    }

    /// The start of the SHA-256 of what a tree, or whether there is one, depends on.
    fn tree_key(&self, kind: u8, identity: &[u8]) -> TreeKey {
        let settings = &self.shared.settings;
        let builtins = u8::from(settings.pure) | u8::from(settings.native_code) << 1;
        let mut hasher = Hasher::new(HashAlgorithm::Sha256);
        hasher.update(&[u8::from(settings.pipe_operators) | kind, builtins]);
        hasher.update(identity);
        let hash = hasher.finish();
        hash.as_bytes()[..16].try_into().unwrap_or_default()
    }

    fn parse_tree(&mut self, source: &SourceFile, text: &[u8], scope: &'static Scope) -> Result<Vec<u8>> {
        let options = self.shared.settings.parse_options();
        let mut warn = |warning: ParseError| {
            let warning = warning.into_diagnostic(source);
            let text = render_warning(&warning, &self.shared.sources, Style::default());
            self.shared.host.message(text.trim_end());
        };
        let parsed = saltire_syntax::parse_with_warnings(&self.arena, text, &options, &mut warn);
        let tree = match parsed {
            Ok(tree) => check_variables(tree, source, scope).map(|()| crate::tree::write(tree)),
            Err(error) => {
                let diagnostic = error.into_diagnostic(source);
                let hint = diagnostic.hints.into_iter().next();
                let error = EvalError::new(ErrorKind::Parse, diagnostic.pos, diagnostic.message);
                Err(error.with_hint(hint))
            }
        };
        self.arena.reset();
        tree
    }

    /// Checks that the variables of a tree are bound, in it or as builtins. Errors are
    /// those of evaluating the text.
    pub fn check_variables(&self, tree: &saltire_syntax::ast::Expr<'_>, source: &SourceFile) -> Result<()> {
        check_variables(tree, source, self.globals)
    }

    /// Lowers the part of a file's tree that starts at `at`.
    fn lower(
        &mut self,
        file: &'static FileCode,
        at: u32,
        scope: &'static Scope,
        name: Option<Symbol>,
    ) -> Result<ExprRef> {
        let bytes = file.tree.get().copied().unwrap_or_default();
        let Some(tree) = crate::tree::read(bytes, at as usize, &self.arena) else {
            let message = format!("the cached syntax tree of '{}' is damaged", file.source.origin);
            return Err(EvalError::other(Pos::NONE, message));
        };
        let places = self.debug.as_mut().map(|debug| &mut debug.places);
        let mut lowerer = Lowerer { region: &mut self.code, names: Interner::lock(), file, places };
        let lowered = lowerer.named(tree, scope, name);
        self.arena.reset();
        lowered
    }

    /// Evaluates an expression; relative paths in it are relative to `base`.
    pub fn eval_str(&mut self, text: &str, base: &[u8]) -> Result<Value> {
        self.eval_text(Origin::String, text.as_bytes().into(), base)
    }

    /// Evaluates a text from anywhere; relative paths in it are relative to `base`.
    pub fn eval_text(&mut self, origin: Origin, text: Arc<[u8]>, base: &[u8]) -> Result<Value> {
        let expr = self.parse_text(origin, text, base, self.globals)?;
        self.eval(expr, COMMON.env)
    }

    /// Reads and lowers a text from anywhere.
    pub(crate) fn parse_text(
        &mut self,
        origin: Origin,
        text: Arc<[u8]>,
        base: &[u8],
        scope: &'static Scope,
    ) -> Result<ExprRef> {
        let source = self.shared.sources.add(origin, Arc::clone(&text));
        let file = self.add_source(source, base)?;
        self.parse(file, &text, None, scope)
    }

    /// Forgets which files were read, so that they are read again.
    pub fn forget_files(&mut self) {
        self.lock_files().clear();
    }

    /// Evaluates a file, or `default.nix` in a directory. Each file is evaluated once.
    pub fn eval_file(&mut self, path: &[u8]) -> Result<Value> {
        let (value, is_new) = self.file_value(path)?;
        let result = self.force(value);
        let origin = || format!("while evaluating the file '{}':", String::from_utf8_lossy(path));
        if is_new { crate::error::Traced::traced(result, Pos::NONE, origin) } else { result }
    }

    /// As [`Evaluator::eval_file`], of the file that a command is about: no step of a
    /// trace names it.
    pub fn eval_main_file(&mut self, path: &[u8]) -> Result<Value> {
        let (value, _) = self.file_value(path)?;
        self.force(value)
    }

    /// The value of a file, perhaps not evaluated yet, and whether it is asked for
    /// by this path for the first time.
    fn file_value(&mut self, path: &[u8]) -> Result<(Value, bool)> {
        let known = self.lock_files().get(path).copied();
        if let Some(value) = known {
            self.dependencies.recall(path);
            return Ok((value, false));
        }
        let before = self.dependencies.len();
        let resolved = self.resolve_import(path)?;
        let known = self.lock_files().get(&resolved).copied();
        let value = match known {
            Some(value) => {
                self.dependencies.recall(&resolved);
                value
            }
            None => {
                let expr = self.parse_file(&resolved, self.globals)?;
                let value = Thunk::in_env(&mut self.code, expr, COMMON.env);
                // Another thread may have read it meanwhile: all must have the same value.
                self.dependencies.share(&resolved, before);
                *self.lock_files().entry(resolved).or_insert(value)
            }
        };
        self.dependencies.share(path, before);
        self.lock_files().insert(path.to_vec(), value);
        Ok((value, true))
    }

    fn lock_files(&self) -> std::sync::MutexGuard<'_, foldhash::HashMap<Vec<u8>, Value>> {
        self.shared.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file that importing a path reads.
    fn resolve_import(&self, path: &[u8]) -> Result<Vec<u8>> {
        let host = &self.shared.host;
        if path == FETCHURL_PATH {
            return Ok(path.to_vec());
        }
        host.check_path(path).map_err(host_error)?;
        let resolved = host.resolve_symlinks(path).map_err(host_error)?;
        if matches!(host.file_type(&resolved), Ok(Some(crate::host::FileType::Directory))) {
            let inner = [resolved.as_slice(), b"/default.nix"].concat();
            return host.resolve_symlinks(&paths::normalise(&inner)).map_err(host_error);
        }
        Ok(resolved)
    }

    /// Reads and lowers a file whose path is resolved.
    fn parse_file(&mut self, path: &[u8], scope: &'static Scope) -> Result<ExprRef> {
        let origin = Origin::File(String::from_utf8_lossy(path).into_owned().into());
        let base = paths::parent(path);
        if path == FETCHURL_PATH {
            return self.parse_text(origin, FETCHURL_FUNCTION.into(), base, scope);
        }
        // Before the file is read: what happens to it afterwards changes its stamp.
        let stamp = match self.shared.settings.lints.are_off() {
            true => self.shared.host.file_stamp(path),
            false => None,
        };
        let key = stamp.as_ref().map(|stamp| self.tree_key(STAMP, &stamp.identity));
        if let (Some(stamp), Some(key)) = (stamp, key)
            && let Some(tree) = self.shared.host.kept_tree(&key)
        {
            let len = usize::try_from(stamp.len).unwrap_or(usize::MAX);
            let file = self.add_file(origin, path, len)?;
            return self.lower_file(file, tree, scope);
        }
        let text = self.shared.host.read_file(path).map_err(host_error)?;
        let file = self.add_file(origin, path, text.len())?;
        self.parse(file, &text, key, scope)
    }

    /// A file whose text is read again where it is needed: only few are looked at
    /// again, for positions.
    fn add_file(&mut self, origin: Origin, path: &[u8], len: usize) -> Result<&'static FileCode> {
        let base = paths::parent(path);
        // Code is never freed, the host must be.
        let (host, path) = (Arc::downgrade(&self.shared.host), path.to_vec());
        let reader = Box::new(move || host.upgrade()?.read_file(&path).ok());
        self.add_source(self.shared.sources.add_unkept(origin, len, reader), base)
    }

    /// Evaluates a file with more variables than usual (`scopedImport`).
    pub(crate) fn eval_scoped(&mut self, path: &[u8], variables: Attrs) -> Result<Value> {
        let resolved = self.resolve_import(path)?;
        let names: Vec<(Symbol, Value)> = variables.iter().map(|attr| (attr.name, attr.value)).collect();
        // The values become constants of the code.
        self.region.keep_all();
        let names = self.code.alloc_slice(names);
        let kind = ScopeKind::Constants(names);
        let scope = self.code.alloc(Scope { up: Some(self.globals), kind });
        let expr = self.parse_file(&resolved, scope)?;
        self.eval(expr, COMMON.env)
    }

    /// The string of one byte, always the same.
    pub(crate) fn character(&mut self, byte: u8) -> Value {
        *self.characters[usize::from(byte)]
            .get_or_insert_with(|| Value::from_str(Str::new(&mut self.code, &[byte], Context::EMPTY)))
    }

    /// A string without context.
    pub fn new_string(&mut self, text: &[u8]) -> Value {
        self.new_string_with_context(text, Context::EMPTY)
    }

    /// A string.
    pub fn new_string_with_context(&mut self, text: &[u8], context: Context) -> Value {
        // A text of four gigabytes and more has no place in a string object.
        let text = &text[..text.len().min(crate::string::MAX_LEN)];
        Value::from_str(Str::new(&mut self.region, text, context))
    }

    /// As [`Evaluator::new_string_with_context`], without copying a long text.
    pub(crate) fn new_text(&mut self, mut text: Vec<u8>, context: Context) -> Value {
        text.truncate(crate::string::MAX_LEN);
        Value::from_str(Str::from_vec(&mut self.region, text, context))
    }

    /// A path; `text` is absolute and normal.
    pub fn new_path(&mut self, text: &[u8]) -> Value {
        let text = Str::new(&mut self.region, text, Context::EMPTY);
        Value::from_other(self.region.alloc(Other::Path(text)))
    }

    /// An integer.
    #[inline]
    pub fn new_int(&mut self, value: i64) -> Value {
        match Value::small_int(value) {
            Some(value) => value,
            None => Value::from_other(self.region.alloc(Other::Int(value))),
        }
    }

    /// A floating-point number.
    pub fn new_float(&mut self, value: f64) -> Value {
        Value::from_other(self.region.alloc(Other::Float(value)))
    }

    /// A list.
    pub fn new_list(&mut self, items: &[Value]) -> Value {
        Value::from_list(List::from_values(&mut self.region, items))
    }

    /// A set from different names, in any order, without positions.
    pub fn new_attrs(&mut self, items: Vec<(Symbol, Value)>) -> Value {
        let attr = |(name, value)| Attr { name, value, pos: Pos::NONE };
        self.new_attrs_at(items.into_iter().map(attr).collect())
    }

    /// A set from attributes with different names, in any order.
    pub fn new_attrs_at(&mut self, items: Vec<Attr>) -> Value {
        Value::from_attrs(Attrs::from_unsorted(&mut self.region, items))
    }

    /// A builtin function.
    pub fn new_builtin(&mut self, builtin: &'static Builtin) -> Value {
        Value::from_other(self.region.alloc(Other::Builtin(builtin)))
    }

    /// A thunk that calls a function with one argument.
    pub fn new_call(&mut self, function: Value, argument: Value) -> Value {
        Thunk::with_values(&mut self.region, COMMON.apply1, &[function, argument])
    }

    /// A thunk that calls a function with two arguments.
    pub fn new_call2(&mut self, function: Value, first: Value, second: Value) -> Value {
        Thunk::with_values(&mut self.region, COMMON.apply2, &[function, first, second])
    }

    /// A thunk that selects an attribute.
    pub fn new_select(&mut self, set: Value, name: Symbol) -> Value {
        Thunk::with_values(&mut self.region, COMMON.select, &[set, name.to_value()])
    }

    /// The lowered form of a part that was left for later.
    pub(crate) fn lazy_expr(&mut self, lazy: &'static crate::ir::Lazy) -> Result<ExprRef> {
        if let Some(expr) = lazy.lowered.get() {
            return Ok(*expr);
        }
        let expr = self.lower(lazy.file.get(), lazy.at, lazy.scope.get(), lazy.name)?;
        Ok(*lazy.lowered.get_or_init(|| expr))
    }
}

/// Texts from this length on, in bytes, take longer to parse than to find in a cache.
const WORTH_KEEPING: usize = 512;

/// Checks that the variables of a tree are bound, in it or in `scope`.
fn check_variables(
    tree: &saltire_syntax::ast::Expr<'_>,
    source: &SourceFile,
    scope: &'static Scope,
) -> Result<()> {
    let bound = |name: &[u8]| scope.has_constant(Symbol::intern(name));
    let Some(found) = saltire_syntax::undefined_variable(tree, bound) else { return Ok(()) };
    let name = found.name.text;
    let message = format!("undefined variable '{name}'");
    let visible = found.visible.iter().map(|name| -> &[u8] { name });
    let hint = did_you_mean_variable(name, visible.chain(scope.names()));
    let pos = source.pos(found.name.span.start);
    Err(EvalError::new(ErrorKind::UndefinedVariable, pos, message).with_hint(hint))
}

/// What a tree's key is made from: the text.
const TEXT: u8 = 0;
/// The file's stamp.
const STAMP: u8 = 0x80;

/// A host's error as an evaluation error.
pub(crate) fn host_error(error: HostError) -> Box<EvalError> {
    let kind = if error.restricted { ErrorKind::Restricted } else { ErrorKind::Io };
    let mut failure = EvalError::new(kind, Pos::NONE, error.message);
    failure.exit_code = error.exit_code;
    match error.step {
        Some(step) => failure.traced(Pos::NONE, step),
        None => failure,
    }
}
