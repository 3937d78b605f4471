use std::sync::Arc;

use serde_json::json;

use super::wire;
use crate::{
    config::Customer,
    domain::{CallContext, NameOrId, Notification, ResourceLocation, ServiceState},
    upstream::{Error, Service, call::Call, transport::Transport},
};

/// Asks the platform services.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
}

impl Client {
    pub(in crate::upstream) fn new(transport: Arc<Transport>) -> Self {
        Self { transport }
    }

    /// Lists the customer's resource locations (registry, `GET /{customer}/resourcelocations`).
    pub async fn resource_locations(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
    ) -> Result<Vec<ResourceLocation>, Error> {
        let call = Call::get("registry.resource_locations.list", Service::Registry)
            .within(customer.id.as_str())
            .path("resourcelocations");
        let reply = self.transport.send(ctx, customer, &call).await?;
        let list: wire::List<wire::ResourceLocation> = reply.json()?;
        let items = list.items.into_iter().map(wire::ResourceLocation::into_domain);
        items.collect::<Option<_>>().ok_or_else(|| reply.malformed("a location without an id"))
    }

    /// Fetches one resource location (registry, `GET /{customer}/resourcelocations/{id}`).
    pub async fn resource_location(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        id: &NameOrId,
    ) -> Result<ResourceLocation, Error> {
        let call = Call::get("registry.resource_locations.get", Service::Registry)
            .within(customer.id.as_str())
            .path("resourcelocations")
            .object(id.as_str());
        let reply = self.transport.send(ctx, customer, &call).await?;
        if let Some(absent) = reply.no_object() {
            return Err(absent);
        }
        let location: wire::ResourceLocation = reply.json()?;
        location.into_domain().ok_or_else(|| reply.malformed("a location without an id"))
    }

    /// Lists the services the customer is entitled to (core, `GET /{customer}/serviceStates`).
    pub async fn service_states(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
    ) -> Result<Vec<ServiceState>, Error> {
        let call = Call::get("core.service_states.list", Service::Core)
            .within(customer.id.as_str())
            .path("serviceStates");
        let reply = self.transport.send(ctx, customer, &call).await?;
        let list: wire::List<wire::ServiceState> = reply.json()?;
        let items = list.items.into_iter().map(wire::ServiceState::into_domain);
        items.collect::<Option<_>>().ok_or_else(|| reply.malformed("a service without a name"))
    }

    /// Notifies the customer's administrators and returns what was stored
    /// (notifications, `POST /{customer}/notifications/items`).
    pub async fn notify(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        notification: &Notification,
    ) -> Result<Notification, Error> {
        let content = |content: &crate::domain::NotificationContent| {
            json!({
                "languageTag": content.language_tag,
                "title": content.title,
                "description": content.description,
            })
        };
        let call = Call::post("notifications.items.create", Service::Notifications)
            .within(customer.id.as_str())
            .path("notifications/items")
            .json(&json!({
                "destinationAdmin": notification.destination_admin,
                "component": notification.component,
                "createdDate": notification.created_date,
                "eventId": notification.event_id,
                "severity": notification.severity,
                "priority": notification.priority,
                "content": notification.content.iter().map(content).collect::<Vec<_>>(),
            }));
        let reply = self.transport.send(ctx, customer, &call).await?;
        let stored: wire::Notification = reply.json()?;
        stored
            .into_domain(notification)
            .ok_or_else(|| reply.malformed("the answer is no notification"))
    }
}
