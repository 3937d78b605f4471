use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use moka::sync::Cache;

/// Counts refused credentials by address. It refuses nobody: it only says when an address has had
/// so many that the next ones need no answer of their own.
#[derive(Debug)]
pub(super) struct Failures {
    per_minute: u32,
    by_address: Cache<IpAddr, Arc<DefaultDirectRateLimiter>>,
}

impl Failures {
    /// Lets `per_minute` failures of each address pass; 0 lets all pass.
    pub(super) fn new(per_minute: u32) -> Self {
        let by_address =
            Cache::builder().max_capacity(MAX_ADDRESSES).time_to_idle(Duration::from_mins(2));
        Self { per_minute, by_address: by_address.build() }
    }

    /// How many failures of each address pass in a minute.
    pub(super) fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Counts a failure. `Some` is one too many, and the time until the next may pass.
    pub(super) fn count(&self, address: IpAddr) -> Option<Duration> {
        let per_minute = NonZeroU32::new(self.per_minute)?;
        let limiter = self.by_address.get_with(network(address), || {
            Arc::new(RateLimiter::direct(Quota::per_minute(per_minute)))
        });
        let too_many = limiter.check().err()?;
        Some(too_many.wait_time_from(limiter.clock().now()))
    }
}

/// What one party holds: a host has 2^64 addresses of IPv6 at hand.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// Addresses that are watched at a time; the ones not seen for longest are forgotten first.
const MAX_ADDRESSES: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_failures_and_no_more() {
        let failures = Failures::new(3);
        for _ in 0..3 {
            assert_eq!(failures.count(ip("192.0.2.1")), None);
        }
        let wait = failures.count(ip("192.0.2.1")).unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(failures.count(ip("192.0.2.2")), None);
        assert!(failures.count(ip("::ffff:192.0.2.1")).is_some(), "the same address, mapped");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let failures = Failures::new(1);
        assert_eq!(failures.count(ip("2001:db8:0:1::1")), None);
        assert!(failures.count(ip("2001:db8:0:1:ffff::2")).is_some());
        assert_eq!(failures.count(ip("2001:db8:0:2::1")), None);
    }

    #[test]
    fn without_a_limit_all_pass() {
        let failures = Failures::new(0);
        assert!((0..10_000).all(|_| failures.count(ip("192.0.2.1")).is_none()));
    }
}
