//! `nix-instantiate --parse`: syntax trees as text.

use bumpalo::Bump;
use saltire_diagnostics::{Origin, SourceMap, Style, render, render_warning};
use saltire_driver::{Error, Session, Source, current_directory, file_argument};
use saltire_syntax::{ParseError, ParseOptions, PrintPaths};
use saltire_terminal::Failure;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The syntax tree of a file or an expression, with a line break at the end.
pub fn syntax_tree(session: &Arc<Session>, source: &Source) -> Result<Vec<u8>, Failure> {
    let (origin, text, directory) = read(session, source)?;
    let sources = SourceMap::new();
    let text: Arc<[u8]> = text.into();
    let Some(file) = sources.add(origin, text) else {
        return Err(Failure::new("more than four gigabytes of source text"));
    };
    let arena = Bump::new();
    let settings = &session.settings;
    let options = ParseOptions { pipe_operators: settings.pipe_operators, lints: settings.lints };
    let style = Style { colour: session.settings.colour, show_trace: session.settings.show_trace };
    let failure =
        |error| Failure::from(Error::Evaluation { text: render(&error, &sources, style), exit_code: 1 });
    let mut warn = |warning: ParseError| {
        eprint!("{}", render_warning(&warning.into_diagnostic(&file), &sources, style));
    };
    let tree = saltire_syntax::parse_with_warnings(&arena, file.text(), &options, &mut warn)
        .map_err(|error| failure(error.into_diagnostic(&file)))?;
    let unbound = session.evaluate(|evaluator| {
        let checked = evaluator.check_variables(tree, &file);
        Ok(checked.err().map(|error| error.to_diagnostic()))
    })?;
    if let Some(error) = unbound {
        return Err(failure(error));
    }
    let home = std::env::var("HOME").unwrap_or_default();
    let paths = PrintPaths { directory: &directory, home: home.as_bytes() };
    let mut output = saltire_syntax::print(tree, paths).to_vec();
    output.push(b'\n');
    Ok(output)
}

/// Where a text comes from, the text, and what relative paths in it are relative to.
fn read(session: &Arc<Session>, source: &Source) -> Result<(Origin, Vec<u8>, Vec<u8>), Failure> {
    match source {
        Source::Expression(text) => Ok((Origin::String, text.clone().into_bytes(), current_directory())),
        Source::Standard => {
            let mut text = Vec::new();
            let result = std::io::stdin().read_to_end(&mut text);
            result.map_err(|error| Failure::new(format_args!("can't read standard input: {error}")))?;
            Ok((Origin::Stdin, text, current_directory()))
        }
        Source::Embedded => read_file(session.package_set()?),
        Source::File(name) => {
            let path = session.evaluate(|evaluator| file_argument(evaluator, name))?;
            read_file(PathBuf::from(String::from_utf8_lossy(&path).into_owned()))
        }
    }
}

fn read_file(mut path: PathBuf) -> Result<(Origin, Vec<u8>, Vec<u8>), Failure> {
    if path.is_dir() {
        path.push("default.nix");
    }
    let text = std::fs::read(&path)
        .map_err(|error| Failure::new(format_args!("can't read {}: {error}", path.display())))?;
    let directory = path.parent().unwrap_or(Path::new("/")).as_os_str().as_encoded_bytes().to_vec();
    Ok((Origin::File(path), text, directory))
}
