//! `nix-store --query`.

use super::{failed, parse_path};
use crate::arguments::{Arguments, Word};
use crate::build::realise;
use crate::options::Opened;
use saltire_driver::{Error, Session, StorePath, Wanted};
use saltire_store_model::HashFormat;
use saltire_terminal::{Failure, print};
use std::collections::BTreeSet;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Question {
    #[default]
    Outputs,
    Requisites,
    References,
    Referrers,
    ReferrersClosure,
    Deriver,
    ValidDerivers,
    Binding(String),
    Hash,
    Size,
    Tree,
    Graph,
    Roots,
}

/// A query with its options.
#[derive(Default)]
pub struct Query {
    question: Question,
    use_output: bool,
    force_realise: bool,
    include_outputs: bool,
}

impl Query {
    /// Takes an option of queries; false if it is none.
    pub fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        let question = match word {
            Word::Short('R') => Question::Requisites,
            Word::Short('d') => Question::Deriver,
            Word::Short('b') => Question::Binding(words.value(word)?),
            Word::Short('u') => {
                self.use_output = true;
                return Ok(true);
            }
            Word::Short('f') => {
                self.force_realise = true;
                return Ok(true);
            }
            Word::Long(name) => match name.as_str() {
                "outputs" => Question::Outputs,
                "requisites" => Question::Requisites,
                "references" => Question::References,
                "referrers" => Question::Referrers,
                "referrers-closure" => Question::ReferrersClosure,
                "deriver" => Question::Deriver,
                "valid-derivers" => Question::ValidDerivers,
                "binding" => Question::Binding(words.value(word)?),
                "hash" => Question::Hash,
                "size" => Question::Size,
                "tree" => Question::Tree,
                "graph" => Question::Graph,
                "roots" => Question::Roots,
                "use-output" => {
                    self.use_output = true;
                    return Ok(true);
                }
                "force-realise" | "force-realize" => {
                    self.force_realise = true;
                    return Ok(true);
                }
                "include-outputs" => {
                    self.include_outputs = true;
                    return Ok(true);
                }
                _ => return Ok(false),
            },
            _ => return Ok(false),
        };
        self.question = question;
        Ok(true)
    }

    /// Prints the answer.
    pub fn run(&self, opened: &Opened, names: &[String]) -> Result<(), Failure> {
        let session = &opened.session;
        let mut paths = Vec::new();
        for name in names {
            let path = parse_path(session, name)?;
            if self.force_realise && path.is_derivation() {
                let wanted = Wanted { derivation: path.clone(), outputs: Vec::new() };
                realise(session, &opened.progress, &[wanted])?;
            }
            paths.push(path);
        }
        match &self.question {
            Question::Outputs => {
                for path in &paths {
                    print_paths(session, outputs(session, path)?.iter())?;
                }
                Ok(())
            }
            Question::Requisites
            | Question::References
            | Question::Referrers
            | Question::ReferrersClosure => {
                let related = self.related(session, &paths)?;
                let sorted = session.store().sort_references_first(&related).map_err(failed)?;
                print_paths(session, sorted.iter())
            }
            _ => self.meant(session, &paths)?.iter().try_for_each(|path| self.one(session, path)),
        }
    }

    /// With `--use-output`, the outputs of derivations instead of them.
    fn meant(&self, session: &Session, paths: &[StorePath]) -> Result<Vec<StorePath>, Failure> {
        let mut meant = Vec::new();
        for path in paths {
            match self.use_output && path.is_derivation() {
                true => meant.extend(outputs(session, path)?),
                false => meant.push(path.clone()),
            }
        }
        Ok(meant)
    }

    fn related(&self, session: &Session, paths: &[StorePath]) -> Result<BTreeSet<StorePath>, Failure> {
        let store = session.store();
        let meant = self.meant(session, paths)?;
        let mut related = BTreeSet::new();
        for path in &meant {
            store.path_info(path).map_err(failed)?;
            related.extend(match self.question {
                Question::References => store.query_references(path).map_err(failed)?,
                Question::Referrers => store.query_referrers(path).map_err(failed)?,
                Question::ReferrersClosure => store.query_referrers_closure([path]).map_err(failed)?,
                _ => store.query_closure([path]).map_err(failed)?,
            });
        }
        if self.include_outputs {
            for path in related.clone().iter().filter(|path| path.is_derivation()) {
                let valid: Vec<StorePath> = outputs(session, path)?;
                let valid = store.query_valid(valid.iter()).map_err(failed)?;
                related.extend(store.query_closure(valid.iter()).map_err(failed)?);
            }
        }
        Ok(related)
    }

    fn one(&self, session: &Session, path: &StorePath) -> Result<(), Failure> {
        let store = session.store();
        let info = store.path_info(path).map_err(failed)?;
        let text = match &self.question {
            Question::Deriver => {
                info.deriver.map_or("unknown-deriver".to_owned(), |path| store.display(&path))
            }
            Question::ValidDerivers => {
                let derivers = store.query_valid_derivers(path).map_err(failed)?;
                return print_paths(session, derivers.iter());
            }
            Question::Binding(name) => {
                let derivation = store.read_derivation(path).map_err(failed)?;
                let value = derivation.environment.get(name.as_bytes()).ok_or_else(|| {
                    let path = store.display(path);
                    Failure::new(format_args!(
                        "derivation '{path}' has no environment binding named '{name}'"
                    ))
                })?;
                value.to_string()
            }
            Question::Hash => info.nar_hash.to_text(HashFormat::NixBase32, true),
            Question::Size => info.nar_size.to_string(),
            Question::Tree => {
                let mut output = String::new();
                tree(session, path, ["", ""], &mut BTreeSet::new(), &mut output)?;
                return print(&output);
            }
            Question::Graph => return graph(session, path),
            Question::Roots => {
                let users = store.query_referrers_closure([path]).map_err(failed)?;
                let roots = store.find_roots().map_err(failed)?;
                let lines = roots.iter().filter(|root| users.contains(&root.path));
                let lines =
                    lines.map(|root| format!("{} -> {}\n", root.link.display(), store.display(&root.path)));
                return print(&lines.collect::<String>());
            }
            _ => String::new(),
        };
        print(&format!("{text}\n"))
    }
}

/// The outputs of a derivation, or of what built a path.
fn outputs(session: &Session, path: &StorePath) -> Result<Vec<StorePath>, Failure> {
    if !path.is_derivation() {
        return Ok(vec![path.clone()]);
    }
    let outputs = session.store().query_derivation_outputs(path).map_err(Error::from)?;
    Ok(outputs.into_values().collect())
}

fn print_paths<'p>(session: &Session, paths: impl Iterator<Item = &'p StorePath>) -> Result<(), Failure> {
    print(&paths.map(|path| format!("{}\n", session.store().display(path))).collect::<String>())
}

/// What a path refers to, each once with what it refers to in turn.
fn tree(
    session: &Session,
    path: &StorePath,
    [first, rest]: [&str; 2],
    done: &mut BTreeSet<StorePath>,
    output: &mut String,
) -> Result<(), Failure> {
    let shown = session.store().display(path);
    if !done.insert(path.clone()) {
        *output += &format!("{first}{shown} [...]\n");
        return Ok(());
    }
    *output += &format!("{first}{shown}\n");
    let mut references = session.store().query_references(path).map_err(failed)?;
    references.remove(path);
    let sorted = session.store().sort_references_first(&references).map_err(failed)?;
    for (index, reference) in sorted.iter().enumerate() {
        let last = index + 1 == sorted.len();
        let pads = if last { ["└───", "    "] } else { ["├───", "│   "] };
        let pads = pads.map(|pad| format!("{rest}{pad}"));
        tree(session, reference, [&pads[0], &pads[1]], done, output)?;
    }
    Ok(())
}

/// The closure as a GraphViz graph.
fn graph(session: &Session, path: &StorePath) -> Result<(), Failure> {
    let store = session.store();
    let mut output = "digraph G {\n".to_owned();
    for path in store.query_closure([path]).map_err(failed)? {
        output += &format!("\"{}\" [label = \"{}\"];\n", path.base_name(), path.name());
        for reference in store.query_references(&path).map_err(failed)?.iter().filter(|other| **other != path)
        {
            output += &format!("\"{}\" -> \"{}\";\n", reference.base_name(), path.base_name());
        }
    }
    print(&(output + "}\n"))
}
