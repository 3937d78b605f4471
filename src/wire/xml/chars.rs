//! Which characters may stand where (XML 1.0, fifth edition, sections 2.2 and 2.3).

/// Whether a document may hold the character, by itself or as a reference.
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Where in valid UTF-8 the first byte of a character stands that no document may hold.
pub(super) fn first_illegal(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // Nearly every document is clean: one pass without a branch tells.
    let odd = |b: u8| matches!(b, 0..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0xef);
    if bytes.iter().fold(0, |found, b| found | u8::from(odd(*b))) == 0 {
        return None;
    }
    // Control bytes, and U+FFFE and U+FFFF, which are EF BF BE and EF BF BF.
    bytes.iter().enumerate().position(|(at, byte)| match byte {
        0..0x20 => !matches!(byte, b'\t' | b'\n' | b'\r'),
        0xbe | 0xbf => at >= 2 && bytes[at - 2] == 0xef && bytes[at - 1] == 0xbf,
        _ => false,
    })
}

/// Where a tag's name ends.
pub(super) fn name_len(tag: &str) -> usize {
    let space = |b: u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    tag.bytes().position(space).unwrap_or(tag.len())
}

/// White space of markup.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Whether the text is a name without a colon.
pub(super) fn is_ncname(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let plain = |b: u8| letter(b) || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if text.bytes().all(plain) {
        return text.bytes().next().is_some_and(letter);
    }
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}'
        | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
