use std::{fmt::Write, sync::Arc};

use super::Class;
use crate::{config::Customer, domain::SiteId};

/// Names one answer of Citrix: whose it is, by which credential it was seen, and what was asked.
///
/// Every part has its length before it, so that no two questions read alike, and none can be left
/// out. Who the caller is stands for nothing here: grants are applied to what is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    text: Arc<str>,
    /// Bytes of `text` that name the customer.
    customer: usize,
    /// Bytes of `text` that name the customer and the site.
    site: usize,
    class: Class,
}

impl Key {
    /// The key of one question to Citrix: `resource` names what is asked for, `query` holds
    /// everything else that the answer depends on.
    pub fn new(
        customer: &Customer,
        site: Option<&SiteId>,
        class: Class,
        resource: &str,
        query: &[&str],
    ) -> Self {
        let mut text = customer_scope(customer);
        let customer_end = text.len();
        push(&mut text, site.map_or("", SiteId::as_str));
        let site_end = text.len();
        let secret = customer.client_secrets.first().map_or("", |secret| secret.version.as_str());
        for part in [&customer.client_id, secret, class.as_str(), resource] {
            push(&mut text, part);
        }
        for part in query {
            push(&mut text, part);
        }
        Self { text: text.into(), customer: customer_end, site: site_end, class }
    }

    /// What kind of answer it is.
    pub fn class(&self) -> Class {
        self.class
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// What a change to the customer as a whole touches.
    pub(super) fn customer_scope(&self) -> &str {
        self.text.get(..self.customer).unwrap_or_default()
    }

    /// What a change to the site touches.
    pub(super) fn site_scope(&self) -> &str {
        self.text.get(..self.site).unwrap_or_default()
    }
}

/// The beginning of the keys of everything that belongs to a customer, or to one of its sites.
pub(super) fn scope(customer: &Customer, site: Option<&SiteId>) -> String {
    let mut text = customer_scope(customer);
    if let Some(site) = site {
        push(&mut text, site.as_str());
    }
    text
}

fn customer_scope(customer: &Customer) -> String {
    let mut text = String::with_capacity(USUAL_KEY);
    push(&mut text, customer.region.as_str());
    push(&mut text, customer.id.as_str());
    text
}

fn push(text: &mut String, part: &str) {
    // Writing into a string does not fail.
    let _ = write!(text, "{}:{part};", part.len());
}

/// Bytes that most keys fit into.
const USUAL_KEY: usize = 256;
