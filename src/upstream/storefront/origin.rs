//! Which of the URLs that a store names are followed.

use url::Url;

/// Resolves a link of an answer: it must lead to the very origin it came from.
pub(super) fn same_origin(link: &str, document: &Url) -> Option<Url> {
    resolve(link, document).filter(|url| url.origin() == document.origin())
}

/// Resolves a token service's URL, which a challenge names: a web application of its own, on the
/// same host over the same scheme. The port may differ.
pub(super) fn same_host(link: &str, document: &Url) -> Option<Url> {
    resolve(link, document)
        .filter(|url| url.scheme() == document.scheme() && url.host() == document.host())
}

/// Resolves a form's target, which is relative to the host: older servers leave the first slash
/// out.
pub(super) fn form_target(link: &str, document: &Url) -> Option<Url> {
    let link = link.trim();
    if link.is_empty() {
        return None;
    }
    let absolute = link.starts_with('/') || Url::parse(link).is_ok();
    if absolute { same_origin(link, document) } else { same_origin(&format!("/{link}"), document) }
}

/// Whether a URL lies below a root: same origin, and the root's path is a prefix by segments.
pub(super) fn is_below(url: &Url, root: &Url) -> bool {
    let rest = url.path().strip_prefix(root.path().trim_end_matches('/'));
    url.origin() == root.origin()
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn resolve(link: &str, document: &Url) -> Option<Url> {
    let link = link.trim();
    if link.is_empty() || link.len() > MAX_LEN {
        return None;
    }
    let mut url = document.join(link).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    url.set_fragment(None);
    (plain && matches!(url.scheme(), "https" | "http")).then_some(url)
}

const MAX_LEN: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Url {
        Url::parse("https://sf.example.test/Citrix/Store/resources/v2?group=core").unwrap()
    }

    #[test]
    fn links_stay_with_their_origin() {
        for (link, target) in [
            ("https://sf.example.test/a?b=c#d", "https://sf.example.test/a?b=c"),
            (" https://SF.example.test:443/a ", "https://sf.example.test/a"),
            ("/Citrix/x", "https://sf.example.test/Citrix/x"),
            ("v2/x", "https://sf.example.test/Citrix/Store/resources/v2/x"),
        ] {
            assert_eq!(same_origin(link, &store()).unwrap().as_str(), target);
        }
        for link in [
            "",
            "http://sf.example.test/a",
            "https://sf.example.test:8443/a",
            "https://sf.example.test.evil.test/a",
            "https://evil.test/",
            "//evil.test/",
            r"\\evil.test\",
            "https://user@sf.example.test/a",
            "https://sf.example.test@evil.test/",
            "javascript:alert(1)",
            "file:///etc/passwd",
        ] {
            assert_eq!(same_origin(link, &store()), None, "{link}");
        }
    }

    #[test]
    fn a_token_service_may_have_a_port_of_its_own_and_no_other_host() {
        assert!(same_host("https://sf.example.test:8443/a", &store()).is_some());
        for link in ["http://sf.example.test/a", "https://evil.test/", "//evil.test/a"] {
            assert_eq!(same_host(link, &store()), None, "{link}");
        }
    }

    #[test]
    fn a_form_may_leave_the_first_slash_out() {
        for link in ["/StoreAuth/F", "StoreAuth/F", "https://sf.example.test/StoreAuth/F"] {
            let target = form_target(link, &store()).unwrap();
            assert_eq!(target.as_str(), "https://sf.example.test/StoreAuth/F");
        }
        for link in ["//evil.test/x", "https://evil.test/x", ""] {
            assert_eq!(form_target(link, &store()), None, "{link}");
        }
    }

    #[test]
    fn a_root_covers_whole_segments() {
        let root = Url::parse("https://sf.example.test/Store/resources/v2").unwrap();
        let below = |path: &str| is_below(&root.join(path).unwrap(), &root);
        assert!(below("/Store/resources/v2"));
        assert!(below("/Store/resources/v2/x/poweroff?y"));
        assert!(!below("/Store/resources/v22"));
        assert!(!below("/Store/sessions/v1"));
        assert!(!below("https://evil.test/Store/resources/v2/x"));
    }
}
