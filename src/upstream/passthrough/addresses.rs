use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use crate::{config::Customer, upstream::hosts::Hosts};

/// Turns addresses of Citrix into addresses of the gateway, so that a client that follows them
/// brings its credential here and not there.
pub(super) struct Addresses<'a> {
    pub(super) hosts: &'a Hosts,
    pub(super) customer: &'a Customer,
    /// The URL that was asked.
    pub(super) asked: &'a Url,
    /// Path of the host's base, without a slash at the end.
    pub(super) base: &'a str,
    /// What stands in its place on the gateway.
    pub(super) prefix: &'a str,
    /// Where the caller reaches the gateway.
    pub(super) gateway: Option<&'a str>,
}

impl Addresses<'_> {
    /// Rewrites `Location` and `Link`. What cannot be read does not come down.
    pub(super) fn rewrite(&self, headers: &mut HeaderMap) {
        if let Some(location) = headers.remove(header::LOCATION)
            && let Some(location) = location.to_str().ok().and_then(|text| self.address(text))
            && let Ok(location) = HeaderValue::try_from(location)
        {
            headers.insert(header::LOCATION, location);
        }
        let links: Vec<_> = headers.get_all(header::LINK).iter().cloned().collect();
        headers.remove(header::LINK);
        for link in links {
            if let Some(link) = link.to_str().ok().and_then(|text| self.link(text))
                && let Ok(link) = HeaderValue::try_from(link)
            {
                headers.append(header::LINK, link);
            }
        }
    }

    /// The other host of Citrix's that an answer sends every client of this customer to: the
    /// customer's region is not the configured one.
    pub(super) fn elsewhere(&self, status: StatusCode, headers: &HeaderMap) -> Option<String> {
        if !matches!(status.as_u16(), 301 | 302 | 307 | 308) {
            return None;
        }
        let location = headers.get(header::LOCATION)?.to_str().ok()?;
        let url = self.asked.join(location).ok()?;
        let same_path = url.path() == self.asked.path();
        let other_host = url.host_str() != self.asked.host_str() || url.port() != self.asked.port();
        (same_path && other_host && self.hosts.is_citrix(self.customer, &url))
            .then(|| url.host_str().unwrap_or_default().to_owned())
    }

    /// Each `<…>` of a `Link` (RFC 8288, section 3).
    fn link(&self, text: &str) -> Option<String> {
        let mut rewritten = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            let (address, after) = after.split_once('>')?;
            rewritten.push_str(before);
            rewritten.push('<');
            rewritten.push_str(&self.address(address)?);
            rewritten.push('>');
            rest = after;
        }
        rewritten.push_str(rest);
        Some(rewritten)
    }

    /// `None` for what is no address.
    fn address(&self, text: &str) -> Option<String> {
        let url = self.asked.join(text.trim()).ok()?;
        if !self.hosts.is_citrix(self.customer, &url) {
            // A download from a store of files, for one; it is nobody's credential that goes there.
            return Some(text.to_owned());
        }
        let same_host = url.host_str() == self.asked.host_str() && url.port() == self.asked.port();
        let below = url
            .path()
            .strip_prefix(self.base)
            .filter(|rest| same_host && (rest.is_empty() || rest.starts_with('/')));
        let mut address = self.gateway.unwrap_or_default().to_owned();
        match below {
            Some(rest) => {
                address.push_str(self.prefix);
                address.push_str(rest);
            }
            None => address.push_str(url.path()),
        }
        for (mark, part) in [('?', url.query()), ('#', url.fragment())] {
            if let Some(part) = part {
                address.push(mark);
                address.push_str(part);
            }
        }
        Some(address)
    }
}
