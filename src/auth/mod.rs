//! Who calls, and how that is proved.

mod api_key;

pub use api_key::{ApiKey, GenerateError, InvalidApiKey};
