//! Documentation of functions: the `/** … */` before a function or before the attribute
//! that it is bound to (RFC 145).

/// The text of the comment that documents the function that begins at an offset.
pub(crate) fn comment(source: &str, function: usize) -> Option<String> {
    let before = source.get(..function)?.trim_end().trim_end_matches('(').trim_end();
    let found = doc_before(before).or_else(|| doc_before(before_name(before)?))?;
    let text = dedented(found);
    (!text.is_empty()).then_some(text)
}

/// The inside of the documentation comment that a text ends with.
fn doc_before(text: &str) -> Option<&str> {
    let inside = text.trim_end().strip_suffix("*/")?;
    let comment = &inside[inside.rfind("/*")? + 2..];
    // `/**/` and `/***` document nothing.
    comment.strip_prefix('*').filter(|text| !text.starts_with('*'))
}

/// What stands before the attribute path of `path =`.
fn before_name(text: &str) -> Option<&str> {
    let mut rest = text.strip_suffix('=')?.trim_end();
    loop {
        rest = match rest.strip_suffix('"') {
            Some(inside) => &inside[..inside.rfind('"')?],
            None => rest.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "_-'".contains(c)),
        };
        rest = rest.trim_end();
        match rest.strip_suffix('.') {
            Some(before) => rest = before.trim_end(),
            None => return Some(rest),
        }
    }
}

/// Without the indentation that all lines have; the first counts from the comment's start.
fn dedented(text: &str) -> String {
    let text = text.trim_end();
    let text = match text.trim_start_matches([' ', '\t']) {
        lines if lines.starts_with('\n') => lines.to_owned(),
        first => format!("    {first}"),
    };
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let indentation = lines().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let shortened = |line: &str| line.get(indentation..).unwrap_or_default().trim_end().to_owned();
    text.lines().map(shortened).collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: Option<&str>) {
        let function = source.find("x:").unwrap();
        assert_eq!(comment(source, function).as_deref(), expected, "{source}");
    }

    #[test]
    fn comments_before_functions_and_their_names_are_found() {
        check("/** Says it. */ x: x", Some("Says it."));
        check("{ /** Says it. */ f = x: x; }", Some("Says it."));
        check("{ /** Says it. */ a.\"b c\".f = (x: x); }", Some("Says it."));
        check("{ /**\n    A\n      b\n\n    c\n  */\n  f =\n    x: x; }", Some("A\n  b\n\nc"));
        check("{ /** A\n\n      b */ f = x: x; }", Some("A\n\n  b"));
    }

    #[test]
    fn other_comments_document_nothing() {
        for text in [
            "{ /* no */ f = x: x; }",
            "# no\nx: x",
            "x: x",
            "/**/ x: x",
            "/*** no */ x: x",
            "{ /** of g */ g = 1; f = x: x; }",
        ] {
            check(text, None);
        }
    }
}
