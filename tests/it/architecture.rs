//! Who may import whom. The rooms of `src/` and the arrows between them are written down here;
//! `docs/architecture.md` has the picture and the reasons.

use std::{collections::BTreeSet, fmt, path::Path};

use self::{
    arrows::{ARROWS, may_import},
    imports::{Import, Target, imports},
};
use crate::repository::texts;

mod arrows;
mod imports;

#[test]
fn rooms_import_only_along_the_written_arrows() {
    let sources = texts().into_iter().filter(|(name, _)| {
        name.starts_with("src/") && Path::new(name).extension().is_some_and(|e| e == "rs")
    });
    let breaches = sources.flat_map(|(name, text)| breaches_of(&name, &text));
    let list: Vec<_> = breaches.map(|breach| breach.to_string()).collect();
    assert!(list.is_empty(), "imports against the arrows:\n{}", list.join("\n"));
}

#[test]
fn the_written_arrows_point_down_only() {
    let mut below: BTreeSet<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    for (room, targets) in ARROWS {
        assert!(below.remove(room), "{room} has two rows");
        for target in *targets {
            assert!(below.contains(target), "{room} -> {target} points up or to no room");
        }
    }
}

#[test]
fn the_picture_shows_the_rooms_and_arrows_that_there_are() {
    let text = texts().into_iter().find(|(name, _)| name == "docs/architecture.md");
    let (_, text) = text.expect("the page on architecture");
    let rows: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(room, _)| room))
        .collect();
    let (_, picture) = text.split_once("flowchart TD").expect("the picture");
    let picture = picture.lines().take_while(|line| *line != "```");
    let drawn: BTreeSet<(&str, &str)> = picture.flat_map(drawn).collect();

    for (room, targets) in ARROWS {
        assert!(rows.contains(room), "{room} is missing in the table of rooms");
        // What anybody may use is a box of its own; the doors of the fuzz targets are not drawn.
        let boxed = |room: &str| ["config", "domain", "telemetry", "fuzz"].contains(&room);
        for target in targets.iter().filter(|target| !boxed(room) && !boxed(target)) {
            assert!(drawn.contains(&(room, target)), "{room} -> {target} is not drawn");
        }
    }
    for (from, to) in drawn {
        assert!(may_import(from, to), "{from} -> {to} is drawn and not written");
    }
}

#[test]
fn planted_breaches_are_found() {
    let found = |file: &str, text: &str| -> Vec<String> {
        breaches_of(file, text).iter().map(ToString::to_string).collect()
    };

    assert_eq!(
        found("src/domain/ids.rs", "use std::fmt;\nuse crate::upstream::{Error, token};"),
        ["src/domain/ids.rs:2: domain -> upstream is not a written arrow"]
    );
    assert_eq!(
        found("src/auth/jwt.rs", "use crate::{domain::AppName,\n  api::{self, Problem}};"),
        ["src/auth/jwt.rs:2: auth -> api is not a written arrow"]
    );
    assert_eq!(
        found("src/wire/mod.rs", "fn f() -> u8 {\n    crate::config::X\n}"),
        ["src/wire/mod.rs:2: wire -> config is not a written arrow"]
    );
    assert_eq!(
        found("src/net/client.rs", "use super::super::api::Problem;"),
        ["src/net/client.rs:1: `super` leaves net: write `crate::…`"]
    );
    assert_eq!(
        found("src/net/client.rs", "mod tests {\n  use super::super::super::api::Problem;\n}"),
        ["src/net/client.rs:2: `super` leaves net: write `crate::…`"]
    );
    assert_eq!(
        found("src/main.rs", "fn main() { cwsgate::api::run() }"),
        ["src/main.rs:1: main -> api is not a written arrow"]
    );
    assert_eq!(
        found("src/net/client.rs", "use crate::*;"),
        ["src/net/client.rs:1: `crate::*` names no room"]
    );
    assert_eq!(
        found("src/attic/mod.rs", "use crate::domain::Clock;"),
        ["src/attic/mod.rs:1: attic has no row in the table of arrows"]
    );
}

#[test]
fn what_only_looks_like_an_import_is_no_breach() {
    let text = r##"
        //! Like [`crate::api::Problem`], /* and */ `super::super::api`.
        /* crate::api /* nested */ crate::api */
        use super::{Error, token};
        use crate::{config::{self, Region}, domain};
        pub(in crate::upstream) const A: &str = "crate::api";
        const B: &str = r#"" crate::api "#;
        const C: (char, char) = ('"', '\'');
        fn life<'a>(_: &'a str) {}
        mod tests { use super::*; mod deeper { use super::super::Error; } }
        fn own() -> crate::upstream::Error { self::own() }
    "##;
    let breaches: Vec<_> =
        breaches_of("src/upstream/token/mod.rs", text).iter().map(ToString::to_string).collect();
    assert_eq!(breaches, Vec::<String>::new());
}

/// One import that the arrows do not allow.
struct Breach {
    file: String,
    line: usize,
    why: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// The arrows on one line of the picture: `a & b --> c & d` has four.
fn drawn(line: &str) -> Vec<(&str, &str)> {
    let Some((from, to)) = line.split_once(" --> ").or_else(|| line.split_once(".-> ")) else {
        return Vec::new();
    };
    // A dotted arrow has its words in the middle: `a -. words .-> b`.
    let from = from.split_once(" -. ").map_or(from, |(from, _)| from);
    let rooms = |side| str::split(side, '&').map(str::trim);
    rooms(from).flat_map(|from| rooms(to).map(move |to| (from, to))).collect()
}

/// Judges one file, `file` being its path from the root of the repository.
fn breaches_of(file: &str, text: &str) -> Vec<Breach> {
    let modules = modules_of(file);
    // The room list itself: it declares, it does not import.
    let Some(room) = modules.first() else { return Vec::new() };
    let breach = |line, why| Breach { file: file.to_owned(), line, why };
    if !ARROWS.iter().any(|(known, _)| known == room) {
        return vec![breach(1, format!("{room} has no row in the table of arrows"))];
    }
    let judge = |Import { line, target }| {
        let why = match target {
            Target::Room(to) if to == *room || may_import(room, &to) => return None,
            Target::Room(to) if ARROWS.iter().any(|(known, _)| *known == to) => {
                format!("{room} -> {to} is not a written arrow")
            }
            Target::Room(to) => format!("`crate::{to}` names no room"),
            Target::AboveRoom => format!("`super` leaves {room}: write `crate::…`"),
        };
        Some(breach(line, why))
    };
    imports(text, modules.len()).into_iter().filter_map(judge).collect()
}

/// The module path of a file: `src/upstream/token/mod.rs` is `upstream`, `token`.
fn modules_of(file: &str) -> Vec<&str> {
    let path = file.strip_prefix("src/").unwrap_or(file);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').collect() }
}
