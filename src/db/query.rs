use std::borrow::Cow;

/// A statement and its values.
#[derive(Clone, Debug)]
pub struct Query {
    text: Cow<'static, str>,
    values: Vec<Value>,
    lock: Option<Lock>,
    must_touch: Option<u64>,
}

/// A value of a statement. Truth is 0 or 1, a time is milliseconds, JSON is text.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text, or nothing.
    Text(Option<String>),
    /// A number, or nothing.
    Int(Option<i64>),
}

/// How `PostgreSQL` locks the rows that are read. `SQLite` has one writer, which locks all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lock {
    /// Nobody may change them until the transaction ends.
    Share,
    /// Nobody may change or lock them until the transaction ends.
    Update,
    /// The same, and those that somebody else has locked are left out.
    SkipLocked,
}

/// A statement whose values are to be bound.
pub fn query(text: &'static str) -> Query {
    Query { text: Cow::Borrowed(text), values: Vec::new(), lock: None, must_touch: None }
}

impl Query {
    /// Binds the next value: the first is `$1`.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds to the text. It takes no text that was made while running: values are bound.
    #[must_use]
    pub fn push(mut self, text: &'static str) -> Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds a value to the text, as the next `$n`.
    #[must_use]
    pub fn push_value(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.text.to_mut().push_str(&place);
        self
    }

    /// Locks the rows that it reads, where the database knows row locks. For a SELECT in a
    /// transaction.
    #[must_use]
    pub fn lock(mut self, lock: Lock) -> Self {
        self.lock = Some(lock);
        self
    }

    /// In [`Db::write`](super::Db::write): unless it touches so many rows, nothing of the write
    /// happens.
    #[must_use]
    pub fn must_touch(mut self, rows: u64) -> Self {
        self.must_touch = Some(rows);
        self
    }

    /// Asks SQLite how it would go about it.
    #[cfg(test)]
    pub(crate) fn explained(mut self) -> Self {
        self.text.to_mut().insert_str(0, "EXPLAIN QUERY PLAN ");
        self
    }

    pub(super) fn touched_as_it_must(&self, rows: u64) -> bool {
        self.must_touch.is_none_or(|must| must == rows)
    }

    pub(super) fn into_sqlite(self) -> (Cow<'static, str>, Vec<Value>) {
        (self.text, self.values)
    }

    pub(super) fn into_postgres(mut self) -> (Cow<'static, str>, Vec<Value>) {
        let lock = match self.lock {
            None => return (self.text, self.values),
            Some(Lock::Share) => " FOR SHARE",
            Some(Lock::Update) => " FOR UPDATE",
            Some(Lock::SkipLocked) => " FOR UPDATE SKIP LOCKED",
        };
        self.text.to_mut().push_str(lock);
        (self.text, self.values)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(ToOwned::to_owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Int(Some(i64::from(truth)))
    }
}
