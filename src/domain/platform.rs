use serde::Serialize;
use utoipa::ToSchema;

/// A place (data centre, cloud subscription) where a customer's resources run.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLocation {
    /// Citrix's id of the location.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Whether it is reachable from inside the customer's network only.
    pub internal_only: Option<bool>,
    /// Windows name of its time zone.
    pub time_zone: Option<String>,
    /// Whether Citrix manages it.
    pub read_only: Option<bool>,
}

/// A Citrix Cloud service and whether the customer is entitled to it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceState {
    /// Citrix's name of the service, such as `xendesktop` for DaaS.
    pub service_name: String,
    /// `Production`, `ProductionTrial`, `NotOnboarded`, `Expired`, …
    pub state: Option<String>,
    /// Kind of entitlement: `Production`, `ProductionTrial`, `PartnerProduction`, `Default`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Licences.
    pub quantity: Option<i64>,
    /// Days until the longest licence ends.
    pub days_to_expiration: Option<i64>,
    /// When a bought entitlement that has not begun will begin.
    pub future_entitlement_start_date: Option<String>,
}

/// A notification for the administrators of a customer, as Citrix Cloud stores it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Whom it is for: `*` is every administrator.
    pub destination_admin: String,
    /// The part of the system it is about.
    pub component: String,
    /// When it was made, RFC 3339.
    pub created_date: String,
    /// Its id, unique per notification.
    pub event_id: String,
    /// `Information`, `Warning`, `Error` or `Critical`.
    pub severity: String,
    /// `Normal`.
    pub priority: String,
    /// The text, once per language.
    pub content: Vec<NotificationContent>,
}

/// The text of a notification in one language.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationContent {
    /// Language of the text, such as `en-US`.
    pub language_tag: String,
    /// One line.
    pub title: String,
    /// The rest.
    pub description: String,
}
