use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::{Error, ErrorKind, Place, Service, json};

/// Names a call in the errors about it.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) operation: &'static str,
    pub(super) service: Service,
    pub(super) place: Place,
    /// Whether the call changes something.
    pub(super) write: bool,
}

impl Origin {
    pub(super) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.operation, self.service, self.place.clone())
    }

    /// What an answer that cannot be read means: a write may have been carried out.
    pub(super) fn unreadable(&self) -> Error {
        self.error(if self.write { ErrorKind::OutcomeUnknown } else { ErrorKind::Malformed })
    }
}

/// A 2xx answer, read to its end.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) origin: Origin,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) transaction_id: Option<String>,
}

impl Reply {
    /// Decodes the body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        json::parse(&self.body).map_err(|error| self.malformed(Shape(error)))
    }

    /// The error for a body that says something else than the call promises.
    pub(super) fn malformed(
        &self,
        why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        let mut error = self.origin.unreadable().caused_by(why);
        error.status = Some(self.status.as_u16());
        error.transaction_id.clone_from(&self.transaction_id);
        error
    }

    /// The error for an answer without content where an object was asked for: some of Citrix's
    /// services say so that there is none.
    pub(super) fn no_object(&self) -> Option<Error> {
        if self.status != StatusCode::NO_CONTENT {
            return None;
        }
        let mut error = self.origin.error(ErrorKind::NotFound);
        error.status = Some(self.status.as_u16());
        error.transaction_id.clone_from(&self.transaction_id);
        Some(error)
    }

    /// The id of the job in `Location`: its last path segment. The host is never looked at, since
    /// jobs are asked for where the call was sent.
    pub(super) fn job_id(&self) -> Option<String> {
        let location = self.headers.get(http::header::LOCATION)?.to_str().ok()?;
        let path = location.split(['?', '#']).next()?.trim_end_matches('/');
        let id = path.rsplit('/').next()?;
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        (!id.is_empty() && id.len() <= 128 && id.chars().all(safe) && id.trim_matches('.') == id)
            .then(|| id.to_owned())
    }
}

/// Where a body departs from its promised shape. The values in it are not repeated: a parser's own
/// message may quote them.
#[derive(Debug, thiserror::Error)]
#[error("the body cannot be decoded at line {} column {}", .0.line(), .0.column())]
struct Shape(serde_json::Error);
