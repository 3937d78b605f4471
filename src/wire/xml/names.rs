//! Namespaces (Namespaces in XML 1.0, third edition).

use std::borrow::Cow;

use super::chars;

/// The namespaces in scope while a document is read.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// Depth, prefix (empty for the default) and index into `uris`, innermost last.
    bindings: Vec<(usize, &'a str, u32)>,
    uris: Vec<Cow<'a, str>>,
}

/// Stands for "in no namespace".
pub(super) const NO_NAMESPACE: u32 = 0;

impl<'a> Scope<'a> {
    pub(super) fn new() -> Self {
        Self { bindings: Vec::new(), uris: vec![Cow::Borrowed(""), Cow::Borrowed(XML)] }
    }

    /// Declares `prefix` for an element at this depth and what stands in it.
    pub(super) fn declare(
        &mut self,
        depth: usize,
        prefix: &'a str,
        uri: Cow<'a, str>,
    ) -> Result<(), &'static str> {
        if prefix == "xml" || prefix == "xmlns" || uri == XML || uri == XMLNS {
            // Declaring `xml` as what it is would be allowed; nobody does.
            return Err("a reserved namespace is declared");
        }
        if uri.is_empty() && !prefix.is_empty() {
            return Err("a prefix is undeclared");
        }
        let known = self.uris.iter().position(|known| *known == uri);
        let index = known.unwrap_or_else(|| {
            self.uris.push(uri);
            self.uris.len() - 1
        });
        let index = u32::try_from(index).map_err(|_| "too many namespaces")?;
        self.bindings.push((depth, prefix, index));
        Ok(())
    }

    /// How many namespaces are declared just now, and how many there were at all.
    pub(super) fn count(&self) -> usize {
        self.bindings.len().max(self.uris.len())
    }

    /// Whether an element at this depth has declared the prefix already.
    pub(super) fn declared_at(&self, depth: usize, prefix: &str) -> bool {
        let here = self.bindings.iter().rev().take_while(|(declared, ..)| *declared >= depth);
        here.into_iter().any(|(_, known, _)| *known == prefix)
    }

    /// Forgets what elements at this depth and below declared.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.bindings.last().is_some_and(|(declared, ..)| *declared >= depth) {
            self.bindings.pop();
        }
    }

    /// The namespace of a prefix; the empty prefix is the default namespace.
    pub(super) fn resolve(&self, prefix: &str) -> Option<u32> {
        if prefix == "xml" {
            return Some(1);
        }
        let found = self.bindings.iter().rev().find(|(_, known, _)| *known == prefix);
        match found {
            Some((.., index)) => Some(*index),
            None => prefix.is_empty().then_some(NO_NAMESPACE),
        }
    }

    pub(super) fn into_uris(self) -> Vec<Cow<'a, str>> {
        self.uris
    }
}

/// A qualified name as prefix (empty for none) and local name.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) if chars::is_ncname(prefix) => (prefix, local),
        Some(_) => return None,
        None => ("", name),
    };
    chars::is_ncname(local).then_some((prefix, local))
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
