//! `cargo xtask fuzz errors`: every builtin and every operator with each kind of
//! value in each place, where it is wrong more often than not. What is printed, value
//! or error, is compared with what the reference prints, to the last caret.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use saltire_diagnostics::{Origin, Style, render};
use saltire_eval::{Evaluator, FsHost, Settings, builtins, with_large_stack};

/// Values of all kinds.
const VALUES: &[&str] = &[
    "1",
    "(-1)",
    "1.5",
    "true",
    "null",
    "\"a\"",
    "\"/nowhere\"",
    "\"${derivation { name = \"d\"; system = \"s\"; builder = \"b\"; }}\"",
    "/nowhere",
    "[ ]",
    "[ 1 ]",
    "[ [ ] \"a\" ]",
    "{ }",
    "{ a = 1; }",
    "{ outPath = \"/o\"; }",
    "{ __toString = self: 1; }",
    "{ __functor = self: x: x; }",
    "(x: x)",
    "({ a }: a)",
    "builtins.add",
    "(builtins.add 1)",
    "(throw \"no\")",
    "(abort \"no\")",
];

/// Arguments that are right, of those builtins that take others than `"a"` and `[ ]`.
const RIGHT: &[(&str, &[&str])] = &[
    ("add", &["1", "1"]),
    ("addErrorContext", &["\"context\"", "1"]),
    ("all", &["(x: true)", "[ 1 ]"]),
    ("any", &["(x: true)", "[ 1 ]"]),
    ("appendContext", &["\"a\"", "{ }"]),
    ("attrNames", &["{ a = 1; }"]),
    ("attrValues", &["{ a = 1; }"]),
    ("bitAnd", &["1", "1"]),
    ("bitOr", &["1", "1"]),
    ("bitXor", &["1", "1"]),
    ("catAttrs", &["\"a\"", "[ { a = 1; } ]"]),
    ("ceil", &["1.5"]),
    ("concatLists", &["[ [ 1 ] ]"]),
    ("concatMap", &["(x: [ x ])", "[ 1 ]"]),
    ("concatStringsSep", &["\"a\"", "[ \"b\" \"c\" ]"]),
    ("convertHash", &["{ hash = \"a\"; }"]),
    ("derivationStrict", &["{ name = \"a\"; system = \"s\"; builder = \"b\"; }"]),
    ("div", &["1", "1"]),
    ("elem", &["1", "[ 1 ]"]),
    ("elemAt", &["[ 1 ]", "0"]),
    ("filter", &["(x: true)", "[ 1 ]"]),
    ("filterSource", &["(path: type: true)", "/nowhere"]),
    ("findFile", &["[ { path = \"/\"; prefix = \"a\"; } ]", "\"a\""]),
    ("flakeRefToString", &["{ type = \"path\"; path = \"/a\"; }"]),
    ("floor", &["1.5"]),
    ("foldl'", &["(x: y: x)", "1", "[ 1 ]"]),
    ("fromJSON", &["\"1\""]),
    ("fromTOML", &["\"a = 1\""]),
    ("functionArgs", &["({ a }: a)"]),
    ("genList", &["(x: x)", "1"]),
    ("genericClosure", &["{ startSet = [ { key = 1; } ]; operator = x: [ ]; }"]),
    ("getAttr", &["\"a\"", "{ a = 1; }"]),
    ("groupBy", &["(x: \"a\")", "[ 1 ]"]),
    ("hasAttr", &["\"a\"", "{ a = 1; }"]),
    ("hashFile", &["\"sha256\"", "/nowhere"]),
    ("hashString", &["\"sha256\"", "\"a\""]),
    ("head", &["[ 1 ]"]),
    ("import", &["/nowhere"]),
    ("intersectAttrs", &["{ a = 1; }", "{ a = 2; }"]),
    ("lessThan", &["1", "2"]),
    ("listToAttrs", &["[ { name = \"a\"; value = 1; } ]"]),
    ("map", &["(x: x)", "[ 1 ]"]),
    ("mapAttrs", &["(name: value: value)", "{ a = 1; }"]),
    ("mul", &["1", "1"]),
    ("partition", &["(x: true)", "[ 1 ]"]),
    ("path", &["{ path = /nowhere; }"]),
    ("readDir", &["/nowhere"]),
    ("readFile", &["/nowhere"]),
    ("readFileType", &["/nowhere"]),
    ("removeAttrs", &["{ a = 1; }", "[ \"a\" ]"]),
    ("replaceStrings", &["[ \"a\" ]", "[ \"b\" ]", "\"a\""]),
    ("scopedImport", &["{ }", "/nowhere"]),
    ("sort", &["(x: y: true)", "[ 1 2 ]"]),
    ("sub", &["1", "1"]),
    ("substring", &["0", "1", "\"a\""]),
    ("tail", &["[ 1 ]"]),
    ("unsafeGetAttrPos", &["\"a\"", "{ a = 1; }"]),
    ("zipAttrsWith", &["(name: values: values)", "[ { a = 1; } ]"]),
];

/// Expressions around a value `V`.
const PLACES: &[&str] = &[
    "V + 1",
    "1 + V",
    "1.5 + V",
    "\"a\" + V",
    "V + \"a\"",
    "/a + V",
    "V + /a",
    "V - 1",
    "1 - V",
    "1 * V",
    "V / 0",
    "1 / V",
    "(-V)",
    "!V",
    "V && true",
    "true && V",
    "false || V",
    "V -> true",
    "true -> V",
    "V < 1",
    "1 < V",
    "V >= 1.5",
    "V > \"a\"",
    "V <= [ 1 ]",
    "V == V",
    "V != 1",
    "V // { }",
    "{ } // V",
    "V ++ [ ]",
    "[ ] ++ V",
    "V.a",
    "V.a or 5",
    "V.a.b",
    "V ? a",
    "V ? a.b",
    "{ a = 1; }.${V}",
    "{ a = 1; } ? ${V}",
    "{ ${V} = 1; }",
    "{ a.${V}.b = 1; }",
    "\"x${V}y\"",
    "\"${V}\"",
    "''${V}''",
    "/a/${V}",
    "V 1",
    "V { }",
    "V { a = 1; b = 2; }",
    "({ a }: a) V",
    "({ a ? 1, ... }@all: all) V",
    "if V then 1 else 2",
    "assert V; 1",
    "with V; a",
    "let inherit (V) a; in a",
    "{ inherit (V) a; }",
    "let f = x: x.a.b; in f V",
    "let f = { x ? 1, y }: x + y; in f { y = V; }",
    "builtins.toString [ 1 V ]",
    "builtins.toJSON { a = [ V ]; }",
    "builtins.toXML { a = [ V ]; }",
    "builtins.seq V 1",
    "builtins.deepSeq { a = [ V ]; } 1",
    "builtins.trace V 1",
    "builtins.map (x: x + 1) [ V ]",
    "builtins.filter (x: V) [ 1 ]",
    "builtins.all (x: V) [ 1 ]",
    "builtins.sort (x: y: V) [ 1 2 ]",
    "builtins.sort builtins.lessThan [ 1 V ]",
    "builtins.concatLists [ [ ] V ]",
    "builtins.concatMap (x: V) [ 1 ]",
    "builtins.partition (x: V) [ 1 ]",
    "builtins.groupBy (x: V) [ 1 ]",
    "builtins.foldl' (x: y: V) 1 [ 1 2 ]",
    "builtins.listToAttrs [ V ]",
    "builtins.listToAttrs [ { name = V; value = 1; } ]",
    "builtins.listToAttrs [ { value = V; } ]",
    "builtins.catAttrs \"a\" [ V ]",
    "builtins.removeAttrs { } [ V ]",
    "builtins.concatStringsSep \"a\" [ V ]",
    "builtins.replaceStrings [ V ] [ \"a\" ] \"a\"",
    "builtins.replaceStrings [ \"a\" ] [ V ] \"a\"",
    "builtins.elemAt [ 1 ] V",
    "builtins.elem V [ V ]",
    "builtins.zipAttrsWith (n: v: v) [ V ]",
    "builtins.genericClosure { startSet = V; operator = x: [ ]; }",
    "builtins.genericClosure { startSet = [ V ]; operator = x: [ ]; }",
    "builtins.genericClosure { startSet = [ { key = V; } ]; operator = x: [ ]; }",
    "builtins.genericClosure { startSet = [ { key = 1; } ]; operator = V; }",
    "builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: V; }",
    "builtins.genericClosure { startSet = [ { key = 1; } { key = V; } ]; operator = x: [ ]; }",
    "builtins.appendContext \"a\" { a = V; }",
    "builtins.appendContext \"a\" { \"/nix/store/00000000000000000000000000000000-a\" = V; }",
    "builtins.appendContext \"a\" { \"/nix/store/00000000000000000000000000000000-a\" = { path = V; }; }",
    "builtins.appendContext \"a\" { \"/nix/store/00000000000000000000000000000000-a.drv\" = { outputs = V; }; }",
    "builtins.convertHash { hash = V; toHashFormat = \"base16\"; }",
    "builtins.convertHash { hash = \"a\"; hashAlgo = V; toHashFormat = \"base16\"; }",
    "builtins.convertHash { hash = \"d41d8cd98f00b204e9800998ecf8427e\"; hashAlgo = \"md5\"; toHashFormat = V; }",
    "builtins.findFile [ V ] \"a\"",
    "builtins.findFile [ { path = V; } ] \"a\"",
    "builtins.findFile [ { path = \"/\"; prefix = V; } ] \"a\"",
    "builtins.path { path = V; }",
    "builtins.path { path = /nowhere; name = V; }",
    "builtins.path { path = /nowhere; filter = V; }",
    "builtins.path { path = /nowhere; recursive = V; }",
    "builtins.path { path = /nowhere; sha256 = V; }",
    "builtins.path { path = /nowhere; other = V; }",
    "builtins.fetchurl { url = V; }",
    "builtins.fetchurl { url = \"http://a\"; sha256 = V; }",
    "builtins.fetchurl { url = \"http://a\"; name = V; }",
    "builtins.fetchTarball { url = V; }",
    "builtins.fetchGit { url = V; }",
    "builtins.fetchGit { url = \"/nowhere\"; rev = V; }",
    "builtins.fetchTree { type = V; }",
    "builtins.mapAttrs (n: v: v + 1) { a = V; }",
    "builtins.mapAttrs V { a = 1; }",
    "builtins.tryEval V",
    "(builtins.tryEval (V + 1)).value",
    "builtins.split V \"a\"",
    "builtins.intersectAttrs { a = V; } { a = V; }",
    "derivation V",
    "(derivation { name = V; system = \"s\"; builder = \"b\"; }).drvPath",
    "(derivation { name = \"a\"; system = V; builder = \"b\"; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; args = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; args = [ \"x\" V ]; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; outputs = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; outputs = [ V ]; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; x = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; x = [ 1 V ]; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; __ignoreNulls = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; __structuredAttrs = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; __structuredAttrs = true; x = { y = V; }; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; outputHash = V; outputHashAlgo = \"sha256\"; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; outputHash = \"a\"; outputHashAlgo = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; outputHashMode = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; __contentAddressed = V; }).drvPath",
    "(derivation { name = \"a\"; system = \"s\"; builder = \"b\"; exportReferencesGraph = V; }).drvPath",
];

/// Builtins whose result depends on the time, or that say so as they please.
const LEFT_OUT: &[&str] = &["currentTime", "getFlake", "parseFlakeRef"];

/// All expressions, in a fixed order.
pub fn expressions() -> Vec<String> {
    let mut all = Vec::new();
    let mut names: Vec<_> =
        builtins::tables().map(|builtin| (builtin.name, builtin.arguments.len())).collect();
    names.sort_unstable();
    names.retain(|(name, _)| !LEFT_OUT.contains(name));
    for (name, arity) in names {
        let known = RIGHT.iter().find(|entry| entry.0 == name);
        for place in 0..arity {
            for value in VALUES {
                let arguments: Vec<&str> = (0..arity)
                    .map(|index| match known {
                        _ if index == place => value,
                        Some((_, right)) => right[index],
                        None => "\"a\"",
                    })
                    .collect();
                all.push(format!("builtins.{name} {}", arguments.join(" ")));
            }
        }
    }
    for place in PLACES {
        all.extend(VALUES.iter().map(|value| place.replace('V', value)));
    }
    all
}

fn ours(text: &str, show_trace: bool) -> String {
    let settings = Settings { show_trace, ..Settings::default() };
    let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), settings);
    let value = evaluator.eval_text(Origin::String, text.as_bytes().into(), b"/");
    let value = value.and_then(|value| evaluator.force_deep(value));
    match value.and_then(|value| evaluator.print_plain(value)) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => {
            render(&error.to_diagnostic(), evaluator.sources(), Style { colour: false, show_trace })
        }
    }
}

/// What to compare.
pub struct Programs {
    /// The reference's `nix-instantiate`.
    pub reference: String,
    /// Ours, for what the evaluator can't do alone.
    pub ours: Option<String>,
    /// Whether to compare whole traces.
    pub show_trace: bool,
}

/// What a program prints.
fn asked(program: &str, text: &str, show_trace: bool) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(["--eval", "--strict", "--store", "dummy://", "-E", text]).env_remove("NIX_PATH");
    // What is there here without being asked for.
    command.args(["--extra-experimental-features", "fetch-closure fetch-tree flakes"]);
    if show_trace {
        command.arg("--show-trace");
    }
    let output = command.current_dir("/").output().with_context(|| format!("cannot run {program}"))?;
    let text = if output.status.success() { output.stdout } else { output.stderr };
    let text = String::from_utf8_lossy(&text).into_owned();
    // What is traced or warned of comes first, at the end a hint to `--help`.
    let text = text.split("\nTry '").next().unwrap_or_default();
    Ok(match text.find("error:") {
        Some(at) if !output.status.success() => text[at..].to_owned(),
        _ => text.to_owned(),
    })
}

/// Differences that are meant, each with the reason: what both have in the line that
/// differs first.
const MEANT: &[(&str, &str)] = &[
    ("while parsing TOML: ", "TOML: what is expected, in the words of the library used here"),
    ("hg ", "Mercurial: what the program says is in the error"),
    ("unable to download '", "downloads: the reason in the words of the library used here"),
    ("contains illegal character '/'", "names of files: looked at before there is a store path"),
];

/// Expressions that start so differ in a place, which the reference takes from the
/// function's value.
const PLACES_OF_VALUES: [&str; 2] = ["builtins.zipAttrsWith ", "builtins.concatMap "];

/// The reason for a difference that is meant.
fn meant(text: &str, ours: &str, theirs: &str) -> Option<&'static str> {
    let (our_steps, their_steps) = (Steps::of(ours), Steps::of(theirs));
    if our_steps.error == their_steps.error && our_steps.agree(&their_steps) {
        return Some("cut traces, where the innermost place is shown; steps inside of `derivation`");
    }
    let mut lines = ours.lines().zip(theirs.lines());
    let (left, right) = lines.find(|(left, right)| left != right)?;
    if PLACES_OF_VALUES.iter().any(|start| text.starts_with(start)) {
        return Some("places of functions that a builtin calls");
    }
    let found = MEANT.iter().find(|(text, _)| left.contains(text) && right.contains(text));
    found.map(|(_, reason)| *reason)
}

/// The steps of a trace that are in the user's text, and the error itself.
struct Steps<'t> {
    steps: Vec<&'t str>,
    /// Whether there may be more.
    cut: bool,
    error: &'t str,
}

impl<'t> Steps<'t> {
    fn of(text: &'t str) -> Self {
        let text = text.trim_end();
        let mut parts: Vec<&str> = text.split("\n\n       ").collect();
        let start = parts.iter().rposition(|part| part.starts_with("error: ")).unwrap_or(0);
        let error =
            parts.get(start).map_or(text, |part| &text[part.as_ptr() as usize - text.as_ptr() as usize..]);
        parts.truncate(start);
        let note = parts.iter().position(|part| part.starts_with("(stack trace truncated"));
        // What is behind the note is the innermost step, not the next one.
        parts.truncate(note.unwrap_or(parts.len()));
        let steps = parts.iter().map(|part| part.trim_start_matches("error:").trim_start());
        let steps = steps.filter(|step| !step.contains("at «nix-internal»") && !step.is_empty()).collect();
        Self { steps, cut: note.is_some(), error }
    }

    /// Whether they are the same as far as both are shown.
    fn agree(&self, other: &Self) -> bool {
        let common = self.steps.len().min(other.steps.len());
        self.steps[..common] == other.steps[..common]
            && (self.cut || self.steps.len() >= other.steps.len())
            && (other.cut || other.steps.len() >= self.steps.len())
    }
}

/// Compares them, those that contain `filter`; an error if some differ.
pub fn run(programs: &Programs, filter: Option<&str>) -> anyhow::Result<()> {
    let mut all = expressions();
    all.retain(|text| filter.is_none_or(|filter| text.contains(filter)));
    // What evaluation alone can't do.
    let needs_program = |text: &str| text.contains("fetch") || text.contains("flake");
    all.retain(|text| programs.ours.is_some() || !needs_program(text));
    let (next, findings) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let accepted = Mutex::new(BTreeMap::<&str, usize>::new());
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let work = || -> anyhow::Result<()> {
            while let Some(text) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let ours = match &programs.ours {
                    Some(program) if needs_program(text) => asked(program, text, programs.show_trace)?,
                    _ => with_large_stack(|| ours(text, programs.show_trace)),
                };
                let theirs = asked(&programs.reference, text, programs.show_trace)?;
                if ours.trim_end() == theirs.trim_end() {
                    continue;
                }
                if let Some(reason) = meant(text, &ours, &theirs) {
                    *accepted.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
                    continue;
                }
                findings.fetch_add(1, Ordering::Relaxed);
                println!("=== {text}\n--- ours\n{}\n--- reference\n{}", ours.trim_end(), theirs.trim_end());
            }
            Ok(())
        };
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    for (reason, count) in accepted.into_inner().unwrap_or_else(PoisonError::into_inner) {
        println!("{count} differ as meant: {reason}");
    }
    let findings = findings.into_inner();
    println!("{} expressions, {findings} differ", all.len());
    if findings > 0 { bail!("{findings} differ") } else { Ok(()) }
}
