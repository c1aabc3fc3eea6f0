//! What is to be completed in a line that is being typed, and in which scope.

use crate::scan::{KEYWORDS, Kind, Piece, ends_in_string, scan};

/// What stands left of the cursor and can be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// The name of a `:` command.
    Command { start: usize, prefix: String },
    /// A file name.
    Path { start: usize, prefix: String },
    /// A name in the search path, behind `<`.
    SearchPath { start: usize, prefix: String },
    /// An attribute of an expression, which is to be evaluated in `scope`.
    Attribute { start: usize, base: String, prefix: String, scope: Scope },
    /// A variable.
    Variable { start: usize, prefix: String, scope: Scope },
}

/// What the text around gives to the place of the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `let … in` and `with …;` around it, to be put before an expression.
    pub prefix: String,
    /// Names that are bound there.
    pub names: Vec<String>,
    /// Sets of `with`, each with what is to be put before it.
    pub withs: Vec<String>,
}

/// What can be completed at the end of `text`; `commands` that take a path as argument
/// are told apart by `takes_path`.
pub(crate) fn find(text: &str, takes_path: &dyn Fn(&str) -> bool) -> Option<Completion> {
    let mut offset = text.len() - text.trim_start().len();
    if text[offset..].starts_with(':') {
        let Some(space) = text[offset..].find(char::is_whitespace) else {
            return Some(Completion::Command { start: offset, prefix: text[offset..].to_owned() });
        };
        let command = &text[offset..offset + space];
        offset += space;
        if takes_path(command) {
            let start = text.rfind(char::is_whitespace).map_or(0, |index| index + 1);
            return Some(Completion::Path { start, prefix: text[start..].to_owned() });
        }
    }
    expression(&text[offset..], offset)
}

fn expression(text: &str, offset: usize) -> Option<Completion> {
    // An attribute in quotes: `a."b`.
    if ends_in_string(text) {
        let quote = text.rfind('"')?;
        let before = &text[..quote];
        let prefix = &text[quote..];
        return before.ends_with('.').then(|| attribute(before, prefix, offset + quote)).flatten();
    }
    if let Some(start) = text.rfind('<').filter(|start| !text[*start..].contains(['>', ' '])) {
        let follows = text[..start].ends_with([' ', '(', '[', '=', ':']) || start == 0;
        if follows && start + 1 < text.len() {
            return Some(Completion::SearchPath { start: offset + start, prefix: text[start..].to_owned() });
        }
    }
    let start = text.rfind(|c: char| c.is_whitespace() || "()[]{};,=\"'!<>|&?:".contains(c));
    let start = start.map_or(0, |index| index + text[index..].chars().next().map_or(1, char::len_utf8));
    let word = &text[start..];
    if word.contains('/') && !word.starts_with("//") {
        return Some(Completion::Path { start: offset + start, prefix: word.to_owned() });
    }
    let name = text.rfind(|c: char| !(c.is_ascii_alphanumeric() || "_-'".contains(c)));
    let name = name.map_or(0, |index| index + text[index..].chars().next().map_or(1, char::len_utf8));
    let (before, prefix) = text.split_at(name);
    if before.ends_with('.') {
        return attribute(before, prefix, offset + name);
    }
    if prefix.is_empty() {
        return None;
    }
    let scope = scope(before);
    Some(Completion::Variable { start: offset + name, prefix: prefix.to_owned(), scope })
}

/// `before` ends with the dot.
fn attribute(before: &str, prefix: &str, start: usize) -> Option<Completion> {
    let pieces = scan(before.strip_suffix('.')?);
    let first = base_start(&pieces)?;
    let base_offset = pieces.get(first)?.start;
    let base = before[base_offset..before.len() - 1].to_owned();
    let scope = scope(&before[..base_offset]);
    Some(Completion::Attribute { start, base, prefix: prefix.to_owned(), scope })
}

/// The index of the piece that begins the selection that ends with the last piece:
/// `a.b`, `(f x).b`, `a."c d"`, `{ … }.a`.
fn base_start(pieces: &[Piece<'_>]) -> Option<usize> {
    let mut at = pieces.len();
    loop {
        at = operand_start(pieces, at)?;
        let is_dot = |index: usize| pieces.get(index).is_some_and(|piece| piece.text == ".");
        if at == 0 || !is_dot(at - 1) {
            return Some(at);
        }
        at -= 1;
    }
}

/// The index of the piece that begins the operand that ends before `end`.
fn operand_start(pieces: &[Piece<'_>], end: usize) -> Option<usize> {
    let last = pieces.get(end.checked_sub(1)?)?;
    match last.kind {
        Kind::Word if KEYWORDS.contains(&last.text) => None,
        Kind::Word | Kind::Path => Some(end - 1),
        Kind::String => {
            // Back to the quote that begins it.
            let mut at = end - 1;
            while at > 0 && !(pieces[at].text.starts_with('"') && at < end - 1) {
                at -= 1;
            }
            Some(at)
        }
        Kind::Sign if matches!(last.text, ")" | "]" | "}") => {
            let mut depth = 0usize;
            for at in (0..end).rev() {
                match pieces[at].text {
                    ")" | "]" | "}" if pieces[at].kind == Kind::Sign => depth += 1,
                    "(" | "[" | "{" | "${" if pieces[at].kind == Kind::Sign => {
                        depth = depth.checked_sub(1)?;
                        if depth == 0 {
                            return Some(at);
                        }
                    }
                    _ => {}
                }
            }
            None
        }
        _ => None,
    }
}

/// A bracket, or the beginning of the text, that is not closed yet.
#[derive(Default)]
struct Frame {
    /// What was found in it: text to put before an expression.
    parts: Vec<Part>,
    /// Where the bindings begin that are being written, and how many parts there were.
    bindings: Option<(usize, usize)>,
    /// Where the current binding begins.
    binding: usize,
    /// Whether the names of its bindings are variables.
    recursive: bool,
    is_let: bool,
}

enum Part {
    Let(String, Vec<String>),
    With(String),
    Argument(Vec<String>),
}

/// What `text`, which is not complete, puts around what would follow.
fn scope(text: &str) -> Scope {
    let pieces: Vec<Piece<'_>> =
        scan(text).into_iter().filter(|piece| !matches!(piece.kind, Kind::Space | Kind::Comment)).collect();
    let mut frames = vec![Frame::default()];
    let mut index = 0;
    while let Some(piece) = pieces.get(index) {
        step(text, &pieces, index, *piece, &mut frames);
        index += 1;
    }
    let mut scope = Scope::default();
    for frame in &frames {
        for part in &frame.parts {
            match part {
                Part::Let(text, names) => {
                    scope.prefix += &format!("let {text} in ");
                    scope.names.extend(names.iter().cloned());
                }
                Part::With(set) => {
                    scope.withs.push(format!("{}{set}", scope.prefix));
                    scope.prefix += &format!("with {set}; ");
                }
                Part::Argument(names) => scope.names.extend(names.iter().cloned()),
            }
        }
        if let Some((start, _)) = frame.bindings.filter(|_| frame.recursive) {
            let complete = &text[start..frame.binding.max(start)];
            scope.prefix += &format!("let {complete} in ");
            scope.names.extend(bound_names(complete));
        }
    }
    scope
}

fn step(text: &str, pieces: &[Piece<'_>], index: usize, piece: Piece<'_>, frames: &mut Vec<Frame>) {
    let end = piece.start + piece.text.len();
    let previous = index.checked_sub(1).map_or("", |index| pieces[index].text);
    match (piece.kind, piece.text) {
        (Kind::Sign, "(" | "[" | "${") => frames.push(Frame::default()),
        (Kind::Sign, "{") => frames.push(Frame {
            bindings: Some((end, 0)),
            binding: end,
            recursive: previous == "rec",
            ..Frame::default()
        }),
        (Kind::Sign, ")" | "]" | "}") => {
            while frames.len() > 1 && frames.pop().is_some_and(|frame| frame.is_let) {}
        }
        (Kind::Word, "let") => frames.push(Frame {
            bindings: Some((end, 0)),
            binding: end,
            recursive: true,
            is_let: true,
            ..Frame::default()
        }),
        (Kind::Word, "in") => {
            if frames.last().is_some_and(|frame| frame.is_let)
                && let Some(frame) = frames.pop()
            {
                let bindings = text[frame.bindings.map_or(0, |(start, _)| start)..piece.start].trim();
                let part = Part::Let(bindings.to_owned(), bound_names(bindings));
                frames
                    .last_mut()
                    .into_iter()
                    .for_each(|frame| frame.parts.push(Part::Let(String::new(), Vec::new())));
                if let Some(last) = frames.last_mut().and_then(|frame| frame.parts.last_mut()) {
                    *last = part;
                }
            }
        }
        (Kind::Sign, ";") => end_of_binding(text, pieces, index, end, frames),
        (Kind::Sign, ":") => {
            if let Some(names) = argument_names(pieces, index) {
                frames
                    .last_mut()
                    .into_iter()
                    .for_each(|frame| frame.parts.push(Part::Argument(names.clone())));
            }
        }
        _ => {}
    }
}

/// `;` ends a binding, or the set of a `with`.
fn end_of_binding(text: &str, pieces: &[Piece<'_>], index: usize, end: usize, frames: &mut [Frame]) {
    let mut depth = 0usize;
    for at in (0..index).rev() {
        match (pieces[at].kind, pieces[at].text) {
            (Kind::Sign, ")" | "]" | "}") => depth += 1,
            (Kind::Sign, "(" | "[" | "{" | "${") if depth == 0 => break,
            (Kind::Sign, "(" | "[" | "{" | "${") => depth -= 1,
            (Kind::Sign, ";") if depth == 0 => break,
            (Kind::Word, "with") if depth == 0 => {
                let set = text[pieces[at].start + 4..pieces[index].start].trim().to_owned();
                frames
                    .last_mut()
                    .into_iter()
                    .for_each(|frame| frame.parts.push(Part::With(format!("({set})"))));
                return;
            }
            (Kind::Word, "assert") if depth == 0 => return,
            _ => {}
        }
    }
    if let Some(frame) = frames.last_mut().filter(|frame| frame.bindings.is_some()) {
        frame.parts.clear();
        frame.binding = end;
    }
}

/// The names of the function whose `:` is at `index`.
fn argument_names(pieces: &[Piece<'_>], index: usize) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut at = index.checked_sub(1)?;
    if pieces[at].kind == Kind::Word {
        names.push(pieces[at].text.to_owned());
        match at.checked_sub(1).map(|before| pieces[before].text) {
            Some("@") => at = at.checked_sub(2)?,
            _ => return Some(names),
        }
    }
    if pieces[at].text != "}" {
        return None;
    }
    let open = operand_start(pieces, at + 1)?;
    let mut expects = true;
    let mut depth = 0usize;
    for piece in &pieces[open + 1..at] {
        match piece.text {
            "(" | "[" | "{" | "${" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => expects = true,
            name if depth == 0 && expects && piece.kind == Kind::Word => {
                names.push(name.to_owned());
                expects = false;
            }
            _ => {}
        }
    }
    Some(names)
}

/// The names that bindings give values to.
fn bound_names(bindings: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0usize;
    let (mut begins, mut inherits) = (true, false);
    for piece in scan(bindings) {
        match (piece.kind, piece.text) {
            (Kind::Space | Kind::Comment, _) => {}
            (Kind::Sign, "(" | "[" | "{" | "${") => depth += 1,
            (Kind::Sign, ")" | "]" | "}") => depth = depth.saturating_sub(1),
            (Kind::Sign, ";") if depth == 0 => (begins, inherits) = (true, false),
            (Kind::Word, "inherit") if depth == 0 && begins => inherits = true,
            (Kind::Word, name) if depth == 0 && (begins || inherits) => {
                names.push(name.to_owned());
                begins = false;
            }
            _ => begins &= depth > 0 || inherits,
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = find(text, &|command| command == ":l");
        let scope = |scope: &Scope| {
            format!("{}| {} | {}", scope.prefix, scope.names.join(" "), scope.withs.join(" "))
        };
        let shown = match &found {
            None => "nothing".to_owned(),
            Some(Completion::Command { start, prefix }) => format!("command {start} {prefix}"),
            Some(Completion::Path { start, prefix }) => format!("path {start} {prefix}"),
            Some(Completion::SearchPath { start, prefix }) => format!("search {start} {prefix}"),
            Some(Completion::Attribute { start, base, prefix, scope: around }) => {
                format!("attribute {start} [{base}] {prefix} {}", scope(around))
            }
            Some(Completion::Variable { start, prefix, scope: around }) => {
                format!("variable {start} {prefix} {}", scope(around))
            }
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn the_word_at_the_cursor_is_found() {
        check(":lo", "command 0 :lo");
        check(":l ./a", "path 3 ./a");
        check(":p pkgs.he", "attribute 8 [pkgs] he |  | ");
        check("pkgsCross.", "attribute 10 [pkgsCross]  |  | ");
        check("a.b.c", "attribute 4 [a.b] c |  | ");
        check("(import <nixpkgs> { }).he", "attribute 23 [(import <nixpkgs> { })] he |  | ");
        check("a // pkgs.x", "attribute 10 [pkgs] x |  | ");
        check("a // pk", "variable 5 pk |  | ");
        check("f a.\"b c\".d", "attribute 10 [a.\"b c\"] d |  | ");
        check("a.\"b c", "attribute 2 [a] \"b c |  | ");
        check("./a/b", "path 0 ./a/b");
        check("import ~/x", "path 7 ~/x");
        check("<nixp", "search 0 <nixp");
        check("1 < a", "variable 4 a |  | ");
        check("\"text pk", "nothing");
        check("\"${pk", "variable 3 pk |  | ");
        check("a ", "nothing");
    }

    #[test]
    fn what_stands_around_is_the_scope() {
        check("let a = { b = 1; }; in a.", "attribute 25 [a]  let a = { b = 1; }; in | a | ");
        check("let a = 1; bc = 2; in f b", "variable 24 b let a = 1; bc = 2; in | a bc | ");
        check("let a = x; c = a.", "attribute 17 [a]  let  a = x; in | a | ");
        check("with pkgs.lib; ma", "variable 15 ma with (pkgs.lib); |  | (pkgs.lib)");
        check("let p = q; in with p; [ a", "variable 24 a let p = q; in with (p); | p | let p = q; in (p)");
        check("(let a = 1; in a) + b", "variable 20 b |  | ");
        check("{ a = let b = 1; in b; c = b", "variable 27 b |  | ");
        check("rec { a = pkgs; c = a.", "attribute 22 [a]  let  a = pkgs; in | a | ");
        check("{ lib, pkgs ? (x: y), ... }@args: l", "variable 34 l | args lib pkgs | ");
        check("x: x", "variable 3 x | x | ");
    }
}
