use std::net::Ipv6Addr;

/// Whether `value` is a host with an optional port and nothing else (RFC 9112 section 3.2): no
/// userinfo, path or list. A registered name is taken as DNS knows it, so percent codes are out.
pub(super) fn is_host_and_port(value: &str) -> bool {
    if let Some(literal) = value.strip_prefix('[') {
        return literal
            .split_once(']')
            .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let (name, port) = value.split_at(value.find(':').unwrap_or(value.len()));
    is_name(name) && is_port(port)
}

fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= MAX_NAME_BYTES
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

/// The port with its colon. RFC 3986 section 3.2.3 lets the digits be absent.
fn is_port(rest: &str) -> bool {
    match rest.strip_prefix(':') {
        None => rest.is_empty(),
        Some(digits) => {
            digits.bytes().all(|b| b.is_ascii_digit())
                && (digits.is_empty() || digits.parse::<u16>().is_ok())
        }
    }
}

const MAX_NAME_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_a_port_are_valid() {
        for host in
            ["gateway", "gw.example.test:8443", "127.0.0.1:80", "[::1]:8080", "[::1]", "a.b.", "h:"]
        {
            assert!(is_host_and_port(host), "{host}");
        }
    }

    #[test]
    fn anything_beside_host_and_port_is_refused() {
        for host in [
            "",
            ":80",
            ".",
            "a..b",
            "user@host",
            "a,b",
            "a b",
            "host/path",
            "host?x",
            "host#x",
            "[::1",
            "::1",
            "[::g]",
            "host:x",
            "host:65536",
            "host:1:2",
            "[::1]x",
            "%61",
            "hôst",
            "host:+1",
            "a\\b",
        ] {
            assert!(!is_host_and_port(host), "{host}");
        }
    }
}
