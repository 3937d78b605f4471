//! Token documents: the request for one, and what the token service answers.

use jiff::Timestamp;

use super::{access::Token, forms::Form};
use crate::wire::xml::{self, Limits, Node, Writer};

/// Asks for a token that is good for a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenRequest<'a> {
    /// The realm of the challenge.
    pub(super) service: &'a str,
    /// The URL that was asked for when the challenge came.
    pub(super) url: &'a str,
    /// The challenge's template, sent back as it is.
    pub(super) template: &'a str,
}

impl TokenRequest<'_> {
    /// The document. The lifetime is left to the server, which shortens what it likes anyway.
    pub(super) fn write(&self) -> Result<String, xml::IllegalCharacter> {
        Ok(Writer::new("requesttoken", REQUEST)
            .text("for-service", self.service)?
            .text("for-service-url", self.url)?
            .text("reqtokentemplate", self.template)?
            .finish())
    }
}

/// What comes back on the way to a token, told apart by the root.
#[derive(Debug)]
pub(super) enum Reply {
    Token(Issued),
    /// The ways to sign in.
    Choices(Vec<Choice>),
    Form(Form),
}

/// A token and when it ends: nothing else is believed about its life.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) token: Token,
    pub(super) expires: Timestamp,
}

/// One way to sign in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Choice {
    pub(super) protocol: String,
    pub(super) location: String,
}

/// Why an answer on the way to a token could not be read. Repeats nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Xml(#[from] xml::Error),
    #[error("the token response holds no usable token")]
    NoToken,
    #[error("the token response does not say when the token ends")]
    NoExpiry,
}

impl Reply {
    pub(super) fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let document = xml::parse(body, &LIMITS)?;
        if let Ok(root) = document.root(RESPONSE, "requesttokenresponse") {
            return issued(root).map(Self::Token);
        }
        if let Ok(root) = document.root(CHOICES, "requesttokenchoices") {
            return Ok(Self::Choices(choices(root)));
        }
        Ok(Self::Form(Form::read(&document)?))
    }
}

fn issued(root: Node<'_>) -> Result<Issued, Unreadable> {
    let text = |name| root.child(RESPONSE, name).map(|node| node.text().trim());
    let token = text("token").and_then(Token::new).ok_or(Unreadable::NoToken)?;
    let expires = text("expiry").and_then(|expiry| expiry.parse().ok());
    Ok(Issued { token, expires: expires.ok_or(Unreadable::NoExpiry)? })
}

fn choices(root: Node<'_>) -> Vec<Choice> {
    let all = root.child(CHOICES, "choices").into_iter().flat_map(Node::children);
    all.filter(|choice| choice.is(CHOICES, "choice"))
        .filter_map(|choice| {
            let text = |name| Some(choice.child(CHOICES, name)?.text().trim().to_owned());
            Some(Choice { protocol: text("protocol")?, location: text("location")? })
        })
        .take(MAX_CHOICES)
        .collect()
}

const REQUEST: &str = "http://citrix.com/delivery-services/1-0/auth/requesttoken";
const RESPONSE: &str = "http://citrix.com/delivery-services/1-0/auth/requesttokenresponse";
const CHOICES: &str = "http://citrix.com/delivery-services/1-0/auth/requesttokenchoices";

/// Bytes of any answer on the way to a token.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
const LIMITS: Limits = Limits { max_elements: 4096, ..Limits::of_bytes(MAX_BYTES) };
const MAX_CHOICES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_byte_for_byte() {
        let request = TokenRequest {
            service: "6f0a-guid",
            url: "https://sf.example.test/Citrix/Store/resources/v2?a=1&b=2",
            template: "",
        };
        assert_eq!(
            request.write().unwrap(),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <requesttoken xmlns=\"http://citrix.com/delivery-services/1-0/auth/requesttoken\">\n\
             \x20 <for-service>6f0a-guid</for-service>\n\
             \x20 <for-service-url>https://sf.example.test/Citrix/Store/resources/v2?a=1&amp;b=2</for-service-url>\n\
             \x20 <reqtokentemplate />\n\
             </requesttoken>\n"
        );
    }

    fn response(token: &str, expiry: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><requesttokenresponse xmlns=\"{RESPONSE}\"><for-service>x</for-service>\
             <issued>2031-02-03T09:50:53.9106039Z</issued>{expiry}<lifetime>0.01:00:00</lifetime>\
             <token-template /><token>{token}</token><future xmlns=\"urn:x\"><token>no</token></future></requesttokenresponse>"
        )
    }

    #[test]
    fn a_token_and_its_end_are_read() {
        let xml = response(" H4sI+/A== \n", "<expiry>2031-02-03T10:50:53.9106039Z</expiry>");
        let Ok(Reply::Token(issued)) = Reply::read(xml.as_bytes()) else { panic!() };
        assert_eq!(issued.token, Token::new("H4sI+/A==").unwrap());
        assert_eq!(issued.expires.to_string(), "2031-02-03T10:50:53.9106039Z");
    }

    #[test]
    fn a_response_without_a_usable_token_or_end_is_refused() {
        let expiry = "<expiry>2031-02-03T10:50:53Z</expiry>";
        for token in ["", " ", "a b", "a\nb", "caf\u{e9}"] {
            let error = Reply::read(response(token, expiry).as_bytes()).unwrap_err();
            assert_eq!(error, Unreadable::NoToken, "{token:?}");
        }
        for expiry in ["", "<expiry/>", "<expiry>soon</expiry>", "<expiry>2031-02-03</expiry>"] {
            let error = Reply::read(response("H4sI", expiry).as_bytes()).unwrap_err();
            assert_eq!(error, Unreadable::NoExpiry, "{expiry}");
        }
    }

    #[test]
    fn choices_are_read_with_blanks_around_them() {
        let xml = format!(
            "<requesttokenchoices xmlns='{CHOICES}'><choices><choice><protocol>HttpBasic</protocol><location>\n  https://sf.example.test/b \n</location></choice>\
             <choice><protocol>odd</protocol></choice></choices></requesttokenchoices>"
        );
        let Ok(Reply::Choices(choices)) = Reply::read(xml.as_bytes()) else { panic!() };
        let location = "https://sf.example.test/b".to_owned();
        assert_eq!(choices, [Choice { protocol: "HttpBasic".to_owned(), location }]);
    }
}
