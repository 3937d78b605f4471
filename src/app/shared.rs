use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Options;
use crate::{
    api::Lifecycle,
    config::Config,
    db::Db,
    domain::{Clock, SystemClock},
    operations::Runner,
    telemetry::Metrics,
};

/// What outlives every reading of the configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) metrics: Metrics,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lifecycle: Lifecycle,
    pub(super) options: Options,
    /// Cancelled when streams have to end.
    pub(super) closing: CancellationToken,
    pub(super) operations: Runner,
}

impl Shared {
    pub(super) fn new(options: &Options, db: Db, config: &Config) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let operations = Runner::new(db, Arc::clone(&clock), config.operations.clone());
        Self {
            metrics: Metrics::new(),
            clock,
            lifecycle: Lifecycle::default(),
            options: options.clone(),
            closing: CancellationToken::new(),
            operations,
        }
    }
}
