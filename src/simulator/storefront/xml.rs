//! Documents that are written.

use std::fmt::Write as _;

/// One element with all that is in it.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) content: Vec<Node>,
}

/// What an element can hold.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), attributes: Vec::new(), content: Vec::new() }
    }

    /// The root element of a document, in this namespace.
    pub(super) fn root(name: &str, namespace: &str) -> Self {
        Self::new(name).attribute("xmlns", namespace)
    }

    /// `<name>text</name>`
    pub(super) fn of(name: &str, text: impl Into<String>) -> Self {
        let mut element = Self::new(name);
        element.content.push(Node::Text(text.into()));
        element
    }

    /// `<name><url>url</url></name>`, the way every link is written.
    pub(super) fn link(name: &str, url: impl Into<String>) -> Self {
        Self::new(name).child(Self::of("url", url))
    }

    pub(super) fn attribute(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn child(mut self, child: Self) -> Self {
        self.content.push(Node::Element(child));
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.content.extend(children.into_iter().map(Node::Element));
        self
    }

    /// The element as a document with a declaration.
    pub(super) fn document(&self) -> String {
        format!("{DECLARATION}{}", self.text())
    }

    /// The element alone.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = write!(out, "<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(out, " {name}=\"{}\"", escaped(value));
        }
        if self.content.is_empty() {
            out.push_str(" />");
            return;
        }
        out.push('>');
        for node in &self.content {
            match node {
                Node::Element(element) => element.write(out),
                Node::Text(text) => out.push_str(&escaped(text)),
            }
        }
        let _ = write!(out, "</{}>", self.name);
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

pub(super) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n";
