//! The built-in stores: one with everything that can happen to a power-off, one with forms only,
//! one for people who sign in themselves.

use super::{
    DomainField, LinkForm, PowerOffSpec, StoreMachineSpec, StoreMethod, StoreResourceSpec,
    StoreSpec, StoreUserSpec,
};
use crate::simulator::storefront::FailureShape;

pub(super) fn stores() -> Vec<StoreSpec> {
    vec![hq(), kiosk(), portal()]
}

/// Both protocols, links of both forms, two farms.
fn hq() -> StoreSpec {
    StoreSpec {
        name: "hq".to_owned(),
        users: users(),
        resources: hq_resources(),
        ..StoreSpec::default()
    }
}

/// Forms only, with a list of domains and a context that must come back.
fn kiosk() -> StoreSpec {
    StoreSpec {
        name: "kiosk".to_owned(),
        path: "Kiosk".to_owned(),
        auth_path: "Authentication".to_owned(),
        methods: vec![StoreMethod::ExplicitForms],
        domain_field: DomainField::Combo,
        state_context: "kiosk+context/1".to_owned(),
        capabilities: false,
        users: users(),
        resources: vec![
            desktop("Kiosk Lobby $S7-1", "Lobby", "KIOSK-LOBBY"),
            desktop("Kiosk Gate $S7-2", "Gate", "KIOSK-GATE"),
            application("Timetable"),
        ],
        ..StoreSpec::default()
    }
}

/// For callers who sign their own users in.
fn portal() -> StoreSpec {
    StoreSpec {
        name: "portal".to_owned(),
        path: "Portal".to_owned(),
        auth_path: "PortalLogon".to_owned(),
        users: users(),
        resources: vec![
            only("mira", desktop("Personal $S9-1", "My desktop", "MIRA-PC")),
            only("jonas", desktop("Personal $S9-2", "My desktop", "JONAS-PC")),
            StoreResourceSpec {
                can_power_off: false,
                assignment: Some("shared".to_owned()),
                machine: None,
                ..desktop("Pool $S9-3", "Pooled desktop", "")
            },
        ],
        ..StoreSpec::default()
    }
}

fn users() -> Vec<StoreUserSpec> {
    vec![
        StoreUserSpec::new("DEMOLAB\\kiosk", "kiosk-Demo+1&2"),
        StoreUserSpec::new("DEMOLAB\\mira", "mira-Demo-1"),
        StoreUserSpec {
            password_expires_soon: true,
            ..StoreUserSpec::new("DEMOLAB\\jonas", "jonas-Demo-1")
        },
        StoreUserSpec {
            password_expired: true,
            ..StoreUserSpec::new("DEMOLAB\\olga", "olga-Demo-1")
        },
        StoreUserSpec { locks_after: 3, ..StoreUserSpec::new("DEMOLAB\\lars", "lars-Demo-1") },
    ]
}

fn hq_resources() -> Vec<StoreResourceSpec> {
    let mut maintenance = desktop("Meeting Room $S1-3", "Meeting room", "MEETING-03");
    if let Some(machine) = &mut maintenance.machine {
        machine.in_maintenance = true;
    }
    let mut off = desktop("Archive $S1-5", "Archive", "ARCHIVE-05");
    if let Some(machine) = &mut off.machine {
        "off".clone_into(&mut machine.power_state);
    }
    vec![
        desktop("Kiosk $S1-1", "Kiosk", "KIOSK-01"),
        StoreResourceSpec {
            links: LinkForm::HostRelative,
            ..desktop("Reception $S1-2", "Réception & Büro <Süd>", "RECEPTION-02")
        },
        maintenance,
        StoreResourceSpec {
            assignment: Some("assign-on-first-use".to_owned()),
            machine: None,
            ..desktop("Guest $S1-4", "Guest desktop", "")
        },
        off,
        StoreResourceSpec {
            assignment: Some("shared".to_owned()),
            supports_power_off: false,
            ..desktop("Shared $S1-6", "Shared desktop", "SHARED-06")
        },
        StoreResourceSpec {
            assignment: Some("shared".to_owned()),
            can_power_off: false,
            machine: None,
            ..desktop("Pool $S1-7", "Pooled desktop", "")
        },
        StoreResourceSpec {
            enabled: false,
            ..desktop("Closed $S1-8", "Closed desktop", "CLOSED-08")
        },
        always(
            "Busy $S1-9",
            "Busy desktop",
            "operation-in-progress",
            FailureShape::Attribute,
            false,
        ),
        always("Slow $S1-10", "Slow desktop", "timed-out", FailureShape::Nested, true),
        always("Lost $S1-11", "Lost desktop", "timed-out", FailureShape::Element, false),
        always("Strange $S1-12", "Strange desktop", "unspecified", FailureShape::NoId, false),
        always(
            "New $S1-13",
            "Newer desktop",
            "hypervisor-out-of-tea",
            FailureShape::HyphenElement,
            false,
        ),
        always(
            "Foreign $S1-14",
            "Foreign desktop",
            "not-trusted",
            FailureShape::CamelElement,
            false,
        ),
        application("Notepad"),
        StoreResourceSpec {
            farm: "Farm2".to_owned(),
            ..desktop("Lab $S2-1", "Lab bench", "LAB-21")
        },
        only("mira", desktop("Personal $S1-15", "Mira's desktop", "MIRA-15")),
    ]
}

fn desktop(id: &str, title: &str, host: &str) -> StoreResourceSpec {
    StoreResourceSpec {
        publisher_id: id.to_owned(),
        title: title.to_owned(),
        machine: Some(StoreMachineSpec {
            name: host.to_owned(),
            power_state: "on".to_owned(),
            in_maintenance: false,
        }),
        ..StoreResourceSpec::default()
    }
}

fn application(name: &str) -> StoreResourceSpec {
    StoreResourceSpec {
        publisher_id: name.to_owned(),
        title: name.to_owned(),
        kind: "Citrix.MPS.Application".to_owned(),
        assignment: None,
        can_power_off: false,
        ..StoreResourceSpec::default()
    }
}

/// A desktop whose power-off always ends in this way.
fn always(
    id: &str,
    title: &str,
    error_id: &str,
    shape: FailureShape,
    with_effect: bool,
) -> StoreResourceSpec {
    let host = title.split(' ').next().unwrap_or_default().to_uppercase();
    StoreResourceSpec {
        power_off: Some(PowerOffSpec {
            error_id: Some(error_id.to_owned()),
            shape,
            with_effect: Some(with_effect),
            ..PowerOffSpec::default()
        }),
        ..desktop(id, title, &format!("{host}-VM"))
    }
}

fn only(user: &str, resource: StoreResourceSpec) -> StoreResourceSpec {
    StoreResourceSpec { users: vec![format!("DEMOLAB\\{user}")], ..resource }
}
