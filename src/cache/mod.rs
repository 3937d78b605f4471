//! What Citrix answered is kept for a while, as decoded values, bounded by bytes.
//!
//! A [`Cache`] keeps what was read, never what was decided: the key names region, customer,
//! credential, resource and query (there is no default key), and whoever looks something up asks
//! the policy afterwards. An entry knows its own age, so that it is fresh, stale but good while a
//! newer one is fetched, good while Citrix fails, or gone. Equal reads that happen at the same time
//! are one fetch, which lives as long as anybody waits for it. A write of ours is told with
//! [`Cache::writing`]: what was read before it, or is being read while it lasts, is not used after
//! it. Errors are never kept.

mod class;
mod entry;
mod flight;
mod key;
mod read;
mod store;
mod weigh;
mod writes;

#[cfg(test)]
mod tests;

pub use class::Class;
pub use key::Key;
pub use read::{Cache, Cached, FetchError, ReadError};
pub use weigh::Weigh;
pub use writes::Writing;
