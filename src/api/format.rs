//! Which format an answer shall have.

use axum::http::{HeaderMap, header::ACCEPT};

/// How a caller wants a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// One JSON object.
    Json,
    /// One JSON object a line, as the items come.
    Ndjson,
}

impl Format {
    /// The format that `Accept` prefers (RFC 9110, section 12.5.1); `None` if it rules out both.
    pub(crate) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let mut stated = false;
        let mut best: Option<(u16, Self)> = None;
        for value in headers.get_all(ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                stated |= !range.trim().is_empty();
                let Some((format, weight)) = media_range(range) else { continue };
                // Equal weights: the first one that was named.
                if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
                    best = Some((weight, format));
                }
            }
        }
        if stated { best.map(|(_, format)| format) } else { Some(Self::Json) }
    }
}

/// What a media range asks for, with its weight in thousandths.
fn media_range(range: &str) -> Option<(Format, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let format = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" => Format::Ndjson,
        // Streams of events are chosen by their path; what goes wrong with them is JSON.
        "text/event-stream"
        | "application/json"
        | "application/problem+json"
        | "application/*"
        | "*/*" => Format::Json,
        _ => return None,
    };
    let weight = parts
        .filter_map(|parameter| parameter.strip_prefix("q="))
        .find_map(|weight| weight.trim().parse::<f32>().ok())
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the weight is between 0 and 1"
    )]
    Some((format, (weight * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        Format::wanted(&headers)
    }

    #[test]
    fn accept_chooses_the_format() {
        assert_eq!(Format::wanted(&HeaderMap::new()), Some(Format::Json));
        assert_eq!(wanted("application/x-ndjson"), Some(Format::Ndjson));
        assert_eq!(wanted("application/x-ndjson;q=0.5, application/json"), Some(Format::Json));
        assert_eq!(wanted("text/html, */*;q=0.8"), Some(Format::Json));
        assert_eq!(wanted("text/html"), None);
        assert_eq!(wanted("application/json;q=0"), None);
    }
}
