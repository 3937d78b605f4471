use std::borrow::Cow;

use http::Method;

use super::{
    classify::{DaasPath, Reach, reach},
    record,
};
use crate::{audit::Target, domain::Action};

/// One thing that a call asks for: the call itself, or an item of its batch.
#[derive(Debug)]
pub(super) struct Deed {
    /// What it takes.
    pub(super) action: Action,
    /// Every site that path and header name. None counts where things are not in a site.
    pub(super) sites: Vec<String>,
    /// Whether it shows only what every client asks for before it can name a site.
    pub(super) greets: bool,
    /// How many machines it acts on.
    pub(super) reach: Reach,
    /// Names it within its batch.
    pub(super) reference: Option<String>,
    /// What it does, for the record.
    pub(super) verb: Cow<'static, str>,
    /// What it does it to, for the record.
    pub(super) target: Target,
}

impl Deed {
    /// What takes the action on a path, which is taken apart on the surfaces where things are in a
    /// site; `sent` is the same as it goes up. The sites are added by whoever knows all of them.
    pub(super) fn on(path: Option<&DaasPath>, action: Action, method: &Method, sent: &str) -> Self {
        let written = path.map_or(&[][..], |path| &path.written);
        let (verb, target) = record::named(method, written, sent.trim_end_matches('/'));
        Self {
            action,
            sites: Vec::new(),
            greets: action == Action::Read && path.is_some_and(DaasPath::is_greeting),
            reach: path.map_or(Reach::None, |path| reach(action, &path.rest)),
            reference: None,
            verb,
            target,
        }
    }

    /// Whether it changes something.
    pub(super) fn writes(&self) -> bool {
        self.action != Action::Read
    }
}
