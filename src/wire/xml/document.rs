use std::{borrow::Cow, ops::Range};

use super::{Error, names::NO_NAMESPACE};

/// A document that was read to its end. Borrows from the bytes it was read from.
#[derive(Debug)]
pub struct Document<'a> {
    /// In document order; the first is the root.
    pub(super) elements: Vec<Element<'a>>,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) namespaces: Vec<Cow<'a, str>>,
}

/// An element as it is held: its descendants are the elements up to `end`.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) namespace: u32,
    pub(super) local: &'a str,
    pub(super) attributes: Range<u32>,
    pub(super) text: Cow<'a, str>,
    pub(super) end: u32,
}

#[derive(Debug)]
pub(super) struct Attribute<'a> {
    pub(super) namespace: u32,
    pub(super) local: &'a str,
    pub(super) value: Cow<'a, str>,
}

/// An element of a document.
#[derive(Clone, Copy, Debug)]
pub struct Node<'d> {
    document: &'d Document<'d>,
    index: usize,
}

impl Document<'_> {
    /// The root, whatever it is.
    pub fn any_root(&self) -> Node<'_> {
        Node { document: self, index: 0 }
    }

    /// The root, if it is the expected one.
    ///
    /// # Errors
    /// [`Error::WrongRoot`] for another local name or namespace.
    pub fn root(&self, namespace: &str, local: &str) -> Result<Node<'_>, Error> {
        let root = self.any_root();
        if root.is(namespace, local) { Ok(root) } else { Err(Error::WrongRoot) }
    }
}

impl<'d> Node<'d> {
    /// Its name without prefix.
    pub fn local(self) -> &'d str {
        self.element().local
    }

    /// Its namespace; empty for none.
    pub fn namespace(self) -> &'d str {
        self.document.namespace(self.element().namespace)
    }

    /// Whether this is its name.
    pub fn is(self, namespace: &str, local: &str) -> bool {
        self.local() == local && self.namespace() == namespace
    }

    /// The text that stands directly in it, in one piece and as it is written.
    pub fn text(self) -> &'d str {
        &self.element().text
    }

    /// The value of an attribute without a prefix.
    pub fn attribute(self, local: &str) -> Option<&'d str> {
        let found = self.held().iter().find(|a| a.local == local && a.namespace == NO_NAMESPACE)?;
        Some(&found.value)
    }

    /// Every attribute: namespace (empty for none), local name, value. Declarations of
    /// namespaces are none.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str, &'d str)> {
        let document = self.document;
        self.held().iter().map(|a| (document.namespace(a.namespace), a.local, &*a.value))
    }

    /// The elements that stand directly in it.
    pub fn children(self) -> Children<'d> {
        Children { parent: self, next: self.index + 1 }
    }

    /// The first child with this name.
    pub fn child(self, namespace: &str, local: &str) -> Option<Node<'d>> {
        self.children().find(|child| child.is(namespace, local))
    }

    /// Every element below it, in document order.
    pub fn descendants(self) -> Descendants<'d> {
        Descendants { document: self.document, next: self.index + 1, end: self.end() }
    }

    fn element(self) -> &'d Element<'d> {
        &self.document.elements[self.index]
    }

    fn held(self) -> &'d [Attribute<'d>] {
        let Range { start, end } = self.element().attributes;
        &self.document.attributes[start as usize..end as usize]
    }

    fn end(self) -> usize {
        self.element().end as usize
    }
}

/// The elements that stand directly in one.
#[derive(Clone, Debug)]
pub struct Children<'d> {
    parent: Node<'d>,
    next: usize,
}

impl<'d> Iterator for Children<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        if self.next >= self.parent.end() {
            return None;
        }
        let node = Node { document: self.parent.document, index: self.next };
        self.next = node.end();
        Some(node)
    }
}

/// Every element below one.
#[derive(Clone, Debug)]
pub struct Descendants<'d> {
    document: &'d Document<'d>,
    next: usize,
    end: usize,
}

impl<'d> Iterator for Descendants<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        if self.next >= self.end {
            return None;
        }
        let node = Node { document: self.document, index: self.next };
        self.next += 1;
        Some(node)
    }
}

impl Document<'_> {
    fn namespace(&self, index: u32) -> &str {
        &self.namespaces[index as usize]
    }
}
