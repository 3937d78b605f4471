use serde::Deserialize;

use super::IntoDomain;
use crate::{domain, upstream::lenient};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::upstream::daas) struct MachineCatalog {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    full_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    description: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    session_support: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    allocation_type: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    machine_type: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    provisioning_type: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    is_power_managed: Option<bool>,
    #[serde(deserialize_with = "lenient::count")]
    total_count: Option<u32>,
    #[serde(deserialize_with = "lenient::count")]
    used_count: Option<u32>,
    #[serde(deserialize_with = "lenient::count")]
    available_count: Option<u32>,
    #[serde(deserialize_with = "lenient::count")]
    unassigned_count: Option<u32>,
}

/// The properties of a machine catalog that are read, for `fields`.
pub(in crate::upstream::daas) const CATALOG_FIELDS: &str = "Id,Name,FullName,Description,SessionSupport,\
    AllocationType,MachineType,ProvisioningType,IsPowerManaged,TotalCount,UsedCount,\
    AvailableCount,UnassignedCount";

impl IntoDomain for MachineCatalog {
    type Domain = domain::MachineCatalog;

    fn into_domain(self) -> Option<domain::MachineCatalog> {
        Some(domain::MachineCatalog {
            id: self.id.filter(|id| !id.is_empty())?,
            name: self.name,
            full_name: self.full_name,
            description: self.description,
            session_support: self.session_support,
            allocation_type: self.allocation_type,
            machine_type: self.machine_type,
            provisioning_type: self.provisioning_type,
            is_power_managed: self.is_power_managed,
            total_count: self.total_count,
            used_count: self.used_count,
            available_count: self.available_count,
            unassigned_count: self.unassigned_count,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::upstream::daas) struct DeliveryGroup {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    full_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    published_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    description: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    enabled: Option<bool>,
    #[serde(deserialize_with = "lenient::flag")]
    in_maintenance_mode: Option<bool>,
    #[serde(deserialize_with = "lenient::text")]
    session_support: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    delivery_type: Option<String>,
    #[serde(deserialize_with = "lenient::count")]
    session_count: Option<u32>,
    #[serde(deserialize_with = "lenient::count")]
    total_desktops: Option<u32>,
    #[serde(deserialize_with = "lenient::count")]
    desktops_available: Option<u32>,
    #[serde(deserialize_with = "lenient::count")]
    desktops_disconnected: Option<u32>,
    #[serde(deserialize_with = "lenient::count")]
    desktops_faulted: Option<u32>,
    #[serde(deserialize_with = "lenient::count")]
    desktops_unregistered: Option<u32>,
}

impl IntoDomain for DeliveryGroup {
    type Domain = domain::DeliveryGroup;

    fn into_domain(self) -> Option<domain::DeliveryGroup> {
        Some(domain::DeliveryGroup {
            id: self.id.filter(|id| !id.is_empty())?,
            name: self.name,
            full_name: self.full_name,
            published_name: self.published_name,
            description: self.description,
            enabled: self.enabled,
            in_maintenance_mode: self.in_maintenance_mode,
            session_support: self.session_support,
            delivery_type: self.delivery_type,
            session_count: self.session_count,
            total_desktops: self.total_desktops,
            desktops_available: self.desktops_available,
            desktops_disconnected: self.desktops_disconnected,
            desktops_faulted: self.desktops_faulted,
            desktops_unregistered: self.desktops_unregistered,
        })
    }
}
