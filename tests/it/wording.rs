//! What the repository must not say, and links that must lead somewhere.

use std::{fs, path::Path};

use crate::repository::{root, texts};

#[test]
fn nothing_names_a_machine_path_or_a_package_host() {
    let mut findings = Vec::new();
    for (name, text) in texts() {
        // A lock file names where each crate comes from; that is its purpose.
        if !name.ends_with("Cargo.lock") {
            findings.extend(unwanted(&name, &text));
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn planted_words_are_found() {
    let home = format!("see {}ho{}alice/x", '/', "me/");
    assert_eq!(unwanted("a.md", &home).len(), 1);
    let windows = format!("open C:{}Users{}alice", '\\', '\\');
    assert_eq!(unwanted("a.md", &windows).len(), 1);
    let host = format!("from https://{}.io/crates/x", "crates");
    assert_eq!(unwanted("a.md", &host), [format!("a.md:1: says `{}.io`", "crates")]);

    let innocent = "GET /v1/home/x, <https://docs.rs/axum>, ./work/x, registry.example.test";
    assert_eq!(unwanted("a.md", innocent), Vec::<String>::new());
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    let root = root();
    let mut broken = Vec::new();
    for (name, text) in texts() {
        if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
            let folder = root.join(&name).parent().unwrap().to_owned();
            for link in links(&text) {
                if !leads_somewhere(&folder, &root.join(&name), &link) {
                    broken.push(format!("{name}: {link}"));
                }
            }
        }
        for page in pages_named(&text) {
            if !root.join(&page).exists() {
                broken.push(format!("{name}: {page}"));
            }
        }
    }
    assert!(broken.is_empty(), "links to nowhere:\n{}", broken.join("\n"));
}

#[test]
fn links_are_read_as_a_browser_would() {
    let text =
        "[a](b.md#c-d) and ![i](<x.png>)\n```\n[not](this)\n```\n`[nor](that)` [w](https://x.test)";
    assert_eq!(links(text), ["b.md#c-d", "x.png", "https://x.test"]);
    assert_eq!(anchor("The life of a *request*, `GET /x`"), "the-life-of-a-request-get-x");

    let folder = ["do", "cs/"].concat();
    let text = format!("see {folder}a-b.md, `{folder}adr/0001-x.md`, {folder}picture.png.");
    assert_eq!(pages_named(&text), [format!("{folder}a-b.md"), format!("{folder}adr/0001-x.md")]);
}

/// Places that only one machine has, and hosts that only a package manager should know.
fn unwanted(name: &str, text: &str) -> Vec<String> {
    // In halves, so that this file may be searched too.
    let paths = [
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["/wo", "rk/"],
        ["/Us", "ers/"],
        ["/tmp/", "bash"],
        ["\\Us", "ers\\"],
    ];
    let hosts = [
        ["crates", ".io"],
        ["npmjs", ".org"],
        ["npmjs", ".com"],
        ["pypi", ".org"],
        ["python", "hosted.org"],
        ["proxy.go", "lang.org"],
        ["rubygems", ".org"],
        ["nuget", ".org"],
        ["repo.maven", ".apache.org"],
    ];
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut says = |word: &str| findings.push(format!("{name}:{}: says `{word}`", at + 1));
        for path in paths.map(|halves| halves.concat()) {
            let rest = |at: usize| &line[at + path.len()..];
            let machine = |at| starts_a_path(&line[..at]) && !is_of_citrix(rest(at));
            if line.match_indices(&path).any(|(at, _)| machine(at)) {
                says(&path);
            }
        }
        for host in hosts.map(|halves| halves.concat()) {
            if line.contains(&host) {
                says(&host);
            }
        }
    }
    findings
}

/// Whether a path that follows `before` is absolute, not the tail of a longer one.
fn starts_a_path(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || ['.', '}', '-', '_', '*', '~'].contains(&c))
}

/// Whether a path goes on as one of Citrix's, where `root` stands for any customer.
fn is_of_citrix(rest: &str) -> bool {
    rest.starts_with("tokens") || rest.starts_with("ping")
}

/// Targets of Markdown links outside of code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        let line: String = line.split('`').step_by(2).collect();
        for (at, _) in line.match_indices("](") {
            if let Some((target, _)) = line[at + 2..].split_once(')') {
                links.push(target.trim_matches(['<', '>']).to_owned());
            }
        }
    }
    links
}

/// Lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn leads_somewhere(folder: &Path, own: &Path, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let file = if file.is_empty() { own.to_owned() } else { folder.join(file) };
    if heading.is_empty() {
        return file.exists();
    }
    let Ok(text) = fs::read_to_string(file) else { return false };
    prose(&text)
        .filter(|line| line.starts_with('#'))
        .any(|line| anchor(line.trim_start_matches('#').trim()) == heading)
}

/// The name a Markdown renderer gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Pages of `docs/` that code and prose name by their path.
fn pages_named(text: &str) -> Vec<String> {
    let folder = ["do", "cs/"].concat();
    let pages = text.match_indices(&folder).filter_map(|(at, _)| {
        let end = text[at..].find(|c: char| !(c.is_ascii_alphanumeric() || "/-_.".contains(c)));
        let path = text[at..end.map_or(text.len(), |end| at + end)].trim_end_matches('.');
        let page = Path::new(path).extension().is_some_and(|extension| extension == "md");
        page.then(|| path.to_owned())
    });
    pages.collect()
}
