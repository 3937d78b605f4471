//! A store and its token service as the public pages describe them, on loopback: two web
//! applications with a realm each, links that cannot be guessed, and tokens that are good for one
//! realm only.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use secrecy::SecretString;
use url::Url;

use crate::{
    config::{Store, StoreAccount, StoreAuth},
    domain::StoreName,
    upstream::{
        Upstream,
        testing::{Answer, Seen, Stub, with_headers},
    },
};

pub(super) const USER: &str = r"EXAMPLE\kiosk";
pub(super) const PASSWORD: &str = "canary-p&ssw=rd/51c7";

/// What a test can change while the stub runs.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) password: &'static str,
    pub(super) protocols: Vec<&'static str>,
    pub(super) expiry: &'static str,
    /// Answers instead of the usual ones, by a part of the request line; used up first.
    pub(super) instead: HashMap<&'static str, Vec<Answer>>,
    pub(super) list: String,
    /// With which reason the store refuses its next tokens.
    pub(super) refuse: Vec<&'static str>,
    /// The host that challenges name, instead of the stub's own.
    pub(super) token_host: Option<&'static str>,
}

pub(super) struct FakeStore {
    pub(super) stub: Stub,
    pub(super) settings: Arc<Mutex<Settings>>,
    pub(super) upstream: Upstream,
}

impl FakeStore {
    pub(super) async fn start() -> Self {
        let settings = Arc::new(Mutex::new(Settings {
            password: PASSWORD,
            protocols: vec!["CitrixFederation", "ExplicitForms", "HttpBasic"],
            expiry: "2026-11-22T13:00:00.1234567Z",
            instead: HashMap::new(),
            list: list("full", ""),
            refuse: Vec::new(),
            token_host: None,
        }));
        let (shared, count) = (Arc::clone(&settings), AtomicUsize::new(0));
        let stub = Stub::answering(move |seen| {
            let mut settings = shared.lock().unwrap();
            let scripted = settings
                .instead
                .iter_mut()
                .find(|(part, answers)| seen.line().contains(*part) && !answers.is_empty());
            if let Some((_, answers)) = scripted {
                return answers.remove(0);
            }
            answer(seen, &mut settings, &count)
        })
        .await;
        let upstream = stub.upstream();
        Self { stub, settings, upstream }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap());
    }

    pub(super) fn instead(&self, part: &'static str, answers: Vec<Answer>) {
        self.change(|settings| {
            settings.instead.insert(part, answers);
        });
    }

    pub(super) fn store(&self, auth: StoreAuth) -> Arc<Store> {
        Arc::new(Store {
            name: StoreName::try_from("hq").unwrap(),
            url: Url::parse(&format!("{}/Citrix/Store", self.stub.base)).unwrap(),
            customer: None,
            auth,
        })
    }

    pub(super) fn basic(&self) -> Arc<Store> {
        self.store(StoreAuth::HttpBasic(account(PASSWORD)))
    }

    pub(super) fn forms(&self) -> Arc<Store> {
        self.store(StoreAuth::ExplicitForms(account(PASSWORD)))
    }

    /// Request lines without the protocol, of requests that hold `part`.
    pub(super) fn lines(&self, part: &str) -> Vec<String> {
        let calls = self.stub.calls();
        let lines = calls.iter().map(|seen| seen.line().trim_end_matches(" HTTP/1.1").to_owned());
        lines.filter(|line| line.contains(part)).collect()
    }

    /// Everything that was sent, without what depends on the port.
    pub(super) fn sent(&self) -> Vec<String> {
        let port = self.stub.base.rsplit_once(':').unwrap().1.to_owned();
        let plain = |seen: &Seen| seen.normalised().replace(&port, "PORT");
        self.stub.calls().iter().map(plain).collect()
    }
}

pub(super) fn account(password: &str) -> StoreAccount {
    StoreAccount { username: SecretString::from(USER), password: SecretString::from(password) }
}

/// A list with one desktop that can be powered off, and more.
pub(super) fn list(enumeration: &str, more: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><resources xmlns=\"http://citrix.com/delivery-services/2-0/resources\" enumeration=\"{enumeration}\">\
         <resource><id>Farm1.Eng $S1-2</id><title>Engineering</title><resourcetype>Citrix.MPS.Desktop</resourcetype><enabled>true</enabled>\
         <machinepoweroff><url>/Citrix/Store/resources/v2/RmFy-/poweroff?k=8f</url></machinepoweroff>\
         <desktopinfo><hostname>ENG-VM-0042</hostname><assignmenttype>assigned</assignmenttype></desktopinfo></resource>{more}</resources>"
    )
}

pub(super) fn xml(status: u16, headers: &str, body: &str) -> Answer {
    with_headers(status, &format!("Content-Type: application/xml\r\n{headers}"), body)
}

pub(super) fn power_off_reply(attributes: &str, inside: &str) -> Answer {
    let root = "machinepoweroff xmlns=\"http://citrix.com/delivery-services/1-0/machinepoweroff\"";
    xml(
        200,
        "",
        &format!("<?xml version=\"1.0\"?>\n<{root} {attributes}>{inside}\n</machinepoweroff>"),
    )
}

/// A 401 of the store (`store-realm`) or of the token service (`auth-realm`).
pub(super) fn challenge(
    base: &str,
    realm: &str,
    reason: &str,
    location: &str,
    root: &str,
) -> Answer {
    let line = format!(
        "WWW-Authenticate: CitrixAuth realm=\"{realm}\", reqtokentemplate=\"\", reason=\"{reason}\", locations=\"{base}{location}\", serviceroot-hint=\"{base}{root}\"\r\n"
    );
    with_headers(401, &format!("Cache-Control: public, no-store, max-age=0\r\n{line}"), "")
}

fn answer(seen: &Seen, settings: &mut Settings, count: &AtomicUsize) -> Answer {
    let own = format!("http://{}", seen.header("host").unwrap());
    let base = settings.token_host.map_or(own.clone(), str::to_owned);
    let path = seen.line().split(' ').nth(1).unwrap();
    let token = seen.header("authorization").unwrap_or_default();
    let is_store = path.contains("/Store/resources/");
    if is_store || path.ends_with("/auth/v1/token") {
        let (realm, location, root, good) = if is_store {
            (
                "store-realm",
                "/Citrix/StoreAuth/auth/v1/token",
                "/Citrix/Store/resources/v2",
                "CitrixAuth canary-service-",
            )
        } else {
            (
                "auth-realm",
                "/Citrix/StoreAuth/auth/v1/protocols",
                "/Citrix/StoreAuth/auth/v1/token",
                "CitrixAuth canary-primary-",
            )
        };
        let reason = match token {
            "" => Some("notoken"),
            token if !token.starts_with(good) => Some("notforthisservice"),
            _ if is_store && !settings.refuse.is_empty() => Some(settings.refuse.remove(0)),
            _ => None,
        };
        if let Some(reason) = reason {
            return challenge(&base, realm, reason, location, root);
        }
    }
    match path.split('?').next().unwrap() {
        "/Citrix/Store/endpoints/v1" => xml(
            200,
            "",
            &format!(
                "<endpoints xmlns=\"http://citrix.com/dazzleservices/2-0/endpoints\"><endpoint id=\"ListResourcesWithAutoProvision\"><url>{own}/Citrix/Store/resources/v2</url></endpoint>\
             <endpoint id=\"ListResources\"><url>{own}/Citrix/Store/resources/v2/withoutautoprovision</url></endpoint></endpoints>"
            ),
        ),
        "/Citrix/Store/resources/v2/withoutautoprovision" => xml(200, "", &settings.list),
        "/Citrix/Store/resources/v2/RmFy-/poweroff" => power_off_reply("status=\"success\"", ""),
        "/Citrix/StoreAuth/auth/v1/token" => token_response("service", count, settings),
        "/Citrix/StoreAuth/auth/v1/protocols" => {
            let choices: Vec<_> = settings.protocols.iter().map(|name| format!(
                "<choice><protocol>{name}</protocol><location>\n {base}/Citrix/StoreAuth/{name}/Start\n</location></choice>"
            )).collect();
            xml(
                300,
                "",
                &format!(
                    "<requesttokenchoices xmlns=\"http://citrix.com/delivery-services/1-0/auth/requesttokenchoices\"><choices>{}</choices></requesttokenchoices>",
                    choices.concat()
                ),
            )
        }
        "/Citrix/StoreAuth/HttpBasic/Start" => {
            use base64::Engine as _;
            let plain = format!("{USER}:{}", settings.password);
            let good = base64::engine::general_purpose::STANDARD.encode(plain);
            if token == format!("Basic {good}") {
                token_response("primary", count, settings)
            } else {
                with_headers(401, "WWW-Authenticate: Basic realm=\"StoreFront\"\r\n", "")
            }
        }
        "/Citrix/StoreAuth/ExplicitForms/Start" => {
            let cookies = "Set-Cookie: Citrix_AuthSvc=canary-cookie; path=/; HttpOnly\r\nSet-Cookie: other=1\r\n";
            xml(200, cookies, &logon_form(""))
        }
        "/Citrix/StoreAuth/ExplicitForms" => {
            let fields: Vec<(String, String)> =
                url::form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
            let has = |name: &str, value: &str| fields.iter().any(|(n, v)| n == name && v == value);
            if seen.header("cookie") != Some("Citrix_AuthSvc=canary-cookie; other=1") {
                return xml(
                    200,
                    "",
                    &logon_form("").replace(">success<", ">error-sessionid-invalid<"),
                );
            }
            if has("username", USER)
                && has("password", settings.password)
                && has("loginBtn", "Anmelden & los")
            {
                token_response("primary", count, settings)
            } else {
                let echo = format!(
                    "Incorrect: {}",
                    fields.iter().map(|(_, v)| v.as_str()).collect::<String>()
                );
                xml(200, "", &logon_form(&echo))
            }
        }
        _ => with_headers(404, "", ""),
    }
}

fn token_response(kind: &str, count: &AtomicUsize, settings: &Settings) -> Answer {
    let number = count.fetch_add(1, SeqCst);
    xml(
        200,
        "",
        &format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><requesttokenresponse xmlns=\"http://citrix.com/delivery-services/1-0/auth/requesttokenresponse\">\
         <for-service>x</for-service><issued>2026-11-22T12:00:00.1234567Z</issued><expiry>{}</expiry><lifetime>0.01:00:00</lifetime><token-template />\
         <token>canary-{kind}-{number}</token></requesttokenresponse>",
            settings.expiry
        ),
    )
}

pub(super) fn logon_form(error: &str) -> String {
    let label = if error.is_empty() {
        String::new()
    } else {
        let text = error.replace('&', "&amp;");
        format!(
            "<Requirement><Credential><Type>none</Type></Credential><Label><Text>{text}</Text><Type>error</Type></Label><Input /></Requirement>"
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuthenticateResponse xmlns=\"http://citrix.com/authentication/response/1\"><Status>success</Status><Result>more-info</Result><StateContext />\
         <AuthenticationRequirements><PostBack>Citrix/StoreAuth/ExplicitForms</PostBack><Requirements>{label}\
         <Requirement><Credential><ID>username</ID><Type>username</Type></Credential><Label><Type>plain</Type></Label><Input><Text><Secret>false</Secret><ReadOnly>false</ReadOnly><InitialValue></InitialValue></Text></Input></Requirement>\
         <Requirement><Credential><ID>password</ID><Type>password</Type></Credential><Input><Text><Secret>true</Secret></Text></Input></Requirement>\
         <Requirement><Credential><ID>saveCredentials</ID><Type>savecredentials</Type></Credential><Input><CheckBox><InitialValue>false</InitialValue></CheckBox></Input></Requirement>\
         <Requirement><Credential><ID>loginBtn</ID><Type>none</Type></Credential><Label><Type>none</Type></Label><Input><Button>Anmelden &amp; los</Button></Input></Requirement>\
         </Requirements></AuthenticationRequirements></AuthenticateResponse>"
    )
}
