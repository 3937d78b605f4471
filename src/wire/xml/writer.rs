use super::chars;

/// Writes a document: a declaration, then one element to a line, two spaces deeper each time.
#[derive(Debug)]
pub struct Writer {
    out: String,
    open: Vec<&'static str>,
}

/// Text holds a character that no XML document may hold, not even as a reference.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the text holds a character that XML has no place for")]
pub struct IllegalCharacter;

impl Writer {
    /// A document with this root in this default namespace.
    pub fn new(root: &'static str, namespace: &'static str) -> Self {
        let mut writer = Self { out: DECLARATION.to_owned(), open: Vec::new() };
        writer.out.push('<');
        writer.out.push_str(root);
        writer.out.push_str(" xmlns=\"");
        push_escaped(&mut writer.out, namespace, true);
        writer.out.push_str("\">\n");
        writer.open.push(root);
        writer
    }

    /// Opens an element for others to stand in.
    #[must_use]
    pub fn open(mut self, name: &'static str) -> Self {
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(">\n");
        self.open.push(name);
        self
    }

    /// Closes the innermost open element but for the root.
    #[must_use]
    pub fn close(mut self) -> Self {
        if self.open.len() > 1 {
            self.end();
        }
        self
    }

    /// Writes an element that holds text only; without text it is `<name />`.
    ///
    /// # Errors
    /// When the text holds a control character other than tab and line ends.
    pub fn text(mut self, name: &'static str, text: &str) -> Result<Self, IllegalCharacter> {
        if !text.chars().all(chars::is_char) {
            return Err(IllegalCharacter);
        }
        self.indent();
        self.out.push('<');
        self.out.push_str(name);
        if text.is_empty() {
            self.out.push_str(" />\n");
            return Ok(self);
        }
        self.out.push('>');
        push_escaped(&mut self.out, text, false);
        self.close_tag(name);
        Ok(self)
    }

    /// The document, with everything closed.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            self.close_tag(name);
        }
    }

    fn close_tag(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push_str(">\n");
    }

    fn indent(&mut self) {
        for _ in &self.open {
            self.out.push_str("  ");
        }
    }
}

/// Writes text so that a reader gets back every character of it.
fn push_escaped(out: &mut String, text: &str, quoted: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if quoted => out.push_str("&quot;"),
            // A reader makes a line feed of it, or a space in an attribute.
            '\r' => out.push_str("&#13;"),
            '\n' if quoted => out.push_str("&#10;"),
            '\t' if quoted => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
