//! Why a build failed, as far as its log tells: programs that were run while
//! building but are for the host platform, or were not found.
//!
//! Configure scripts and makefiles start programs by shells of their own, so only
//! the log sees each such failure. The messages are those of Bash, Dash, BusyBox,
//! GNU Make, env and Python.

use std::collections::BTreeSet;

/// So many programs are remembered: the first failures count.
const MOST: usize = 64;

/// What went wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// The kernel could not execute it.
    Format(String),
    /// There is none on `PATH`.
    NotFound(String),
}

/// The troubles that a log speaks of.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    troubles: Vec<Trouble>,
    seen: BTreeSet<Trouble>,
    explained: bool,
}

impl Diagnosis {
    /// Takes the next line of the log.
    pub(crate) fn line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // The build script's own message says it already.
        self.explained |= text.contains("it needs to be in nativeBuildInputs");
        if self.troubles.len() < MOST
            && let Some(trouble) = trouble(&text)
            && self.seen.insert(trouble.clone())
        {
            self.troubles.push(trouble);
        }
    }

    /// What to do, if the failure is one of these. `provider` gives the dependency
    /// for the host platform that has a program; `cross` is the host platform when
    /// it is another one.
    pub(crate) fn advice(
        &self,
        provider: &dyn Fn(&str) -> Option<String>,
        cross: Option<&str>,
    ) -> Option<String> {
        if self.explained {
            return None;
        }
        let in_wrong_list = self.troubles.iter().find_map(|trouble| {
            let (Trouble::Format(program) | Trouble::NotFound(program)) = trouble;
            Some((program, provider(program)?))
        });
        if let Some((program, dependency)) = in_wrong_list {
            return Some(format!(
                "'{}' of {dependency} is in buildInputs, which are for the platform that the package will run on, but it is run while building: it needs to be in nativeBuildInputs",
                base_name(program)
            ));
        }
        let platform = cross?;
        let program = self.troubles.iter().find_map(|trouble| match trouble {
            Trouble::Format(program) => Some(program),
            Trouble::NotFound(_) => None,
        })?;
        Some(format!(
            "'{program}' is for {platform} and can't be run on the machine that builds: compile it for that machine (depsBuildBuild = [ buildPackages.stdenv.cc ], CC_FOR_BUILD), take it from nativeBuildInputs, or set emulateHost = true"
        ))
    }
}

fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// The program that a line says could not be started.
fn trouble(line: &str) -> Option<Trouble> {
    for ending in [
        ": cannot execute binary file: Exec format error",
        ": cannot execute binary file",
        ": Exec format error",
    ] {
        if let Some(before) = line.strip_suffix(ending) {
            return last_word(before).map(Trouble::Format);
        }
    }
    // Python: OSError: [Errno 8] Exec format error: './program'
    if let Some((_, program)) = line.split_once("Exec format error: ") {
        return last_word(program).map(Trouble::Format);
    }
    // BusyBox's shell and Dash take what can't be executed for a script of theirs.
    if let Some((before, _)) = line.split_once(": \u{7f}ELF") {
        let program = before.rsplit_once(": ").map_or(before, |(program, _line)| program);
        return last_word(program).map(Trouble::Format);
    }
    // Make says so of programs and of files: only a name without a directory is
    // looked up in PATH.
    let endings = [": command not found", ": not found", ": No such file or directory"];
    let before = endings.iter().find_map(|ending| line.strip_suffix(ending))?;
    let shell_or_make = ["sh: ", "bash: ", "make: ", "env: "].iter().any(|who| before.contains(who))
        || before.starts_with("make[")
        || before.contains(": line ");
    if !shell_or_make && !line.ends_with(": command not found") {
        return None;
    }
    last_word(before).filter(|program| !program.contains('/')).map(Trouble::NotFound)
}

/// The program's name, which messages have last, perhaps in quotes.
fn last_word(text: &str) -> Option<String> {
    let word = text.rsplit(": ").next()?.trim();
    let word = word.trim_matches(['\'', '"', '`', '\u{2018}', '\u{2019}']);
    (!word.is_empty() && !word.contains(char::is_whitespace)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<Trouble>) {
        assert_eq!(trouble(line), expected, "{line}");
    }

    #[test]
    fn messages_of_shells_make_and_python() {
        let format = |program: &str| Some(Trouble::Format(program.to_owned()));
        let missing = |program: &str| Some(Trouble::NotFound(program.to_owned()));
        check("/bin/bash: line 1: ./gen: cannot execute binary file: Exec format error", format("./gen"));
        check("make: ./gen: Exec format error", format("./gen"));
        check("/bin/sh: ./gen: Exec format error", format("./gen"));
        check("OSError: [Errno 8] Exec format error: './gen'", format("./gen"));
        check("./gen: line 1: \u{7f}ELF\u{2}\u{1}: not found", format("./gen"));
        check("./gen: 1: \u{7f}ELF\u{2}: not found", format("./gen"));
        check("./configure: line 2301: flex: command not found", missing("flex"));
        check("/bin/sh: flex: not found", missing("flex"));
        check("/bin/sh: 1: flex: not found", missing("flex"));
        check("make[2]: flex: No such file or directory", missing("flex"));
        check("env: 'python3': No such file or directory", missing("python3"));
    }

    #[test]
    fn other_lines_are_left_alone() {
        check("gcc: error: main.c: No such file or directory", None);
        check("make: *** No rule to make target 'all'.  Stop.", None);
        check("checking for flex... not found", None);
        check("sh: can't open 'a b': No such file or directory", None);
        check("make: ./missing: No such file or directory", None);
    }

    #[test]
    fn advice_names_the_dependency_or_the_platform() {
        let provider = |program: &str| (base_name(program) == "flex").then(|| "flex-2.6".to_owned());
        let advice = |lines: &[&str], cross| {
            let mut diagnosis = Diagnosis::default();
            lines.iter().for_each(|line| diagnosis.line(line.as_bytes()));
            diagnosis.advice(&provider, cross)
        };
        let wrong_list = advice(&["make: lex: No such file or directory", "sh: flex: not found"], None);
        assert!(wrong_list.unwrap().starts_with("'flex' of flex-2.6 is in buildInputs"));
        let compiled = advice(&["make: ./gen: Exec format error"], Some("riscv64-unknown-linux-gnu"));
        assert!(compiled.unwrap().starts_with("'./gen' is for riscv64-unknown-linux-gnu"));
        assert_eq!(advice(&["make: ./gen: Exec format error"], None), None);
        assert_eq!(advice(&["sh: lex: not found"], Some("x")), None);
        let said = ["sh: flex: not found", "error: 'flex' … it needs to be in nativeBuildInputs"];
        assert_eq!(advice(&said, None), None);
    }
}
