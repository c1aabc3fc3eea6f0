//! `nix repl` through a pseudo-terminal, as a person uses it.

#[path = "support/terminal.rs"]
mod terminal;

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;
use terminal::Terminal;

/// Starts a session and waits for its first words.
fn start(arguments: &[&str]) -> Option<(tempfile::TempDir, Terminal)> {
    let (directory, mut terminal) = begin(arguments)?;
    terminal.expect("Type :? for help.");
    Some((directory, terminal))
}

fn begin(arguments: &[&str]) -> Option<(tempfile::TempDir, Terminal)> {
    if Command::new("setsid").arg("--version").output().is_err() {
        println!("skipped: setsid is not installed");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("set.nix"),
        "{ suffix ? \"\" }: { /** Adds. */ plus = a: b: a + b; hello = derivation { name = \"hello${suffix}\"; system = \"x\"; builder = \"/b\"; }; \
         pkgsCross = { riscv64 = { a = 1; }; riscv32 = { }; \"x y\" = 2; }; number = 5; }",
    )
    .unwrap();
    let terminal = Terminal::start(arguments, directory.path(), &[]);
    Some((directory, terminal))
}

#[test]
fn a_session_evaluates_binds_and_prints() {
    let Some((directory, mut terminal)) = start(&["nix", "repl", "-f", "set.nix"]) else { return };
    let loaded = terminal.expect("nix-repl> ");
    assert!(
        loaded.contains("Loading installable ''...") && loaded.contains("Added 4 variables."),
        "{loaded}"
    );
    assert!(loaded.contains("hello, number, pkgsCross, plus"), "{loaded}");
    assert!(terminal.line("1 + number").starts_with("6\r\n"));
    assert!(terminal.line("hello").starts_with("«derivation /nix/store/"));
    terminal.line("x = { a = 1; b.c = 2; }");
    let printed = terminal.line("x");
    assert!(printed.contains("a = 1;") && printed.contains("b = { ... };"), "{printed}");
    assert!(terminal.line(":p x").contains("c = 2;"));
    assert!(terminal.line(":p \"a\\nb\"").starts_with("a\r\nb\r\n"));
    assert!(terminal.line(":t x").starts_with("a set"));
    assert!(terminal.line("oops").contains("undefined variable 'oops'"));
    assert!(terminal.line(":nonsense").contains("unknown command ':nonsense'"));
    assert!(terminal.line(":a { new = 7; }").contains("Added 1 variables."));
    assert!(terminal.line("new").starts_with('7'));
    assert!(terminal.line(":ll").starts_with("new"));
    assert!(terminal.line(":?").contains(":load"));
    let shown = terminal.line(":doc plus");
    assert!(
        shown.starts_with("Function `plus`\r\n  … defined at ") && shown.contains("\r\n\r\nAdds.\r\n"),
        "{shown}"
    );
    assert!(terminal.line(":doc 1").contains("error: value does not have documentation"));
    terminal.line("p = 1; q = 2");
    assert!(terminal.line("p + q").starts_with('3'));
    assert!(terminal.line("inherit (nowhere) p;").contains("undefined variable 'nowhere'"));
    assert!(terminal.line(":doc map").contains("builtins.map"));
    std::fs::write(directory.path().join("set.nix"), "{ number = 8; }").unwrap();
    terminal.line(":r");
    assert!(terminal.line("number").starts_with('8'));
    terminal.end();
}

#[test]
fn an_expression_goes_on_over_lines() {
    let Some((_directory, mut terminal)) = start(&["nix", "repl"]) else { return };
    terminal.expect("nix-repl> ");
    terminal.send("{ a =\r 1; }\r");
    terminal.expect("{ a = 1; }\r\n");
    terminal.expect("nix-repl> ");
    terminal.end();
}

#[test]
fn tab_completes_attributes_variables_and_commands() {
    let Some((_directory, mut terminal)) = start(&["nix", "repl", "-f", "set.nix"]) else { return };
    terminal.expect("nix-repl> ");
    terminal.send("pkgsCross.\t");
    let listed = terminal.expect("pkgsCross.\"x y\"");
    assert!(listed.contains("pkgsCross.riscv32") && listed.contains("pkgsCross.riscv64"), "{listed}");
    terminal.send("riscv64.\t\r");
    terminal.expect("1\r\n");
    terminal.expect("nix-repl> ");
    terminal.send("num\t + 1\r");
    terminal.expect("6\r\n");
    terminal.expect("nix-repl> ");
    terminal.send("let y = pkgsCross; in y.riscv6\t.a\r");
    terminal.expect("1\r\n");
    terminal.expect("nix-repl> ");
    terminal.send(":load \u{3}");
    terminal.expect("nix-repl> ");
    terminal.end();
}

#[test]
fn ctrl_c_ends_an_evaluation_and_keeps_the_session() {
    let Some((_directory, mut terminal)) = start(&["nix", "repl"]) else { return };
    terminal.expect("nix-repl> ");
    terminal.line("a = 5");
    terminal.send("builtins.foldl' (x: y: x + builtins.length (builtins.genList (z: z) y)) 0 (builtins.genList (x: 100000) 100000000)\r");
    terminal.expect("\r\n");
    std::thread::sleep(Duration::from_millis(300));
    terminal.send("\u{3}");
    let shown = terminal.expect("nix-repl> ");
    assert!(shown.contains("interrupted"), "{shown}");
    assert!(terminal.line("a").starts_with('5'));
    terminal.end();
}

#[test]
fn what_was_typed_is_kept_for_the_next_session() {
    let Some((directory, mut terminal)) = start(&["nix", "repl"]) else { return };
    terminal.expect("nix-repl> ");
    terminal.line("40 + 2");
    terminal.end();
    let mut terminal = Terminal::start(&["nix", "repl"], directory.path(), &[]);
    terminal.expect("nix-repl> ");
    // Up to the end of the session before, up to the line before, Enter.
    terminal.send("\u{1b}[A\u{1b}[A\r");
    terminal.expect("42\r\n");
    terminal.expect("nix-repl> ");
    terminal.end();
}

#[test]
fn a_file_without_an_option_gives_a_warning() {
    let Some((_directory, mut terminal)) = start(&["nix", "repl", "./set.nix", "--argstr", "suffix", "-1"])
    else {
        return;
    };
    let loaded = terminal.expect("nix-repl> ");
    assert!(loaded.contains("Added 4 variables."), "{loaded}");
    assert!(terminal.line("hello").contains("-hello-1.drv"));
    terminal.end();
}

#[test]
fn lines_that_are_pasted_together_are_read_one_by_one() {
    let Some((_directory, mut terminal)) = start(&["nix", "repl"]) else { return };
    terminal.expect("nix-repl> ");
    assert!(terminal.line(":ll").contains("error: nothing has been loaded yet"));
    terminal.send("\u{1b}[200~a = 1\nb = {\n  c = 5;\n}\na + b.c\u{1b}[201~\r");
    terminal.expect("\r\n6\r\n");
    terminal.expect("nix-repl> ");
    terminal.end();
}

#[test]
fn the_debugger_stops_at_errors_in_their_scope() {
    let expression = "let f = x: let y = x + 1; in throw \"no ${toString y}\"; in f 2";
    let Some((_directory, mut terminal)) = begin(&["nix", "eval", "--debugger", "--expr", expression]) else {
        return;
    };
    let said = terminal.expect("nix-repl> ");
    assert!(said.starts_with("error: no 3\r\n") && said.contains("debugger\r\nType :? for help."), "{said}");
    assert!(terminal.line("x + y").starts_with('5'));
    let shown = terminal.line(":bt");
    let steps = [
        "\r\n0: error: no 3\r\n",
        "\r\n1: while calling a function\r\n«string»:1:30\r\n",
        "\r\n2: while evaluating a 'let' expression\r\n",
        "\r\n3: while calling 'f'\r\n",
    ];
    assert!(steps.iter().all(|step| shown.contains(step)), "{shown}");
    assert!(
        terminal.line(":st 3").contains("Env level 0\r\nstatic: x \r\n\r\nEnv level 1\r\nstatic: f \r\n")
    );
    assert!(terminal.line("y").contains("undefined variable 'y'"));
    assert!(terminal.line(":env").starts_with("Env level 0\r\nstatic: x \r\n"));
    assert!(terminal.line(":st 9").contains("there is no step '9'"));
    assert!(terminal.line(":?").contains(":bt, :backtrace"));
    terminal.send(":c\r");
    terminal.expect("error: no 3\r\n");
    assert_eq!(terminal.wait(), Some(1));
}

#[test]
fn breakpoints_steps_and_traces_stop_and_go_on() {
    let words = ["nix", "eval", "--debugger", "--option", "debugger-on-trace", "true", "--expr"];
    let expression = "let a = 1; in builtins.break (let b = a + 1; in builtins.trace \"here\" b)";
    let Some((_directory, mut terminal)) = begin(&[&words[..], &[expression]].concat()) else { return };
    terminal.expect("info: breakpoint reached");
    terminal.expect("nix-repl> ");
    assert!(terminal.line("a").starts_with('1'));
    // To what is begun next.
    terminal.line(":s");
    assert!(terminal.line("{ inherit a b; }").contains("b = 2;"));
    assert!(terminal.line(":c").contains("trace: here"));
    terminal.send(":c\r");
    terminal.expect("2\r\n");
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn a_session_can_have_the_debugger() {
    let Some((_directory, mut terminal)) = start(&["nix", "repl", "--debugger"]) else { return };
    terminal.expect("nix-repl> ");
    terminal.line("a = 5");
    for _ in 0..2 {
        let stopped = terminal.line("let b = 1; in throw \"x\"");
        assert!(stopped.contains("error: x"), "{stopped}");
        assert!(terminal.line("a + b").starts_with('6'));
        assert!(terminal.line(":q").contains("error: x"));
    }
    assert!(terminal.line("b").contains("undefined variable 'b'"));
    terminal.end();
}

#[test]
fn without_a_terminal_lines_are_read_and_the_debugger_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let run = |words: &[&str], input: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saltire"));
        command.args(words).env("HOME", directory.path()).env("XDG_CACHE_HOME", directory.path());
        command.env("XDG_DATA_HOME", directory.path()).env("NIX_CONF_DIR", directory.path());
        command.env("SALTIRE_STORE", directory.path().join("root")).stdin(input);
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let typed = directory.path().join("typed");
    std::fs::write(&typed, "a = 1\n{ b =\n  a; }.b\n1 +\n").unwrap();
    let (out, _) = run(&["nix", "repl"], File::open(&typed).unwrap().into());
    assert!(out.contains("\n1\n"), "{out}");
    let failing = ["nix", "eval", "--debugger", "--expr", "let a = 7; in throw \"x\""];
    let (_, error) = run(&failing, Stdio::null());
    assert!(error.contains("there is no terminal for the debugger") && error.contains("error: x"), "{error}");
    std::fs::write(&typed, "a + 1\n").unwrap();
    let (out, error) = run(&failing, File::open(&typed).unwrap().into());
    assert!(out.contains("8\n") && error.contains("error: x"), "{out} {error}");
}

#[test]
fn the_session_of_the_book_gives_the_lines_that_it_shows() {
    let Some((_directory, mut terminal)) = start(&["repl"]) else { return };
    let loaded = terminal.expect("nix-repl> ");
    assert!(loaded.contains("Loading installable ''...\r\nAdded "), "{loaded}");
    let overlay = |name| {
        format!(
            "a = import <nixpkgs> {{ crossSystem = {{ config = \"riscv64-unknown-linux-gnu\"; }}; overlays = [ (self: super: {{ gcc = self.{name}; }}) ]; }}"
        )
    };
    let compiler = |version| format!("-riscv64-unknown-linux-gnu-stage-final-gcc-wrapper-{version}");
    for (name, version) in [("gcc12", "12."), ("gcc11", "11.")] {
        terminal.line(&overlay(name));
        let shown = terminal.line("a.pkgsCross.riscv64.stdenv.cc");
        assert!(
            shown.starts_with("«derivation /nix/store/") && shown.contains(&compiler(version)),
            "{shown}"
        );
    }
    let shown = terminal.line("pkgs.pkgsCross.riscv64.stdenv.cc");
    assert!(shown.contains(&compiler("12.")), "{shown}");
    terminal.end();
}
