use jiff::Timestamp;

use super::{Audit, Entry, Unavailable, entry::first_id};
use crate::db::{Query, query};

/// Which entries; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this machine: its id, its name, or its name without the domain; without case.
    pub machine: Option<String>,
    /// By this person: the subject of the token, or whom the app said it acted for; without case.
    pub user: Option<String>,
    /// This action; without case.
    pub action: Option<String>,
    /// By this app; without case.
    pub app: Option<String>,
    /// With this outcome, one of [`OUTCOMES`](super::OUTCOMES).
    pub outcome: Option<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Of this bulk operation.
    pub operation: Option<String>,
}

/// Which entries the caller may see: those of any of these customers or stores.
#[derive(Clone, Debug, Default)]
pub struct Visible {
    /// Customers, with the sites of them; `None` is every customer there is or ever was.
    pub customers: Option<Vec<Part>>,
    /// Stores; `None` is every store there is or ever was.
    pub stores: Option<Vec<String>>,
}

/// A customer, or some sites of it.
#[derive(Clone, Debug)]
pub struct Part {
    /// Our name of the customer.
    pub customer: String,
    /// Only entries of these sites; `None` is all, and those of no site.
    pub sites: Option<Vec<String>>,
}

impl Audit {
    /// Entries, newest first: at most `limit` of those before the entry with the id `before`.
    ///
    /// # Errors
    /// [`Unavailable::NotRead`].
    pub async fn search(
        &self,
        visible: &Visible,
        filter: &Filter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, Unavailable> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found = query("SELECT * FROM audit WHERE (");
        found = visible.push(found).push(")");
        if let Some(before) = before {
            found = found.push(" AND id < ").push_value(before);
        }
        found = filter.push(found).push(" ORDER BY id DESC LIMIT ").push_value(limit);
        let rows = self.db.fetch(found).await?;
        let entries: Result<Vec<_>, _> = rows.iter().map(Entry::read).collect();
        Ok(entries?)
    }
}

impl Visible {
    fn push(&self, mut query: Query) -> Query {
        query = match &self.customers {
            // What is of neither, as of an operation over several customers, is for them alone.
            None => query.push("store IS NULL"),
            Some(parts) => {
                let whole = parts.iter().filter(|part| part.sites.is_none());
                let names = whole.map(|part| part.customer.as_str());
                query = one_of(query, "customer", names);
                for part in parts {
                    let Some(sites) = &part.sites else { continue };
                    query = query.push(" OR (customer = ").push_value(part.customer.as_str());
                    query = query.push(" AND ");
                    query = one_of(query, "site", sites.iter().map(String::as_str)).push(")");
                }
                query
            }
        };
        query = query.push(" OR ");
        match &self.stores {
            None => query.push("store IS NOT NULL"),
            Some(stores) => one_of(query, "store", stores.iter().map(String::as_str)),
        }
    }
}

impl Filter {
    fn push(&self, mut query: Query) -> Query {
        if let Some(machine) = &self.machine {
            // `DOMAIN|NAME` is how names stand in Citrix's paths.
            let machine = machine.to_lowercase().replace('|', "\\");
            query =
                query.push(" AND target_type IN ('machine', 'resource') AND (lower(target_id) = ");
            query = query.push_value(machine.as_str()).push(" OR lower(target_name) = ");
            query = query.push_value(machine.as_str());
            if !machine.contains('\\') {
                // The last part of a name that has a domain. No wildcard gets in: see below.
                query = query.push(" OR lower(target_name) LIKE ");
                query = query.push_value(format!("%\\{}", escaped(&machine)));
                query = query.push(" ESCAPE '!'");
            }
            query = query.push(")");
        }
        if let Some(user) = &self.user {
            let user = user.to_lowercase();
            query = query.push(" AND (lower(subject) = ").push_value(user.as_str());
            query = query.push(" OR lower(on_behalf_of) = ").push_value(user).push(")");
        }
        if let Some(action) = &self.action {
            // Every action is recorded in lower case.
            query = query.push(" AND action = ").push_value(action.to_lowercase());
        }
        if let Some(app) = &self.app {
            query = query.push(" AND lower(app) = ").push_value(app.to_lowercase());
        }
        if let Some(operation) = &self.operation {
            query = query.push(" AND operation_id = ").push_value(operation.as_str());
        }
        match self.outcome.as_deref() {
            None => {}
            Some(super::entry::PENDING) => query = query.push(" AND outcome IS NULL"),
            Some(outcome) => query = query.push(" AND outcome = ").push_value(outcome),
        }
        if let Some(since) = self.since {
            query = query.push(" AND id >= ").push_value(first_id(since));
        }
        if let Some(until) = self.until {
            query = query.push(" AND id < ").push_value(first_id(until));
        }
        query
    }
}

fn one_of<'a>(
    mut query: Query,
    column: &'static str,
    values: impl Iterator<Item = &'a str>,
) -> Query {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return query.push("1 = 0");
    }
    query = query.push(column).push(" IN (");
    while let Some(value) = values.next() {
        query = query.push_value(value);
        if values.peek().is_some() {
            query = query.push(", ");
        }
    }
    query.push(")")
}

/// A pattern of LIKE that means the text itself.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}
