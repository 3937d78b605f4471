use std::borrow::Cow;

use quick_xml::{
    Reader,
    events::{BytesDecl, Event, attributes::Attributes},
};

use super::{
    Error, Limits, chars,
    document::{Attribute, Document, Element},
    names::{self, NO_NAMESPACE, Scope},
    text,
};

/// Reads a document.
///
/// # Errors
/// When it exceeds the limits, is not in UTF-8, is not well-formed, or holds a document type or a
/// processing instruction.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Document<'a>, Error> {
    if bytes.len() > limits.max_bytes {
        return Err(Error::TooLarge(limits.max_bytes));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Encoding)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = chars::first_illegal(text) {
        return Err(Error::Malformed { what: "a character that no document may hold", at });
    }
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.enable_all_checks(true);
    config.allow_dangling_amp = false;
    config.allow_unmatched_ends = false;
    config.trim_markup_names_in_closing_tags = true;
    let mut builder = Builder::new(limits);
    loop {
        let before = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let Ok(event) = reader.read_event() else {
            return Err(Error::Malformed { what: "the markup is broken", at: before });
        };
        let done = matches!(event, Event::Eof);
        let after = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        // An event lends its text only for as long as it lives itself; the input lives longer.
        let written = text.get(before..after).unwrap_or_default();
        builder.event(event, written, before).map_err(|refused| refused.at(before))?;
        if done {
            return Ok(builder.finish());
        }
    }
}

/// Why an event was refused, before its place is known.
enum Refused {
    Malformed(&'static str),
    Other(Error),
}

impl Refused {
    fn at(self, at: usize) -> Error {
        match self {
            Self::Malformed(what) => Error::Malformed { what, at },
            Self::Other(error) => error,
        }
    }
}

impl From<&'static str> for Refused {
    fn from(what: &'static str) -> Self {
        Self::Malformed(what)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

struct Builder<'a, 'l> {
    limits: &'l Limits,
    document: Document<'a>,
    scope: Scope<'a>,
    /// Indexes of the elements that are open, the root first.
    open: Vec<usize>,
}

impl<'a, 'l> Builder<'a, 'l> {
    fn new(limits: &'l Limits) -> Self {
        let document =
            Document { elements: Vec::new(), attributes: Vec::new(), namespaces: Vec::new() };
        Self { limits, document, scope: Scope::new(), open: Vec::new() }
    }

    fn event(&mut self, event: Event<'a>, written: &'a str, before: usize) -> Result<(), Refused> {
        match event {
            Event::Decl(declaration) if before == 0 => declared(&declaration),
            Event::Decl(_) => Err("a declaration that is not at the start".into()),
            Event::Start(_) => self.start(inside(written, ">")?),
            Event::Empty(_) => {
                self.start(inside(written, "/>")?)?;
                self.end();
                Ok(())
            }
            Event::End(_) if self.open.is_empty() => Err("an end without a start".into()),
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(piece) => self.text(piece.into_inner()),
            Event::CData(_) if self.open.is_empty() => Err("text beside the root".into()),
            Event::CData(piece) => {
                self.append(normalised(piece.into_inner()));
                Ok(())
            }
            Event::GeneralRef(name) => {
                if self.open.is_empty() {
                    return Err("text beside the root".into());
                }
                let name = name.into_inner();
                let c = text::reference(&name).ok_or("a reference stands for nothing")?;
                let mut buffer = [0; 4];
                let resolved: &str = c.encode_utf8(&mut buffer);
                self.append(Cow::Owned(resolved.to_owned()));
                Ok(())
            }
            Event::Comment(comment) => {
                if comment.into_inner().ends_with('-') {
                    return Err("a comment ends in '--->'".into());
                }
                Ok(())
            }
            Event::PI(_) => Err(Error::Refused("a processing instruction").into()),
            Event::DocType(_) => Err(Error::Refused("a document type").into()),
            Event::Eof if !self.open.is_empty() => Err("the document is cut off".into()),
            Event::Eof if self.document.elements.is_empty() => {
                Err("the document has no root".into())
            }
            Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, tag: &'a str) -> Result<(), Refused> {
        if self.open.is_empty() && !self.document.elements.is_empty() {
            return Err("a second root".into());
        }
        if self.open.len() >= self.limits.max_depth {
            return Err(Error::TooDeep(self.limits.max_depth).into());
        }
        if self.document.elements.len() >= self.limits.max_elements {
            return Err(Error::TooManyElements(self.limits.max_elements).into());
        }
        let name_len = chars::name_len(tag);
        let first = self.document.attributes.len();
        let prefixes = self.read_attributes(tag, name_len)?;
        self.resolve_attributes(first, &prefixes)?;
        let (prefix, local) = names::split(&tag[..name_len]).ok_or("this is not a name")?;
        let namespace = self.scope.resolve(prefix).ok_or("a prefix is not declared")?;
        let index = self.document.elements.len();
        self.document.elements.push(Element {
            namespace,
            local,
            attributes: short(first)?..short(self.document.attributes.len())?,
            text: Cow::Borrowed(""),
            end: short(index)? + 1,
        });
        self.open.push(index);
        Ok(())
    }

    /// Takes over attributes and declares namespaces; gives the attributes' prefixes, which can
    /// only be resolved once every declaration was seen.
    fn read_attributes(&mut self, tag: &'a str, from: usize) -> Result<Vec<&'a str>, Refused> {
        let depth = self.open.len();
        let most = self.limits.max_attributes;
        let mut prefixes = Vec::new();
        let mut attributes = Attributes::new(tag, from);
        // Ours is by expanded name, and bounded.
        attributes.with_checks(false);
        let mut rest = &tag[from..];
        for (seen, attribute) in attributes.enumerate() {
            if seen >= most {
                return Err(Error::TooManyAttributes(most).into());
            }
            let attribute = attribute.map_err(|_| "an attribute is broken")?;
            let name = attribute.key.into_inner();
            // The tokenizer does not ask for white space between two attributes.
            if !rest.starts_with(chars::is_space) {
                return Err("attributes are not apart".into());
            }
            let Cow::Borrowed(raw) = attribute.value else {
                return Err("an attribute is broken".into());
            };
            rest = rest_after(tag, raw);
            let value = text::attribute_value(raw)?;
            match names::split(name).ok_or("this is not a name")? {
                ("", "xmlns") => self.declare(depth, "", value)?,
                ("xmlns", prefix) => self.declare(depth, prefix, value)?,
                (prefix, local) => {
                    prefixes.push(prefix);
                    self.document.attributes.push(Attribute {
                        namespace: NO_NAMESPACE,
                        local,
                        value,
                    });
                }
            }
        }
        Ok(prefixes)
    }

    fn declare(&mut self, depth: usize, prefix: &'a str, uri: Cow<'a, str>) -> Result<(), Refused> {
        let here = self.scope.declared_at(depth, prefix);
        if here {
            return Err("an attribute is repeated".into());
        }
        self.scope.declare(depth, prefix, uri)?;
        let most = self.limits.max_attributes;
        if self.scope.count() > most {
            return Err(Error::TooManyAttributes(most).into());
        }
        Ok(())
    }

    /// Finds the attributes' namespaces and refuses two of one name.
    fn resolve_attributes(&mut self, first: usize, prefixes: &[&str]) -> Result<(), Refused> {
        let (scope, attributes) = (&self.scope, &mut self.document.attributes[first..]);
        for (attribute, prefix) in attributes.iter_mut().zip(prefixes) {
            // The default namespace is not for attributes.
            if !prefix.is_empty() {
                attribute.namespace = scope.resolve(prefix).ok_or("a prefix is not declared")?;
            }
        }
        for (at, one) in attributes.iter().enumerate() {
            let same = |other: &Attribute<'_>| {
                other.local == one.local && other.namespace == one.namespace
            };
            if attributes[..at].iter().any(same) {
                return Err("an attribute is repeated".into());
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some(index) = self.open.pop() {
            let end = self.document.elements.len();
            self.document.elements[index].end = u32::try_from(end).unwrap_or(u32::MAX);
            self.scope.leave(self.open.len());
        }
    }

    fn text(&mut self, piece: Cow<'a, str>) -> Result<(), Refused> {
        if self.open.is_empty() {
            // Between declaration and root, and after it.
            let blank = piece.chars().all(chars::is_space);
            return if blank { Ok(()) } else { Err("text beside the root".into()) };
        }
        if piece.contains("]]>") {
            return Err("text holds a ']]>'".into());
        }
        self.append(normalised(piece));
        Ok(())
    }

    /// Adds to the text of the innermost element.
    fn append(&mut self, piece: Cow<'a, str>) {
        let Some(element) = self.open.last().and_then(|at| self.document.elements.get_mut(*at))
        else {
            return;
        };
        if element.text.is_empty() {
            element.text = piece;
        } else {
            element.text.to_mut().push_str(&piece);
        }
    }

    fn finish(self) -> Document<'a> {
        Document { namespaces: self.scope.into_uris(), ..self.document }
    }
}

/// An XML declaration: version 1.0, in UTF-8 or its subset ASCII.
fn declared(declaration: &BytesDecl<'_>) -> Result<(), Refused> {
    match declaration.version() {
        Ok(version) if version == "1.0" => {}
        _ => return Err("the version is not 1.0".into()),
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name)) if ["utf-8", "us-ascii"].iter().any(|k| name.eq_ignore_ascii_case(k)) => {
            Ok(())
        }
        Some(_) => Err(Error::Encoding.into()),
    }
}

/// What stands between the marks of a tag.
fn inside<'a>(tag: &'a str, end: &str) -> Result<&'a str, Refused> {
    let found = tag.strip_prefix('<').and_then(|tag| tag.strip_suffix(end));
    Ok(found.ok_or("the markup is broken")?)
}

fn normalised(piece: Cow<'_, str>) -> Cow<'_, str> {
    match piece {
        Cow::Borrowed(raw) => text::with_line_ends(raw),
        Cow::Owned(raw) => Cow::Owned(text::with_line_ends(&raw).into_owned()),
    }
}

/// What follows a part of `whole`.
fn rest_after<'a>(whole: &'a str, part: &str) -> &'a str {
    let end = (part.as_ptr().addr() + part.len()).saturating_sub(whole.as_ptr().addr());
    // A part of the same text ends inside it, and a quote follows.
    whole.get(end + 1..).unwrap_or_default()
}

fn short(index: usize) -> Result<u32, Refused> {
    u32::try_from(index).map_err(|_| "the document is too large".into())
}
