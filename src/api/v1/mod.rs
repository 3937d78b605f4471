//! The REST API, one file per resource.

mod accounts;
mod attention;
mod audit;
mod catalogs;
mod machines;
mod operation_events;
mod operations;
mod paths;
mod platform;
mod recovery;
mod sessions;
mod sites;
mod stores;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiState, list::ListParams, params::FromQuery as _};

/// Reads a query as the parameters of the larger lists.
pub(super) fn read_query(query: &str) {
    let _ = <(ListParams, machines::MachineParams)>::from_query(query);
    let _ = <(ListParams, sessions::SessionParams)>::from_query(query);
}

/// Every documented route under `/v1`.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(accounts::show_whoami))
        .routes(routes!(accounts::list_regions))
        .routes(routes!(accounts::show_region))
        .routes(routes!(accounts::list_customers))
        .routes(routes!(accounts::show_customer))
        .routes(routes!(platform::list_resource_locations))
        .routes(routes!(platform::show_resource_location))
        .routes(routes!(platform::list_service_states))
        .routes(routes!(platform::show_service_state))
        .routes(routes!(platform::create_notification))
        .routes(routes!(sites::show_me))
        .routes(routes!(sites::list_sites))
        .routes(routes!(sites::show_site))
        .routes(routes!(catalogs::list_machine_catalogs))
        .routes(routes!(catalogs::show_machine_catalog))
        .routes(routes!(catalogs::list_delivery_groups))
        .routes(routes!(catalogs::show_delivery_group))
        .routes(routes!(machines::list_all_machines))
        .routes(routes!(machines::list_machines))
        .routes(routes!(machines::list_catalog_machines))
        .routes(routes!(machines::list_group_machines))
        .routes(routes!(machines::show_machine))
        .routes(routes!(machines::start_machine))
        .routes(routes!(machines::shutdown_machine))
        .routes(routes!(machines::reboot_machine))
        .routes(routes!(machines::suspend_machine))
        .routes(routes!(machines::resume_machine))
        .routes(routes!(machines::set_machine_maintenance))
        .routes(routes!(machines::clear_machine_maintenance))
        .routes(routes!(attention::list_attention))
        .routes(routes!(sessions::list_all_sessions))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::show_session))
        .routes(routes!(sessions::logoff_session))
        .routes(routes!(sessions::disconnect_session))
        .routes(routes!(sessions::hide_session))
        .routes(routes!(sessions::unhide_session))
        .routes(routes!(sessions::send_session_message))
        .routes(routes!(operations::start_operation, operations::list_operations))
        .routes(routes!(operations::show_operation))
        .routes(routes!(operations::list_operation_items))
        .routes(routes!(operation_events::stream_operation_events))
        .routes(routes!(operations::show_operation_result))
        .routes(routes!(operations::cancel_operation))
        .routes(routes!(operations::retry_failed_items))
        .routes(routes!(audit::list_audit_entries))
        .routes(routes!(recovery::recover_session))
        .routes(routes!(stores::list_stores))
        .routes(routes!(stores::list_store_resources))
        .routes(routes!(stores::show_store_resource))
        .routes(routes!(stores::create_store_sign_in))
        .routes(routes!(stores::delete_store_sign_in))
        .routes(routes!(stores::power_off_store_resource))
}
