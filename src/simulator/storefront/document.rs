//! Things that can be wrong with an XML answer, or merely unusual.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::gzip;
use super::xml::{DECLARATION, Element, Node};

/// What is wrong with, or unusual about, the XML of one answer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// Another root element in the same namespace.
    WrongRoot,
    /// The right names in another namespace.
    WrongNamespace,
    /// No namespace at all.
    NoNamespace,
    /// A document type declaration before the root.
    Dtd,
    /// Entities that multiply.
    Entities,
    /// Ten thousand elements within each other.
    Deep,
    /// 32 MiB of text in one element.
    Huge,
    /// The connection ends in the middle of the body.
    Cut,
    /// The text ends in the middle although the lengths are right.
    Truncated,
    /// A processing instruction, which no document of this family has.
    Instruction,
    /// A second root.
    TwoRoots,
    /// Nothing.
    Empty,
    /// Plain text.
    NotXml,
    /// A logon page of something in between.
    Html,
    /// Harmless: compressed although nobody asked.
    Gzip,
    /// Harmless: another prefix.
    Prefixed,
    /// Harmless: attributes and elements that no schema has.
    Extra,
    /// Harmless: a comment that looks like a child.
    Comments,
    /// Harmless: a byte order mark.
    Bom,
}

/// Where a failed power-off says why; none of these is published.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureShape {
    /// `<errorid>` in the root, as the sibling for desktop assignment writes it.
    #[default]
    Element,
    /// `<errorId>`
    CamelElement,
    /// `<error-id>`
    HyphenElement,
    /// An attribute of the root.
    Attribute,
    /// `<result type="error"><error><id>`, as the sibling for launches writes it.
    Nested,
    /// A failure without an id.
    NoId,
    /// An id without a `status`.
    NoStatus,
    /// A `status` that nobody knows.
    OtherStatus,
}

/// The bytes of an answer, and how they go out.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) bytes: Vec<u8>,
    /// Replaces the right content type.
    pub(super) content_type: Option<&'static str>,
    pub(super) gzip: bool,
    pub(super) cut: bool,
}

impl Rendered {
    /// An ordinary document.
    pub(super) fn whole(text: String) -> Self {
        Self { bytes: text.into_bytes(), content_type: None, gzip: false, cut: false }
    }
}

impl Document {
    /// Writes `root` as told.
    pub(super) fn render(self, root: Element) -> Rendered {
        let plain = Rendered::whole;
        match self {
            Self::WrongRoot => plain(Element { name: "unexpected".to_owned(), ..root }.document()),
            Self::WrongNamespace => {
                plain(root.document().replace("http://citrix.com/", "http://example.com/"))
            }
            Self::NoNamespace => {
                let attributes = root.attributes.iter().filter(|(name, _)| name != "xmlns");
                let attributes = attributes.cloned().collect();
                plain(Element { attributes, ..root }.document())
            }
            Self::Dtd => plain(format!("{DECLARATION}<!DOCTYPE {}>\r\n{}", root.name, root.text())),
            Self::Entities => plain(entities(&root)),
            Self::Deep => {
                let nest = format!("{}{}", "<deep>".repeat(DEPTH), "</deep>".repeat(DEPTH));
                plain(with_raw(&root, &nest))
            }
            Self::Huge => plain(with_raw(&root, &format!("<huge>{}</huge>", "x".repeat(HUGE)))),
            Self::Cut => Rendered { cut: true, ..plain(root.document()) },
            Self::Truncated => {
                let mut text = root.document();
                text.truncate(text.floor_char_boundary(text.len() * 2 / 3));
                plain(text)
            }
            Self::Instruction => plain(with_raw(&root, "<?node 7?>")),
            Self::TwoRoots => plain(format!("{}{}", root.document(), root.text())),
            Self::Empty => plain(String::new()),
            Self::NotXml => plain("OK".to_owned()),
            Self::Html => {
                let page = "<!DOCTYPE html><html><head><title>Log on</title></head><body><form>\
                            <input name=\"login\"><br></form></body></html>";
                Rendered { content_type: Some("text/html"), ..plain(page.to_owned()) }
            }
            Self::Gzip => {
                let bytes = gzip::stored(root.document().as_bytes());
                Rendered { bytes, gzip: true, ..plain(String::new()) }
            }
            Self::Prefixed => plain(prefixed(&root).document()),
            Self::Extra => plain(extra(root).document()),
            Self::Comments => plain(with_raw(&root, "<!-- <errorid>no</errorid> -->")),
            Self::Bom => plain(format!("\u{feff}{}", root.document())),
        }
    }
}

/// The document with `raw` as the last thing in its root.
fn with_raw(root: &Element, raw: &str) -> String {
    let mut root = root.clone();
    root.content.push(Node::Element(Element::new("mark")));
    root.document().replacen("<mark />", raw, 1)
}

fn entities(root: &Element) -> String {
    let mut dtd = String::from("<!ENTITY e0 \"ha\">");
    for at in 1..10 {
        let before = format!("&e{};", at - 1).repeat(10);
        // Writing to a string cannot fail.
        let _ = write!(dtd, "<!ENTITY e{at} \"{before}\">");
    }
    let text = with_raw(root, "<laugh>&e9;</laugh>");
    let doctype = format!("{DECLARATION}<!DOCTYPE {} [{dtd}]>", root.name);
    text.replacen(DECLARATION, &doctype, 1)
}

fn prefixed(element: &Element) -> Element {
    let named = |name: &str| {
        if name.contains(':') { name.to_owned() } else { format!("q1:{name}") }
    };
    let attributes = element.attributes.iter().map(|(name, value)| {
        let name = if name == "xmlns" { "xmlns:q1" } else { name };
        (name.to_owned(), value.clone())
    });
    let content = element.content.iter().map(|node| match node {
        Node::Element(child) => Node::Element(prefixed(child)),
        Node::Text(text) => Node::Text(text.clone()),
    });
    Element {
        name: named(&element.name),
        attributes: attributes.collect(),
        content: content.collect(),
    }
}

fn extra(root: Element) -> Element {
    let future = Element::new("future").attribute("since", "3.99").child(Element::of("id", "7"));
    let mut root = root.attribute("generation", "2").attribute("xmlns:f", "urn:example:future");
    root.content.insert(0, Node::Element(future.clone()));
    root.child(Element { name: "f:future".to_owned(), ..future })
}

const DEPTH: usize = 10_000;
const HUGE: usize = 32 * 1024 * 1024;
