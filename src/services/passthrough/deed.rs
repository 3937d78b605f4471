use super::classify::{DaasPath, Reach, reach};
use crate::domain::Action;

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
}

impl Deed {
    /// What takes the action on a path, which is there on the surfaces where things are in a site.
    /// The sites are added by whoever knows all of them.
    pub(super) fn on(path: Option<&DaasPath>, action: Action) -> Self {
        Self {
            action,
            sites: Vec::new(),
            greets: action == Action::Read && path.is_some_and(DaasPath::is_greeting),
            reach: path.map_or(Reach::None, |path| reach(action, &path.rest)),
            reference: None,
        }
    }

    /// Whether it changes something.
    pub(super) fn writes(&self) -> bool {
        self.action != Action::Read
    }
}
