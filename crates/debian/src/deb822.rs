//! Paragraphs of `Field: value` lines, the syntax of Debian's control files,
//! indexes and APT sources (deb822(5)).

/// One paragraph: its fields in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paragraph<'a> {
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Paragraph<'a> {
    /// The value of a field, without the white space around it; field names are
    /// compared without regard to case. A value of several lines has them all,
    /// with the line breaks.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|&(_, value)| value)
    }

    /// The lines of a field's value, trimmed, without empty ones and without
    /// comments.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let value = self.get(name).unwrap_or("");
        value.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// The words of a field's value, comment lines aside.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.lines(name).flat_map(str::split_whitespace)
    }
}

/// The paragraphs of a text. Lines that are neither fields, continuations nor
/// comments are passed over, as their readers in Debian do.
pub fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let paragraph = take_paragraph(&mut rest);
            if !paragraph.fields.is_empty() {
                return Some(paragraph);
            }
        }
    })
}

/// Takes lines up to and including the next empty one.
fn take_paragraph<'a>(rest: &mut &'a str) -> Paragraph<'a> {
    let text = *rest;
    let mut fields = Vec::new();
    // The field being read: its name, and where its value begins and ends.
    let mut open: Option<(&str, usize, usize)> = None;
    let mut position = 0;
    while position < text.len() {
        let end = text[position..].find('\n').map_or(text.len(), |offset| position + offset);
        let (start, line) = (position, &text[position..end]);
        position = (end + 1).min(text.len());
        if line.trim().is_empty() {
            break;
        }
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, _, value_end)) = &mut open {
                *value_end = end;
            }
            continue;
        }
        if let Some((name, from, to)) = open.take() {
            fields.push((name, text[from..to].trim()));
        }
        if let Some(colon) = line.find(':') {
            open = Some((line[..colon].trim(), start + colon + 1, end));
        }
    }
    if let Some((name, from, to)) = open {
        fields.push((name, text[from..to].trim()));
    }
    *rest = &text[position..];
    Paragraph { fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_continuations_comments() {
        let text = "\n\n# note\nPackage: hello\nFiles:\n a 1\n# in between\n b 2\n\nno field\nPACKAGE:x\n";
        let all: Vec<_> = paragraphs(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("package"), Some("hello"));
        assert_eq!(all[0].lines("Files").collect::<Vec<_>>(), ["a 1", "b 2"]);
        assert_eq!(all[0].words("Files").count(), 4);
        assert_eq!(all[1].get("Package"), Some("x"));
        assert_eq!(all[1].get("Absent"), None);
    }

    #[test]
    fn no_paragraphs() {
        assert_eq!(paragraphs("").count(), 0);
        assert_eq!(paragraphs("\n \n\t\n#\n").count(), 0);
        assert_eq!(paragraphs(" stray continuation\n").count(), 0);
    }
}
