//! An answer before it is written, and what every one of them has in common.

use std::time::Duration;

use axum::body::Body;
use axum::http::Response;

use super::super::http::{Reply, Request, Transaction};
use super::super::region::{Dropped, cut};
use super::document::{Document, Rendered};
use super::xml::Element;

/// A status and headers, perhaps a document, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    xml: Option<(&'static str, Element)>,
    pub(super) document: Option<Document>,
    pub(super) latency_ms: u32,
}

impl Answer {
    /// 200 with a document that must not be cached.
    pub(super) fn xml(content_type: &'static str, root: Element) -> Self {
        Self::plain(empty(200).header("cache-control", "no-cache")).with(content_type, root)
    }

    /// Nothing but a status and headers.
    pub(super) fn plain(reply: Reply) -> Self {
        Self { reply, xml: None, document: None, latency_ms: 0 }
    }

    /// The web server's own page for a status. Bodies of errors are not published (inferred).
    pub(super) fn page(status: u16) -> Self {
        Self::plain(page(status))
    }

    /// 404 with a reason.
    pub(super) fn not_found(reason: &str) -> Self {
        Self::page(404).header("x-citrix-error-reason", reason)
    }

    pub(super) fn with(mut self, content_type: &'static str, root: Element) -> Self {
        self.xml = Some((content_type, root));
        self
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.reply.status = status;
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.reply.headers.retain(|(known, _)| known != name);
        self.reply = self.reply.header(name, value);
        self
    }

    /// Waits if it must, and writes what there is to send.
    pub(super) async fn send(self) -> Result<Response<Body>, Dropped> {
        if self.latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.latency_ms.min(600_000).into())).await;
        }
        let mut reply = self.reply;
        let Some((content_type, root)) = self.xml else {
            return Ok(reply.into_response(""));
        };
        let rendered = match self.document {
            Some(document) => document.render(root),
            None => Rendered::whole(root.document()),
        };
        reply = reply.typed(rendered.content_type.unwrap_or(content_type), rendered.bytes);
        if rendered.gzip {
            reply = reply.header("content-encoding", "gzip");
        }
        if rendered.cut {
            let half = reply.body.len() / 2;
            return Ok(cut(reply, half, ""));
        }
        Ok(reply.into_response(""))
    }
}

/// A reply without the transaction header, which this server does not know.
pub(super) fn empty(status: u16) -> Reply {
    let mut reply = Reply::empty(status);
    reply.transaction = Transaction::Absent;
    reply
}

/// The web server's own page for a status.
pub(super) fn page(status: u16) -> Reply {
    let title = match status {
        400 => "Bad Request",
        401 => "Unauthorized: Access is denied due to invalid credentials.",
        404 => "404 - File or directory not found.",
        405 => "405 - HTTP verb used to access this page is not allowed.",
        503 => "Service Unavailable",
        _ => "Server Error",
    };
    let html = format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \
         \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\r\n<html \
         xmlns=\"http://www.w3.org/1999/xhtml\">\r\n<head>\r\n<title>{title}</title>\r\n</head>\r\n\
         <body>\r\n<h2>{title}</h2>\r\n</body>\r\n</html>\r\n"
    );
    empty(status).typed("text/html", html)
}

/// Whether the caller takes one of `types`; a missing `Accept` takes everything.
pub(super) fn accepts(request: &Request, types: &[&str]) -> bool {
    let mut all = request.headers.get_all("accept").iter().peekable();
    if all.peek().is_none() {
        return true;
    }
    all.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        ["*/*", "application/*"].contains(&range)
            || types.iter().any(|known| known.eq_ignore_ascii_case(range))
    })
}

/// Whether the body is announced as `wanted`, parameters aside.
pub(super) fn is_of_type(request: &Request, wanted: &str) -> bool {
    let given = request.content_type().unwrap_or_default();
    given.split(';').next() == Some(wanted)
}
