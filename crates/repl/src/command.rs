//! The lines of a session: commands, bindings, expressions.

/// A `:` command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Add,
    Load,
    LoadFlake,
    LastLoaded,
    Reload,
    Edit,
    Type,
    Build,
    BuildWithLink,
    Install,
    Log,
    Shell,
    BuildShell,
    Print,
    Doc,
    TraceEnable,
    Quit,
    Environment,
    Backtrace,
    Frame,
    Continue,
    Step,
}

/// What a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Expression,
    Path,
    Word,
}

/// A command's names, what it takes and what it does.
pub(crate) struct Entry {
    pub names: &'static [&'static str],
    pub command: Command,
    pub takes: Takes,
    argument: &'static str,
    help: &'static str,
    /// Whether it is there only where evaluation stopped.
    pub debugger: bool,
}

/// A command of the debugger.
const fn debugger_entry(
    names: &'static [&'static str],
    command: Command,
    takes: Takes,
    argument: &'static str,
    help: &'static str,
) -> Entry {
    Entry { names, command, takes, argument, help, debugger: true }
}

const fn entry(
    names: &'static [&'static str],
    command: Command,
    takes: Takes,
    argument: &'static str,
    help: &'static str,
) -> Entry {
    Entry { names, command, takes, argument, help, debugger: false }
}

use Takes::{Expression, Nothing, Path, Word};

/// All commands.
pub(crate) const ENTRIES: &[Entry] = &[
    entry(&[":a", ":add"], Command::Add, Expression, "EXPR", "Make the attributes of a set variables"),
    entry(&[":b"], Command::Build, Expression, "EXPR", "Build a derivation"),
    entry(
        &[":bl"],
        Command::BuildWithLink,
        Expression,
        "EXPR",
        "Build a derivation and link its outputs here",
    ),
    entry(&[":e", ":edit"], Command::Edit, Expression, "EXPR", "Open a package or function in $EDITOR"),
    entry(&[":i"], Command::Install, Expression, "EXPR", "Build a derivation and install it in the profile"),
    entry(&[":l", ":load"], Command::Load, Path, "PATH", "Load a file and make its attributes variables"),
    entry(
        &[":lf", ":load-flake"],
        Command::LoadFlake,
        Word,
        "REF",
        "Load a flake and make its attributes variables",
    ),
    entry(
        &[":ll", ":last-loaded"],
        Command::LastLoaded,
        Nothing,
        "",
        "Show the variables that were loaded last",
    ),
    entry(&[":log"], Command::Log, Expression, "EXPR|PATH", "Show the log of a build"),
    entry(&[":p", ":print"], Command::Print, Expression, "EXPR", "Print a value wholly; a string as it is"),
    entry(&[":q", ":quit"], Command::Quit, Nothing, "", "End the session"),
    entry(&[":r", ":reload"], Command::Reload, Nothing, "", "Load everything again"),
    entry(
        &[":sh"],
        Command::Shell,
        Expression,
        "EXPR",
        "Build what a derivation needs, start a shell with it",
    ),
    entry(&[":t"], Command::Type, Expression, "EXPR", "Say the type of a value"),
    entry(&[":te", ":trace-enable"], Command::TraceEnable, Word, "[BOOL]", "Show traces of errors, or not"),
    entry(
        &[":u"],
        Command::BuildShell,
        Expression,
        "EXPR",
        "Build a derivation, start a shell with it on PATH",
    ),
    entry(&[":doc"], Command::Doc, Expression, "EXPR", "Show what a function is for"),
    entry(&[":?", ":help"], Command::Help, Nothing, "", "Show this"),
    debugger_entry(&[":env"], Command::Environment, Nothing, "", "Show the variables, scope by scope"),
    debugger_entry(&[":bt", ":backtrace"], Command::Backtrace, Nothing, "", "Show all that is being done"),
    debugger_entry(
        &[":st"],
        Command::Frame,
        Word,
        "[NUMBER]",
        "Show one step of that, or go to the scope of another",
    ),
    debugger_entry(
        &[":c", ":continue"],
        Command::Continue,
        Nothing,
        "",
        "Go on to the next error or builtins.break, or to the end",
    ),
    debugger_entry(&[":s", ":step"], Command::Step, Nothing, "", "Go on by one step"),
];

/// A line of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line<'t> {
    /// Nothing at all.
    Empty,
    /// A command with its argument.
    Command(Command, &'t str),
    /// A command that there is none of.
    Unknown(&'t str),
    /// `name = expression`
    Binding(&'t str, &'t str),
    /// An expression.
    Expression(&'t str),
}

/// What a line means.
pub(crate) fn parse(line: &str, debugger: bool) -> Line<'_> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') && !line.contains('\n') {
        return Line::Empty;
    }
    if line.starts_with(':') {
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        return match find(name).filter(|entry| debugger || !entry.debugger) {
            Some(entry) => Line::Command(entry.command, argument.trim()),
            None => Line::Unknown(name),
        };
    }
    match binding(line) {
        Some((name, value)) => Line::Binding(name, value),
        None => Line::Expression(line),
    }
}

/// The command of a name.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.names.contains(&name))
}

/// `name = expression`, perhaps with a `;` at the end.
fn binding(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let first = name.chars().next()?;
    let is_name = (first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\''))
        && !crate::scan::KEYWORDS.contains(&name);
    if !is_name || value.starts_with('=') {
        return None;
    }
    let value = value.trim();
    Some((name, value.strip_suffix(';').unwrap_or(value)))
}

/// The text of `:?`.
pub(crate) fn help(debugger: bool) -> String {
    let mut text = "These can be typed:\n\n".to_owned();
    let mut line = |left: &str, right: &str| text += &format!("  {left:30} {right}\n");
    line("EXPR", "Evaluate an expression and print its value");
    line("NAME = EXPR", "Bind a variable");
    let mut commands = |debugger: bool| {
        for entry in ENTRIES.iter().filter(|entry| entry.debugger == debugger) {
            line(&format!("{} {}", entry.names.join(", "), entry.argument), entry.help);
        }
    };
    commands(false);
    if debugger {
        commands(true);
    }
    text + "\nTab completes names, attributes, paths and commands.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let check = |line, expected| assert_eq!(parse(line, false), expected);
        check("  ", Line::Empty);
        check(":p a b", Line::Command(Command::Print, "a b"));
        check(":nonsense", Line::Unknown(":nonsense"));
        check(":bt", Line::Unknown(":bt"));
        assert_eq!(parse(":st 1", true), Line::Command(Command::Frame, "1"));
        check("a = 1;", Line::Binding("a", "1"));
        check("a == 1", Line::Expression("a == 1"));
        check("{ a = 1; }", Line::Expression("{ a = 1; }"));
        check("let a = 1; in a", Line::Expression("let a = 1; in a"));
        check("x: x", Line::Expression("x: x"));
    }

    #[test]
    fn help_names_each_command() {
        let text = help(false);
        for name in [":a, :add EXPR", ":bl EXPR", ":te, :trace-enable [BOOL]", ":?, :help"] {
            assert!(text.contains(name), "{name}");
        }
        assert!(!text.contains(":bt") && help(true).contains(":bt, :backtrace"));
    }
}
