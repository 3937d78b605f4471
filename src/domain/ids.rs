use std::{borrow::Borrow, fmt, sync::Arc};

/// Longest id or name that is taken from anybody.
const MAX_LEN: usize = 256;

/// The text cannot be an id or a name of this kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is not a usable {what}: {reason}")]
pub struct InvalidId {
    what: &'static str,
    reason: &'static str,
}

/// Declares a cheap-to-clone text newtype whose `$rule` holds from construction on.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(raw: String) -> Result<Self, InvalidId> {
                Self::try_from(raw.as_str())
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidId;

            fn try_from(raw: &str) -> Result<Self, InvalidId> {
                match $rule(raw) {
                    Ok(()) => Ok(Self(raw.into())),
                    Err(reason) => Err(InvalidId { what: $what, reason }),
                }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                String::schema()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

text_id! {
    /// Our name for a customer: the key of its section in the configuration.
    CustomerName, "customer name", token
}
text_id! {
    /// Citrix's id of a customer, as in `Citrix-CustomerId`.
    CustomerId, "customer id", token
}
text_id! {
    /// Names one Citrix control plane.
    RegionName, "region name", token
}
text_id! {
    /// Names one StoreFront store.
    StoreName, "store name", token
}
text_id! {
    /// Names one calling application.
    AppName, "app name", token
}
text_id! {
    /// A label of customers, written `label:x` in grants and queries.
    Label, "label", token
}
text_id! {
    /// Citrix's id of a DaaS site, as in `Citrix-InstanceId`.
    SiteId, "site id", token
}
text_id! {
    /// Citrix's id of a session.
    SessionId, "session id", segment
}
text_id! {
    /// Names a thing of Citrix's by id or by name: non-empty, short, no control bytes, no slash.
    /// Encoded anew for each upstream.
    NameOrId, "name or id", segment
}

text_id! {
    /// Names the device on whose behalf a store is asked: non-empty, short, no control bytes.
    ClientName, "client name", line
}

impl NameOrId {
    /// Whether this has the form of Citrix's ids, so that it needs no look-up by name.
    pub fn is_id(&self) -> bool {
        uuid::Uuid::parse_str(self.as_str()).is_ok()
    }
}

/// Letters, digits, `.`, `_` and `-`: safe in paths, headers and file names alike.
fn token(raw: &str) -> Result<(), &'static str> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !raw.chars().all(safe) {
        return Err("use letters, digits, '.', '_' and '-' only");
    }
    // A lone dash stands for "all that the caller may see" in paths.
    if raw == "-" {
        return Err("a lone '-' means all");
    }
    segment(raw)
}

/// One line of text.
fn line(raw: &str) -> Result<(), &'static str> {
    if raw.trim().is_empty() {
        return Err("it is empty");
    }
    if raw.len() > MAX_LEN {
        return Err("it is longer than 256 bytes");
    }
    // XML 1.0 has no place for the last two (section 2.2).
    if raw.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err("it holds a control character");
    }
    Ok(())
}

/// One path segment, once decoded.
fn segment(raw: &str) -> Result<(), &'static str> {
    if raw.is_empty() {
        return Err("it is empty");
    }
    if raw.len() > MAX_LEN {
        return Err("it is longer than 256 bytes");
    }
    if raw == "." || raw == ".." {
        return Err("it is a dot segment");
    }
    if raw.chars().any(|c| c.is_control() || c == '/') {
        return Err("it holds a slash or a control character");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_change_a_path_or_a_header_are_refused() {
        for bad in ["", ".", "..", "a/b", "a\nb", "-", "a b", "ä"] {
            assert!(CustomerId::try_from(bad).is_err(), "{bad:?}");
        }
        for bad in ["", ".", "..", "a/b", "a\0b"] {
            assert!(NameOrId::try_from(bad).is_err(), "{bad:?}");
        }
        assert!(NameOrId::try_from(r"DEMOLAB\KESTREL 7").is_ok());
        for bad in ["", " ", "a\0", "a\nb", "a\u{ffff}"] {
            assert!(ClientName::try_from(bad).is_err(), "{bad:?}");
        }
        assert!(ClientName::try_from("kiosk <7> & café/2").is_ok());
    }
}
