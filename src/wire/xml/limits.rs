/// What is read at most of one document.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the whole.
    pub max_bytes: usize,
    /// Elements standing in each other, the root included.
    pub max_depth: usize,
    /// Elements of the whole.
    pub max_elements: usize,
    /// Attributes of one element, and namespaces declared at once.
    pub max_attributes: usize,
}

impl Limits {
    /// For a document of at most so many bytes: 32 deep, 64 attributes each, 512 Ki elements.
    pub const fn of_bytes(max_bytes: usize) -> Self {
        Self { max_bytes, max_depth: 32, max_elements: 512 * 1024, max_attributes: 64 }
    }
}
