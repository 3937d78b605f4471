use std::sync::Arc;

use serde_json::json;

use super::{
    client::{Client, get},
    wire,
};
use crate::{
    config::Customer,
    domain::{
        CallContext, MessageStyle, Page, PageRequest, Session, SessionAction, SessionId,
        SessionMessage, SiteId,
    },
    upstream::{Error, Service, call::Call},
};

/// Sessions.
impl Client {
    /// Lists sessions (`GET /Sessions`).
    pub async fn sessions(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        page: &PageRequest,
    ) -> Result<Page<Session>, Error> {
        let call =
            get("daas.sessions.list", site).path("Sessions").query("fields", wire::SESSION_FIELDS);
        self.page::<wire::Session>(ctx, customer, call, page).await
    }

    /// Fetches one session (`GET /Sessions/{id}`).
    pub async fn session(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &SessionId,
    ) -> Result<Session, Error> {
        let call = get("daas.sessions.get", site)
            .path("Sessions")
            .object(id.as_str())
            .query("fields", wire::SESSION_FIELDS);
        self.one::<wire::Session>(ctx, customer, call).await
    }

    /// Logs a session off, disconnects it, hides it or shows it again
    /// (`POST /Sessions/{id}/$logoff` and its likes). `Ok` means that Citrix took it.
    pub async fn session_action(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &SessionId,
        action: SessionAction,
    ) -> Result<(), Error> {
        let (operation, verb) = match action {
            SessionAction::Logoff => ("daas.sessions.logoff", "$logoff"),
            SessionAction::Disconnect => ("daas.sessions.disconnect", "$disconnect"),
            SessionAction::Hide => ("daas.sessions.hide", "$hide"),
            SessionAction::Unhide => ("daas.sessions.unhide", "$unhide"),
        };
        let call = Call::post(operation, Service::Daas)
            .site(site)
            .path("Sessions")
            .object(id.as_str())
            .path(verb);
        self.act(ctx, customer, site, call).await.map(|_| ())
    }

    /// Shows a message box in a session (`POST /Sessions/{id}/$sendMessage`).
    pub async fn send_message(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &SessionId,
        message: &SessionMessage,
    ) -> Result<(), Error> {
        let style = match message.style {
            MessageStyle::Information => "Information",
            MessageStyle::Exclamation => "Exclamation",
            MessageStyle::Question => "Question",
            MessageStyle::Critical => "Critical",
        };
        let call = Call::post("daas.sessions.send_message", Service::Daas)
            .site(site)
            .path("Sessions")
            .object(id.as_str())
            .path("$sendMessage")
            .json(&json!({ "Style": style, "Title": message.title, "Text": message.text }));
        self.act(ctx, customer, site, call).await.map(|_| ())
    }
}
