use std::time::Duration;

use crate::config;

/// Bounds on what clients of one listener can make us hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// Time from accepting a connection, or from the first byte of a later request, to the end
    /// of the headers.
    pub header_timeout: Duration,
    /// Time a request body may take to arrive, from when it is first asked for.
    pub body_timeout: Duration,
    /// Time a connection may be kept open between requests.
    pub idle_timeout: Duration,
    /// Time a client may take none of the answer.
    pub write_timeout: Duration,
    /// Bytes of request line and headers together.
    pub max_header_bytes: usize,
    /// Number of header fields.
    pub max_headers: usize,
    /// Bytes of a request target.
    pub max_uri_bytes: usize,
    /// Bytes of a request body.
    pub max_body_bytes: usize,
    /// Streams that one HTTP/2 connection may have open.
    pub max_streams: u32,
    /// Time for requests in flight to finish once the shutdown has begun.
    pub drain_timeout: Duration,
}

impl Limits {
    /// The same deadlines with the little that probes, a metrics collector and an operator need.
    #[must_use]
    pub fn for_admin(mut self) -> Self {
        self.max_connections = self.max_connections.min(64);
        self.max_header_bytes = self.max_header_bytes.min(16 * 1024);
        self.max_headers = self.max_headers.min(64);
        self.max_body_bytes = self.max_body_bytes.min(64 * 1024);
        self.max_streams = self.max_streams.min(16);
        self
    }
}

impl From<&config::Server> for Limits {
    fn from(server: &config::Server) -> Self {
        Self {
            max_connections: server.max_connections,
            header_timeout: server.header_timeout,
            body_timeout: server.body_timeout,
            idle_timeout: server.idle_timeout,
            write_timeout: server.write_timeout,
            max_header_bytes: server.max_header_bytes,
            max_headers: server.max_headers,
            max_uri_bytes: server.max_uri_bytes,
            max_body_bytes: server.max_body_bytes,
            max_streams: server.max_streams,
            drain_timeout: server.drain_timeout,
        }
    }
}
