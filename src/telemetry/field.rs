//! Names of log fields, so that one thing has one name everywhere.

/// Method of the request, one of the known ones or `_OTHER`.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The route's template, never the raw path.
pub const HTTP_ROUTE: &str = "http.route";
/// Status of the answer.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// Bytes of the answer's body.
pub const HTTP_RESPONSE_BODY_SIZE: &str = "http.response.body.size";
/// Why it failed: a problem code, or a kind of transport fault.
pub const ERROR_TYPE: &str = "error.type";
/// What lay behind the failure, in our words.
pub const ERROR_CAUSE: &str = "error.cause";
/// Path of the request, without the query.
pub const URL_PATH: &str = "url.path";
/// Who sent the request: the address that the connection came from, or what a trusted proxy said.
pub const CLIENT_ADDRESS: &str = "client.address";
/// Address of the other end of the connection.
pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
/// Version of the protocol: `1.0`, `1.1` or `2`.
pub const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
/// Product token of the caller's software.
pub const USER_AGENT_ORIGINAL: &str = "user_agent.original";
/// Our id of the request, as in `X-Request-Id`.
pub const REQUEST_ID: &str = "cwsgate.request_id";
/// Name of the app that calls.
pub const APP: &str = "cwsgate.app";
/// Our name of the customer.
pub const CUSTOMER: &str = "cwsgate.customer";
/// Name of the region.
pub const REGION: &str = "cwsgate.region";
/// Upstream service that was asked.
pub const UPSTREAM_SERVICE: &str = "cwsgate.upstream.service";
/// Citrix's transaction id.
pub const UPSTREAM_TRANSACTION_ID: &str = "cwsgate.upstream.transaction_id";
/// How long it took, in milliseconds.
pub const DURATION_MS: &str = "duration_ms";
