//! `cwsgate explain`: the page of a problem code, as `GET /problems/{code}` shows it.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::{Exit, complain};
use crate::domain::ProblemCode;

/// Writes the page of `code`, or says which codes there are.
pub fn run(code: &str, out: &mut impl Write) -> io::Result<Exit> {
    if let Ok(code) = code.parse::<ProblemCode>() {
        out.write_all(code.page().as_bytes())?;
        return Ok(Exit::Done);
    }
    let nearest = ProblemCode::ALL
        .iter()
        .min_by_key(|known| strsim::damerau_levenshtein(known.as_str(), code))
        .filter(|known| strsim::damerau_levenshtein(known.as_str(), code) <= 3);
    if let Some(known) = nearest {
        complain(format_args!("there is no code {code:?}; did you mean {known}?"));
        return Ok(Exit::Usage);
    }
    let mut message = format!("there is no code {code:?}. Codes are:");
    for known in ProblemCode::ALL {
        // Writing to a string cannot fail.
        let _ = write!(message, "\n  {:32} {}", known.as_str(), known.title());
    }
    complain(message);
    Ok(Exit::Usage)
}
