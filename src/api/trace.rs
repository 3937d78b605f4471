//! The caller's own trace (W3C Trace Context, section 3.2), so that its spans and our log find each
//! other.

use axum::http::{HeaderMap, HeaderName};

/// The id of the trace that a request belongs to; `None` without one, or where it is malformed.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut given = headers.get_all(&TRACEPARENT).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let mut parts = value.to_str().ok()?.split('-');
    let mut hex = |length: usize| {
        let part = parts.next()?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (part.len() == length && part.bytes().all(is_hex)).then_some(part)
    };
    let (version, trace, parent, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let is_nobody = |id: &str| id.bytes().all(|byte| byte == b'0');
    // Later versions may say more behind these four parts; the first one must not.
    let well_formed = version != "ff" && (version != "00" || parts.next().is_none());
    (well_formed && !is_nobody(trace) && !is_nobody(parent)).then(|| trace.to_owned())
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_over_only_if_it_is_one() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let of = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(TRACEPARENT, value.parse().unwrap());
            }
            trace_id(&headers)
        };
        let good = format!("00-{trace}-b7ad6b7169203331-01");
        assert_eq!(of(std::slice::from_ref(&good)).as_deref(), Some(trace));
        assert_eq!(of(&[format!("cc-{}-more", &good[3..])]).as_deref(), Some(trace));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[good.clone(), good.clone()]), None);
        for bad in [
            format!("{good}-more"),
            format!("ff-{}", &good[3..]),
            good.to_uppercase(),
            good.replace(trace, &"0".repeat(32)),
            good.replace("b7ad6b7169203331", &"0".repeat(16)),
            good[..54].to_owned(),
            trace.to_owned(),
            String::new(),
        ] {
            assert_eq!(of(std::slice::from_ref(&bad)), None, "{bad}");
        }
    }
}
