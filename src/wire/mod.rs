//! Codecs that know no meaning: they turn bytes into other bytes and back, within bounds.

pub mod seal;
pub mod xml;
