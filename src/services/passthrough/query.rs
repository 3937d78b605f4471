use percent_encoding::percent_decode_str;

use super::DropInCall;
use crate::auth::Credential;

/// Looks at the queries of a call, its own and those of its items.
#[derive(Default)]
pub(super) struct Queries {
    /// What the caller has shown, and must not show to Citrix.
    credential: Option<Credential>,
}

impl Queries {
    pub(super) fn of(call: &DropInCall) -> Self {
        Self { credential: Credential::from_headers(&call.headers).ok().flatten() }
    }

    /// Why a query may not go up: it asks for another method than the request has, by which it
    /// was judged, or it holds a credential, which would be in the logs of everybody on the way.
    pub(super) fn fault(&self, query: &str) -> Option<&'static str> {
        query.split(['&', ';']).find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value));
            let called = name.to_ascii_lowercase();
            if OVERRIDES.contains(&called.trim_start_matches("x-")) {
                return Some("the query asks for another method than the request has");
            }
            let secret = |text: &String| {
                text.starts_with(OF_API_KEYS)
                    || self.credential.as_ref().is_some_and(|known| known.expose() == text)
            };
            (CREDENTIALS.contains(&called.as_str()) || [name, value].iter().any(secret)).then_some(
                "the query holds a credential, which belongs in the Authorization header alone",
            )
        })
    }
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().trim().to_owned()
}

const OVERRIDES: [&str; 4] = ["_method", "http-method", "http-method-override", "method-override"];

const CREDENTIALS: [&str; 6] =
    ["access_token", "api_key", "apikey", "authorization", "x-api-key", "client_secret"];

/// With what API keys of the gateway begin.
const OF_API_KEYS: &str = "cwsgate_";

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(query: &str) -> bool {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", "CwsAuth Bearer=s3+cret".parse().unwrap());
        let credential = Credential::from_headers(&headers).unwrap();
        Queries { credential }.fault(query).is_some()
    }

    #[test]
    fn neither_another_method_nor_a_credential_stands_in_a_query() {
        for query in [
            "_method=DELETE",
            "a=b&X-HTTP-Method%2DOverride=DELETE",
            "access_token=x",
            "a=b&Access%5FToken=x",
            "API_KEY",
            "apikey=x",
            "a;authorization=x",
            "X-Api-Key=x",
            "client_secret=x",
            "a=cwsgate_abc",
            "cwsgate_abc",
            "a=%63wsgate_abc",
            "t=s3%2Bcret",
        ] {
            assert!(fault(query), "{query}");
        }
        for query in ["", "async=true&limit=10", "fields=Id,Name", "token=x", "continuationToken=a"]
        {
            assert!(!fault(query), "{query}");
        }
    }
}
