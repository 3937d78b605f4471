use crate::domain::{
    DeliveryGroup, Machine, MachineCatalog, Page, Reference, ResourceLocation, ServiceState,
    Session, SessionClient, Site, User,
};

/// Says how much memory a value takes.
pub trait Weigh {
    /// Bytes on the heap that belong to it, with what the allocator adds; its own size is not
    /// among them.
    fn heap(&self) -> usize;
}

impl<T: Weigh> Weigh for Vec<T> {
    fn heap(&self) -> usize {
        block(self.capacity() * size_of::<T>()) + self.iter().map(Weigh::heap).sum::<usize>()
    }
}

impl<T: Weigh> Weigh for Option<T> {
    fn heap(&self) -> usize {
        self.as_ref().map_or(0, Weigh::heap)
    }
}

impl Weigh for String {
    fn heap(&self) -> usize {
        block(self.capacity())
    }
}

impl<T: Weigh> Weigh for Page<T> {
    fn heap(&self) -> usize {
        self.items.heap() + self.continuation.heap()
    }
}

/// Sums up the parts of a type that have something on the heap.
macro_rules! weigh {
    ($($type:ty: $($part:ident),*;)*) => { $(
        impl Weigh for $type {
            fn heap(&self) -> usize {
                0 $(+ self.$part.heap())*
            }
        }
    )* };
}

weigh! {
    Machine: id, name, dns_name, power_state, supported_power_actions, registration_state,
        fault_state, summary_state, session_support, machine_type, provisioning_type,
        allocation_type, machine_catalog, delivery_group, assigned_users, associated_users, tags,
        agent_version, os_type, last_deregistration_reason;
    MachineCatalog: id, name, full_name, description, session_support, allocation_type,
        machine_type, provisioning_type;
    DeliveryGroup: id, name, full_name, published_name, description, session_support,
        delivery_type;
    Session: id, state, session_type, app_state, user, machine, session_support, client, protocol,
        applications_in_use;
    SessionClient: name, ip_address, platform, version;
    ResourceLocation: id, name, time_zone;
    ServiceState: service_name, state, kind, future_entitlement_start_date;
    Site: id, name;
    Reference: id, name;
    User: name, principal_name, display_name;
}

/// What the allocator really hands out: a length beside it, and nothing smaller than two words of
/// a list of free blocks (glibc; others are alike).
fn block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + size_of::<usize>()).next_multiple_of(16).max(32) }
}
