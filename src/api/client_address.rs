use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::config::Network;

/// Where a request comes from: the peer, or while that is a trusted proxy the nearest hop of
/// `X-Forwarded-For` that is none. What stands to the left of it is anybody's claim.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer.to_canonical();
    let lines = headers.get_all(&FORWARDED_FOR).iter().rev();
    // A line that is no text ends the search like a hop that is no address.
    let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for _ in 0..MAX_HOPS {
        if !is_trusted(nearest) {
            break;
        }
        let Some(hop) = hops.next().and_then(|hop| address(hop.trim())) else { break };
        nearest = hop;
    }
    nearest
}

/// An address as proxies write it, with a port or without.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || Some(hop.parse::<SocketAddr>().ok()?.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = hop.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(address.to_canonical())
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// More proxies in a row than anybody has.
const MAX_HOPS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn without_trust_the_peer_is_the_client_whatever_it_says() {
        for lines in [&["1.2.3.4"][..], &["127.0.0.1, 10.0.0.1"], &["::1", "garbage"], &[]] {
            assert_eq!(of("192.0.2.1", lines, &[]), "192.0.2.1");
            assert_eq!(of("192.0.2.1", lines, &["10.0.0.0/8"]), "192.0.2.1");
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed_as_far_as_trust_goes() {
        let trusted = &["10.0.0.0/8", "2001:db8::/32"];
        for (lines, client) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            // The client made up the first one.
            (&["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            (&["1.1.1.1", "203.0.113.9, 10.9.9.9"], "203.0.113.9"),
            (&["203.0.113.9, 2001:db8::7 , 10.9.9.9"], "203.0.113.9"),
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["[2001:db9::1]:443"], "2001:db9::1"),
            (&["[2001:db9::1]"], "2001:db9::1"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            // Nothing usable: whoever said so is as near as it gets.
            (&["203.0.113.9, unknown"], "10.0.0.1"),
            (&["203.0.113.9,"], "10.0.0.1"),
            (&["203.0.113.9, _hidden, 10.0.0.2"], "10.0.0.2"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
            // Trusted hops all the way.
            (&["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        ] {
            assert_eq!(of("10.0.0.1", lines, trusted), client, "{lines:?}");
            assert_eq!(of("::ffff:10.0.0.1", lines, trusted), client, "{lines:?}");
        }
    }

    #[test]
    fn a_long_chain_is_not_followed_for_ever() {
        let chain = format!("1.1.1.1{}", ", 10.0.0.2".repeat(100));
        assert_eq!(of("10.0.0.1", &[&chain], &["10.0.0.0/8"]), "10.0.0.2");
    }
}
