//! Machine power-off: the request, and the answer in each of its shapes.

use http::{HeaderMap, StatusCode};

use crate::{
    domain::ClientName,
    upstream::{Error, fault::clean},
    wire::xml::{self, Limits, Node, Writer},
};

/// What a store answered to a power-off.
#[derive(Debug)]
pub enum PowerOffOutcome {
    /// `success`: the machine is off.
    Done,
    /// `in-maintenance-mode`.
    InMaintenanceMode,
    /// `no-machine`: the account has no machine in that group.
    NoMachine,
    /// `not-supported`, or 404 `UnsupportedOperation`.
    NotSupported,
    /// `operation-in-progress`: another control operation keeps the machine busy.
    InProgress,
    /// `timed-out`: the machine may be off, now or later. Never to be repeated unasked.
    TimedOut,
    /// `not-trusted`: the broker does not trust this client. Says nothing about the credential.
    NotTrusted,
    /// `unspecified`, an id that nobody knows, or none at all.
    Unspecified {
        /// The id as it came, made fit to be shown.
        id: Option<String>,
    },
    /// 404 `ResourceNotFound`, or 404 without a known reason: the link may be stale.
    ResourceNotFound,
    /// 404 `ResourceDisabled`.
    ResourceDisabled,
    /// A 2xx answer that cannot be read: the machine may be off.
    Unreadable(Error),
}

/// Reads a 2xx answer to a power-off. It is a success only where it says so.
///
/// Where a failure's id stands is not published, so every place is looked at in which a document
/// of this family has one: an element `errorid`, `error/id`, and an attribute of the root.
///
/// # Errors
/// When it is no such document: not XML, cut off, too large, too deep, with another root, or with
/// a document type.
pub fn read_reply(body: &[u8]) -> Result<PowerOffOutcome, xml::Error> {
    let document = xml::parse(body, &LIMITS)?;
    let root = document.root(NAMESPACE, "machinepoweroff")?;
    if root.attribute("status").is_some_and(|status| status.trim().eq_ignore_ascii_case("success"))
    {
        return Ok(PowerOffOutcome::Done);
    }
    Ok(failure(error_id(root)))
}

/// The request's document.
pub(super) fn write_request(client_name: &ClientName) -> Result<String, xml::IllegalCharacter> {
    let writer = Writer::new("machinepoweroffparams", PARAMS);
    Ok(writer.text("clientName", client_name.as_str())?.finish())
}

/// What a 404 means, by the only detail that stands outside the XML.
pub(super) fn not_found(headers: &HeaderMap) -> PowerOffOutcome {
    let reason = headers.get(ERROR_REASON).and_then(|reason| reason.to_str().ok());
    let is = |known: &str| reason.is_some_and(|reason| reason.trim().eq_ignore_ascii_case(known));
    if is("ResourceDisabled") {
        PowerOffOutcome::ResourceDisabled
    } else if is("UnsupportedOperation") {
        PowerOffOutcome::NotSupported
    } else {
        PowerOffOutcome::ResourceNotFound
    }
}

impl PowerOffOutcome {
    /// The word in logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::InMaintenanceMode => "machine_in_maintenance_mode",
            Self::NoMachine => "no_assigned_machine",
            Self::NotSupported => "action_not_supported",
            Self::InProgress => "operation_in_progress",
            Self::TimedOut => "outcome_unknown",
            Self::NotTrusted => "upstream_not_trusted",
            Self::Unspecified { .. } => "upstream_unspecified",
            Self::ResourceNotFound => "not_found",
            Self::ResourceDisabled => "resource_disabled",
            Self::Unreadable(_) => "upstream_malformed",
        }
    }
}

fn failure(id: Option<&str>) -> PowerOffOutcome {
    let id = id.and_then(clean).filter(|id| id.len() <= MAX_ID_LEN);
    match id.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("in-maintenance-mode") => PowerOffOutcome::InMaintenanceMode,
        Some("no-machine") => PowerOffOutcome::NoMachine,
        Some("not-supported") => PowerOffOutcome::NotSupported,
        Some("operation-in-progress") => PowerOffOutcome::InProgress,
        Some("timed-out") => PowerOffOutcome::TimedOut,
        Some("not-trusted") => PowerOffOutcome::NotTrusted,
        _ => PowerOffOutcome::Unspecified { id },
    }
}

fn error_id(root: Node<'_>) -> Option<&str> {
    let filled = |text: &str| !text.trim().is_empty();
    let element = || root.descendants().find(|node| is_error_id(node.local())).map(Node::text);
    let nested = || {
        let errors = root.descendants().filter(|node| node.local().eq_ignore_ascii_case("error"));
        let ids = errors.flat_map(Node::children);
        ids.filter(|node| node.local().eq_ignore_ascii_case("id")).map(Node::text).next()
    };
    let attribute =
        || root.attributes().find(|(_, name, _)| is_error_id(name)).map(|(.., value)| value);
    element()
        .filter(|text| filled(text))
        .or_else(|| nested().filter(|text| filled(text)))
        .or_else(|| attribute().filter(|text| filled(text)))
}

/// `errorid`, `errorId`, `error-id`.
fn is_error_id(name: &str) -> bool {
    let letters = name.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase());
    letters.eq("errorid".chars())
}

const NAMESPACE: &str = "http://citrix.com/delivery-services/1-0/machinepoweroff";
const PARAMS: &str = "http://citrix.com/delivery-services/1-0/machinepoweroffparams";

/// What the request says that it takes, and what it sends.
pub(super) const ACCEPT: &str = "application/vnd.citrix.machinepoweroff+xml";
pub(super) const CONTENT_TYPE: &str = "application/vnd.citrix.machinepoweroffparams+xml";

const ERROR_REASON: &str = "x-citrix-error-reason";

/// Bytes of an answer; a real one has some hundred.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
const LIMITS: Limits = Limits { max_elements: 4096, ..Limits::of_bytes(MAX_BYTES) };
const MAX_ID_LEN: usize = 128;

/// Statuses that are no refusal of the request but trouble of the server's: the request may have
/// been carried out.
pub(super) fn may_have_happened(status: StatusCode) -> bool {
    status.is_server_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(inside: &str, attributes: &str) -> String {
        let xml = format!(
            "<?xml version=\"1.0\"?>\n<machinepoweroff xmlns=\"{NAMESPACE}\" {attributes}>{inside}\n</machinepoweroff>"
        );
        format!("{:?}", read_reply(xml.as_bytes()).unwrap())
    }

    #[test]
    fn only_success_is_success() {
        for attributes in ["status=\"success\"", "status=\"Success\"", "status=' success '"] {
            assert_eq!(outcome("", attributes), "Done");
        }
        for attributes in [
            "",
            "status='failure'",
            "status=''",
            "status='succeeded'",
            "Status='success'",
            "xmlns:p='urn:p' p:status='success'",
        ] {
            assert_eq!(outcome("", attributes), "Unspecified { id: None }", "{attributes}");
        }
    }

    #[test]
    fn every_id_is_found_in_every_shape() {
        for (id, expected) in [
            ("in-maintenance-mode", "InMaintenanceMode"),
            ("no-machine", "NoMachine"),
            ("not-supported", "NotSupported"),
            ("operation-in-progress", "InProgress"),
            ("timed-out", "TimedOut"),
            ("not-trusted", "NotTrusted"),
            ("unspecified", "Unspecified { id: Some(\"unspecified\") }"),
            ("brand-new", "Unspecified { id: Some(\"brand-new\") }"),
        ] {
            let failed = "status=\"failure\"";
            for inside in [
                format!("<errorid>{id}</errorid>"),
                format!("<future/><errorId> {id}\n</errorId>"),
                format!("<x:error-id xmlns:x='urn:x'>{id}</x:error-id>"),
                format!(
                    "<result type=\"error\"><error><id>{id}</id><text>Words</text></error></result>"
                ),
                format!("<error><text>a</text><id>{id}</id></error>"),
            ] {
                assert_eq!(outcome(&inside, failed), expected, "{inside}");
            }
            for attributes in
                [format!("{failed} errorid='{id}'"), format!("{failed} errorId='{id}'")]
            {
                assert_eq!(outcome("", &attributes), expected, "{attributes}");
            }
        }
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        let other = "http://citrix.com/delivery-services/1-0/launch";
        for xml in [
            "<html><body>Service Unavailable</body></html>".to_owned(),
            "<machinepoweroff status='success'/>".to_owned(),
            format!("<machinepoweroff xmlns='{other}' status='success'/>"),
            format!("<machinePowerOff xmlns='{NAMESPACE}' status='success'/>"),
            format!("<!DOCTYPE x><machinepoweroff xmlns='{NAMESPACE}' status='success'/>"),
            format!("<machinepoweroff xmlns='{NAMESPACE}' status='success'>"),
            format!("<machinepoweroff xmlns='{NAMESPACE}' status='success'/>x"),
            String::new(),
        ] {
            assert!(read_reply(xml.as_bytes()).is_err(), "{xml}");
        }
        let prefixed = format!("<p:machinepoweroff xmlns:p='{NAMESPACE}' status='success'/>");
        assert!(matches!(read_reply(prefixed.as_bytes()), Ok(PowerOffOutcome::Done)));
    }

    #[test]
    fn a_404_is_told_by_its_reason() {
        for (reason, expected) in [
            (Some("ResourceNotFound"), "ResourceNotFound"),
            (Some("resourcedisabled"), "ResourceDisabled"),
            (Some("UnsupportedOperation"), "NotSupported"),
            (Some("Another"), "ResourceNotFound"),
            (None, "ResourceNotFound"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(reason) = reason {
                headers.insert(ERROR_REASON, reason.parse().unwrap());
            }
            assert_eq!(format!("{:?}", not_found(&headers)), expected);
        }
    }

    #[test]
    fn the_request_is_written_byte_for_byte() {
        let name = ClientName::try_from("kiosk <7> & Co").unwrap();
        assert_eq!(
            write_request(&name).unwrap(),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <machinepoweroffparams xmlns=\"http://citrix.com/delivery-services/1-0/machinepoweroffparams\">\n\
             \x20 <clientName>kiosk &lt;7&gt; &amp; Co</clientName>\n\
             </machinepoweroffparams>\n"
        );
    }
}
