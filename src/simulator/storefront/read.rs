//! Documents that callers send: small, flat, and read strictly.

/// A request document: its root and the text of the root's children.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Received {
    root: String,
    namespace: String,
    fields: Vec<(String, String)>,
}

impl Received {
    /// Reads a document.
    ///
    /// # Errors
    /// Says what is wrong with it: not well-formed, a DTD, an unknown entity, too deep.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?;
        Reader { rest: text.trim_start_matches('\u{feff}') }.document()
    }

    /// Whether the root has this name in this namespace.
    pub(super) fn is(&self, root: &str, namespace: &str) -> bool {
        // Some clients capitalise names differently from the published schemas.
        self.root.eq_ignore_ascii_case(root) && self.namespace == namespace
    }

    /// The text of a child, without the white space around it.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.trim())
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn document(mut self) -> Result<Received, &'static str> {
        let mut open: Vec<String> = Vec::new();
        let mut read: Option<Received> = None;
        while !self.rest.is_empty() {
            if !self.rest.starts_with('<') {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let text = self.rest[..end].to_owned();
                self.rest = &self.rest[end..];
                match (&mut read, open.len()) {
                    (Some(read), 2) => {
                        if let Some((_, field)) = read.fields.last_mut() {
                            field.push_str(&unescaped(&text)?);
                        }
                    }
                    (_, 0) if !text.trim().is_empty() => return Err("text outside the root"),
                    _ => {}
                }
            } else if self.rest.starts_with("<?") {
                self.skip_to("?>")?;
            } else if self.rest.starts_with("<!--") {
                self.skip_to("-->")?;
            } else if self.rest.starts_with("<!") {
                return Err("a DTD or CDATA is not accepted");
            } else if self.rest.starts_with("</") {
                let tag = self.tag(2)?;
                if open.pop().as_deref() != Some(tag.trim_end()) {
                    return Err("an end tag fits no start tag");
                }
            } else {
                let tag = self.tag(1)?;
                let (tag, closed) = tag.strip_suffix('/').map_or((&*tag, false), |t| (t, true));
                let (name, attributes) =
                    tag.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((tag, ""));
                match &mut read {
                    None => read = Some(root(name, attributes)?),
                    Some(_) if open.is_empty() => return Err("more than one root"),
                    Some(read) if open.len() == 1 => {
                        read.fields.push((local(name).to_owned(), String::new()));
                    }
                    Some(_) => {}
                }
                if !closed {
                    open.push(name.to_owned());
                }
                if open.len() > MAX_DEPTH {
                    return Err("too deep");
                }
            }
        }
        if !open.is_empty() {
            return Err("an element is not closed");
        }
        read.ok_or("no root element")
    }

    fn skip_to(&mut self, end: &str) -> Result<(), &'static str> {
        let at = self.rest.find(end).ok_or("cut off")?;
        self.rest = &self.rest[at + end.len()..];
        Ok(())
    }

    /// What is between `<` (`from` bytes long) and `>`.
    fn tag(&mut self, from: usize) -> Result<String, &'static str> {
        let end = self.rest.find('>').ok_or("cut off")?;
        let tag = self.rest[from..end].to_owned();
        self.rest = &self.rest[end + 1..];
        Ok(tag)
    }
}

fn root(name: &str, attributes: &str) -> Result<Received, &'static str> {
    let declared = match name.split_once(':') {
        Some((prefix, _)) => format!("xmlns:{prefix}"),
        None => "xmlns".to_owned(),
    };
    let mut namespace = String::new();
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let (key, more) = rest.split_once('=').ok_or("an attribute without a value")?;
        let more = more.trim_start();
        let quote = more.chars().next().filter(|c| ['"', '\''].contains(c)).ok_or("no quotes")?;
        let (value, more) = more[1..].split_once(quote).ok_or("an attribute is not closed")?;
        if key.trim() == declared {
            namespace = unescaped(value)?;
        }
        rest = more.trim_start();
    }
    Ok(Received { root: local(name).to_owned(), namespace, fields: Vec::new() })
}

fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

fn unescaped(text: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, more)) = rest.split_once('&') {
        let (entity, more) = more.split_once(';').ok_or("an entity is not closed")?;
        out.push_str(before);
        out.push(character(entity).ok_or("an unknown entity")?);
        rest = more;
    }
    out.push_str(rest);
    Ok(out)
}

fn character(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        other => {
            let number = other.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

const MAX_DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_with_any_prefix_and_padding() {
        let text = "<?xml version=\"1.0\" encoding=\"utf-16\"?>\n<p:params xmlns:p='urn:x'>\n\
                    <p:clientName>\n a&amp;b&#x2d;1 </p:clientName><p:other/></p:params>\n";
        let read = Received::read(text.as_bytes()).unwrap();
        assert!(read.is("params", "urn:x") && !read.is("params", "urn:y"));
        assert_eq!(read.field("clientName"), Some("a&b-1"));
        assert_eq!(read.field("other"), Some(""));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<!DOCTYPE a><a/>",
            "<a>&x;</a>x",
            "<a b></a>",
            "<a><b>&x;</b></a>",
        ] {
            assert!(Received::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
