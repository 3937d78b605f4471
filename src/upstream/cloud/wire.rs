use serde::{Deserialize, de::DeserializeOwned};

use crate::{domain, upstream::lenient};

/// Lists of the platform services; they are not paged.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct List<T> {
    #[serde(alias = "Items")]
    pub(super) items: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct ResourceLocation {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    internal_only: Option<bool>,
    #[serde(deserialize_with = "lenient::text")]
    time_zone: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    read_only: Option<bool>,
}

impl ResourceLocation {
    /// `None` without an id.
    pub(super) fn into_domain(self) -> Option<domain::ResourceLocation> {
        Some(domain::ResourceLocation {
            id: self.id?,
            name: self.name,
            internal_only: self.internal_only,
            time_zone: self.time_zone,
            read_only: self.read_only,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServiceState {
    #[serde(deserialize_with = "lenient::text")]
    service_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    state: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    r#type: Option<String>,
    #[serde(deserialize_with = "lenient::integer")]
    quantity: Option<i64>,
    #[serde(deserialize_with = "lenient::integer")]
    days_to_expiration: Option<i64>,
    #[serde(deserialize_with = "lenient::text")]
    future_entitlement_start_date: Option<String>,
}

impl ServiceState {
    /// `None` without a name.
    pub(super) fn into_domain(self) -> Option<domain::ServiceState> {
        Some(domain::ServiceState {
            service_name: self.service_name?,
            state: self.state,
            kind: self.r#type,
            quantity: self.quantity,
            days_to_expiration: self.days_to_expiration,
            future_entitlement_start_date: self.future_entitlement_start_date,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Notification {
    #[serde(deserialize_with = "lenient::text")]
    destination_admin: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    component: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    created_date: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    event_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    severity: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    priority: Option<String>,
    #[serde(deserialize_with = "lenient::objects")]
    content: Vec<NotificationContent>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NotificationContent {
    #[serde(deserialize_with = "lenient::text")]
    language_tag: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    title: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    description: Option<String>,
}

impl Notification {
    /// What was stored; what the answer leaves out is as it was sent. `None` when the answer does
    /// not look like a notification at all.
    pub(super) fn into_domain(self, sent: &domain::Notification) -> Option<domain::Notification> {
        if self.content.is_empty() && self.component.is_none() && self.severity.is_none() {
            return None;
        }
        let or = |stored: Option<String>, sent: &String| stored.unwrap_or_else(|| sent.clone());
        let content = self.content.into_iter().map(|content| domain::NotificationContent {
            language_tag: content.language_tag.unwrap_or_default(),
            title: content.title.unwrap_or_default(),
            description: content.description.unwrap_or_default(),
        });
        let content: Vec<_> = content.collect();
        Some(domain::Notification {
            destination_admin: or(self.destination_admin, &sent.destination_admin),
            component: or(self.component, &sent.component),
            created_date: or(self.created_date, &sent.created_date),
            event_id: or(self.event_id, &sent.event_id),
            severity: or(self.severity, &sent.severity),
            priority: or(self.priority, &sent.priority),
            content: if content.is_empty() { sent.content.clone() } else { content },
        })
    }
}
