use serde::{Deserialize, Serialize};

use super::Error;
use crate::{domain::ProblemCode, wire::seal::Sealer};

/// Where a list goes on: everything a later page needs to know, carried by the caller in sealed
/// form. It grants nothing: each page is authorized anew.
///
/// Sources are in a fixed order, so one position tells which are done and which have not begun;
/// only those that failed are named, because they are not asked again.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Cursor {
    /// The source that comes next, by our name of the customer.
    #[serde(rename = "c")]
    pub(super) customer: String,
    /// Its site, where the source is one.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) site: Option<String>,
    /// How far that source was read.
    #[serde(rename = "p", default)]
    pub(super) place: Place,
    /// Most items that were asked of an upstream at once: a place holds only for that size.
    #[serde(rename = "l")]
    pub(super) limit: u32,
    /// Sources that failed on an earlier page.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<FailedSource>,
}

/// How far one source was read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Place {
    /// The upstream's own token of the part to read; `None` is its first.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) continuation: Option<String>,
    /// Items of that part that are done with.
    #[serde(rename = "o", default)]
    pub(super) offset: usize,
}

/// A source that is not asked again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct FailedSource {
    #[serde(rename = "c")]
    pub(super) customer: String,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) site: Option<String>,
    #[serde(rename = "e")]
    pub(super) code: String,
}

impl Cursor {
    /// Seals the cursor to the query it belongs to.
    pub(super) fn seal(&self, sealer: &Sealer, binding: &[u8]) -> Result<String, Error> {
        let plain = serde_json::to_vec(self).map_err(|error| {
            tracing::error!(error = %error, "a page token could not be written");
            Error::Internal
        })?;
        Ok(sealer.seal(&plain, binding))
    }

    /// Opens a page token of the same query.
    pub(super) fn open(token: &str, sealer: &Sealer, binding: &[u8]) -> Result<Self, Error> {
        let plain = sealer.open(token, binding).map_err(|_| Error::InvalidPageToken)?;
        serde_json::from_slice(&plain).map_err(|_| Error::InvalidPageToken)
    }
}

impl FailedSource {
    pub(super) fn error(&self) -> Error {
        Error::FailedEarlier(self.code.parse().unwrap_or(ProblemCode::UpstreamError))
    }
}
