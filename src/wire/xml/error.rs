/// Why bytes were not taken for a document. Repeats nothing of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More bytes than are read.
    #[error("the document is larger than {0} bytes")]
    TooLarge(usize),
    /// Elements stand in each other deeper than is read.
    #[error("the document is deeper than {0} elements")]
    TooDeep(usize),
    /// More elements than are read.
    #[error("the document has more than {0} elements")]
    TooManyElements(usize),
    /// One element has more attributes than are read, or more namespaces are declared at once.
    #[error("an element has more than {0} attributes or namespaces")]
    TooManyAttributes(usize),
    /// The bytes are not UTF-8, or the declaration names another encoding.
    #[error("the document is not in UTF-8")]
    Encoding,
    /// A document type, which could define entities, or a processing instruction.
    #[error("the document holds {0}, which is not accepted")]
    Refused(&'static str),
    /// Not well-formed (XML 1.0, section 2.1) or not namespace-well-formed.
    #[error("the document is not well-formed at byte {at}: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the start.
        at: usize,
    },
    /// Another document than the expected one.
    #[error("the document's root element is not the expected one")]
    WrongRoot,
}
