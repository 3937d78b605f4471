//! `cwsgate openapi`: the document that the gateway serves.

use std::io::{self, Write};

use super::Exit;
use crate::api;

/// Writes the document.
pub fn run(yaml: bool, out: &mut impl Write) -> io::Result<Exit> {
    let document = api::document();
    let text = if yaml { document.to_yaml() } else { document.to_json() };
    out.write_all(text.as_bytes())?;
    Ok(Exit::Done)
}
