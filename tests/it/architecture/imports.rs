//! Finds the paths of a source file that lead out of its module. Reads tokens, not lines, so
//! that comments, strings and grouped imports are seen for what they are.

/// A path that starts at the crate's root, or climbs above its room.
pub(super) struct Import {
    pub(super) line: usize,
    pub(super) target: Target,
}

pub(super) enum Target {
    /// The first name after `crate::`.
    Room(String),
    /// More `super` than there are modules in the room.
    AboveRoom,
}

/// The imports of `text`, the file of a module that is `depth` modules below the root.
pub(super) fn imports(text: &str, depth: usize) -> Vec<Import> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    // Depth in modules, and for each open module in this file the braces around its body.
    let (mut braces, mut bodies) = (0_usize, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| &*tokens[before].text);
        match &*token.text {
            "{" => {
                braces += 1;
                if at >= 2 && tokens[at - 2].text == "mod" {
                    bodies.push(braces);
                }
            }
            "}" => {
                if bodies.last() == Some(&braces) {
                    bodies.pop();
                }
                braces = braces.saturating_sub(1);
            }
            // The package's own name is how `main.rs` says `crate`.
            "crate" | "cwsgate" if before != "::" => first_names(&tokens, at + 1, &mut found),
            "super" if before != "::" => {
                let path = tokens[at..].iter().take_while(|t| ["super", "::"].contains(&&*t.text));
                let supers = path.filter(|t| t.text == "super").count();
                if supers >= depth + bodies.len() {
                    found.push(Import { line: token.line, target: Target::AboveRoom });
                }
            }
            _ => {}
        }
    }
    found
}

/// Collects the first name of every path below `crate`, whose `::` is at `at`.
fn first_names(tokens: &[Token], at: usize, found: &mut Vec<Import>) {
    let text = |at: usize| tokens.get(at).map_or("", |token| &*token.text);
    if text(at) != "::" {
        return;
    }
    if text(at + 1) != "{" {
        if let Some(name) = tokens.get(at + 1) {
            found.push(Import { line: name.line, target: Target::Room(name.text.clone()) });
        }
        return;
    }
    let mut open = 0_usize;
    for (here, token) in tokens.iter().enumerate().skip(at + 1) {
        match &*token.text {
            "{" => open += 1,
            "}" if open == 1 => return,
            "}" => open -= 1,
            "," => {}
            name if open == 1 && ["{", ","].contains(&text(here - 1)) => {
                found.push(Import { line: token.line, target: Target::Room(name.to_owned()) });
            }
            _ => {}
        }
    }
}

struct Token {
    text: String,
    line: usize,
}

/// Words, `::` and single marks; comments and literals are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line) = (0, 1);
    let mut tokens = Vec::new();
    while at < chars.len() {
        let end = match literal_end(&chars, at) {
            Some(end) => end,
            None if is_word(chars[at]) => {
                let end = after(&chars, at, |c| !is_word(c));
                tokens.push(Token { text: chars[at..end].iter().collect(), line });
                end
            }
            None if chars[at].is_whitespace() => at + 1,
            None => {
                let end = if chars[at..].starts_with(&[':', ':']) { at + 2 } else { at + 1 };
                tokens.push(Token { text: chars[at..end].iter().collect(), line });
                end
            }
        };
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

/// Where the comment, string or character that starts at `at` ends.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let rest = &chars[at..];
    match rest {
        ['/', '/', ..] => Some(after(chars, at, |c| c == '\n')),
        ['/', '*', ..] => {
            let (mut open, mut here) = (1_usize, at + 2);
            while open > 0 && here < chars.len() {
                match &chars[here..] {
                    ['/', '*', ..] => (open, here) = (open + 1, here + 2),
                    ['*', '/', ..] => (open, here) = (open - 1, here + 2),
                    _ => here += 1,
                }
            }
            Some(here)
        }
        ['r', '"', ..] => raw_end(chars, at + 1),
        ['r', '#', next, ..] if ['#', '"'].contains(next) => raw_end(chars, at + 1),
        ['b' | 'c', 'r', '"' | '#', ..] => raw_end(chars, at + 2),
        ['b' | 'c', '"', ..] => Some(quoted_end(chars, at + 1)),
        // A character, unlike a lifetime, is closed after one sign or an escape.
        ['"', ..] | ['\'', '\\', ..] | ['\'', _, '\'', ..] => Some(quoted_end(chars, at)),
        _ => None,
    }
}

fn quoted_end(chars: &[char], at: usize) -> usize {
    let mut here = at + 1;
    while here < chars.len() && chars[here] != chars[at] {
        here += if chars[here] == '\\' { 2 } else { 1 };
    }
    (here + 1).min(chars.len())
}

fn raw_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = after(chars, at, |c| c != '#') - at;
    let mut close = vec!['"'];
    close.extend(std::iter::repeat_n('#', hashes));
    let start = at + hashes + 1;
    let body = chars.get(start..)?;
    Some(
        body.windows(close.len())
            .position(|window| window == close)
            .map_or(chars.len(), |found| start + found + close.len()),
    )
}

fn after(chars: &[char], at: usize, stop: impl Fn(char) -> bool) -> usize {
    chars[at..].iter().position(|c| stop(*c)).map_or(chars.len(), |found| at + found)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
