//! The session.

use crate::Load;
use crate::command::{Command, Line, help, parse};
use crate::debug::View;
use crate::editor::{Assistant, editor, goes_on};
use crate::state::State;
use rustyline::error::ReadlineError;
use saltire_diagnostics::Pos;
use saltire_driver::{
    Argument, Directories, Error, EvaluationError, Session, StorePath, argument_set, arguments, file_argument,
};
use saltire_eval::{
    Closure, ContextElement, Evaluator, Kind, Resume, Symbol, Value, set_interrupted, type_name,
};
use saltire_syntax::ParseOptions;
use saltire_terminal::Progress;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a session begins with.
pub struct Settings {
    /// What is loaded at the start.
    pub loads: Vec<Load>,
    /// What functions that are loaded are called with.
    pub arguments: Vec<(String, Argument)>,
    /// Whether errors show their traces.
    pub show_trace: bool,
    /// What is said at the start.
    pub greeting: String,
}

/// Sets with `__functor` that are followed to a function.
const MAX_FUNCTORS: usize = 16;

/// Names that are shown of what was loaded.
const SHOWN_NAMES: usize = 20;

/// Runs a session until its end.
pub fn run(session: &Arc<Session>, progress: &Arc<Progress>, settings: Settings) -> Result<(), Error> {
    session.evaluate(|evaluator| {
        let colour = session.settings.colour && std::io::stdout().is_terminal();
        let state = State::new(evaluator, colour, settings.show_trace);
        *state.loads.borrow_mut() = settings.loads;
        let prompt =
            Prompt { session, progress, state: &state, arguments: settings.arguments, stopped: None };
        eprintln!("{}", settings.greeting);
        if prompt.load_all() {
            show("\n");
        }
        prompt.read(colour).map(|_| ())
    })
}

/// A prompt in its session.
pub(crate) struct Prompt<'s> {
    pub session: &'s Arc<Session>,
    pub progress: &'s Arc<Progress>,
    pub state: &'s State<'s>,
    /// What functions that are loaded are called with.
    pub arguments: Vec<(String, Argument)>,
    /// Where evaluation stopped, in the debugger.
    pub stopped: Option<View<'s>>,
}

/// Whether the session goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Line,
    End(Resume),
}

type Result<T, E = EvaluationError> = std::result::Result<T, E>;

impl Prompt<'_> {
    /// Reads lines and does what they say; gives how evaluation is to go on, in the
    /// debugger.
    pub(crate) fn read(&self, colour: bool) -> Result<Resume> {
        let pipe_operators = self.session.settings.pipe_operators;
        let failed =
            |error: ReadlineError| Error::Installable(format!("can't read from the terminal: {error}"));
        let assistant = Assistant {
            names: self.state,
            colour,
            parse_options: ParseOptions { pipe_operators, ..ParseOptions::default() },
        };
        let mut editor = editor(assistant).map_err(failed)?;
        let history = history_file().filter(|_| std::io::stdin().is_terminal());
        if let Some(file) = &history {
            let _ = editor.load_history(file);
        }
        loop {
            match editor.readline("nix-repl> ") {
                Ok(line) => {
                    if editor.add_history_entry(&line).unwrap_or(false)
                        && let Some(file) = &history
                    {
                        // Without its history the session is as good.
                        let _ = editor.append_history(file);
                    }
                    let options = ParseOptions { pipe_operators, ..ParseOptions::default() };
                    for part in parts(&line, &options) {
                        if let Next::End(resume) = self.line(&part) {
                            return Ok(resume);
                        }
                    }
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(Resume::Quit),
                Err(error) => return Err(failed(error).into()),
            }
        }
    }

    /// Does what a line says, and shows its error.
    fn line(&self, line: &str) -> Next {
        self.progress.cancelled().store(false, Ordering::SeqCst);
        set_interrupted(false);
        if self.stopped.is_none() {
            self.state.with(Evaluator::resume_debugger);
        }
        let result = self.meant(line);
        self.progress.finish();
        result.unwrap_or_else(|error| {
            eprintln!("{}\n", self.state.error_text(&error).trim_end());
            Next::Line
        })
    }

    fn meant(&self, line: &str) -> Result<Next> {
        match parse(line, self.stopped.is_some()) {
            Line::Empty => {}
            Line::Unknown(name) => {
                return Err(Error::Installable(format!("unknown command '{name}'; ':?' lists them")).into());
            }
            Line::Command(command, argument) => return self.command(command, argument),
            Line::Binding(name, value) => {
                match self.state.delayed(value) {
                    Ok(value) => self.state.bind(vec![(Symbol::intern(name), value)]),
                    Err(error) => self.bindings(line.trim(), error)?,
                }
                show("\n");
            }
            Line::Expression(text) => match self.state.evaluate(text) {
                Ok(value) => show(&format!("{}\n\n", self.state.print(value, false)?)),
                Err(error) => {
                    self.bindings(text, error)?;
                    show("\n");
                }
            },
        }
        Ok(Next::Line)
    }

    /// What is no expression may be bindings: `a.b = 1; inherit (c) d;`.
    fn bindings(&self, text: &str, error: EvaluationError) -> Result<()> {
        let is_syntax = is_syntax_error(&error);
        if is_syntax {
            for end in ["", ";"] {
                // A line break, so that a comment at the end hides nothing.
                let bindings = format!("{{ {text}\n{end} }}");
                match self.state.evaluate(&bindings) {
                    Ok(value) => {
                        let attrs = value.as_attrs().into_iter().flat_map(|attrs| attrs.sorted());
                        self.state.bind(attrs.map(|attr| (attr.name, attr.value)).collect());
                        return Ok(());
                    }
                    // They are bindings, with a mistake of another kind.
                    Err(other @ EvaluationError::Nix(_)) if !is_syntax_error(&other) => return Err(other),
                    Err(_) => {}
                }
            }
        }
        Err(error)
    }

    fn command(&self, command: Command, argument: &str) -> Result<Next> {
        match command {
            Command::Quit => return Ok(Next::End(Resume::Quit)),
            Command::Continue => return Ok(Next::End(Resume::Continue)),
            Command::Step => return Ok(Next::End(Resume::Step)),
            Command::Environment | Command::Backtrace | Command::Frame => self.examine(command, argument),
            Command::Help => show(&format!("{}\n", help(self.stopped.is_some()))),
            Command::Print => {
                let value = self.state.evaluate(argument)?;
                show(&format!("{}\n\n", self.state.print(value, true)?));
            }
            Command::Type => show(&format!("{}\n\n", type_name(self.state.evaluate(argument)?))),
            Command::Add => {
                self.add(self.state.delayed(argument)?)?;
                show("\n");
            }
            Command::Load => self.load_file(argument)?,
            Command::LoadFlake => self.load_flake(argument)?,
            Command::LastLoaded => {
                let names = self.state.last_loaded(usize::MAX);
                if names.is_empty() {
                    return Err(Error::Installable("nothing has been loaded yet".to_owned()).into());
                }
                show(&format!("{names}\n\n"));
            }
            Command::Reload => {
                self.state.forget();
                self.load_all();
                show("\n");
            }
            Command::Build => self.build(argument, false)?,
            Command::BuildWithLink => self.build(argument, true)?,
            Command::Log => self.log(argument)?,
            Command::Doc => self.document(self.state.evaluate(argument)?)?,
            Command::Edit => self.edit(argument)?,
            Command::Shell => {
                let derivation = self.derivation(argument)?;
                self.start(&["nix-shell", &self.session.store().display(&derivation)])?;
            }
            Command::BuildShell => {
                let derivation = self.derivation(argument)?;
                self.build_outputs(&derivation)?;
                self.start(&["nix", "shell", &format!("{}^*", self.session.store().display(&derivation))])?;
            }
            Command::Install => {
                let derivation = self.derivation(argument)?;
                self.build_outputs(&derivation)?;
                self.start(&["nix-env", "-i", &self.session.store().display(&derivation)])?;
            }
            Command::TraceEnable => {
                let on = match argument {
                    "" => !self.state.show_trace.get(),
                    "true" => true,
                    "false" => false,
                    other => {
                        let message = format!("unexpected argument '{other}' to :te: neither true nor false");
                        return Err(Error::Installable(message).into());
                    }
                };
                self.state.show_trace.set(on);
                show(if on { "showing error traces\n\n" } else { "not showing error traces\n\n" });
            }
        }
        Ok(Next::Line)
    }

    /// Loads everything; whether there was anything.
    fn load_all(&self) -> bool {
        let loads = self.state.loads.borrow();
        for load in loads.iter() {
            eprintln!("{}", load.title);
            if let Err(error) = self.state.with(&load.value).and_then(|value| self.add(value)) {
                eprintln!("{}", self.state.error_text(&error).trim_end());
            }
        }
        !loads.is_empty()
    }

    /// Makes the attributes of a set (or of what a function gives) variables, and says so.
    fn add(&self, value: Value) -> Result<()> {
        let value = self.called(value)?;
        let attrs = self.state.add(value)?;
        show(&format!("Added {} variables.\n", attrs.len()));
        show(&format!("{}\n", self.state.last_loaded(SHOWN_NAMES)));
        Ok(())
    }

    /// A function is called with the session's arguments.
    fn called(&self, value: Value) -> Result<Value> {
        self.state.with(|evaluator| {
            let given = arguments(evaluator, &self.arguments)?;
            let given = argument_set(evaluator, given);
            let value = evaluator.force(value)?;
            Ok(evaluator.auto_call(value, given)?)
        })
    }

    fn load_file(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        let home = std::env::var("HOME").unwrap_or_default();
        let path = name.strip_prefix("~/").map_or(name.clone(), |rest| format!("{home}/{rest}"));
        let value = move |evaluator: &mut Evaluator| {
            let path = file_argument(evaluator, &path)?;
            Ok(evaluator.eval_file(&path)?)
        };
        self.load(Load { title: format!("Loading '{name}'..."), value: Box::new(value) })
    }

    fn load_flake(&self, reference: &str) -> Result<()> {
        let absolute = match reference.starts_with('.') {
            true => {
                std::path::absolute(reference).map_or(reference.to_owned(), |path| path.display().to_string())
            }
            false => reference.to_owned(),
        };
        let value = move |evaluator: &mut Evaluator| {
            let function = evaluator.eval_str("builtins.getFlake", b"/")?;
            let text = evaluator.new_string(absolute.as_bytes());
            Ok(evaluator.call(function, &[text], saltire_diagnostics::Pos::NONE)?)
        };
        self.load(Load { title: format!("Loading flake '{reference}'..."), value: Box::new(value) })
    }

    fn load(&self, load: Load) -> Result<()> {
        let value = self.state.with(&load.value)?;
        self.add(value)?;
        show("\n");
        self.state.loads.borrow_mut().push(load);
        Ok(())
    }

    /// The derivation that an expression's value is, in the store.
    fn derivation(&self, text: &str) -> Result<StorePath> {
        let value = self.state.evaluate(text)?;
        let path = self.state.with(|evaluator| evaluator.derivation_path(value))?;
        let path = path.ok_or_else(|| Error::NotADerivation(text.to_owned()))?;
        Ok(self.session.parse(&path)?)
    }

    fn build_outputs(&self, derivation: &StorePath) -> Result<Vec<(String, StorePath)>> {
        let element = ContextElement::DerivationDeep(derivation.clone());
        let host = self.state.with(|evaluator| Arc::clone(evaluator.host()));
        let built = host.realise(&[&element]);
        self.progress.finish();
        built.map_err(|error| match self.session.is_cancelled() {
            true => Error::Interrupted,
            false => Error::Installable(error.message),
        })?;
        let outputs = self.session.store().query_derivation_outputs(derivation).map_err(Error::from)?;
        Ok(outputs.into_iter().collect())
    }

    fn build(&self, text: &str, link: bool) -> Result<()> {
        let derivation = self.derivation(text)?;
        show("\n");
        for (name, path) in self.build_outputs(&derivation)? {
            let shown = self.session.store().display(&path);
            if link {
                let link = PathBuf::from(format!("repl-result-{name}"));
                self.session.store().add_root(&link, &path).map_err(Error::from)?;
                show(&format!("  ./{} -> {shown}\n", link.display()));
            } else {
                println!("  {name} -> {shown}");
            }
        }
        show("\n");
        Ok(())
    }

    fn log(&self, text: &str) -> Result<()> {
        let derivation = match text.starts_with('/') {
            true => self.session.parse(text)?,
            false => self.derivation(text)?,
        };
        match self.session.store().read_log(&derivation).map_err(Error::from)? {
            Some(log) => show(&format!("{}", String::from_utf8_lossy(&log))),
            None => {
                let path = self.session.store().display(&derivation);
                return Err(Error::Installable(format!("build log of '{path}' is not available")).into());
            }
        }
        Ok(())
    }

    fn document(&self, mut value: Value) -> Result<()> {
        // A set that can be called is documented by its function.
        for _ in 0..MAX_FUNCTORS {
            let functor = value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("__functor")));
            let Some(functor) = functor else { break };
            let called = |evaluator: &mut Evaluator| evaluator.call(functor, &[value], Pos::NONE);
            value = self.state.with(called)?;
        }
        let builtin = match value.kind() {
            Kind::Builtin(builtin) => builtin,
            Kind::Partial(partial) => partial.builtin,
            Kind::Lambda(function) => return self.document_function(function),
            _ => return Err(Error::Installable("value does not have documentation".to_owned()).into()),
        };
        let arguments = builtin.arguments.join(" ");
        show(&format!("builtins.{} {arguments}\n\n{}\n\n", builtin.name, builtin.doc));
        Ok(())
    }

    /// What is known of a function: its name, where it is, the comment before it.
    fn document_function(&self, function: Closure) -> Result<()> {
        let mut text = match function.name() {
            Some(name) => format!("Function `{name}`"),
            None => "Function".to_owned(),
        };
        self.state.with(|evaluator| {
            if let Some(location) = evaluator.sources().resolve(function.pos()) {
                text += &format!("\n  … defined at {location}");
            }
            if let Some((file, offset)) = evaluator.sources().lookup(function.pos()) {
                let source = String::from_utf8_lossy(file.text());
                if let Some(comment) = crate::doc::comment(&source, offset as usize) {
                    text += &format!("\n\n{comment}");
                }
            }
        });
        show(&format!("{text}\n\n"));
        Ok(())
    }

    /// Opens the place where a package or a function is written.
    fn edit(&self, text: &str) -> Result<()> {
        let value = self.state.evaluate(text)?;
        let place = self.place(value)?;
        let (file, line) = place.ok_or_else(|| {
            Error::Installable(format!("package '{text}' has no source location information"))
        })?;
        let editor =
            std::env::var("EDITOR").ok().filter(|editor| !editor.is_empty()).unwrap_or_else(|| "nano".into());
        let mut words = editor.split_whitespace();
        let mut process = Process::new(words.next().unwrap_or("nano"));
        process.args(words);
        if line > 0
            && ["emacs", "nano", "vim", "vi", "nvim", "kak"].iter().any(|known| editor.contains(known))
        {
            process.arg(format!("+{line}"));
        }
        process.arg(&file);
        let failed =
            |source| Error::File { action: "start the editor for", path: file.clone().into(), source };
        process.status().map_err(failed)?;
        self.state.forget();
        self.load_all();
        Ok(())
    }

    fn place(&self, value: Value) -> Result<Option<(String, u32)>> {
        let text = match value.kind() {
            Kind::Path(path) => return Ok(Some((String::from_utf8_lossy(path.as_bytes()).into_owned(), 0))),
            Kind::String(path) => {
                return Ok(Some((String::from_utf8_lossy(path.as_bytes()).into_owned(), 0)));
            }
            Kind::Lambda(_) => {
                let shown = self.state.with(|evaluator| evaluator.print(value));
                String::from_utf8_lossy(&shown)
                    .trim_end_matches('»')
                    .rsplit(" @ ")
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            }
            _ => {
                let position = self.state.with(|evaluator| -> Result<_> {
                    let function = evaluator.eval_str("v: v.meta.position or \"\"", b"/")?;
                    let text = evaluator.call(function, &[value], saltire_diagnostics::Pos::NONE)?;
                    Ok(evaluator.force(text)?)
                })?;
                position
                    .as_str()
                    .map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned())
                    .unwrap_or_default()
            }
        };
        let mut parts = text.split(':');
        let file = parts.next().unwrap_or_default().to_owned();
        let line = parts.next().and_then(|line| line.parse().ok()).unwrap_or(0);
        Ok(file.starts_with('/').then_some((file, line)))
    }

    /// Starts another command of this program and waits for it.
    fn start(&self, words: &[&str]) -> Result<()> {
        self.progress.finish();
        let failed = |source| Error::File { action: "start", path: words[0].into(), source };
        let program = std::env::current_exe().map_err(failed)?;
        Process::new(program).args(words).status().map_err(failed)?;
        Ok(())
    }
}

fn is_syntax_error(error: &EvaluationError) -> bool {
    matches!(error, EvaluationError::Nix(error) if error.kind == saltire_eval::ErrorKind::Parse)
}

/// Writes to standard output; the program ends quietly when nobody reads that any more.
pub(crate) fn show(text: &str) {
    if let Err(failure) = saltire_terminal::print(text) {
        failure.report();
    }
}

/// The lines of a text that was pasted, each with those that it goes on in.
fn parts(text: &str, options: &ParseOptions) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match parts.last_mut().filter(|_| open) {
            Some(last) => *last = format!("{last}\n{line}"),
            None => parts.push(line.to_owned()),
        }
        open = parts.last().is_some_and(|part| goes_on(part, options));
    }
    parts
}

/// Where what was typed is kept.
fn history_file() -> Option<PathBuf> {
    let directory = Directories::find().ok()?.data;
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("repl-history"))
}
