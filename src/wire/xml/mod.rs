//! XML within bounds: a strict reader into a small flat tree, and an exact writer.

mod error;

pub use error::Error;
