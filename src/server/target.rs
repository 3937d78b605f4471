/// Whether a path may be routed; the error is fit for a caller.
///
/// The rule is refusal, not repair: a path that two parsers could read differently (dot, empty or
/// encoded-slash segments, as in RFC 3986 section 6.2.2.3) never reaches policy or an upstream.
/// An encoded backslash, bar or blank is part of a name and passes.
pub(super) fn check_path(path: &str, may_end_in_slash: bool) -> Result<(), &'static str> {
    let Some(segments) = path.strip_prefix('/') else {
        return Err("the request target must begin with a slash");
    };
    if segments.is_empty() {
        return Ok(());
    }
    let segments =
        if may_end_in_slash { segments.strip_suffix('/').unwrap_or(segments) } else { segments };
    segments.split('/').try_for_each(check_segment)
}

/// Whether the percent codes of a query are well formed and hide no control byte.
pub(super) fn check_query(query: &str) -> Result<(), &'static str> {
    for byte in Decoded(query.as_bytes()) {
        let (byte, encoded) = byte.ok_or(BAD_PERCENT_CODE)?;
        if !encoded && (byte.is_ascii_control() || byte == b' ') {
            return Err(RAW_CONTROL);
        }
        if encoded && byte == 0 {
            return Err("the query holds an encoded NUL");
        }
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    let (mut length, mut only_dots) = (0_usize, true);
    for byte in Decoded(segment.as_bytes()) {
        let (byte, encoded) = byte.ok_or(BAD_PERCENT_CODE)?;
        match (byte, encoded) {
            (b'/', _) => return Err("the path holds an encoded slash"),
            (0, _) => return Err("the path holds a NUL"),
            (byte, true) if byte.is_ascii_control() => {
                return Err("the path holds an encoded control byte");
            }
            (byte, false) if byte.is_ascii_control() || byte == b' ' => return Err(RAW_CONTROL),
            (b'\\', false) => return Err("a backslash in the path must be encoded as %5C"),
            (b'#', false) => return Err(FRAGMENT),
            (byte, false) if !byte.is_ascii() => {
                return Err("characters outside ASCII must be percent-encoded in the path");
            }
            _ => {}
        }
        length += 1;
        only_dots &= byte == b'.';
    }
    match (length, only_dots) {
        (0, _) => Err("the path holds an empty segment"),
        (1 | 2, true) => Err("the path holds a dot segment"),
        _ => Ok(()),
    }
}

/// The bytes of a percent-encoded text, each with whether it was encoded; `None` for a bad code.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = Option<(u8, bool)>;

    fn next(&mut self) -> Option<Self::Item> {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match *self.0 {
            [] => None,
            [b'%', high, low, ref rest @ ..] => {
                self.0 = rest;
                Some(digit(high).zip(digit(low)).map(|(high, low)| (high << 4 | low, true)))
            }
            [b'%', ..] => {
                self.0 = &[];
                Some(None)
            }
            [byte, ref rest @ ..] => {
                self.0 = rest;
                Some(Some((byte, false)))
            }
        }
    }
}

/// A fragment never leaves a well-behaved client (RFC 9112 section 3.2.1 has no place for it).
pub(super) const FRAGMENT: &str = "the request target holds a fragment";

const BAD_PERCENT_CODE: &str = "the request target holds a bad percent code";
const RAW_CONTROL: &str = "the request target holds a raw control character or blank";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_may_hold_any_printable_character_encoded() {
        for path in [
            "/",
            "/v1/machines",
            "/v1/x/DEMOLAB%5CKESTREL",
            "/v1/x/DEMOLAB%7CKESTREL",
            "/v1/x/DEMOLAB|KESTREL",
            "/v1/x/Win%2011",
            "/v1/x/...",
            "/v1/x/.hidden",
            "/v1/x/a.b",
            "/v1/x/%C3%BC",
            "/v1/customers/-/sites/-/machines",
            "/cvad/manage/Machines/$search",
            "/v1/x/100%25",
            "/v1/x/a:b@c;d=e,f",
        ] {
            assert_eq!(check_path(path, false), Ok(()), "{path}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for path in [
            "",
            "*",
            "v1",
            "//",
            "//v1",
            "/v1//x",
            "/v1/",
            "/.",
            "/..",
            "/v1/../x",
            "/v1/./x",
            "/v1/%2e",
            "/v1/%2E%2e/x",
            "/v1/.%2e",
            "/v1/a%2Fb",
            "/v1/a%2fb",
            "/v1/%00",
            "/v1/a%0d%0a",
            "/v1/%7f",
            "/v1/%1b",
            "/v1/%",
            "/v1/%4",
            "/v1/%zz",
            "/v1/%+1",
            "/v1/a\\b",
            "/v1/a b",
            "/v1/a\u{7f}",
            "/v1/\u{fc}",
            "/v1/a#b",
        ] {
            assert!(check_path(path, false).is_err(), "{path}");
        }
    }

    #[test]
    fn a_final_slash_passes_only_where_it_was_allowed() {
        assert!(check_path("/docs/", false).is_err());
        assert!(check_path("/docs/", true).is_ok());
        assert!(check_path("/docs//", true).is_err());
        assert!(check_path("//", true).is_err());
    }

    #[test]
    fn a_query_needs_good_percent_codes_and_no_nul() {
        for query in ["", "a=b&c=%20", "name=DEMOLAB\\KESTREL", "q=a|b", "x=%0A", "path=%2F.."] {
            assert_eq!(check_query(query), Ok(()), "{query}");
        }
        for query in ["a=%", "a=%2", "a=%gg", "a=%00", "a=b c", "a=\u{7f}"] {
            assert!(check_query(query).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_decodes_to_segments_without_separators(path in "(/|[.%2eEfF5cC0-]|[a-z\\\\]){0,24}") {
            if check_path(&path, false).is_ok() && path != "/" {
                for segment in path[1..].split('/') {
                    let decoded: Vec<u8> =
                        percent_encoding::percent_decode_str(segment).collect();
                    prop_assert!(!decoded.is_empty());
                    prop_assert!(decoded != b"." && decoded != b"..");
                    prop_assert!(!decoded.contains(&b'/'));
                    prop_assert!(!decoded.iter().any(u8::is_ascii_control));
                }
            }
        }
    }
}
