//! What is in store paths and NARs: `nix store ls`, `cat`, `nix nar ls`, `cat`, `pack`.

use super::info::set;
use crate::arguments::{Arguments, Word, text};
use crate::options::Options;
use saltire_driver::{CopyError, Error, OtherStore};
use saltire_store_model::nar::{NarError, Visitor, keep_all, parse_one, write_tree};
use saltire_terminal::{Failure, print, print_bytes};
use serde_json::{Map, Value as Json, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// Text of `nix store ls --help` and of `nix nar ls --help`.
pub const LS_HELP: &str = "\
Usage: nix store ls [-R] [-l] [-d] [--json] [--store STORE] PATH
       nix nar ls [-R] [-l] [-d] [--json] NAR PATH

Lists what is in a store path or in a NAR.

  -R, --recursive        also what is in directories below
  -l, --long             with types and sizes
  -d, --directory        a directory itself, not what is in it
      --json             as JSON
";
/// Text of `nix store cat --help` and of `nix nar cat --help`.
pub const CAT_HELP: &str = "\
Usage: nix store cat [--store STORE] PATH
       nix nar cat NAR PATH

Prints a file of a store path or of a NAR.
";
/// Text of `nix nar pack --help`.
pub const PACK_HELP: &str = "Usage: nix nar pack PATH\n\nWrites the NAR of a file to standard output.\n";

/// A file system object.
#[derive(Debug)]
enum Node {
    Regular { executable: bool, size: u64, offset: Option<u64> },
    Symlink(String),
    Directory(BTreeMap<String, Node>),
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Counts what was read.
struct Counted<'a> {
    inner: BufReader<&'a mut dyn Read>,
    count: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count.set(self.count.get() + amount as u64);
        self.inner.consume(amount);
    }
}

/// Makes a [`Node`] of a NAR, and takes the content of the file that is wanted.
struct Lister<'a> {
    count: &'a Cell<u64>,
    /// The directories that were begun, each with the name that comes next.
    open: Vec<(BTreeMap<String, Node>, String)>,
    root: Option<Node>,
    /// Names that lead to the wanted file.
    wanted: Option<&'a [&'a str]>,
    content: Option<Vec<u8>>,
}

impl Lister<'_> {
    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            Some((entries, name)) => drop(entries.insert(std::mem::take(name), node)),
            None => self.root = Some(node),
        }
    }
}

impl Visitor for Lister<'_> {
    fn regular(&mut self, executable: bool, size: u64, content: &mut dyn Read) -> Result<(), NarError> {
        let offset = Some(self.count.get());
        let here = self.open.iter().map(|(_, name)| name.as_str());
        if self.wanted.is_some_and(|wanted| here.eq(wanted.iter().copied())) {
            let mut bytes = Vec::new();
            let read = content.read_to_end(&mut bytes);
            read.map_err(|source| NarError::Stream { action: "read", source })?;
            self.content = Some(bytes);
        }
        self.put(Node::Regular { executable, size, offset });
        Ok(())
    }

    fn symlink(&mut self, target: &[u8]) -> Result<(), NarError> {
        self.put(Node::Symlink(lossy(target)));
        Ok(())
    }

    fn begin_directory(&mut self) -> Result<(), NarError> {
        self.open.push((BTreeMap::new(), String::new()));
        Ok(())
    }

    fn enter(&mut self, name: &[u8]) -> Result<(), NarError> {
        if let Some((_, next)) = self.open.last_mut() {
            *next = lossy(name);
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), NarError> {
        Ok(())
    }

    fn end_directory(&mut self) -> Result<(), NarError> {
        if let Some((entries, _)) = self.open.pop() {
            self.put(Node::Directory(entries));
        }
        Ok(())
    }
}

/// What is in a NAR, and the content of the file that `wanted` leads to.
fn read_nar(reader: &mut dyn Read, wanted: Option<&[&str]>) -> Result<(Node, Option<Vec<u8>>), Failure> {
    let count = Cell::new(0);
    let mut reader = Counted { inner: BufReader::new(reader), count: &count };
    let mut lister = Lister { count: &count, open: Vec::new(), root: None, wanted, content: None };
    parse_one(&mut reader, &mut lister).map_err(Failure::new)?;
    let root = lister.root.ok_or_else(|| Failure::new("the archive is empty"))?;
    Ok((root, lister.content))
}

#[derive(Default)]
struct Request {
    operands: Vec<String>,
    recursive: bool,
    long: bool,
    directory: bool,
    json: bool,
}

impl Request {
    fn parse(words: &mut Arguments, options: &mut Options, count: usize) -> Result<Self, Failure> {
        let mut request = Self::default();
        while let Some(word) = words.next()? {
            let known = match &word {
                Word::Plain(operand) => {
                    request.operands.push(text(operand.clone())?);
                    true
                }
                Word::Short('R') => set(&mut request.recursive),
                Word::Short('l') => set(&mut request.long),
                Word::Short('d') => set(&mut request.directory),
                Word::Long(name) => match name.as_str() {
                    "recursive" => set(&mut request.recursive),
                    "long" => set(&mut request.long),
                    "directory" => set(&mut request.directory),
                    "json" => set(&mut request.json),
                    _ => false,
                },
                _ => false,
            };
            if !known && !options.take(&word, words)? {
                return Err(words.unknown(&word));
            }
        }
        match request.operands.get(count) {
            Some(more) => Err(Failure::new(format_args!("unexpected argument '{more}'"))),
            None if request.operands.len() < count => Err(Failure::new("more arguments are required")),
            None => Ok(request),
        }
    }

    fn list(&self, root: &Node, path: &str, shown: &str, offsets: bool) -> Result<ExitCode, Failure> {
        let missing = || Failure::new(format_args!("path '{shown}' does not exist"));
        let node = find(root, &names(path)).ok_or_else(missing)?;
        if self.json {
            print(&format!("{}\n", self.as_json(node, offsets)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut output = String::new();
        match node {
            Node::Directory(entries) if !self.directory => self.lines(entries, ".", &mut output),
            _ => {
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                self.line(node, if self.directory { "." } else { name }, &mut output);
                if let (Node::Directory(entries), true) = (node, self.recursive) {
                    self.lines(entries, ".", &mut output);
                }
            }
        }
        print(&output)?;
        Ok(ExitCode::SUCCESS)
    }

    fn lines(&self, entries: &BTreeMap<String, Node>, prefix: &str, output: &mut String) {
        for (name, node) in entries {
            let name = format!("{prefix}/{name}");
            self.line(node, &name, output);
            if let (Node::Directory(entries), true) = (node, self.recursive) {
                self.lines(entries, &name, output);
            }
        }
    }

    fn line(&self, node: &Node, name: &str, output: &mut String) {
        let (kind, size, target) = match node {
            Node::Regular { executable: true, size, .. } => ("-r-xr-xr-x", *size, None),
            Node::Regular { size, .. } => ("-r--r--r--", *size, None),
            Node::Symlink(target) => ("lrwxrwxrwx", 0, Some(target)),
            Node::Directory(_) => ("dr-xr-xr-x", 0, None),
        };
        *output += &match (self.long, target) {
            (false, _) => format!("{name}\n"),
            (true, None) => format!("{kind} {size:>20} {name}\n"),
            (true, Some(target)) => format!("{kind} {size:>20} {name} -> {target}\n"),
        };
    }

    /// What is in a directory is only named unless all is wanted.
    fn as_json(&self, node: &Node, offsets: bool) -> Json {
        match node {
            Node::Regular { executable, size, offset } => {
                let mut object = json!({ "executable": executable, "size": size, "type": "regular" });
                if let (Some(offset), Some(object), true) = (offset, object.as_object_mut(), offsets) {
                    object.insert("narOffset".into(), json!(offset));
                    object.sort_keys();
                }
                object
            }
            Node::Symlink(target) => json!({ "target": target, "type": "symlink" }),
            Node::Directory(entries) => {
                let entry = |(name, node): (&String, &Node)| match self.recursive {
                    true => (name.clone(), self.as_json(node, offsets)),
                    false => (name.clone(), json!({})),
                };
                let entries: Map<String, Json> = entries.iter().map(entry).collect();
                json!({ "entries": entries, "type": "directory" })
            }
        }
    }
}

fn names(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".").collect()
}

fn find<'n>(root: &'n Node, names: &[&str]) -> Option<&'n Node> {
    names.iter().try_fold(root, |node, name| match node {
        Node::Directory(entries) => entries.get(*name),
        _ => None,
    })
}

fn failed(error: CopyError) -> Failure {
    Failure::from(Error::from(error))
}

/// What is in the store path that a path is in, the content of that file, and the rest
/// of the path.
fn in_store(
    options: &mut Options,
    path: &str,
    cat: bool,
) -> Result<(Node, Option<Vec<u8>>, String), Failure> {
    let other = options.take_other_store()?;
    let opened = options.open()?;
    let session = &opened.session;
    let store = OtherStore::open(other.as_deref().unwrap_or("auto"), session).map_err(failed)?;
    let split = session.store().store_dir().split(path.as_bytes());
    let (store_path, rest) =
        split.map_err(|_| Failure::new(format_args!("path '{path}' is not in the Nix store")))?;
    let rest = lossy(rest);
    let known = store.info(&store_path).map_err(failed)?.ok_or_else(|| {
        Failure::new(format_args!(
            "path '{}' is not a valid store path",
            session.store().display(&store_path)
        ))
    })?;
    let wanted = names(&rest);
    let (node, content) = store
        .with_nar(&known, |reader| Ok(read_nar(reader, cat.then_some(wanted.as_slice()))))
        .map_err(failed)??;
    Ok((node, content, rest.clone()))
}

/// Runs `nix store ls`.
pub fn store_ls(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, 1)?;
    let path = &request.operands[0];
    let (node, _, rest) = in_store(&mut options, path, false)?;
    request.list(&node, &rest, path, false)
}

/// Runs `nix store cat`.
pub fn store_cat(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, 1)?;
    let path = &request.operands[0];
    let (node, content, rest) = in_store(&mut options, path, true)?;
    match content {
        Some(content) => print_bytes(&content).map(|()| ExitCode::SUCCESS),
        None if find(&node, &names(&rest)).is_some() => {
            Err(Failure::new(format_args!("path '{path}' is not a regular file")))
        }
        None => Err(Failure::new(format_args!("path '{path}' does not exist"))),
    }
}

fn nar_file(name: &str) -> Result<std::fs::File, Failure> {
    std::fs::File::open(name).map_err(|error| Failure::new(format_args!("can't read {name}: {error}")))
}

/// Runs `nix nar ls`.
pub fn nar_ls(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, 2)?;
    let (node, _) = read_nar(&mut nar_file(&request.operands[0])?, None)?;
    request.list(&node, &request.operands[1], &request.operands[1], true)
}

/// Runs `nix nar cat`.
pub fn nar_cat(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, 2)?;
    let path = &request.operands[1];
    let wanted = names(path);
    let (_, content) = read_nar(&mut nar_file(&request.operands[0])?, Some(&wanted))?;
    let missing = || Failure::new(format_args!("NAR does not contain regular file '{path}'"));
    print_bytes(&content.ok_or_else(missing)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix nar pack` and `nix nar dump-path`.
pub fn pack(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, 1)?;
    let out = BufWriter::new(io::stdout().lock());
    let mut out = write_tree(Path::new(&request.operands[0]), out, &mut keep_all).map_err(Failure::new)?;
    out.flush().map_err(|error| Failure::new(format_args!("can't write to standard output: {error}")))?;
    Ok(ExitCode::SUCCESS)
}
