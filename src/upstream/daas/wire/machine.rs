use jiff::Timestamp;
use serde::Deserialize;

use super::{IntoDomain, Reference, User, users};
use crate::{domain, upstream::lenient};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_field_names, reason = "the names are the vendor's")]
pub(in crate::upstream::daas) struct Machine {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    dns_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    power_state: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    power_action_pending: Option<bool>,
    #[serde(deserialize_with = "lenient::texts")]
    supported_power_actions: Option<Vec<String>>,
    #[serde(deserialize_with = "lenient::text")]
    registration_state: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    fault_state: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    summary_state: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    in_maintenance_mode: Option<bool>,
    #[serde(deserialize_with = "lenient::count")]
    session_count: Option<u32>,
    #[serde(deserialize_with = "lenient::text")]
    session_support: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    machine_type: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    provisioning_type: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    allocation_type: Option<String>,
    #[serde(deserialize_with = "lenient::object")]
    machine_catalog: Option<Reference>,
    #[serde(deserialize_with = "lenient::object")]
    delivery_group: Option<Reference>,
    #[serde(deserialize_with = "lenient::objects")]
    assigned_users: Vec<User>,
    #[serde(deserialize_with = "lenient::objects")]
    associated_users: Vec<User>,
    #[serde(deserialize_with = "lenient::texts")]
    tags: Option<Vec<String>>,
    #[serde(deserialize_with = "lenient::text")]
    agent_version: Option<String>,
    #[serde(rename = "OSType", deserialize_with = "lenient::text")]
    os_type: Option<String>,
    #[serde(deserialize_with = "lenient::time")]
    formatted_last_connection_time: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::time")]
    formatted_last_deregistration_time: Option<Timestamp>,
    #[serde(deserialize_with = "lenient::text")]
    last_deregistration_reason: Option<String>,
}

/// The properties of a machine that are read, for `fields`.
pub(in crate::upstream::daas) const MACHINE_FIELDS: &str = "Id,Name,DnsName,PowerState,PowerActionPending,\
    SupportedPowerActions,RegistrationState,FaultState,SummaryState,InMaintenanceMode,SessionCount,\
    SessionSupport,MachineType,ProvisioningType,AllocationType,MachineCatalog,DeliveryGroup,\
    AssignedUsers,AssociatedUsers,Tags,AgentVersion,OSType,FormattedLastConnectionTime,\
    FormattedLastDeregistrationTime,LastDeregistrationReason";

impl IntoDomain for Machine {
    type Domain = domain::Machine;

    fn into_domain(self) -> Option<domain::Machine> {
        Some(domain::Machine {
            id: self.id.filter(|id| !id.is_empty())?,
            name: self.name,
            dns_name: self.dns_name,
            power_state: self.power_state,
            power_action_pending: self.power_action_pending,
            supported_power_actions: self.supported_power_actions,
            registration_state: self.registration_state,
            fault_state: self.fault_state,
            summary_state: self.summary_state,
            in_maintenance_mode: self.in_maintenance_mode,
            session_count: self.session_count,
            session_support: self.session_support,
            machine_type: self.machine_type,
            provisioning_type: self.provisioning_type,
            allocation_type: self.allocation_type,
            machine_catalog: self.machine_catalog.and_then(Reference::into_domain),
            delivery_group: self.delivery_group.and_then(Reference::into_domain),
            assigned_users: users(self.assigned_users),
            associated_users: users(self.associated_users),
            tags: self.tags.unwrap_or_default(),
            agent_version: self.agent_version,
            os_type: self.os_type,
            last_connection_time: self.formatted_last_connection_time,
            last_deregistration_time: self.formatted_last_deregistration_time,
            last_deregistration_reason: self.last_deregistration_reason,
        })
    }
}
