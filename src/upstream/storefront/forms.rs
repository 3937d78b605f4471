//! Common authentication forms: a page of fields described in XML, answered with a web form.
//!
//! Ids and button texts are the form's own, since they follow the server's language. Every page
//! comes with HTTP 200, a wrong password as well: that is the logon form once more.

use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::{
    upstream::fault::clean,
    wire::xml::{self, Document, Node},
};

/// One page.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Form {
    /// `success`, or what is wrong with the conversation.
    pub(super) status: String,
    /// `more-info`, `update-credentials`, `fail`, `cancelled`.
    pub(super) result: String,
    state_context: String,
    pub(super) post_back: String,
    fields: Vec<Field>,
    /// The text of the first label that says that something was wrong.
    pub(super) error: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Field {
    id: String,
    /// `username`, `password`, `domain`, `savecredentials`, …
    credential: String,
    input: Input,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Input {
    Text {
        initial: String,
        secret: bool,
    },
    CheckBox,
    /// A list, of which one is chosen to begin with.
    Choice {
        initial: String,
    },
    Button(String),
}

/// The page asks for something that a user name and a password do not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NeedsMore;

impl Form {
    pub(super) fn read(document: &Document<'_>) -> Result<Self, xml::Error> {
        let root = document.root(NAMESPACE, "AuthenticateResponse")?;
        let mut form = Self {
            status: text(root, "Status").to_ascii_lowercase(),
            result: text(root, "Result").to_ascii_lowercase(),
            // Sent back as it is.
            state_context: child(root, "StateContext").map_or("", Node::text).to_owned(),
            ..Self::default()
        };
        let Some(wanted) = child(root, "AuthenticationRequirements") else { return Ok(form) };
        text(wanted, "PostBack").clone_into(&mut form.post_back);
        let all = child(wanted, "Requirements").into_iter().flat_map(Node::children);
        for requirement in all.filter(|node| node.is(NAMESPACE, "Requirement")).take(MAX_FIELDS) {
            if let Some(label) = child(requirement, "Label")
                && text(label, "Type").eq_ignore_ascii_case("error")
                && form.error.is_none()
            {
                form.error = Some(clean(text(label, "Text")).unwrap_or_default());
            }
            form.fields.extend(field(requirement));
        }
        Ok(form)
    }

    /// Whether the page asks for the password.
    pub(super) fn is_logon(&self) -> bool {
        self.fields.iter().any(|field| field.credential == "password")
    }

    /// The answer to a page, with its first button pressed.
    pub(super) fn answer(
        &self,
        username: &str,
        password: &SecretString,
    ) -> Result<Zeroizing<String>, NeedsMore> {
        let password = password.expose_secret();
        // Room for the whole, so that no copy of the password is left behind by growing.
        let known: usize = self.fields.iter().map(Field::room).sum();
        let room = 64 + 3 * (known + self.state_context.len() + username.len() + password.len());
        let has_domain = self.fields.iter().any(|field| field.credential == "domain");
        let (domain, user) = match username.split_once('\\') {
            Some((domain, user)) if has_domain => (Some(domain), user),
            _ => (None, username),
        };
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(room));
        form.append_pair("StateContext", &self.state_context);
        let mut pressed = false;
        for field in &self.fields {
            let value = match (&field.input, field.credential.as_str()) {
                (Input::Button(_), _) if pressed => continue,
                (Input::Button(text), _) => {
                    pressed = true;
                    text
                }
                (Input::CheckBox, _) => "false",
                (Input::Text { .. }, "username") => user,
                (Input::Text { .. }, "password") => password,
                (Input::Text { initial, .. } | Input::Choice { initial }, "domain") => {
                    domain.unwrap_or(initial)
                }
                (Input::Text { secret: true, .. }, _) => return Err(NeedsMore),
                (Input::Text { initial, .. } | Input::Choice { initial }, _) => initial,
            };
            form.append_pair(&field.id, value);
        }
        Ok(Zeroizing::new(form.finish()))
    }
}

impl Field {
    fn room(&self) -> usize {
        let value = match &self.input {
            Input::Text { initial, .. } | Input::Choice { initial } => initial.len(),
            Input::Button(text) => text.len(),
            Input::CheckBox => 5,
        };
        self.id.len() + value + 2
    }
}

/// What is to be sent for a requirement: it has an id and an input, and may be changed.
fn field(requirement: Node<'_>) -> Option<Field> {
    let credential = child(requirement, "Credential")?;
    let id = text(credential, "ID");
    let input = child(requirement, "Input")?;
    let input = input.children().find_map(|node| {
        let read_only = matches!(text(node, "ReadOnly"), "true" | "1");
        match node.local() {
            "Text" if read_only => None,
            "Text" => Some(Input::Text {
                initial: text(node, "InitialValue").to_owned(),
                secret: matches!(text(node, "Secret"), "true" | "1"),
            }),
            "CheckBox" => Some(Input::CheckBox),
            "Button" => Some(Input::Button(node.text().to_owned())),
            "ComboBox" | "RadioButton" | "MultiComboBox" => {
                Some(Input::Choice { initial: selected(node) })
            }
            _ => None,
        }
    })?;
    let credential = text(credential, "Type").to_ascii_lowercase();
    (!id.is_empty()).then(|| Field { id: id.to_owned(), credential, input })
}

/// What a list has chosen to begin with, else its first value.
fn selected(list: Node<'_>) -> String {
    let initial = text(list, "InitialSelection");
    let first = || list.descendants().find(|node| node.is(NAMESPACE, "Value"));
    if initial.is_empty() { first().map_or("", |node| node.text().trim()) } else { initial }
        .to_owned()
}

fn child<'d>(node: Node<'d>, name: &str) -> Option<Node<'d>> {
    node.child(NAMESPACE, name)
}

fn text<'d>(node: Node<'d>, name: &str) -> &'d str {
    child(node, name).map_or("", |node| node.text().trim())
}

const NAMESPACE: &str = "http://citrix.com/authentication/response/1";
const MAX_FIELDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::xml::{Limits, parse};

    fn form(requirements: &str) -> Form {
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuthenticateResponse xmlns=\"{NAMESPACE}\">\
             <Status>success</Status><Result>more-info</Result><StateContext>s&amp;1</StateContext>\
             <AuthenticationRequirements><PostBack>/Auth/F</PostBack><CancelPostBack>/c</CancelPostBack>\
             <Requirements>{requirements}</Requirements></AuthenticationRequirements></AuthenticateResponse>"
        );
        Form::read(&parse(xml.as_bytes(), &Limits::of_bytes(100_000)).unwrap()).unwrap()
    }

    fn requirement(id: &str, kind: &str, input: &str) -> String {
        format!(
            "<Requirement><Credential><ID>{id}</ID><Type>{kind}</Type></Credential>\
             <Label><Text>x</Text><Type>plain</Type></Label><Input>{input}</Input></Requirement>"
        )
    }

    fn text_input(secret: bool) -> String {
        format!(
            "<AssistiveText>x</AssistiveText><Text><Secret>{secret}</Secret><ReadOnly>false</ReadOnly><InitialValue></InitialValue></Text>"
        )
    }

    fn logon(more: &str) -> Form {
        form(&format!(
            "{}{}{more}{}{}{}",
            requirement("username", "username", &text_input(false)),
            requirement("password", "password", &text_input(true)),
            requirement(
                "saveCredentials",
                "savecredentials",
                "<CheckBox><InitialValue>false</InitialValue></CheckBox>"
            ),
            requirement("loginBtn", "none", "<Button>P\u{159}ihl\u{e1}sit</Button>"),
            requirement("otherBtn", "none", "<Button>Other</Button>"),
        ))
    }

    fn answered(form: &Form, username: &str) -> Result<String, NeedsMore> {
        form.answer(username, &SecretString::from("s3&cr=t")).map(|text| text.to_string())
    }

    #[test]
    fn the_answer_echoes_the_forms_own_ids_and_button() {
        let form = logon("");
        assert!(form.is_logon());
        assert_eq!(
            answered(&form, r"EXAMPLE\ada").unwrap(),
            "StateContext=s%261&username=EXAMPLE%5Cada&password=s3%26cr%3Dt&saveCredentials=false&loginBtn=P%C5%99ihl%C3%A1sit"
        );
    }

    #[test]
    fn a_domain_of_its_own_is_taken_from_the_name() {
        let combo = "<ComboBox><InitialSelection>LAB</InitialSelection><DisplayValues><DisplayValue><Display>Lab</Display><Value>LAB</Value></DisplayValue></DisplayValues></ComboBox>";
        let form = logon(&requirement("domain", "domain", combo));
        let answer = answered(&form, r"EXAMPLE\ada").unwrap();
        assert!(
            answer.contains("&username=ada&") && answer.contains("&domain=EXAMPLE&"),
            "{answer}"
        );
        let answer = answered(&form, "ada@example.test").unwrap();
        assert!(
            answer.contains("&username=ada%40example.test&") && answer.contains("&domain=LAB&")
        );
    }

    #[test]
    fn what_a_password_cannot_answer_is_not_guessed() {
        let form = logon(&requirement("passcode", "passcode", &text_input(true)));
        assert_eq!(answered(&form, "ada"), Err(NeedsMore));
    }

    #[test]
    fn read_only_fields_and_labels_are_not_sent() {
        let fixed = "<Text><Secret>false</Secret><ReadOnly>true</ReadOnly><InitialValue>ada</InitialValue></Text>";
        let label = "<Requirement><Credential><Type>none</Type></Credential><Label><Text>Sorry,\nno</Text><Type>error</Type></Label><Input /></Requirement>";
        let form = form(&format!("{}{label}", requirement("username", "username", fixed)));
        assert_eq!(form.error.as_deref(), Some("Sorry, no"));
        assert_eq!(answered(&form, "ada").unwrap(), "StateContext=s%261");
    }
}
