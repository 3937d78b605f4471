use jiff::Timestamp;
use serde::Deserialize;

use super::{IntoDomain, Reference, User};
use crate::{domain, upstream::lenient};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_field_names, reason = "the names are the vendor's")]
pub(in crate::upstream::daas) struct Session {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    state: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    session_type: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    app_state: Option<String>,
    #[serde(deserialize_with = "lenient::object")]
    user: Option<User>,
    #[serde(deserialize_with = "lenient::text")]
    untrusted_user_name: Option<String>,
    #[serde(deserialize_with = "lenient::object")]
    machine: Option<SessionMachine>,
    #[serde(deserialize_with = "lenient::time")]
    formatted_start_time: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::time")]
    formatted_state_change_time: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::flag")]
    is_hidden: Option<bool>,
    #[serde(deserialize_with = "lenient::flag")]
    logon_in_progress: Option<bool>,
    #[serde(deserialize_with = "lenient::flag")]
    logoff_in_progress: Option<bool>,
    #[serde(deserialize_with = "lenient::object")]
    client: Option<SessionClient>,
    #[serde(deserialize_with = "lenient::object")]
    connection: Option<Connection>,
    #[serde(deserialize_with = "lenient::objects")]
    applications_in_use: Vec<Reference>,
}

/// The properties of a session that are read, for `fields`.
pub(in crate::upstream::daas) const SESSION_FIELDS: &str = "Id,State,SessionType,AppState,User,UntrustedUserName,\
    Machine,FormattedStartTime,FormattedStateChangeTime,IsHidden,LogonInProgress,\
    LogoffInProgress,Client,Connection,ApplicationsInUse";

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SessionMachine {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    session_support: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SessionClient {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(rename = "IPAddress", deserialize_with = "lenient::text")]
    ip_address: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    platform: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Connection {
    #[serde(deserialize_with = "lenient::text")]
    protocol: Option<String>,
}

impl IntoDomain for Session {
    type Domain = domain::Session;

    fn into_domain(self) -> Option<domain::Session> {
        let user = self.user.and_then(User::into_domain).or_else(|| {
            // What the client said before anybody checked it: still better than nobody.
            let name = self.untrusted_user_name?;
            Some(domain::User { name: Some(name), ..domain::User::default() })
        });
        let session_support = self.machine.as_ref().and_then(|m| m.session_support.clone());
        let machine = self.machine.map(|machine| Reference { id: machine.id, name: machine.name });
        let applications = self.applications_in_use.into_iter();
        Some(domain::Session {
            id: self.id.filter(|id| !id.is_empty())?,
            state: self.state,
            session_type: self.session_type,
            app_state: self.app_state,
            user,
            machine: machine.and_then(Reference::into_domain),
            session_support,
            start_time: self.formatted_start_time,
            state_change_time: self.formatted_state_change_time,
            is_hidden: self.is_hidden,
            logon_in_progress: self.logon_in_progress,
            logoff_in_progress: self.logoff_in_progress,
            client: self.client.map(|client| domain::SessionClient {
                name: client.name,
                ip_address: client.ip_address,
                platform: client.platform,
                version: client.version,
            }),
            protocol: self.connection.and_then(|connection| connection.protocol),
            applications_in_use: applications.filter_map(|app| app.name.or(app.id)).collect(),
        })
    }
}
