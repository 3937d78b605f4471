//! What the gateway says about itself: log lines and numbers.
//!
//! [`init`] sets up the one log of the process, on standard error. [`Metrics`] holds every
//! instrument and its registry: it is handed to the rooms that record, there is no global, so
//! tests in one process do not share numbers. The names of fields and metrics follow
//! OpenTelemetry's semantic conventions for HTTP where those have a word
//! (<https://opentelemetry.io/docs/specs/semconv/http/>). Label values are bounded: routes are
//! templates, methods outside the known ones are `_OTHER`, everything else comes from a closed
//! set or from the configuration.

mod guards;
mod log;
mod metrics;

pub use guards::Guards;
pub use log::{LogError, init};
pub use metrics::{ActiveRequest, Metrics, OpenConnection, known_method};
