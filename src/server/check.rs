use axum::http::{HeaderValue, Method, Version, header, request::Parts};

use super::{Limits, Refusal, host::is_host_and_port, target};

/// Whether a parsed request may be routed. What cannot be seen here, because the parser has
/// repaired it, `framing` has refused before.
pub(super) fn check(
    head: &Parts,
    body_at_least: u64,
    limits: &Limits,
    may_end_in_slash: &dyn Fn(&str) -> bool,
) -> Result<(), Refusal> {
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(Refusal::MethodNotAllowed);
    }
    check_sizes(head, limits)?;
    check_target(head, may_end_in_slash)?;
    check_fields(head)?;
    if head.version == Version::HTTP_2 { check_authority(head) } else { check_host(head) }?;
    check_framing(head, body_at_least)?;
    if body_at_least > limits.max_body_bytes as u64 {
        return Err(Refusal::PayloadTooLarge);
    }
    Ok(())
}

fn check_sizes(head: &Parts, limits: &Limits) -> Result<(), Refusal> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.max_uri_bytes {
        return Err(Refusal::UriTooLong);
    }
    // As on the wire of HTTP/1: `GET target HTTP/1.1` and `name: value`, each with a line end.
    let line = head.method.as_str().len() + target + " HTTP/1.1 \r\n".len();
    let field = |(name, value): (&header::HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + ": \r\n".len()
    };
    let bytes = line + head.headers.iter().map(field).sum::<usize>();
    if bytes > limits.max_header_bytes || head.headers.len() > limits.max_headers {
        return Err(Refusal::HeadersTooLarge);
    }
    Ok(())
}

/// RFC 9112 section 3.2: a server that is no proxy needs origin-form alone.
fn check_target(head: &Parts, may_end_in_slash: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
    let uri = &head.uri;
    let has_host = uri.scheme().is_some() || uri.authority().is_some();
    if head.version != Version::HTTP_2 && has_host {
        return Err(Refusal::BadRequest("the request target must be a path, not a URL"));
    }
    target::check_path(uri.path(), may_end_in_slash(uri.path())).map_err(Refusal::BadRequest)?;
    uri.query().map_or(Ok(()), target::check_query).map_err(Refusal::BadRequest)
}

/// What somebody on the way could read as another field, or as another credential: servers that
/// hand fields on as variables (RFC 3875, section 4.1.18) write `_` for `-`, and of two
/// `Authorization`, which is no list (RFC 9110, section 11.6.2), some take the first and some the
/// last.
fn check_fields(head: &Parts) -> Result<(), Refusal> {
    if head.headers.keys().any(|name| name.as_str().contains('_')) {
        return Err(Refusal::BadRequest("the name of a header holds an underscore"));
    }
    if head.headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
        return Err(Refusal::BadRequest("Authorization is given twice"));
    }
    Ok(())
}

/// RFC 9112 section 3.2: exactly one valid `Host`, which HTTP/1.0 may lack.
fn check_host(head: &Parts) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_valid(host) => Ok(()),
        (Some(_), None) => Err(Refusal::BadRequest("Host is not a host with an optional port")),
        (Some(_), Some(_)) => Err(Refusal::BadRequest("Host is given twice")),
        (None, _) if head.version < Version::HTTP_11 => Ok(()),
        (None, _) => Err(Refusal::BadRequest("Host is missing")),
    }
}

/// RFC 9113 section 8.3.1: `:authority`, or `Host` in its place; where both are, they agree.
fn check_authority(head: &Parts) -> Result<(), Refusal> {
    let Some(authority) = head.uri.authority() else { return check_host(head) };
    if !is_host_and_port(authority.as_str()) {
        return Err(Refusal::BadRequest(":authority is not a host with an optional port"));
    }
    let agrees =
        |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
    if head.headers.get_all(header::HOST).iter().all(agrees) {
        Ok(())
    } else {
        Err(Refusal::BadRequest("Host and :authority differ"))
    }
}

/// RFC 9112 section 6: a body is framed by one length or by `chunked`, and not at all in HTTP/1.0.
fn check_framing(head: &Parts, body_at_least: u64) -> Result<(), Refusal> {
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if codings.next().is_some()
        || coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err(Refusal::BadRequest("Transfer-Encoding must be a single `chunked`"));
    }
    if head.version < Version::HTTP_11 && (coding.is_some() || body_at_least > 0) {
        return Err(Refusal::BadRequest("HTTP/1.0 requests with a body are not supported"));
    }
    Ok(())
}

fn is_valid(host: &HeaderValue) -> bool {
    host.to_str().is_ok_and(is_host_and_port)
}
