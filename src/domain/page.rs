/// Which part of a list an upstream is asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PageRequest {
    /// Most items wanted in this part.
    pub limit: Option<u32>,
    /// Where the previous part said that it ended; opaque.
    pub continuation: Option<String>,
}

/// One part of an upstream's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items, in the upstream's order.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end of the list.
    pub continuation: Option<String>,
}

impl<T> Page<T> {
    /// The same part with every item converted.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            continuation: self.continuation,
        }
    }

    /// A list that came in one part.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, continuation: None }
    }
}
