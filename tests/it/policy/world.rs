//! Customers to be called for, apps with any grants, and what can become of a call.

use std::cell::RefCell;

use cwsgate::{
    auth::ApiKey,
    domain::Action,
    simulator::{CatalogSpec, CustomerSpec, MachineSpec, Scenario, SessionSpec},
};
use proptest::{
    collection::vec,
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};

use super::model::{Known, Words};
use crate::support::Gateway;

/// What the model says of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It goes to Citrix.
    Allowed,
    /// The customer may be seen, and this not be done there.
    Forbidden(Action),
    /// It is answered like what is not there.
    Absent,
    /// What is asked for could be read in two ways.
    Unsound,
}

/// How often each kind of verdict was met.
#[derive(Default)]
pub(super) struct Met(RefCell<[usize; 3]>);

impl Met {
    pub(super) fn count(&self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            let at = match verdict {
                Verdict::Allowed => 0,
                Verdict::Forbidden(_) => 1,
                Verdict::Absent => 2,
                Verdict::Unsound => continue,
            };
            self.0.borrow_mut()[at] += 1;
        }
    }

    /// A property that holds because nothing happens is none.
    #[track_caller]
    pub(super) fn were_all_met(&self) {
        let met = self.0.borrow();
        assert!(met.iter().all(|times| *times > 20), "{met:?}");
    }
}

/// The id of one begins like the name of another, one is named like a label, each has one site.
pub(super) const CUSTOMERS: &[Known] = &[
    Known { name: "acme", id: "abcd1024", labels: &["region-us"] },
    Known { name: "globex", id: "acme2", labels: &["region-us"] },
    Known { name: "region-us", id: "eu9", labels: &["region-eu"] },
];
const SELECTORS: &[&str] = &[
    "*",
    "acme",
    "abcd1024",
    "acme2",
    "globex",
    "region-us",
    "label:region-us",
    "label:region-eu",
    "label:acme",
    "nobody",
];

/// The sites of the customers, in their order, and one that is nobody's.
pub(super) const SITES: &[&str] = &[
    "aaaaaaaa-0000-4000-8000-00000000000a",
    "bbbbbbbb-0000-4000-8000-00000000000b",
    "cccccccc-0000-4000-8000-00000000000c",
    "dddddddd-0000-4000-8000-00000000000d",
];
const SITE_SELECTORS: &[&str] = &["*", SITES[0], "BBBBBBBB-0000-4000-8000-00000000000B", SITES[3]];

/// A session of each customer.
pub(super) const SESSION: &str = "5e55104e-0000-4000-8000-000000000005";

/// Has several gateways, each with apps of any grants and as many calls as told, looked at; the
/// error of that says what differs.
pub(super) fn each_gateway<C: std::fmt::Debug>(
    call: impl Strategy<Value = C>,
    calls: usize,
    look: impl AsyncFn(Vec<Vec<Words>>, Vec<C>) -> Result<(), String>,
) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let apps = vec(vec(Words::any(SELECTORS, SITE_SELECTORS, 1), 0..4), APPS);
    // One of them may do everything, so that something is always allowed.
    let apps = apps.prop_map(|mut apps| {
        let all = Words { actions: Action::ALL.to_vec(), customers: ["*"].into(), sites: None };
        apps[0] = [all].into();
        apps
    });
    // A difference is told with its call and the grants, which nothing could make smaller.
    let (cases, max_shrink_iters) = (GATEWAYS, 0);
    let config = Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
    let held = TestRunner::new(config).run(&(apps, vec(call, calls)), |(apps, calls)| {
        runtime.block_on(look(apps, calls)).map_err(TestCaseError::fail)
    });
    match held {
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        other => other.unwrap(),
    }
}

/// A gateway with these apps over the world, and their keys.
pub(super) async fn start(apps: &[Vec<Words>]) -> (Gateway, Vec<ApiKey>) {
    let scenario = Scenario::with_regions(["us", "eu"]);
    let scenario = CUSTOMERS.iter().zip(SITES).fold(scenario, |scenario, (customer, site)| {
        let region = customer.labels[0].strip_prefix("region-").unwrap();
        let mut spec = CustomerSpec::new(customer.name, customer.id, region);
        (*site).clone_into(&mut spec.site_id);
        let session = SessionSpec {
            id: SESSION.to_owned(),
            user: "mira".to_owned(),
            ..SessionSpec::default()
        };
        let osprey = MachineSpec { sessions: vec![session], ..MachineSpec::named("LAB\\OSPREY") };
        let pool = CatalogSpec::named("Pool").machine(MachineSpec::named("LAB\\KESTREL"));
        scenario.customer(spec.catalog(pool.machine(osprey)))
    });
    let mut builder = Gateway::builder().scenario(scenario);
    let mut keys = Vec::new();
    for (number, grants) in apps.iter().enumerate() {
        let grants: Vec<_> = grants.iter().map(written).collect();
        let key;
        (builder, key) = builder.app(&format!("app-{number}"), &grants.join(", "));
        keys.push(key);
    }
    (builder.start().await, keys)
}

/// A grant as the configuration has it.
fn written(grant: &Words) -> String {
    let Words { actions, customers, sites } = grant;
    let actions: Vec<_> = actions.iter().map(|action| action.as_str()).collect();
    let sites = sites.as_ref().map_or(String::new(), |sites| format!(", sites = {sites:?}"));
    format!("{{ actions = {actions:?}, customers = {customers:?}{sites} }}")
}

const GATEWAYS: u32 = 3;
const APPS: usize = 12;
