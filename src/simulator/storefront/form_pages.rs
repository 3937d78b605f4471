//! The forms themselves, in the common authentication forms language.

use super::super::http::Request;
use super::super::scenario::DomainField;
use super::answer::Answer;
use super::names;
use super::xml::Element;

/// What a form asks for.
#[derive(Debug)]
pub(super) enum Page {
    Logon { error: Option<&'static str> },
    NewPassword { name: String, error: Option<&'static str> },
    Changed,
}

/// What all forms of a store have in common.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) post_back: String,
    pub(super) state_context: String,
    pub(super) domain_field: DomainField,
    pub(super) domains: Vec<String>,
    pub(super) language: Language,
}

/// The language of labels and buttons.
#[derive(Clone, Copy, Debug)]
pub(super) enum Language {
    English,
    Czech,
}

impl Language {
    pub(super) fn of(request: &Request) -> Self {
        let wanted = request.header("accept-language").unwrap_or_default().to_ascii_lowercase();
        if wanted.starts_with("cs") { Self::Czech } else { Self::English }
    }

    pub(super) fn log_on(self) -> &'static str {
        self.pick("Log On", "Přihlásit")
    }

    pub(super) fn change(self) -> &'static str {
        self.pick("Change Password", "Změnit heslo")
    }

    pub(super) fn ok(self) -> &'static str {
        self.pick("OK", "Pokračovat")
    }

    pub(super) fn wrong_password(self) -> &'static str {
        self.pick("Incorrect user name or password.", "Nesprávné jméno nebo heslo.")
    }

    pub(super) fn bad_change(self) -> &'static str {
        self.pick("The password could not be changed.", "Heslo se nepodařilo změnit.")
    }

    fn pick(self, english: &'static str, czech: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Czech => czech,
        }
    }
}

impl Frame {
    pub(super) fn show(&self, page: Page) -> Answer {
        let l = self.language;
        match page {
            Page::Logon { error } => {
                let mut all = vec![
                    text("username", "username", l.pick("User name:", "Jméno:"), false),
                    text("password", "password", l.pick("Password:", "Heslo:"), true),
                ];
                match self.domain_field {
                    DomainField::None => {}
                    DomainField::Text => all.push(text("domain", "domain", "Domain:", false)),
                    DomainField::Combo => all.push(self.domain_combo()),
                }
                let save = Element::new("CheckBox").child(Element::of("InitialValue", "false"));
                let label = l.pick("Remember my password", "Zapamatovat");
                all.push(requirement("saveCredentials", "savecredentials", label, save));
                all.extend(error.map(error_label));
                all.push(button("loginBtn", l.log_on()));
                self.form("more-info", all)
            }
            Page::NewPassword { name, error } => {
                let shown = Element::new("Text")
                    .child(Element::of("Secret", "false"))
                    .child(Element::of("ReadOnly", "true"))
                    .child(Element::of("InitialValue", name));
                let mut all = vec![requirement(
                    "username",
                    "username",
                    l.pick("User name:", "Jméno:"),
                    shown,
                )];
                all.extend(error.map(error_label));
                all.push(text("oldPassword", "password", "Old password:", true));
                all.push(text("newPassword", "newpassword", "New password:", true));
                all.push(text("confirmPassword", "newpassword", "Confirm password:", true));
                all.push(button("changePasswordBtn", l.change()));
                self.form("update-credentials", all)
            }
            Page::Changed => {
                let text = l.pick("Your password was changed.", "Heslo bylo změněno.");
                let all =
                    vec![label("confirmation", text), button("changePasswordConfirmBtn", l.ok())];
                self.form("more-info", all)
            }
        }
    }

    fn form(&self, result: &str, requirements: Vec<Element>) -> Answer {
        let context = match &*self.state_context {
            "" => Element::new("StateContext"),
            text => Element::of("StateContext", text),
        };
        let cancel = self.language.pick("Cancel", "Storno");
        let all = Element::new("AuthenticationRequirements")
            .child(Element::of("PostBack", &*self.post_back))
            .child(Element::of("CancelPostBack", format!("{}/Cancel", self.post_back)))
            .child(Element::of("CancelButtonText", cancel))
            .child(Element::new("Requirements").children(requirements));
        answer(Element::of("Status", "success"), Some(result), context, Some(all))
    }

    fn domain_combo(&self) -> Element {
        let value = |domain: &String| {
            Element::new("DisplayValue")
                .child(Element::of("Display", format!("{domain} domain")))
                .child(Element::of("Value", &**domain))
        };
        let first = self.domains.first().map_or("", String::as_str);
        let combo = Element::new("ComboBox")
            .child(Element::of("InitialSelection", first))
            .child(Element::new("DisplayValues").children(self.domains.iter().map(value)));
        requirement("domain", "domain", "Domain:", combo)
    }
}

/// The server will not go on.
pub(super) fn refused() -> Answer {
    let status = Element::of("Status", "success");
    answer(status, Some("fail"), Element::new("StateContext"), None)
}

/// The user, or who acts for them, gave up.
pub(super) fn cancelled() -> Answer {
    let status = Element::of("Status", "success");
    answer(status, Some("cancelled"), Element::new("StateContext"), None)
}

/// The conversation itself is in trouble.
pub(super) fn trouble(status: &str) -> Answer {
    answer(Element::of("Status", status), None, Element::new("StateContext"), None)
}

fn answer(
    status: Element,
    result: Option<&str>,
    context: Element,
    requirements: Option<Element>,
) -> Answer {
    let refused = result == Some("fail");
    let root = Element::root("AuthenticateResponse", names::FORM)
        .child(status)
        .children(result.map(|result| Element::of("Result", result)))
        .child(context)
        .children(requirements)
        .children(refused.then(|| Element::of("LogMessage", "Account locked out")));
    Answer::xml(names::FORM_TYPE, root)
}

fn text(id: &str, kind: &str, label: &str, secret: bool) -> Element {
    let input = Element::new("Text")
        .child(Element::of("Secret", if secret { "true" } else { "false" }))
        .child(Element::of("ReadOnly", "false"))
        .child(Element::new("InitialValue"))
        .child(Element::of("Constraint", ".+"));
    requirement(id, kind, label, input)
}

fn requirement(id: &str, kind: &str, label: &str, input: Element) -> Element {
    let credential = Element::new("Credential")
        .child(Element::of("ID", id))
        .child(Element::of("SaveID", format!("ExplicitForms-{id}")))
        .child(Element::of("Type", kind));
    let label =
        Element::new("Label").child(Element::of("Text", label)).child(Element::of("Type", "plain"));
    let input = Element::new("Input").child(input);
    Element::new("Requirement").child(credential).child(label).child(input)
}

fn button(id: &str, text: &str) -> Element {
    let credential =
        Element::new("Credential").child(Element::of("ID", id)).child(Element::of("Type", "none"));
    let label = Element::new("Label").child(Element::of("Type", "none"));
    let input = Element::new("Input").child(Element::of("Button", text));
    Element::new("Requirement").child(credential).child(label).child(input)
}

/// Something to read, with nothing to fill in.
fn label(kind: &str, text: &str) -> Element {
    let credential =
        Element::new("Credential").child(Element::new("ID")).child(Element::of("Type", "none"));
    let label =
        Element::new("Label").child(Element::of("Text", text)).child(Element::of("Type", kind));
    Element::new("Requirement").child(credential).child(label).child(Element::new("Input"))
}

fn error_label(text: &'static str) -> Element {
    label("error", text)
}
