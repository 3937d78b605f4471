mod read;

use std::{collections::BTreeSet, fmt, num::NonZeroU32, time::Duration};

use jiff::Timestamp;

pub(super) use read::Known;

use crate::domain::{Action, AppName, Label, SiteId, StoreName};

/// A caller of the gateway.
#[derive(Clone, Debug)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// Its API keys, as hashes.
    pub keys: Vec<KeyHash>,
    /// The tokens of an identity provider that stand for it.
    pub subject: Option<Subject>,
    /// What it may do. Nothing else is allowed.
    pub grants: Vec<Grant>,
    /// How much of it.
    pub limits: AppLimits,
}

impl App {
    /// Whether no credential can stand for it.
    pub(super) fn is_nobody(&self) -> bool {
        self.keys.is_empty() && self.subject.is_none()
    }
}

/// How much an app may do; what is absent is not limited.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AppLimits {
    /// Requests in a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Machines that are acted on in an hour.
    pub machines_per_hour: Option<NonZeroU32>,
    /// The longest that a call may take.
    pub max_deadline: Option<Duration>,
}

/// The hash of an API key as `cwsgate key new` prints it: `cwsgate_hash_{id}_{sha256}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyHash {
    /// Public part of the key, by which it is looked up.
    pub id: String,
    /// SHA-256 of the secret part.
    pub digest: [u8; 32],
    /// When the key stops working, where it does.
    pub expires: Option<Timestamp>,
}

/// Which tokens of an identity provider stand for an app.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The claim to look at.
    pub claim: String,
    /// The value it must have.
    pub value: String,
}

/// Actions on customers, or on stores.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// What is allowed.
    pub actions: BTreeSet<Action>,
    /// On which customers.
    pub customers: Vec<CustomerSelector>,
    /// On which of their sites; `None` is all.
    pub sites: Option<Vec<SiteSelector>>,
    /// On which stores.
    pub stores: Vec<StoreSelector>,
    /// Whether every acting call must say why.
    pub require_reason: bool,
}

/// Which customers a grant or a query names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CustomerSelector {
    /// `*`: every customer.
    All,
    /// A customer by our name or by Citrix's id.
    NameOrId(String),
    /// `label:x`: every customer with that label.
    Label(Label),
}

/// Which sites a grant names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SiteSelector {
    /// `*`: every site.
    All,
    /// One site by id.
    Id(SiteId),
}

/// Which stores a grant names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StoreSelector {
    /// `*`: every store.
    All,
    /// One store by name.
    Name(StoreName),
}

impl CustomerSelector {
    /// Whether this names the customer with that name, id and labels.
    pub fn matches(&self, name: &str, id: &str, labels: &[Label]) -> bool {
        match self {
            Self::All => true,
            Self::NameOrId(wanted) => wanted == name || wanted == id,
            Self::Label(wanted) => labels.contains(wanted),
        }
    }
}

impl KeyHash {
    /// Reads `cwsgate_hash_{id}_{sha256}`.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, hex) = text.strip_prefix(HASH_PREFIX)?.split_once('_')?;
        if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let digits: Vec<u8> =
            hex.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        let digest = <[u8; 32]>::try_from(bytes).ok().filter(|_| digits.len() == 64)?;
        Some(Self { id: id.to_owned(), digest, expires: None })
    }
}

/// As the configuration keeps it; [`KeyHash::parse`] reads it, expiry apart.
impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH_PREFIX}{}_", self.id)?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the hash of every key starts with.
const HASH_PREFIX: &str = "cwsgate_hash_";
