use std::sync::Arc;

use crate::{
    config::Customer,
    domain::{CallContext, Notification, ResourceLocation, ServiceState},
    upstream::Error,
};

/// Asks the platform services.
#[derive(Clone, Debug)]
pub struct Client {}

impl Client {
    /// Lists the customer's resource locations (registry, `GET /{customer}/resourcelocations`).
    pub async fn resource_locations(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
    ) -> Result<Vec<ResourceLocation>, Error> {
        unimplemented!()
    }

    /// Lists the services the customer is entitled to (core, `GET /{customer}/serviceStates`).
    pub async fn service_states(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
    ) -> Result<Vec<ServiceState>, Error> {
        unimplemented!()
    }

    /// Notifies the customer's administrators and returns what was stored
    /// (notifications, `POST /{customer}/notifications/items`).
    pub async fn notify(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        notification: &Notification,
    ) -> Result<Notification, Error> {
        unimplemented!()
    }
}
