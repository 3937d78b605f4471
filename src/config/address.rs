//! Which URLs a configuration may name.

use url::Url;

use crate::domain::is_loopback;

/// Reads the base URL of an upstream: `https`, or `http` towards this machine; a path prefix is
/// allowed, anything after it is not. A trailing slash of the path is dropped.
pub(super) fn base_url(text: &str) -> Result<Url, &'static str> {
    let mut url = checked(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL has a query or a fragment");
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Reads a URL in which `{customer}` stands for the customer's id. The answer has no trailing slash.
pub(super) fn url_template(text: &str) -> Result<String, &'static str> {
    base_url(&text.replace(CUSTOMER, "x1"))?;
    if text.replace(CUSTOMER, "").contains(['{', '}']) {
        return Err("the only placeholder is {customer}");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Reads a URL that is used exactly as written.
pub(super) fn checked(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "this is not a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user name or a password");
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if url.host().is_some_and(|host| is_loopback(&host)) => Ok(url),
        "http" => Err("plain http is for loopback hosts only"),
        _ => Err("this is not an https URL"),
    }
}

/// Stands for the customer in templates.
pub(super) const CUSTOMER: &str = "{customer}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_hosts_only() {
        for good in [
            "https://api-us.cloud.com",
            "https://proxy.example.test/citrix/",
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://[::1]:1/x",
            "http://LOCALHOST:3000",
        ] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "api-us.cloud.com",
            "http://api-us.cloud.com",
            "http://127.0.0.1.example.test",
            "http://localhost.example.test",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://user@api-us.cloud.com",
            "https://:pw@api-us.cloud.com",
            "https://api-us.cloud.com?x=1",
            "https://api-us.cloud.com#x",
            "file:///etc/passwd",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_trailing_slash_does_not_matter() {
        assert_eq!(base_url("https://a.test/x/").unwrap().as_str(), "https://a.test/x");
        assert_eq!(base_url("https://a.test").unwrap().as_str(), "https://a.test/");
        assert_eq!(url_template("https://a.test/").unwrap(), "https://a.test");
    }

    #[test]
    fn a_template_knows_the_customer_and_nothing_else() {
        let host = "https://{customer}.xendesktop.test/citrix/orchestration/api";
        assert_eq!(url_template(host).unwrap(), host);
        assert!(url_template("https://a.test/{site}").is_err());
        assert!(url_template("http://{customer}.example.test").is_err());
    }
}
