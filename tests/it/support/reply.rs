use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self { status, headers, text }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body of a success, which must have this status.
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// The body of a problem, which must have this status and code and be a problem document
    /// that holds what every problem document must.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let media_type = self.header("content-type");
        assert_eq!(media_type, "application/problem+json; charset=utf-8", "{}", self.text);
        let body = self.json();
        assert_eq!(body["code"], code, "{}", self.text);
        assert_eq!(body["type"], format!("/problems/{code}"));
        assert_eq!(body["status"], status);
        for name in ["title", "detail", "fix", "origin", "requestId"] {
            assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {body}");
        }
        assert!(body["retryable"].is_boolean());
        assert_eq!(body["requestId"], self.header("x-request-id"));
        if matches!(status, 429 | 503) {
            assert!(self.header("retry-after").parse::<u32>().unwrap() > 0);
        }
        body
    }

    /// A header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// One property of every item.
    #[track_caller]
    pub(crate) fn of_items(&self, name: &str) -> Vec<Value> {
        let body = self.json();
        let items = body["items"].as_array().unwrap_or_else(|| panic!("no items: {body}"));
        items.iter().map(|item| item[name].clone()).collect()
    }

    /// The lines of a stream.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
