use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::upstream::Service;

/// One family of Citrix's paths that is served as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Surface {
    /// `/cvad/manage`: DaaS.
    Manage,
    /// `/cvadapis`: the older form of the same, with the site in the path.
    Preview,
    /// `/resourcelocations` of the API host.
    ResourceLocations,
    /// `/administrators`.
    Administrators,
    /// `/systemlog`.
    SystemLog,
    /// `/notifications` of the API host.
    Notifications,
    /// `/connectors`.
    Connectors,
    /// `/monitorodata`.
    Monitor,
    /// `/catalogservice/{customer}`.
    CatalogService,
    /// `/quickcreateservice/{customer}`.
    QuickCreate,
    /// `/resourceprovider/{customer}`.
    ResourceProvider,
    /// `/{customer}/resourcelocations` of the registry.
    CustomerLocations,
    /// `/{customer}/serviceStates` of core.
    CustomerStates,
    /// `/{customer}/notifications` of the notifications service.
    CustomerNotifications,
}

/// What is known of a surface.
struct Entry {
    surface: Surface,
    /// First segments, in lower case; `*` is the customer.
    start: &'static [&'static str],
    /// The same as Citrix writes them.
    canonical: &'static str,
    /// For logs and metrics.
    template: &'static str,
    host: Service,
    service: Service,
}

/// A path of a surface, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DropInPath {
    surface: Surface,
    segments: Vec<String>,
    final_slash: bool,
    unsound: Option<&'static str>,
}

impl Surface {
    /// The path with its changing parts replaced, for logs and metrics.
    pub fn template(self) -> &'static str {
        self.entry().template
    }

    /// Whose host serves it.
    pub(super) fn host(self) -> Service {
        self.entry().host
    }

    /// The service that answers.
    pub(super) fn service(self) -> Service {
        self.entry().service
    }

    /// How its paths begin on the gateway where they do not on the host.
    pub(super) fn prefix(self) -> &'static str {
        if self == Self::Manage { "/cvad/manage" } else { "" }
    }

    /// Whether it is DaaS, where things are in a site.
    pub(super) fn is_daas(self) -> bool {
        matches!(self, Self::Manage | Self::Preview)
    }

    /// Where in its paths the customer stands.
    pub(super) fn customer_at(self) -> Option<usize> {
        match self {
            Self::CustomerLocations | Self::CustomerStates | Self::CustomerNotifications => Some(0),
            Self::CatalogService | Self::QuickCreate | Self::ResourceProvider => Some(1),
            _ => None,
        }
    }

    fn entry(self) -> &'static Entry {
        let found = ENTRIES.iter().find(|entry| entry.surface == self);
        found.expect("every surface has its line in the table")
    }
}

impl DropInPath {
    /// Takes a path apart, if it belongs to a surface.
    pub fn of(path: &str) -> Option<Self> {
        let (segments, final_slash, unsound) = split(path);
        let entry = ENTRIES.iter().find(|entry| entry.fits(&segments))?;
        Some(Self { surface: entry.surface, segments, final_slash, unsound })
    }

    /// Whether a path belongs to a surface, whose paths may end in a slash as they may at Citrix.
    pub fn may_end_in_slash(path: &str) -> bool {
        path.ends_with('/') && Self::of(path).is_some()
    }

    /// Which surface.
    pub fn surface(&self) -> Surface {
        self.surface
    }

    /// Why it cannot be passed on; fit for a caller.
    pub(super) fn unsound(&self) -> Option<&'static str> {
        self.unsound
    }

    /// The customer that the path names.
    pub(super) fn customer(&self) -> Option<&str> {
        self.segments.get(self.surface.customer_at()?).map(String::as_str)
    }

    /// The decoded segments after the start that makes it a path of its surface.
    pub(super) fn below(&self) -> &[String] {
        &self.segments[self.surface.entry().start.len()..]
    }

    /// The path as the host gets it, encoded anew from what was looked at.
    pub(super) fn target(&self, customer_id: &str) -> String {
        let entry = self.surface.entry();
        let mut target = entry.canonical.replace('*', customer_id);
        let below = self.below().iter().enumerate().map(|(at, segment)| {
            let is_customer = self.surface.customer_at() == Some(at + entry.start.len());
            if is_customer { customer_id } else { segment }
        });
        push_segments(&mut target, below);
        if self.final_slash {
            target.push('/');
        }
        target
    }
}

impl Entry {
    fn fits(&self, segments: &[String]) -> bool {
        let exact = self.surface == Surface::CustomerStates;
        let long_enough = if exact {
            segments.len() == self.start.len()
        } else {
            segments.len() >= self.start.len()
        };
        long_enough
            && self
                .start
                .iter()
                .zip(segments)
                .all(|(start, segment)| *start == "*" || segment.eq_ignore_ascii_case(start))
    }
}

/// Takes the path of an item of a batch apart.
pub(super) fn item_segments(path: &str) -> Result<Vec<String>, &'static str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    match split(&format!("/{path}")) {
        (_, _, Some(unsound)) => Err(unsound),
        (_, true, None) => Err("the path ends in a slash"),
        (segments, false, None) => Ok(segments),
    }
}

/// Writes segments as a path.
pub(super) fn push_segments<'a>(target: &mut String, segments: impl Iterator<Item = &'a str>) {
    for segment in segments {
        // Writing to a string cannot fail.
        let _ = write!(target, "/{}", utf8_percent_encode(segment, SEGMENT));
    }
}

/// Writes a query as it came; only what may not stand in a URL is encoded.
pub(super) fn push_query(target: &mut String, query: Option<&str>) {
    if let Some(query) = query {
        let _ = write!(target, "?{}", utf8_percent_encode(query, QUERY));
    }
}

/// Decoded segments, whether a slash follows the last, and what two parsers could read
/// differently.
fn split(path: &str) -> (Vec<String>, bool, Option<&'static str>) {
    let mut unsound = None;
    let mut segments: Vec<String> = path
        .strip_prefix('/')
        .unwrap_or(path)
        .split('/')
        .map(|segment| {
            let decoded = percent_decode_str(segment).decode_utf8_lossy().into_owned();
            if percent_decode_str(segment).decode_utf8().is_err() {
                unsound = unsound.or(Some("the path is not UTF-8"));
            }
            decoded
        })
        .collect();
    let final_slash = segments.len() > 1 && segments.last().is_some_and(String::is_empty);
    if final_slash {
        segments.pop();
    }
    let reason = segments.iter().find_map(|segment| ambiguous(segment));
    (segments, final_slash, unsound.or(reason))
}

fn ambiguous(segment: &str) -> Option<&'static str> {
    if matches!(segment, "" | "." | "..") {
        return Some("the path holds an empty or a dot segment");
    }
    if segment.contains('/') || segment.chars().any(char::is_control) {
        return Some("the path holds an encoded slash or control character");
    }
    let hex = |byte: &u8| byte.is_ascii_hexdigit();
    let coded = |window: &[u8]| matches!(window, [b'%', high, low] if hex(high) && hex(low));
    segment.as_bytes().windows(3).any(coded).then_some("the path is percent-encoded twice")
}

/// Everything but what RFC 3986, section 3.3, lets stand in a segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// What may not stand in a query (RFC 3986, section 3.4). Percent codes stay as they came.
const QUERY: &AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

macro_rules! entries {
    ($($surface:ident $start:tt $canonical:literal $template:literal $host:ident $service:ident;)*) => {
        &[$(Entry {
            surface: Surface::$surface,
            start: &$start,
            canonical: $canonical,
            template: $template,
            host: Service::$host,
            service: Service::$service,
        }),*]
    };
}

/// Every surface; the first that fits a path has it. The base of the DaaS host holds the start of
/// its paths, so that its canonical start is empty.
const ENTRIES: &[Entry] = entries![
    Manage ["cvad", "manage"] "" "/cvad/manage/{path}" Daas Daas;
    Preview ["cvadapis"] "/cvadapis" "/cvadapis/{path}" Api Daas;
    ResourceLocations ["resourcelocations"] "/resourcelocations" "/resourcelocations/{path}" Api Registry;
    Administrators ["administrators"] "/administrators" "/administrators/{path}" Api Api;
    SystemLog ["systemlog"] "/systemlog" "/systemlog/{path}" Api Api;
    Notifications ["notifications"] "/notifications" "/notifications/{path}" Api Notifications;
    Connectors ["connectors"] "/connectors" "/connectors/{path}" Api Api;
    Monitor ["monitorodata"] "/monitorodata" "/monitorodata/{path}" Monitor Monitor;
    CatalogService ["catalogservice"] "/catalogservice" "/catalogservice/{path}" Api Api;
    QuickCreate ["quickcreateservice"] "/quickcreateservice" "/quickcreateservice/{path}" Api Api;
    ResourceProvider ["resourceprovider"] "/resourceprovider" "/resourceprovider/{path}" Api Daas;
    CustomerLocations ["*", "resourcelocations"] "/*/resourcelocations" "/{customer}/resourcelocations/{path}" Registry Registry;
    CustomerStates ["*", "servicestates"] "/*/serviceStates" "/{customer}/serviceStates" Core Core;
    CustomerNotifications ["*", "notifications"] "/*/notifications" "/{customer}/notifications/{path}" Notifications Notifications;
];

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(path: &str) -> Option<Surface> {
        DropInPath::of(path).map(|path| path.surface())
    }

    #[test]
    fn a_path_belongs_to_the_surface_whose_start_it_has_without_case() {
        for (path, expected) in [
            ("/cvad/manage/me", Some(Surface::Manage)),
            ("/CVAD/Manage", Some(Surface::Manage)),
            ("/%63vad/manage/me", Some(Surface::Manage)),
            ("/cvadapis/me", Some(Surface::Preview)),
            ("/resourcelocations", Some(Surface::ResourceLocations)),
            ("/resourcelocations/", Some(Surface::ResourceLocations)),
            ("/resourcelocations/notifications", Some(Surface::ResourceLocations)),
            ("/acme/resourcelocations", Some(Surface::CustomerLocations)),
            ("/acme/ResourceLocations/x", Some(Surface::CustomerLocations)),
            ("/acme/serviceStates", Some(Surface::CustomerStates)),
            ("/acme/serviceStates/x", None),
            ("/acme/notifications/items", Some(Surface::CustomerNotifications)),
            ("/cvad", None),
            ("/cvad/other", None),
            ("/cvadapisx", None),
            ("/acme/machines", None),
            ("/", None),
            ("/license/enterprise", None),
        ] {
            assert_eq!(surface(path), expected, "{path}");
        }
    }

    #[test]
    fn the_host_gets_the_path_encoded_anew() {
        for (path, target) in [
            (
                "/cvad/manage/Machines/DEMOLAB%7CKESTREL/%24reboot",
                "/Machines/DEMOLAB%7CKESTREL/$reboot",
            ),
            ("/cvad/manage/Machines/DEMOLAB|KESTREL", "/Machines/DEMOLAB%7CKESTREL"),
            ("/cvad/manage/Machines/DEMOLAB%5cKESTREL", "/Machines/DEMOLAB%5CKESTREL"),
            ("/CVAD/MANAGE/machines/a%3Fb%23c", "/machines/a%3Fb%23c"),
            ("/cvad/manage/x/B%C3%BCro", "/x/B%C3%BCro"),
            ("/cvad/manage", ""),
            ("/CvadApis/me", "/cvadapis/me"),
            ("/monitorodata/Machines(guid'1')/Name", "/monitorodata/Machines(guid'1')/Name"),
            ("/administrators/", "/administrators/"),
            ("/acme/resourcelocations/x", "/abcd/resourcelocations/x"),
            ("/acme/servicestates", "/abcd/serviceStates"),
            ("/catalogservice/acme/site", "/catalogservice/abcd/site"),
            ("/resourceprovider/acme/site/activation", "/resourceprovider/abcd/site/activation"),
            ("/quickcreateservice", "/quickcreateservice"),
        ] {
            let parsed = DropInPath::of(path).unwrap();
            assert_eq!(parsed.unsound(), None, "{path}");
            assert_eq!(parsed.target("abcd"), target, "{path}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_not_passed_on() {
        for path in [
            "/cvad/manage//me",
            "/cvad/manage/../me",
            "/cvad/manage/%2e%2e/me",
            "/cvad/manage/a%2fb",
            "/cvad/manage/a%252fb",
            "/cvad/manage/%252e%252e/me",
            "/cvad/manage/Machines/x/%2524reboot",
            "/cvad/manage/%ff",
            "/cvad/manage/a%00",
            "/cvad/manage/a%0a",
        ] {
            assert!(DropInPath::of(path).unwrap().unsound().is_some(), "{path}");
        }
        for path in ["a/b", "/Machines/100%25"] {
            assert!(item_segments(path).is_ok(), "{path}");
        }
        for path in ["", "/", "//evil.example/x", "https://evil.example/x", "/a//b", "/a/"] {
            assert!(item_segments(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_query_stays_as_it_came() {
        let mut target = String::new();
        push_query(&mut target, Some("async=true&name=A%5CB|C&x=a+b%20c"));
        assert_eq!(target, "?async=true&name=A%5CB%7CC&x=a+b%20c");
    }
}
