/// Makes words of an upstream fit to be shown: one line, no control characters, at most
/// [`MAX_LEN`] bytes, no markup. `None` when nothing is left.
pub(in crate::upstream) fn clean(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len().min(MAX_LEN));
    for c in raw.trim().chars() {
        let c = match c {
            // Line and paragraph separators break lines in logs and terminals as well.
            '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_whitespace() => ' ',
            c if c.is_control() || is_invisible(c) => continue,
            c => c,
        };
        if c == ' ' && text.ends_with(' ') {
            continue;
        }
        if text.len() + c.len_utf8() > MAX_LEN {
            break;
        }
        text.push(c);
    }
    let text = text.trim();
    // An edge server's page that somebody put into a field is no message.
    (!text.is_empty() && !text.starts_with('<')).then(|| text.to_owned())
}

/// Marks that reorder or hide text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Longest message that is passed on.
pub(super) const MAX_LEN: usize = 1024;
