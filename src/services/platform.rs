use std::sync::Arc;

use uuid::Uuid;

use super::{
    Core, Error, Listing, Located, Paging, Scope,
    core::same_name,
    fanout::{Keep, Query},
};
use crate::{
    audit::{Event, Target},
    domain::{
        Action, CallContext, NameOrId, Notification, NotificationContent, ResourceLocation,
        ServiceState,
    },
};

/// Citrix Cloud's platform services: resource locations, service states, notifications.
#[derive(Clone, Debug)]
pub struct Platform {
    core: Arc<Core>,
}

/// A notification to send; what is left out is filled in.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// One line.
    pub title: String,
    /// The rest.
    pub description: String,
    /// Citrix's word; `Information` by default.
    pub severity: Option<String>,
    /// Citrix's word; `Normal` by default.
    pub priority: Option<String>,
    /// What it is about; `Citrix Cloud` by default.
    pub component: Option<String>,
    /// Whom it is for; everybody (`*`) by default.
    pub destination_admin: Option<String>,
    /// Language of the text; `en-US` by default.
    pub language_tag: Option<String>,
}

impl Platform {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The resource locations of the customers in scope.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn resource_locations(
        &self,
        ctx: &CallContext,
        scope: Scope,
        paging: Paging,
    ) -> Result<Listing<ResourceLocation>, Error> {
        let query = Query::of_customers(&self.core, |core, ctx, customer| async move {
            core.resource_locations(&ctx, &customer).await
        });
        Listing::begin(&self.core, ctx, scope, paging, query)
    }

    /// One resource location of a customer, by Citrix's id of it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resource_location(
        &self,
        ctx: &CallContext,
        customer: &str,
        id: &NameOrId,
    ) -> Result<Located<ResourceLocation>, Error> {
        let customer = Arc::clone(self.core.authorize_whole(ctx, Action::Read, customer)?);
        let found = self.core.resource_location(ctx, &customer, id).await?;
        Ok(Located::read(ctx, customer, None, found))
    }

    /// The service states of the customers in scope, narrowed to one state where one is named.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn service_states(
        &self,
        ctx: &CallContext,
        scope: Scope,
        state: Option<String>,
        paging: Paging,
    ) -> Result<Listing<ServiceState>, Error> {
        let query = Query::of_customers(&self.core, |core, ctx, customer| async move {
            core.service_states(&ctx, &customer).await
        });
        let keep = state.map(|wanted| -> Keep<ServiceState> {
            Arc::new(move |item: &ServiceState| {
                item.state.as_deref().is_some_and(|state| same_name(state, &wanted))
            })
        });
        Listing::begin(&self.core, ctx, scope, paging, query.keeping(keep))
    }

    /// The state of one service for a customer, by Citrix's name of the service. Citrix has no
    /// call for one alone.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn service_state(
        &self,
        ctx: &CallContext,
        customer: &str,
        service: &NameOrId,
    ) -> Result<Located<ServiceState>, Error> {
        let customer = Arc::clone(self.core.authorize_whole(ctx, Action::Read, customer)?);
        let states = self.core.service_states(ctx, &customer).await?;
        ctx.note_reading(states.reading);
        let named = |state: &&ServiceState| same_name(&state.service_name, service.as_str());
        let item = states.value.items.iter().find(named).ok_or(Error::NotFound)?.clone();
        Ok(Located { customer, site: None, item })
    }

    /// Notifies the administrators of a customer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn notify(
        &self,
        ctx: &CallContext,
        customer: &str,
        new: NewNotification,
    ) -> Result<Located<Notification>, Error> {
        let customer = self.core.authorize_whole(ctx, Action::Notify, customer)?;
        let (core, own, customer) = (Arc::clone(&self.core), ctx.clone(), Arc::clone(customer));
        let notification = new.fill(core.now());
        let event = Event {
            action: "notify".into(),
            customer: Some(customer.name.clone()),
            target: Some(Target {
                kind: "notification".into(),
                id: notification.event_id.clone(),
                name: None,
            }),
            ..Event::default()
        };
        let work = async move {
            let item = core.upstream.cloud.notify(&own, &customer, &notification).await?;
            Ok(Located { customer, site: None, item })
        };
        self.core.act(ctx, event, work).await
    }
}

impl NewNotification {
    fn fill(self, now: jiff::Timestamp) -> Notification {
        let or = |value: Option<String>, default: &str| value.unwrap_or_else(|| default.to_owned());
        Notification {
            destination_admin: or(self.destination_admin, "*"),
            component: or(self.component, "Citrix Cloud"),
            created_date: now.to_string(),
            event_id: Uuid::new_v4().to_string(),
            severity: or(self.severity, "Information"),
            priority: or(self.priority, "Normal"),
            content: vec![NotificationContent {
                language_tag: or(self.language_tag, "en-US"),
                title: self.title,
                description: self.description,
            }],
        }
    }
}
