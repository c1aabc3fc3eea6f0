//! `nix-store`: looks at the store and changes it.

mod archive;
mod change;
mod query;
mod registration;

pub use archive::dump_tree;
pub use change::{ADD_HELP, DELETE_HELP, new_add, new_add_file, new_delete};

use crate::arguments::{Arguments, Word, text};
use crate::build::{named_derivation, realise, say_plan};
use crate::installable::store_path_of;
use crate::options::{Opened, Options, add_root};
use query::Query;
use saltire_driver::{Error, OtherStore, Session, StorePath, Wanted};
use saltire_store::{DeleteOptions, GarbageOptions, Store, StoreError, VerifyProblem};
use saltire_store_model::nar::keep_all;
use saltire_store_model::{Hash, HashAlgorithm, Ingestion, References};
use saltire_terminal::{Failure, print};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-store OPERATION [OPTION]… [PATH]…

  -r, --realise PATH…    build derivations; print where their outputs are
  -q, --query PATH…      print what the store knows:
      --outputs, -R --requisites (--include-outputs), --references, --referrers,
      --referrers-closure, --deriver, --valid-derivers, --binding NAME, --hash,
      --size, --tree, --graph, --roots; -u, --use-output for derivations
  -l, --read-log PATH…   print the log of a build
  --add PATH…            copy files to the store
  --add-fixed [--recursive] ALGORITHM PATH…   the same, addressed by a flat hash or a NAR's
  --print-fixed-path [--recursive] ALGORITHM HASH NAME
  --dump PATH, --restore PATH                 a NAR to standard output, from standard input
  --export PATH…, --import                    store objects with what is known of them
  --gc [--print-dead|--print-live|--print-roots] [--max-freed BYTES]
  --delete PATH…         delete paths that nothing needs
  --optimise             make files with the same content the same file
  --repair-path PATH…    get damaged paths again, from binary caches
  --dump-db [PATH…], --load-db, --register-validity [--hash-given] [--reregister]
                         what is known of paths, as text
  --generate-binary-cache-key NAME SECRET-FILE PUBLIC-FILE
  --verify [--check-contents] [--repair], --verify-path PATH…, --check-validity [--print-invalid] PATH…
  --serve [--write]      speak the serve protocol: what 'ssh://' stores start here
  --print-env DERIVATION the environment of a build, for a shell

      --add-root LINK    with --realise, make a link that keeps the result
      --dry-run          only say what would be done
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Realise,
    Query,
    ReadLog,
    Add,
    AddFixed,
    PrintFixedPath,
    Dump,
    Restore,
    Export,
    Import,
    CollectGarbage,
    Delete,
    Verify,
    VerifyPath,
    CheckValidity,
    PrintEnvironment,
    Optimise,
    RepairPath,
    DumpDatabase,
    LoadDatabase,
    RegisterValidity,
    GenerateKey,
    Serve,
}

#[derive(Default)]
struct Request {
    operation: Option<Operation>,
    query: Query,
    operands: Vec<String>,
    recursive: bool,
    root: Option<String>,
    check_contents: bool,
    /// `--repair`
    repair: bool,
    hash_given: bool,
    again: bool,
    print_invalid: bool,
    garbage: Option<&'static str>,
    max_freed: Option<u64>,
    /// `--ignore-liveness`
    ignore_roots: bool,
    /// `--write`
    write: bool,
}

/// Text of `nix store gc --help`.
pub const GC_HELP: &str = "\
Usage: nix store gc [--dry-run] [--max-freed BYTES]

Deletes store paths that no root needs.
";

/// Runs `nix-store`.
pub fn run(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    run_operation(words, options, None)
}

/// Runs `nix store gc`.
pub fn new_gc(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    run_operation(words, options, Some(Operation::CollectGarbage))
}

fn run_operation(
    mut words: Arguments,
    mut options: Options,
    operation: Option<Operation>,
) -> Result<ExitCode, Failure> {
    let mut request = Request { operation, ..Request::default() };
    while let Some(word) = words.next()? {
        if take(&mut request, &word, &mut words)? || options.take(&word, &mut words)? {
            continue;
        }
        match &word {
            Word::Plain(operand) => request.operands.push(text(operand.clone())?),
            _ => return Err(words.unknown(&word)),
        }
    }
    let Some(operation) = request.operation else {
        return Err(Failure::new("no operation specified").hint("'nix-store --help' lists them"));
    };
    if operation == Operation::Dump {
        return archive::dump(&request.operands);
    }
    if operation == Operation::Serve {
        return crate::serve::store(&options, request.write);
    }
    if operation == Operation::Restore {
        return archive::restore(&request.operands);
    }
    let opened = options.open()?;
    perform(&opened, operation, &request, &options)
}

fn take(request: &mut Request, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
    let operation = match word {
        Word::Short('r') => Operation::Realise,
        Word::Short('q') => Operation::Query,
        Word::Short('l') => Operation::ReadLog,
        Word::Long(name) => match name.as_str() {
            "realise" | "realize" => Operation::Realise,
            "query" => Operation::Query,
            "read-log" => Operation::ReadLog,
            "add" => Operation::Add,
            "add-fixed" => Operation::AddFixed,
            "print-fixed-path" => Operation::PrintFixedPath,
            "dump" => Operation::Dump,
            "restore" => Operation::Restore,
            "export" => Operation::Export,
            "import" => Operation::Import,
            "gc" => Operation::CollectGarbage,
            "delete" => Operation::Delete,
            "verify" => Operation::Verify,
            "verify-path" => Operation::VerifyPath,
            "check-validity" => Operation::CheckValidity,
            "print-env" => Operation::PrintEnvironment,
            "optimise" | "optimize" => Operation::Optimise,
            "repair-path" => Operation::RepairPath,
            "dump-db" => Operation::DumpDatabase,
            "load-db" => Operation::LoadDatabase,
            "register-validity" => Operation::RegisterValidity,
            "generate-binary-cache-key" => Operation::GenerateKey,
            "serve" => Operation::Serve,
            _ => return take_option(request, name, word, words),
        },
        _ => return request.query.take(word, words),
    };
    if request.operation.replace(operation).is_some_and(|before| before != operation) {
        return Err(Failure::new("only one operation may be specified"));
    }
    Ok(true)
}

fn take_option(
    request: &mut Request,
    name: &str,
    word: &Word,
    words: &mut Arguments,
) -> Result<bool, Failure> {
    match name {
        "recursive" => request.recursive = true,
        "add-root" => request.root = Some(words.value(word)?),
        "indirect" => {}
        "repair" => request.repair = true,
        "hash-given" => request.hash_given = true,
        "reregister" => request.again = true,
        "check-contents" => request.check_contents = true,
        "print-invalid" => request.print_invalid = true,
        "print-dead" => request.garbage = Some("dead"),
        "print-live" => request.garbage = Some("live"),
        "print-roots" => request.garbage = Some("roots"),
        "write" => request.write = true,
        "ignore-liveness" => request.ignore_roots = true,
        "max-freed" => {
            let bytes = words.value(word)?;
            let number =
                bytes.parse().map_err(|_| Failure::new(format_args!("'{bytes}' is not a number")))?;
            request.max_freed = Some(number);
        }
        _ => return request.query.take(word, words),
    }
    Ok(true)
}

fn perform(
    opened: &Opened,
    operation: Operation,
    request: &Request,
    options: &Options,
) -> Result<ExitCode, Failure> {
    let session = &opened.session;
    match operation {
        Operation::Realise => return realise_paths(opened, request, options),
        Operation::Query => request.query.run(opened, &request.operands)?,
        Operation::ReadLog => read_logs(session, &request.operands)?,
        Operation::Add => {
            for file in &request.operands {
                add(session, file, Ingestion::Nar, HashAlgorithm::Sha256)?;
            }
        }
        Operation::AddFixed => add_fixed(session, request)?,
        Operation::PrintFixedPath => print_fixed_path(session, request)?,
        Operation::Export => archive::export(session, &request.operands)?,
        Operation::Import => archive::import(session)?,
        Operation::CollectGarbage => return collect(session.store(), request, options.dry_run),
        Operation::Delete => {
            let paths: BTreeSet<StorePath> = parse_all(session, &request.operands)?.into_iter().collect();
            let how = DeleteOptions { ignore_roots: request.ignore_roots, ..DeleteOptions::default() };
            say_freed(&session.store().delete_paths(&paths, how).map_err(Error::from)?)?;
        }
        Operation::Verify => return verify(session, request),
        Operation::VerifyPath => return verify_paths(session, &request.operands),
        Operation::CheckValidity => return check_validity(session, request),
        Operation::Optimise => return crate::new::maintenance::optimise_store(opened),
        Operation::RepairPath => {
            let paths = parse_all(session, &request.operands)?;
            return crate::new::maintenance::repair_paths(session, &paths);
        }
        Operation::DumpDatabase => registration::dump(session, &request.operands)?,
        Operation::LoadDatabase => registration::load(session, true, true)?,
        Operation::RegisterValidity => registration::load(session, request.hash_given, request.again)?,
        Operation::GenerateKey => registration::generate_key(&request.operands)?,
        Operation::PrintEnvironment => print_environment(session, &request.operands)?,
        Operation::Dump | Operation::Restore | Operation::Serve => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// A store path that is named by itself, by a path below it or by a link to it.
pub fn parse_path(session: &Session, name: &str) -> Result<StorePath, Error> {
    if name.starts_with(session.store().store_dir().as_str()) {
        return store_path_of(session, name);
    }
    let resolved = std::fs::canonicalize(name);
    let logical = resolved.map(|path| session.store().location().to_logical(&path));
    let name = logical.map_or(name.to_owned(), |path| path.to_string_lossy().into_owned());
    store_path_of(session, &name)
}

fn parse_all(session: &Session, names: &[String]) -> Result<Vec<StorePath>, Error> {
    names.iter().map(|name| parse_path(session, name)).collect()
}

fn realise_paths(opened: &Opened, request: &Request, options: &Options) -> Result<ExitCode, Failure> {
    let (session, store) = (&opened.session, opened.session.store());
    let mut wanted: Vec<Wanted> = Vec::new();
    for name in &request.operands {
        if name.contains(".drv") {
            wanted.push(named_derivation(session, name)?);
        } else {
            let path = parse_path(session, name)?;
            if !store.is_valid(&path).map_err(Error::from)? {
                return Err(invalid(store, &path));
            }
        }
    }
    if options.dry_run {
        say_plan(session, &wanted)?;
        return Ok(ExitCode::SUCCESS);
    }
    realise(session, &opened.progress, &wanted)?;
    let mut paths = Vec::new();
    for name in request.operands.iter().filter(|name| !name.contains(".drv")) {
        paths.push(parse_path(session, name)?);
    }
    for one in &wanted {
        for output in &one.outputs {
            paths.push(session.output(&one.derivation, output)?);
        }
    }
    let mut output = String::new();
    for (index, path) in paths.iter().enumerate() {
        output += &match &request.root {
            Some(link) => add_root(session, link, index + 1, path)?.display().to_string(),
            None => store.display(path),
        };
        output.push('\n');
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}

/// The error for a path that is not in the store.
pub fn invalid(store: &Store, path: &StorePath) -> Failure {
    Failure::new(format_args!("path '{}' is not valid", store.display(path)))
}

/// Logs of derivations, or of what built a path.
pub fn read_logs(session: &Session, names: &[String]) -> Result<(), Failure> {
    let store = OtherStore::open("auto", session)?;
    for name in names {
        crate::new::logs::show(session, &store, &parse_path(session, name)?, name)?;
    }
    Ok(())
}

/// Copies a file to the store and prints its path.
pub fn add(
    session: &Session,
    file: &str,
    ingestion: Ingestion,
    algorithm: HashAlgorithm,
) -> Result<StorePath, Failure> {
    let place = std::path::absolute(file).map_err(|error| Failure::new(format_args!("{file}: {error}")))?;
    let place = saltire_eval::paths::normalise(place.as_os_str().as_encoded_bytes());
    let place = std::path::PathBuf::from(String::from_utf8_lossy(&place).into_owned());
    let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let added = if ingestion == Ingestion::Nar {
        session.store().add_tree(&name, &place, algorithm, &mut keep_all)
    } else {
        let content = std::fs::read(&place)
            .map_err(|error| Failure::new(format_args!("can't read {file}: {error}")))?;
        session.store().add_file(&name, &content, false, ingestion, algorithm)
    };
    let path = added.map_err(Error::from)?.path;
    print(&format!("{}\n", session.store().display(&path)))?;
    Ok(path)
}

fn ingestion(recursive: bool) -> Ingestion {
    if recursive { Ingestion::Nar } else { Ingestion::Flat }
}

fn add_fixed(session: &Session, request: &Request) -> Result<(), Failure> {
    let Some((algorithm, files)) = request.operands.split_first() else {
        return Err(Failure::new("first argument must be hash algorithm"));
    };
    let algorithm = HashAlgorithm::from_name(algorithm).map_err(Failure::new)?;
    for file in files {
        add(session, file, ingestion(request.recursive), algorithm)?;
    }
    Ok(())
}

fn print_fixed_path(session: &Session, request: &Request) -> Result<(), Failure> {
    let [algorithm, hash, name] = request.operands.as_slice() else {
        return Err(Failure::new("'--print-fixed-path' requires three arguments"));
    };
    let algorithm = HashAlgorithm::from_name(algorithm).map_err(Failure::new)?;
    let hash = Hash::parse(hash, Some(algorithm)).map_err(Failure::new)?;
    let directory = session.store().store_dir();
    let path = directory.make_fixed_path(name, ingestion(request.recursive), &hash, &References::default());
    print(&format!("{}\n", directory.display(&path.map_err(Failure::new)?)))
}

/// Deletes what nothing needs, or says what that is.
fn collect(store: &Arc<Store>, request: &Request, dry_run: bool) -> Result<ExitCode, Failure> {
    let mut output = String::new();
    match request.garbage {
        Some("roots") => {
            for root in store.find_roots().map_err(Error::from)? {
                output += &format!("{} -> {}\n", root.link.display(), store.display(&root.path));
            }
        }
        Some(kind) => {
            let options = GarbageOptions { dry_run: true, ..GarbageOptions::default() };
            let dead: BTreeSet<_> =
                store.collect_garbage(&options).map_err(Error::from)?.paths.into_iter().collect();
            let all = store.query_all_valid_paths().map_err(Error::from)?;
            let live = all.difference(&dead);
            let chosen: Vec<_> = if kind == "dead" { dead.iter().collect() } else { live.collect() };
            output.extend(chosen.into_iter().map(|path| format!("{}\n", store.display(path))));
        }
        None => {
            let options =
                GarbageOptions { dry_run, max_freed: request.max_freed, ..GarbageOptions::default() };
            let collected = store.collect_garbage(&options).map_err(Error::from)?;
            match dry_run {
                true => print(&format!("{} store paths would be deleted\n", collected.paths.len()))?,
                false => say_freed(&collected)?,
            }
        }
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}

/// Says how much was freed.
pub fn say_freed(collected: &saltire_store::Collected) -> Result<(), Failure> {
    let (count, freed) = (collected.paths.len(), crate::new::info::human_size(collected.freed));
    print(&format!("{count} store paths deleted, {freed} freed\n"))
}

fn verify(session: &Arc<Session>, request: &Request) -> Result<ExitCode, Failure> {
    let store = session.store();
    let mut report = store.verify(request.check_contents, &mut |_| {}).map_err(Error::from)?;
    if request.repair {
        let mut left = Vec::new();
        for problem in report.problems {
            let repaired = match &problem {
                VerifyProblem::Modified { path, .. } | VerifyProblem::Unreadable { path, .. } => {
                    session.repair(path)?
                }
                VerifyProblem::Missing { path, .. } => session.repair(path)?,
                VerifyProblem::Forgotten(_) | VerifyProblem::Database(_) => false,
            };
            if !repaired {
                left.push(problem);
            }
        }
        report.problems = left;
    }
    for problem in &report.problems {
        let text = match problem {
            VerifyProblem::Forgotten(path) => {
                format!("path '{}' disappeared, removing from database...", store.display(path))
            }
            VerifyProblem::Missing { path, .. } => {
                format!("path '{}' disappeared, but it still has valid referrers!", store.display(path))
            }
            VerifyProblem::Modified { path, expected, got } => {
                format!(
                    "path '{}' was modified! expected hash '{expected}', got '{got}'",
                    store.display(path)
                )
            }
            VerifyProblem::Unreadable { path, reason } => {
                format!("can't read '{}': {reason}", store.display(path))
            }
            VerifyProblem::Database(text) => format!("the database is damaged: {text}"),
        };
        eprintln!("{text}");
    }
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verify_paths(session: &Session, names: &[String]) -> Result<ExitCode, Failure> {
    let store = session.store();
    let mut good = true;
    for path in parse_all(session, names)? {
        let info = store.path_info(&path).map_err(Error::from)?;
        let hasher = saltire_store_model::HashingWriter::new(HashAlgorithm::Sha256, std::io::sink());
        let (_, got, _) = store.write_nar(&path, hasher).map_err(Error::from)?.finish();
        if got != info.nar_hash {
            let (expected, got) =
                (info.nar_hash.to_text(saltire_store_model::HashFormat::NixBase32, true), got);
            let got = got.to_text(saltire_store_model::HashFormat::NixBase32, true);
            eprintln!(
                "path '{}' was modified! expected hash '{expected}', got '{got}'",
                store.display(&path)
            );
            good = false;
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_validity(session: &Session, request: &Request) -> Result<ExitCode, Failure> {
    let store = session.store();
    for path in parse_all(session, &request.operands)? {
        if store.is_valid(&path).map_err(Error::from)? {
            continue;
        }
        if !request.print_invalid {
            return Err(invalid(store, &path));
        }
        print(&format!("{}\n", store.display(&path)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Assignments for a shell.
fn print_environment(session: &Session, names: &[String]) -> Result<(), Failure> {
    let [name] = names else {
        return Err(Failure::new("'--print-env' requires one derivation store path"));
    };
    let derivation = session.store().read_derivation(&parse_path(session, name)?).map_err(Error::from)?;
    let quoted = |text: &[u8]| format!("'{}'", String::from_utf8_lossy(text).replace('\'', "'\\''"));
    let mut output = String::new();
    for (name, value) in &derivation.environment {
        output += &format!("export {name}; {name}={}\n", quoted(value));
    }
    let arguments: Vec<String> = derivation.arguments.iter().map(|argument| quoted(argument)).collect();
    output += &format!("export _args; _args={}\n", quoted(arguments.join(" ").as_bytes()));
    print(&output)
}

/// An error of the store as a failure.
pub fn failed(error: StoreError) -> Failure {
    Failure::from(Error::from(error))
}
