//! Character data and references (XML 1.0, sections 2.4, 2.11, 3.3.3 and 4.1).

use std::borrow::Cow;

use super::chars;

/// What a reference stands for: one of the five predefined entities or a character.
pub(super) fn reference(name: &str) -> Option<char> {
    let code = match name.strip_prefix('#') {
        None => {
            return match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                _ => None,
            };
        }
        Some(number) => match number.strip_prefix('x') {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16),
            None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse(),
            _ => return None,
        },
    };
    char::from_u32(code.ok()?).filter(|c| chars::is_char(*c))
}

/// Text as a program sees it: every line end is one line feed.
pub(super) fn with_line_ends(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\r') {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
}

/// The value between an attribute's quotes: references resolved, white space made spaces.
pub(super) fn attribute_value(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    let special = |b: u8| matches!(b, b'&' | b'<' | b'\t' | b'\n' | b'\r');
    if !raw.bytes().any(special) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(special) {
        value.push_str(&rest[..at]);
        let (mark, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = match mark {
            b'&' => {
                let (name, after) = after.split_once(';').ok_or("a reference has no end")?;
                value.push(reference(name).ok_or("a reference stands for nothing")?);
                after
            }
            b'<' => return Err("an attribute's value holds a '<'"),
            b'\r' => {
                value.push(' ');
                after.strip_prefix('\n').unwrap_or(after)
            }
            _ => {
                value.push(' ');
                after
            }
        };
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}
