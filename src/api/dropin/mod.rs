//! The drop-in surface: paths of Citrix's own, so that existing scripts change only the host.

mod token;

use axum::Router;

use super::ApiState;

/// The routes that need no credential in their headers.
pub(super) fn routes() -> Router<ApiState> {
    token::routes()
}
