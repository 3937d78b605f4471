//! XML within bounds: a strict reader into a flat tree that borrows from the bytes, and an exact
//! writer.
//!
//! The tokenizer below is no checking processor: it reads most ill-formed documents to their end.
//! What is taken here is a document of XML 1.0 with namespaces in UTF-8 with exactly one root, no
//! document type, no entity but the five predefined ones and character references, and no
//! processing instruction; its size, depth, number of elements and of attributes are bounded.

mod chars;
mod document;
mod error;
mod limits;
mod names;
mod reader;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use document::{Children, Descendants, Document, Node};
pub use error::Error;
pub use limits::Limits;
pub use reader::parse;
pub use writer::{IllegalCharacter, Writer};
