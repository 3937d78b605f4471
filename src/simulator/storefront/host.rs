//! What the server of the stores remembers.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::super::scenario::{DomainField, Secret, StoreMethod};
use super::super::world::Mode;
use super::forms::Conversation;
use super::resource::Resource;
use super::tokens::{Realm, Token};

/// The server: every store, and the tokens that were issued.
#[derive(Debug, Default)]
pub(crate) struct StoreHost {
    pub(crate) mode: Mode,
    pub(crate) stores: Vec<Store>,
    pub(super) tokens: HashMap<String, Token>,
}

/// One store with its authentication service.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) auth_path: String,
    pub(crate) methods: Vec<StoreMethod>,
    pub(super) domain_field: DomainField,
    pub(super) state_context: String,
    pub(super) capabilities: bool,
    pub(crate) trusted: bool,
    pub(crate) primary_token_seconds: u32,
    pub(crate) service_token_seconds: u32,
    pub(crate) users: Vec<User>,
    pub(crate) resources: Vec<Resource>,
    /// Farms that do not answer.
    pub(crate) farms_down: BTreeSet<String>,
    /// The challenge names a location that does not answer before the right one.
    pub(crate) dead_location_first: bool,
    /// Requests that will be refused whatever they bring.
    pub(crate) rejections: VecDeque<Rejection>,
    pub(super) conversations: HashMap<String, Conversation>,
    /// User index and resource id.
    pub(super) subscriptions: BTreeSet<(usize, String)>,
    pub(crate) counts: Counts,
}

/// Somebody who can sign in.
#[derive(Debug)]
pub(crate) struct User {
    /// `DOMAIN\user`
    pub(crate) name: String,
    pub(super) password: Secret,
    /// Rises with every change of the password, which ends the tokens before.
    pub(super) password_version: u32,
    pub(crate) password_expired: bool,
    pub(crate) password_expires_soon: bool,
    pub(crate) locked: bool,
    pub(crate) locks_after: u32,
    /// Since the last right one.
    pub(crate) wrong_passwords: u32,
    pub(crate) sign_ins: u64,
}

/// The next requests that are refused with a 401 of this reason.
#[derive(Clone, Debug)]
pub(crate) struct Rejection {
    pub(crate) realm: Realm,
    pub(crate) reason: String,
    pub(crate) times: u32,
}

/// Things that a well-behaved client keeps low.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) listings: u64,
    pub(crate) subscriptions_created: u64,
    pub(crate) primary_tokens: u64,
    pub(crate) service_tokens: u64,
    pub(crate) password_checks: u64,
}

/// How a logon ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SignIn {
    Good(usize),
    Expired(usize),
    Locked,
    Wrong,
}

impl Store {
    /// The user by `DOMAIN\user`, `DOMAIN|user`, `user@domain.…` or a name that only one has.
    pub(crate) fn user(&self, name: &str) -> Option<usize> {
        let name = name.replace('|', "\\");
        self.users.iter().position(|user| user.is_called(&name)).or_else(|| {
            let mut found = (0..self.users.len())
                .filter(|at| self.users[*at].account().eq_ignore_ascii_case(&name));
            found.next().filter(|_| found.next().is_none())
        })
    }

    /// Checks a password, and locks an account that tried too often.
    pub(super) fn sign_in(&mut self, name: &str, password: &str) -> SignIn {
        self.counts.password_checks += 1;
        let Some(at) = self.users.iter().position(|user| user.is_called(name)) else {
            return SignIn::Wrong;
        };
        let user = &mut self.users[at];
        if user.locked {
            return SignIn::Locked;
        }
        if user.password.expose() != password {
            user.wrong_passwords += 1;
            user.locked = user.locks_after != 0 && user.wrong_passwords >= user.locks_after;
            return SignIn::Wrong;
        }
        user.wrong_passwords = 0;
        if user.password_expired {
            return SignIn::Expired(at);
        }
        user.sign_ins += 1;
        SignIn::Good(at)
    }

    /// The reason with which the next request of this realm is refused whatever it brings.
    pub(super) fn next_rejection(&mut self, realm: Realm) -> Option<String> {
        let at = self.rejections.iter().position(|rejection| rejection.realm == realm)?;
        let rejection = self.rejections.get_mut(at)?;
        let reason = rejection.reason.clone();
        rejection.times = rejection.times.saturating_sub(1);
        if rejection.times == 0 {
            self.rejections.remove(at);
        }
        Some(reason)
    }

    /// The resource by id, by title or host name where only one has it.
    pub(crate) fn resource(&self, name: &str) -> Option<usize> {
        let same = |text: &str| text.eq_ignore_ascii_case(name);
        self.resources.iter().position(|resource| same(&resource.id)).or_else(|| {
            let called = |resource: &Resource| {
                same(&resource.title) || resource.machine.as_ref().is_some_and(|m| same(&m.name))
            };
            let mut found = (0..self.resources.len()).filter(|at| called(&self.resources[*at]));
            found.next().filter(|_| found.next().is_none())
        })
    }
}

impl User {
    /// A new password; tokens from before are no longer good.
    pub(crate) fn set_password(&mut self, password: Secret) {
        self.password = password;
        self.password_version += 1;
        self.password_expired = false;
    }

    /// The name without the domain.
    pub(super) fn account(&self) -> &str {
        self.name.split_once('\\').map_or(&*self.name, |(_, account)| account)
    }

    pub(super) fn domain(&self) -> &str {
        self.name.split_once('\\').map_or("", |(domain, _)| domain)
    }

    /// Whether this is how the user signs in; a bare name is not enough (inferred).
    fn is_called(&self, name: &str) -> bool {
        if let Some((account, suffix)) = name.split_once('@') {
            let domain = suffix.split('.').next().unwrap_or_default();
            return account.eq_ignore_ascii_case(self.account())
                && domain.eq_ignore_ascii_case(self.domain());
        }
        self.name.eq_ignore_ascii_case(name)
    }
}
