use http::Method;

use super::surface::Surface;
use crate::domain::Action;

/// What a call does, by its method and path alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Class {
    /// One action.
    Act(Action),
    /// Calls in one, each with an action of its own.
    Batch,
}

/// How many machines a call acts on, by what it says of that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// It is about something else, or only reads.
    None,
    /// The one that the path names.
    One,
    /// All of a catalog, say: nobody here can tell.
    Unknown,
}

/// The segments of a DaaS path after its base, taken apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct DaasPath {
    /// Sites that the path names.
    pub(super) sites: Vec<String>,
    /// What follows the site, in lower case.
    pub(super) rest: Vec<String>,
    /// The same as it came.
    pub(super) written: Vec<String>,
    /// The first segment, in lower case.
    first: String,
}

impl DaasPath {
    /// `segments` follow the base. In the older form the first is the site, save for the few things
    /// that are in none.
    pub(super) fn of(surface: Surface, segments: &[String]) -> Self {
        let lower = lower(segments);
        let siteless = lower.first().is_none_or(|first| SITELESS.contains(&first.as_str()));
        let mut sites = Vec::new();
        let first = lower.first().cloned().unwrap_or_default();
        let at = usize::from(surface == Surface::Preview && !siteless);
        sites.extend_from_slice(&lower[..at]);
        let rest = lower[at..].to_vec();
        if let ["sites", site, ..] = &words(&rest)[..] {
            sites.push((*site).to_owned());
        }
        Self { sites, rest, written: segments[at..].to_vec(), first }
    }

    /// Why the path may not be passed on: it is one of another form of the same API, where
    /// customer and site stand before what is judged here. `own` is what the customer is called.
    pub(super) fn other_form(&self, own: [&str; 2]) -> Option<&'static str> {
        let foreign = |word: &str| {
            // A lenient parser could drop these.
            let word =
                word.trim_matches(|c: char| c.is_whitespace() || c == '.' || c == '\u{feff}');
            OTHER_FORMS.contains(&word) || own.iter().any(|own| own.eq_ignore_ascii_case(word))
        };
        let collection = self.rest.first().map_or("", String::as_str);
        let is_id = uuid::Uuid::parse_str(collection.trim()).is_ok();
        (is_id || foreign(collection) || foreign(&self.first)).then_some(
            "the path begins like one of another form of the API: send what follows customer and site",
        )
    }

    /// Whether it shows only what every client asks for before it can name a site.
    pub(super) fn is_greeting(&self) -> bool {
        matches!(words(&self.rest)[..], ["me" | "healthcheck"])
    }
}

/// What a call does. `segments` are decoded, in lower case, and follow the start of the surface's
/// paths, and the site where they hold one. What is not known is [`Action::Write`].
pub(super) fn classify(surface: Surface, method: &Method, segments: &[String]) -> Class {
    if method == Method::GET || method == Method::HEAD {
        return Class::Act(Action::Read);
    }
    match surface {
        Surface::Manage | Surface::Preview => daas(method, &words(segments)),
        Surface::Notifications | Surface::CustomerNotifications => Class::Act(Action::Notify),
        Surface::Administrators => Class::Act(Action::Identity),
        Surface::ResourceLocations
        | Surface::SystemLog
        | Surface::Connectors
        | Surface::Monitor
        | Surface::CatalogService
        | Surface::QuickCreate
        | Surface::ResourceProvider
        | Surface::CustomerLocations
        | Surface::CustomerStates => Class::Act(Action::Write),
    }
}

/// How many machines a call of DaaS with that action acts on. What a body says is not known, so
/// that every change of a machine counts: it may set it to maintenance.
pub(super) fn reach(action: Action, segments: &[String]) -> Reach {
    match (action, &words(segments)[..]) {
        (Action::Power | Action::Write, ["machines", id, ..]) if !id.starts_with('$') => Reach::One,
        (Action::Power, _)
        | (
            Action::Write,
            ["deliverygroups", _, "rebootschedules", ..]
            | ["machinecatalogs", _, "$updateprovisioningscheme"],
        ) => Reach::Unknown,
        _ => Reach::None,
    }
}

/// Segments as they compare.
pub(super) fn lower(segments: &[String]) -> Vec<String> {
    segments.iter().map(|segment| segment.to_ascii_lowercase()).collect()
}

/// Why a change may not be passed on: a lenient parser could read one of its segments as another
/// word than it is here, and so as another action.
pub(super) fn disguised(surface: Surface, segments: &[String]) -> Option<&'static str> {
    let trimmed = |segment: &String| {
        segment.trim() != segment || segment.ends_with('.') || segment.contains('\u{feff}')
    };
    if segments.iter().any(trimmed) {
        return Some("a segment of the path begins or ends with a blank, or ends with a dot");
    }
    let plain = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let odd_action = |segment: &String| {
        segment.strip_prefix('$').is_some_and(|action| action.is_empty() || !plain(action))
    };
    if segments.iter().any(odd_action) {
        return Some("an action in the path is not made of letters");
    }
    let first = segments.first().filter(|_| surface.is_daas());
    let odd = |first: &String| !plain(first.strip_prefix('$').unwrap_or(first));
    first.is_some_and(odd).then_some("the path does not begin with a plain word")
}

fn daas(method: &Method, segments: &[&str]) -> Class {
    let post = method == Method::POST;
    let action = match segments {
        ["$batch"] if post => return Class::Batch,
        [collection @ .., "$search"] if post && is_collection(collection) => Action::Read,
        [_, id, ..] if id.starts_with('$') => Action::Write,
        ["machines", _, "$start" | "$shutdown" | "$reboot" | "$suspend" | "$resume"]
        | ["machinecatalogs", _, "$rebootmachines"]
        | ["deliverygroups", _, "$startrebootcycle"]
            if post =>
        {
            Action::Power
        }
        ["machines" | "machinecatalogs" | "deliverygroups", _, "poweractionschedules", ..]
        | ["poweractionschedules", ..] => Action::Power,
        ["sessions", _, action] if post && action.starts_with('$') => Action::Session,
        ["machines", _, "$logoff" | "$disconnect"] if post => Action::Session,
        _ => Action::Write,
    };
    Class::Act(action)
}

fn is_collection(segments: &[&str]) -> bool {
    match segments {
        [collection] => COLLECTIONS.contains(collection),
        ["configlog", "operations"] => true,
        // These are searched at every depth.
        ["gpo" | "hypervisors", below @ ..] => {
            !below.is_empty() && !below.iter().any(|segment| segment.starts_with('$'))
        }
        _ => false,
    }
}

fn words(segments: &[String]) -> Vec<&str> {
    segments.iter().map(String::as_str).collect()
}

/// What is in no site.
const SITELESS: [&str; 4] = ["me", "sites", "healthcheck", "tokens"];

/// First segments of the same API on other hosts, after which a customer and a site follow, and of
/// its two forms here.
const OTHER_FORMS: [&str; 6] =
    ["v1", "techpreview", "citrix", "citrixonpremises", "cvad", "cvadapis"];

/// What can be searched.
const COLLECTIONS: [&str; 8] = [
    "machines",
    "sessions",
    "machinecatalogs",
    "deliverygroups",
    "applications",
    "applicationgroups",
    "zones",
    "maintenancecycles",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::passthrough::surface::DropInPath;

    fn class(method: &str, path: &str) -> Class {
        let path = DropInPath::of(path).unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        if path.surface().is_daas() {
            let daas = DaasPath::of(path.surface(), path.below());
            return classify(path.surface(), &method, &daas.rest);
        }
        classify(path.surface(), &method, path.below())
    }

    #[test]
    fn method_and_path_decide_without_case_and_encoding() {
        use Action::{Identity, Notify, Power, Read, Session, Write};
        for (call, action) in [
            ("GET /cvad/manage/me", Read),
            ("HEAD /cvad/manage/Machines/x", Read),
            ("GET /cvad/manage/Machines/x/$reboot", Read),
            ("POST /cvad/manage/Machines/$search", Read),
            ("POST /cvad/manage/machines/%24SEARCH", Read),
            ("POST /cvad/manage/ConfigLog/Operations/$search", Read),
            ("POST /cvad/manage/gpo/policySets/$search", Read),
            ("POST /cvad/manage/Hypervisors/x/ResourcePools/$search", Read),
            ("POST /cvad/manage/gpo/$search", Write),
            ("POST /cvad/manage/gpo/policySets/$rankPolicySets", Write),
            ("POST /cvad/manage/hypervisors/$test/$search", Write),
            ("POST /cvad/manage/Machines/x/$search", Write),
            ("POST /cvad/manage/Other/$search", Write),
            ("PUT /cvad/manage/Machines/$search", Write),
            ("POST /cvad/manage/Machines/x/$reboot", Power),
            ("POST /CVAD/MANAGE/MACHINES/x/%24reboot", Power),
            ("POST /cvad/manage/Machines/x/$reboot/", Power),
            ("POST /cvad/manage/Machines/DEMOLAB%5CKESTREL/$REBOOT", Power),
            ("POST /cvad/manage/Machines/DEMOLAB|KESTREL/$Reboot", Power),
            ("POST /cvad/manage/Machines/x/$start", Power),
            ("POST /cvad/manage/Machines/x/$shutdown", Power),
            ("POST /cvad/manage/Machines/x/$suspend", Power),
            ("POST /cvad/manage/Machines/x/$resume", Power),
            ("POST /cvad/manage/MachineCatalogs/x/$RebootMachines", Power),
            ("POST /cvad/manage/DeliveryGroups/x/$StartRebootCycle", Power),
            ("DELETE /cvad/manage/Machines/x/PowerActionSchedules", Power),
            ("PUT /cvad/manage/Machines/x/$reboot", Write),
            ("DELETE /cvad/manage/Machines/x/$reboot", Write),
            ("POST /cvad/manage/Machines/x/y/$reboot", Write),
            ("POST /cvad/manage/Machines/x/$reboot/y", Write),
            ("POST /cvad/manage/Machines/$reboot", Write),
            ("POST /cvad/manage/Machines/$search/$reboot", Write),
            ("POST /cvad/manage/MachinesV2/x/$reboot", Write),
            ("POST /cvad/manage/Machines/x/$logoff", Session),
            ("POST /cvad/manage/Machines/x/$disconnect", Session),
            ("POST /cvad/manage/Sessions/x/$logoff", Session),
            ("POST /cvad/manage/Sessions/x/$sendMessage", Session),
            ("POST /cvad/manage/Sessions/$logoff", Write),
            ("DELETE /cvad/manage/Sessions/x", Write),
            ("PATCH /cvad/manage/Machines/x", Write),
            ("DELETE /cvad/manage/Machines/x", Write),
            ("POST /cvad/manage/Machines/$group", Write),
            ("POST /cvad/manage", Write),
            ("POST /cvad/manage/Jobs/x/$cancel", Write),
            ("POST /cvad/manage/Admin/Administrators", Write),
            ("POST /cvadapis/SITE/Machines/x/$reboot", Power),
            ("POST /cvadapis/SITE/Machines/$search", Read),
            ("POST /cvadapis/Machines/x/$reboot", Write),
            ("GET /cvadapis/SITE/Machines", Read),
            ("POST /cvadapis/Sites/x/$y", Write),
            ("POST /notifications", Notify),
            ("POST /acme/notifications/items", Notify),
            ("DELETE /acme/notifications/items/x", Notify),
            ("GET /acme/notifications", Read),
            ("POST /administrators/$create", Identity),
            ("DELETE /administrators/x", Identity),
            ("GET /administrators", Read),
            ("POST /resourcelocations", Write),
            ("DELETE /acme/resourcelocations/x", Write),
            ("POST /acme/serviceStates", Write),
            ("POST /monitorodata/$batch", Write),
            ("POST /monitorodata/Machines/$search", Write),
            ("POST /resourceprovider/acme/site/activation", Write),
            ("POST /catalogservice/acme/Machines/x/$reboot", Write),
        ] {
            let (method, path) = call.split_once(' ').unwrap();
            assert_eq!(class(method, path), Class::Act(action), "{call}");
        }
        for call in ["/cvad/manage/$batch", "/cvad/manage/%24Batch", "/cvadapis/SITE/$BATCH"] {
            assert_eq!(class("POST", call), Class::Batch, "{call}");
        }
        assert_eq!(class("PUT", "/cvad/manage/$batch"), Class::Act(Write));
        assert_eq!(class("POST", "/cvad/manage/x/$batch"), Class::Act(Write));
    }

    #[test]
    fn machines_that_are_acted_on_are_known_by_the_path() {
        for (call, expected) in [
            ("POST /cvad/manage/Machines/x/$reboot", Reach::One),
            ("POST /cvadapis/one/machines/x/$START", Reach::One),
            ("DELETE /cvad/manage/Machines/x/PowerActionSchedules", Reach::One),
            ("PATCH /cvad/manage/Machines/x", Reach::One),
            ("DELETE /cvad/manage/Machines/x", Reach::One),
            ("GET /cvad/manage/Machines/x", Reach::None),
            ("POST /cvad/manage/Machines/$search", Reach::None),
            ("POST /cvad/manage/Machines/$group", Reach::None),
            ("POST /cvad/manage/Machines", Reach::None),
            ("POST /cvad/manage/Machines/x/$logoff", Reach::None),
            ("POST /cvad/manage/Sessions/x/$logoff", Reach::None),
            ("PATCH /cvad/manage/DeliveryGroups/x", Reach::None),
            ("POST /cvad/manage/MachineCatalogs/x/$RebootMachines", Reach::Unknown),
            ("POST /cvadapis/one/DeliveryGroups/x/$StartRebootCycle", Reach::Unknown),
            ("POST /cvad/manage/PowerActionSchedules", Reach::Unknown),
            ("POST /cvad/manage/DeliveryGroups/x/RebootSchedules", Reach::Unknown),
            ("PATCH /cvad/manage/deliveryGroups/x/rebootSchedules/y", Reach::Unknown),
            ("POST /cvad/manage/MachineCatalogs/x/$UpdateProvisioningScheme", Reach::Unknown),
            ("GET /cvad/manage/DeliveryGroups/x/RebootSchedules", Reach::None),
        ] {
            let (method, path) = call.split_once(' ').unwrap();
            let Class::Act(action) = class(method, path) else { panic!("{call}") };
            let path = DropInPath::of(path).unwrap();
            let rest = DaasPath::of(path.surface(), path.below()).rest;
            assert_eq!(reach(action, &rest), expected, "{call}");
        }
    }

    #[test]
    fn words_that_only_look_like_others_are_not_passed_on() {
        let disguised = |path: &str| {
            let path = DropInPath::of(path).unwrap();
            disguised(path.surface(), path.below()).is_some()
        };
        for path in [
            "/cvad/manage/Machines/x/$reboot%20",
            "/cvad/manage/Machines/x/$reboot.",
            "/cvad/manage/Machines/x/%20$reboot",
            "/cvad/manage/Machines/x/$reboot;a=b",
            "/cvad/manage/Machines/x/$reb%C3%B6ot",
            "/cvad/manage/Machines/x/$\u{17f}tart",
            "/cvad/manage/Machines/x/$",
            "/cvad/manage/Machines;a/x/$reboot",
            "/cvad/manage/%EF%BC%ADachines/x/$reboot",
            "/cvad/manage/Machines/x/PowerActionSchedules%20",
            "/cvad/manage/Machines/x/%EF%BB%BF$reboot",
        ] {
            assert!(disguised(path), "{path}");
        }
        for path in [
            "/cvad/manage/Machines/DEMOLAB%5CB%C3%BCro%207/$reboot",
            "/cvad/manage/$batch",
            "/cvad/manage",
            "/cvad/manage/gpo/policySets/$rankPolicySets",
            "/administrators/someone@acme.example/access",
        ] {
            assert!(!disguised(path), "{path}");
        }
    }

    #[test]
    fn the_sites_that_a_path_names_are_found() {
        let sites = |path: &str| {
            let path = DropInPath::of(path).unwrap();
            DaasPath::of(path.surface(), path.below()).sites
        };
        assert_eq!(sites("/cvad/manage/Machines/x"), [""; 0]);
        assert_eq!(sites("/cvad/manage/Sites/One/Status"), ["one"]);
        assert_eq!(sites("/cvadapis/One/Machines"), ["one"]);
        assert_eq!(sites("/cvadapis/me"), [""; 0]);
        assert_eq!(sites("/cvadapis/Sites/One"), ["one"]);
        assert_eq!(sites("/cvadapis/one/Sites/Two/Status"), ["one", "two"]);
    }

    #[test]
    fn paths_of_other_forms_of_the_api_are_told() {
        let is_other = |path: &str| {
            let path = DropInPath::of(path).unwrap();
            DaasPath::of(path.surface(), path.below()).other_form(["ABCD1024", "acme"]).is_some()
        };
        for path in [
            "/cvad/manage/0f8fad5b-d9cb-469f-a165-70867728950e/Machines",
            "/cvad/manage/abcd1024/site/Machines",
            "/cvad/manage/Acme/site/Machines",
            "/cvad/manage/abcd1024%20/site/Machines",
            "/cvad/manage/abcd1024./site/Machines",
            "/cvad/manage/V1/abcd1024/site/Machines",
            "/cvad/manage/techpreview/x/site/Machines",
            "/cvad/manage/cvadapis/site/Machines",
            "/cvad/manage/cvad/manage/Sites/two",
            "/cvadapis/abcd1024/site/Machines",
            "/cvadapis/site/abcd1024/other/Machines",
            "/cvadapis/site/0f8fad5b-d9cb-469f-a165-70867728950e/Machines",
            "/cvadapis/citrix/site/Machines",
        ] {
            assert!(is_other(path), "{path}");
        }
        for path in [
            "/cvad/manage",
            "/cvad/manage/me",
            "/cvad/manage/Machines/abcd1024",
            "/cvad/manage/Sites/acme",
            "/cvadapis/0f8fad5b-d9cb-469f-a165-70867728950e/Machines",
            "/cvadapis/me",
        ] {
            assert!(!is_other(path), "{path}");
        }
    }
}
