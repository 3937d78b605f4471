//! Bulk work: finding out what it is about, and acting on one target after another.
//!
//! Everything here is read from Citrix now and never from a cache: to act on what was true a
//! while ago is how people lose their work. Each act is authorized by itself, at the time it is
//! carried out.

mod act;
mod cancel;
mod evidence;
mod survey;

use std::sync::Arc;

pub use act::{Aim, Deed, Gate, Taken};
pub use evidence::{Evidence, Sent};
pub use survey::{Reach, Subject, Survey, Within};

use serde::{Serialize, de::DeserializeOwned};

use super::{Core, Error, Paging};
use crate::domain::{Action, CallContext};

/// What bulk operations are made of.
#[derive(Clone, Debug)]
pub struct Bulk {
    core: Arc<Core>,
}

impl Bulk {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Where the page begins that a list was asked for; `None` for the first.
    ///
    /// # Errors
    /// [`Error::InvalidPageToken`] when the token is not of this list.
    pub fn place<P: DeserializeOwned>(&self, paging: &Paging) -> Result<Option<P>, Error> {
        let Some(token) = &paging.token else { return Ok(None) };
        let plain = self.core.page_tokens.open(token, &paging.binding);
        let plain = plain.map_err(|_| Error::InvalidPageToken)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| Error::InvalidPageToken)
    }

    /// The token of the page that begins after `place`.
    ///
    /// # Errors
    /// When the place cannot be written.
    pub fn page_token(&self, place: &impl Serialize, paging: &Paging) -> Result<String, Error> {
        let plain = serde_json::to_vec(place).map_err(|_| Error::Internal)?;
        Ok(self.core.page_tokens.seal(&plain, &paging.binding))
    }

    /// Whether the caller administers any customer at all.
    pub fn administers_anything(&self, ctx: &CallContext) -> bool {
        self.core.policy.grants_anywhere(&ctx.principal, Action::Admin)
    }

    /// Whether the caller administers every customer, those that are gone included.
    pub fn administers_everything(&self, ctx: &CallContext) -> bool {
        self.core.policy.authorize_everywhere(&ctx.principal, Action::Admin).is_ok()
    }

    /// Whether the caller administers this customer as a whole.
    pub fn administers(&self, ctx: &CallContext, customer: &str) -> bool {
        let policy = &self.core.policy;
        self.core.directory.find(customer).is_some_and(|account| {
            policy.authorize_whole(&ctx.principal, Action::Admin, account.key()).is_ok()
        })
    }
}
