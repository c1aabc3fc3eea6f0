//! XML as `nix-env --xml` prints it: two spaces of indentation per level.

/// Writes a document.
pub(super) struct Writer {
    text: String,
    open: Vec<&'static str>,
}

impl Writer {
    /// A document with this element around all others.
    pub(super) fn new(root: &'static str) -> Self {
        let mut writer =
            Self { text: "<?xml version='1.0' encoding='utf-8'?>\n".to_owned(), open: Vec::new() };
        writer.open(root, &[]);
        writer
    }

    /// Begins an element.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&str, String)]) {
        self.start(name, attributes);
        self.text += ">\n";
        self.open.push(name);
    }

    /// An element with nothing in it.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, String)]) {
        self.start(name, attributes);
        self.text += " />\n";
    }

    /// Ends the element that was begun last.
    pub(super) fn close(&mut self, name: &str) {
        self.open.pop();
        self.indent();
        self.text += &format!("</{name}>\n");
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> String {
        while let Some(name) = self.open.last() {
            self.close(name);
        }
        self.text
    }

    fn indent(&mut self) {
        self.text += &"  ".repeat(self.open.len());
    }

    fn start(&mut self, name: &str, attributes: &[(&str, String)]) {
        self.indent();
        self.text += &format!("<{name}");
        let mut attributes: Vec<_> = attributes.iter().collect();
        attributes.sort();
        for (name, value) in attributes {
            self.text += &format!(" {name}=\"");
            for character in value.chars() {
                match character {
                    '"' => self.text += "&quot;",
                    '<' => self.text += "&lt;",
                    '>' => self.text += "&gt;",
                    '&' => self.text += "&amp;",
                    '\n' => self.text += "&#xA;",
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_indented_and_values_escaped() {
        let mut writer = Writer::new("items");
        writer.open("item", &[("b", "<\"&\n".to_owned()), ("a", "x".to_owned())]);
        writer.empty("output", &[]);
        assert_eq!(
            writer.finish(),
            "<?xml version='1.0' encoding='utf-8'?>\n<items>\n  <item a=\"x\" b=\"&lt;&quot;&amp;&#xA;\">\n    <output />\n  </item>\n</items>\n"
        );
    }
}
