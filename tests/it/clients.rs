//! Clients written for Citrix, pointed at a gateway by changing the host and nothing else.

mod connection;
mod go;
mod powershell;
mod scripts;

use cwsgate::simulator::{
    CatalogSpec, CustomerSpec, LocationSpec, MachineSpec, Scenario, ServiceStateSpec,
};

use crate::support::{Builder, Gateway};

/// What Citrix's tutorial shows: one customer with one location, six trials, three machines.
fn tutorial() -> Builder {
    let mut customer = CustomerSpec::new("tutorial", CUSTOMER, "us");
    customer.resource_locations = vec![LocationSpec {
        name: "My Resource Location".to_owned(),
        time_zone: "GMT Standard Time".to_owned(),
        ..LocationSpec::default()
    }];
    let trials = ["cas", "itsm", "microapps", "netscalergateway", "wem", "xendesktop"];
    let state = |name: &str, state: &str| ServiceStateSpec {
        service_name: name.to_owned(),
        state: state.to_owned(),
        kind: None,
        quantity: Some(25),
        days_to_expiration: Some(57),
        future_entitlement_start_date: None,
    };
    customer.service_states = trials.map(|name| state(name, "ProductionTrial")).to_vec();
    customer.service_states.push(state("sharefile", "Expired"));
    let mut catalog = CatalogSpec::named("Pool");
    catalog.machines = vec![
        MachineSpec::named("DEMOLAB\\OSPREY").session("mira").session("jonas"),
        MachineSpec {
            supported_power_actions: Some(Vec::new()),
            ..MachineSpec::named("DEMOLAB\\EAGLE")
        },
        MachineSpec::named("DEMOLAB\\KESTREL"),
    ];
    let scenario = Scenario::with_regions(["us"]).customer(customer.catalog(catalog));
    Gateway::builder().scenario(scenario)
}

/// The id of the catalog.
async fn catalog(gateway: &Gateway) -> String {
    let path = "/v1/customers/tutorial/sites/-/machine-catalogs";
    gateway.get(path).await.of_items("id")[0].as_str().unwrap().to_owned()
}

const CUSTOMER: &str = "abcd1024xyz";
