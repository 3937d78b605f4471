use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Options;
use crate::{
    api::Lifecycle,
    domain::{Clock, SystemClock},
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
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            metrics: Metrics::new(),
            clock: Arc::new(SystemClock),
            lifecycle: Lifecycle::default(),
            options: options.clone(),
            closing: CancellationToken::new(),
        }
    }
}
