//! The built-in world: 240 machines of three invented companies, with the oddities of real ones.

use super::{
    CatalogSpec, CustomerSpec, GroupSpec, LocationSpec, MachineSpec, Scenario, ServiceStateSpec,
    SessionCountSpec, SessionSpec, store_demo,
};

pub(super) fn scenario() -> Scenario {
    let scenario = Scenario::with_regions(["us", "eu"]);
    let scenario = scenario.customer(acme()).customer(globex()).customer(contoso());
    store_demo::stores().into_iter().fold(scenario, Scenario::store)
}

fn acme() -> CustomerSpec {
    let mut customer = CustomerSpec::new("acme", "abcd1024xyz", "us")
        .catalog(win11_pool())
        .catalog(win11_personal());
    "Acme".clone_into(&mut customer.display_name);
    customer.resource_locations = locations(&[
        ("London", "GMT Standard Time", false),
        ("New York", "Eastern Standard Time", false),
        ("Managed by Citrix", "UTC", true),
    ]);
    customer.service_states = trial_states();
    customer.delivery_groups = vec![
        group("Win11-Pool", "Windows 11", "Shared desktops of the demo lab"),
        group("Win11-Personal", "My own desktop", "One desktop per person"),
    ];
    customer
}

fn globex() -> CustomerSpec {
    let mut finance =
        CatalogSpec { delivery_group: "Finance".to_owned(), ..CatalogSpec::named("Finance-2025") };
    "PVSStreaming".clone_into(&mut finance.provisioning_type);
    finance.description = Some("Windows Server 2025 for the finance department".to_owned());
    finance.machines = flock("GLOBEX", &BIRDS[..60], &MULTI_MIX);
    let mut customer = CustomerSpec::new("globex", "globex7q2m9w", "us").catalog(finance);
    "Globex Corporation".clone_into(&mut customer.display_name);
    "main".clone_into(&mut customer.site_name);
    customer.resource_locations = locations(&[
        ("Springfield", "Central Standard Time", false),
        ("Cypress Creek", "Pacific Standard Time", false),
    ]);
    customer.service_states = vec![
        state("xendesktop", "Production", Some(250), Some(622)),
        state("netscalergateway", "Production", Some(250), Some(622)),
        state("cas", "ProductionTrial", None, Some(41)),
        state("wem", "ProductionPending", None, None),
        state("sharefile", "Expired", Some(25), Some(-12)),
        state("licensing", "Production", None, None),
    ];
    customer.delivery_groups = vec![group("Finance", "Finance apps", "Ledger, payroll, treasury")];
    customer
}

fn contoso() -> CustomerSpec {
    let mut office =
        CatalogSpec { zone: "Nürnberg".to_owned(), ..CatalogSpec::named("Büro-Pool") };
    office.description = Some("Gemeinsame Arbeitsplätze für Büros in Köln und Nürnberg".to_owned());
    office.machines = flock("CONTOSO", &BIRDS[..70], &MULTI_MIX);
    if let Some(first) = office.machines.first_mut() {
        first.description = Some("Gebäude Süd, Büro 3 (Übergabe am Dienstag)".to_owned());
    }
    let mut design = CatalogSpec::named("Design-GPU");
    "SingleSession".clone_into(&mut design.session_support);
    "Static".clone_into(&mut design.allocation_type);
    design.machines = personal("CONTOSO", &BIRDS[70..100]);
    let mut customer =
        CustomerSpec::new("contoso", "contoso4k8r", "eu").catalog(office).catalog(design);
    "Contoso GmbH".clone_into(&mut customer.display_name);
    customer.resource_locations = locations(&[
        ("Nürnberg", "W. Europe Standard Time", false),
        ("Köln", "W. Europe Standard Time", false),
        ("Azure West Europe", "UTC", true),
    ]);
    customer.service_states = vec![
        state("xendesktop", "Production", Some(120), Some(301)),
        state("netscalergateway", "PartnerProduction", Some(120), Some(301)),
        state("wem", "Production", Some(120), Some(301)),
        state("cas", "NotOnboarded", None, None),
        state("microapps", "ProductionTrialDenied", None, None),
        state("itsm", "Default", None, None),
    ];
    customer
}

/// The catalog of the tutorial's script, with every case that such a script meets.
fn win11_pool() -> CatalogSpec {
    let mut osprey = MachineSpec::named("DEMOLAB\\OSPREY").session("mira").session("jonas");
    osprey.description = Some("Release testing".to_owned());
    let eagle = MachineSpec {
        supported_power_actions: Some(Vec::new()),
        description: Some("Hosting connection without power management".to_owned()),
        ..MachineSpec::named("DEMOLAB\\EAGLE")
    };
    let mut machines = vec![
        osprey,
        eagle,
        MachineSpec { tags: vec!["canary".to_owned()], ..MachineSpec::named("DEMOLAB\\KESTREL") },
        MachineSpec::named("DEMOLAB\\HERON"),
        MachineSpec {
            dns_name: Some("heron.branch.example".to_owned()),
            ..MachineSpec::named("BRANCH\\HERON")
        },
        MachineSpec {
            session_count: SessionCountSpec::Null,
            ..MachineSpec::named("DEMOLAB\\ROBIN")
        },
        MachineSpec {
            registration_state: Some("Unregistered".to_owned()),
            fault_state: Some("Unregistered".to_owned()),
            ..MachineSpec::named("DEMOLAB\\FINCH")
        },
        MachineSpec { in_maintenance_mode: true, ..MachineSpec::named("DEMOLAB\\LINNET") },
        MachineSpec { power_state: Some("Off".to_owned()), ..MachineSpec::named("DEMOLAB\\SWIFT") },
        MachineSpec { stuck_on_boot: true, ..MachineSpec::named("DEMOLAB\\CRANE") },
        MachineSpec {
            stuck_on_boot: true,
            registration_state: Some("Unregistered".to_owned()),
            fault_state: Some("StuckOnBoot".to_owned()),
            ..MachineSpec::named("DEMOLAB\\STORK")
        },
        MachineSpec {
            power_fault: Some("HypervisorNotContactable".to_owned()),
            ..MachineSpec::named("DEMOLAB\\STARLING")
        },
    ];
    let mut ibis = MachineSpec::named("DEMOLAB\\IBIS");
    ibis.sessions = vec![disconnected("farid", 61.0), disconnected("lena", 3.0)];
    let mut raven = MachineSpec::named("DEMOLAB\\RAVEN").session("noor").session("tomás");
    raven.sessions.push(disconnected("wei", 27.5));
    machines.extend([ibis, raven]);
    let rest = [
        "AVOCET", "MAGPIE", "JACKDAW", "ROOK", "DUNNOCK", "SISKIN", "SERIN", "PIPIT", "WAGTAIL",
        "DIPPER",
    ];
    machines.extend(rest.iter().map(|bird| MachineSpec::named(&format!("DEMOLAB\\{bird}"))));
    CatalogSpec {
        description: Some("Shared Windows 11 machines of the demo lab".to_owned()),
        machines,
        ..CatalogSpec::named("Win11-Pool")
    }
}

fn win11_personal() -> CatalogSpec {
    let mut machines = personal("DEMOLAB", &BIRDS[40..93]);
    let mut falcon = MachineSpec::named("DEMOLAB\\FALCON").session("paula");
    let mut goshawk = MachineSpec::named("DEMOLAB\\GOSHAWK").session("quentin");
    for session in &mut falcon.sessions {
        session.ignores_logoff_while_connected = true;
    }
    for session in &mut goshawk.sessions {
        session.ignores_logoff = true;
    }
    falcon.assigned_users = vec!["paula".to_owned()];
    goshawk.assigned_users = vec!["quentin".to_owned()];
    // Whoever reads a missing count as none would end somebody's work.
    let wren = MachineSpec {
        session_count: SessionCountSpec::Absent,
        ..MachineSpec::named("DEMOLAB\\WREN")
    };
    machines.extend([falcon, goshawk, wren]);
    CatalogSpec {
        description: Some("Personal Windows 11 machines, some of them under a desk".to_owned()),
        session_support: "SingleSession".to_owned(),
        allocation_type: "Static".to_owned(),
        machines,
        ..CatalogSpec::named("Win11-Personal")
    }
}

/// What happens to be the matter with a machine.
#[derive(Clone, Copy)]
enum Case {
    Idle,
    InUse,
    Busy,
    Stale,
    Off,
    Suspended,
    Maintenance,
    Unregistered,
    Physical,
    Tagged,
}

/// One machine per bird; `mix` says in turn what is the matter with each.
fn flock(domain: &str, birds: &[&str], mix: &[Case]) -> Vec<MachineSpec> {
    let cases = mix.iter().copied().cycle();
    birds
        .iter()
        .zip(cases)
        .enumerate()
        .map(|(at, (bird, case))| machine(domain, bird, at, case))
        .collect()
}

/// Machines of one person each.
fn personal(domain: &str, birds: &[&str]) -> Vec<MachineSpec> {
    let mut machines = flock(domain, birds, &PERSONAL_MIX);
    for (at, machine) in machines.iter_mut().enumerate() {
        machine.assigned_users = vec![PEOPLE[at % PEOPLE.len()].to_owned()];
    }
    machines
}

fn machine(domain: &str, bird: &str, at: usize, case: Case) -> MachineSpec {
    let user = |offset: usize| PEOPLE[(at + offset) % PEOPLE.len()];
    let mut machine = MachineSpec::named(&format!("{domain}\\{bird}"));
    match case {
        Case::Idle => {}
        Case::InUse => machine = machine.session(user(0)),
        Case::Busy => machine = machine.session(user(0)).session(user(1)).session(user(2)),
        Case::Stale => machine.sessions = vec![disconnected(user(0), 49.0)],
        Case::Off => machine.power_state = Some("Off".to_owned()),
        Case::Suspended => machine.power_state = Some("Suspended".to_owned()),
        Case::Maintenance => machine.in_maintenance_mode = true,
        Case::Unregistered => {
            machine.registration_state = Some("Unregistered".to_owned());
            machine.fault_state = Some("Unregistered".to_owned());
        }
        Case::Physical => {
            machine.machine_type = Some("Physical".to_owned());
            machine.description = Some("Remote PC".to_owned());
        }
        Case::Tagged => machine.tags = vec!["pilot".to_owned(), "ring-1".to_owned()],
    }
    machine
}

fn disconnected(user: &str, hours: f64) -> SessionSpec {
    SessionSpec {
        user: user.to_owned(),
        state: "Disconnected".to_owned(),
        started_hours_ago: hours + 6.0,
        state_changed_hours_ago: hours,
        ..SessionSpec::default()
    }
}

fn locations(all: &[(&str, &str, bool)]) -> Vec<LocationSpec> {
    let location = |&(name, zone, read_only): &(&str, &str, bool)| LocationSpec {
        name: name.to_owned(),
        time_zone: zone.to_owned(),
        read_only,
        ..LocationSpec::default()
    };
    all.iter().map(location).collect()
}

/// The six trials of the public tutorial and some services in other states.
fn trial_states() -> Vec<ServiceStateSpec> {
    let trial = |name| state(name, "ProductionTrial", Some(25), Some(57));
    vec![
        state("applayering", "NotOnboarded", None, None),
        trial("cas"),
        trial("itsm"),
        state("licensing", "Production", None, None),
        trial("microapps"),
        trial("netscalergateway"),
        state("sharefile", "ProductionTrialPending", None, None),
        trial("wem"),
        trial("xendesktop"),
        state("xenmobile", "Expired", Some(10), Some(-3)),
    ]
}

fn state(name: &str, state: &str, quantity: Option<u32>, days: Option<i32>) -> ServiceStateSpec {
    ServiceStateSpec {
        service_name: name.to_owned(),
        state: state.to_owned(),
        kind: None,
        quantity,
        days_to_expiration: days,
        future_entitlement_start_date: None,
    }
}

fn group(name: &str, published: &str, description: &str) -> GroupSpec {
    GroupSpec {
        name: name.to_owned(),
        published_name: Some(published.to_owned()),
        description: Some(description.to_owned()),
        ..GroupSpec::default()
    }
}

const MULTI_MIX: [Case; 15] = [
    Case::Idle,
    Case::Busy,
    Case::InUse,
    Case::Idle,
    Case::Off,
    Case::Busy,
    Case::Tagged,
    Case::Idle,
    Case::Maintenance,
    Case::InUse,
    Case::Stale,
    Case::Idle,
    Case::Busy,
    Case::Unregistered,
    Case::Idle,
];

const PERSONAL_MIX: [Case; 11] = [
    Case::InUse,
    Case::Idle,
    Case::Suspended,
    Case::InUse,
    Case::Physical,
    Case::Off,
    Case::Stale,
    Case::InUse,
    Case::Idle,
    Case::Off,
    Case::Tagged,
];

const PEOPLE: [&str; 16] = [
    "amelie", "bogdan", "chiara", "dmitri", "elif", "farid", "grete", "hiroshi", "imani", "jonas",
    "katja", "lena", "mira", "noor", "oskar", "paula",
];

const BIRDS: [&str; 100] = [
    "ALBATROSS",
    "AUK",
    "AVOCET",
    "BARBET",
    "BITTERN",
    "BLACKBIRD",
    "BLACKCAP",
    "BLUETIT",
    "BRAMBLING",
    "BULBUL",
    "BULLFINCH",
    "BUNTING",
    "BUSTARD",
    "BUZZARD",
    "CARACARA",
    "CASSOWARY",
    "CHAFFINCH",
    "CHAT",
    "CHIFFCHAFF",
    "CHOUGH",
    "CONDOR",
    "COOT",
    "CORMORANT",
    "CORNCRAKE",
    "CROSSBILL",
    "CROW",
    "CUCKOO",
    "CURLEW",
    "DOTTEREL",
    "DOVE",
    "DUCK",
    "DUNLIN",
    "EGRET",
    "EIDER",
    "EMU",
    "FIELDFARE",
    "FIRECREST",
    "FLAMINGO",
    "FLYCATCHER",
    "FULMAR",
    "GADWALL",
    "GANNET",
    "GARGANEY",
    "GODWIT",
    "GOLDCREST",
    "GOLDFINCH",
    "GOOSANDER",
    "GREBE",
    "GREENFINCH",
    "GREYLAG",
    "GROUSE",
    "GUILLEMOT",
    "GULL",
    "HARRIER",
    "HAWFINCH",
    "HOATZIN",
    "HOBBY",
    "HOOPOE",
    "HORNBILL",
    "JACANA",
    "JAY",
    "KAGU",
    "KINGFISHER",
    "KITE",
    "KITTIWAKE",
    "KNOT",
    "LAPWING",
    "LARK",
    "LORIKEET",
    "MALLARD",
    "MARTIN",
    "MERGANSER",
    "MERLIN",
    "MOORHEN",
    "NIGHTINGALE",
    "NIGHTJAR",
    "NUTHATCH",
    "ORIOLE",
    "OUZEL",
    "OWL",
    "PARTRIDGE",
    "PELICAN",
    "PENGUIN",
    "PEREGRINE",
    "PETREL",
    "PHALAROPE",
    "PINTAIL",
    "PLOVER",
    "POCHARD",
    "PTARMIGAN",
    "PUFFIN",
    "QUAIL",
    "RAZORBILL",
    "REDSHANK",
    "REDSTART",
    "SHEARWATER",
    "SHELDUCK",
    "SHRIKE",
    "SKYLARK",
    "SNIPE",
];
