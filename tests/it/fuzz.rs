//! Replays the corpus of the fuzz targets, and changed copies of it.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use cwsgate::fuzz::TARGETS;

use crate::repository::root;

#[test]
fn the_corpus_of_every_fuzz_target_does_no_harm() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 5, "{name} has hardly a corpus");
        for input in &inputs {
            target(input);
        }
    }
}

/// Runs for as many seconds a target as `CWSGATE_FUZZ_SECONDS` says, without it for a moment.
#[test]
fn changed_copies_of_the_corpus_do_no_harm() {
    let (rounds, time) = patience();
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        let (began, mut round) = (Instant::now(), 0);
        while round < rounds || began.elapsed() < time {
            let input = changed(&inputs, fastrand::u64(..));
            target(&input);
            round += 1;
        }
    }
}

#[test]
fn every_fuzz_target_is_a_file_and_every_file_a_target() {
    let folder = root().join("fuzz/fuzz_targets");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let mut names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(files.len(), names.len());
    for (file, name) in files.iter().zip(names) {
        assert_eq!(file.file_stem().unwrap(), name);
        assert!(fs::read_to_string(file).unwrap().contains(&format!("cwsgate::fuzz::{name}(")));
        assert!(manifest.contains(&format!("name = \"{name}\"")));
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the switch of a tool, not configuration")]
fn patience() -> (u32, Duration) {
    let seconds = env::var("CWSGATE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    (300, Duration::from_secs(seconds.unwrap_or(0)))
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A corpus input with a few bytes changed, cut, doubled or taken from another one.
fn changed(inputs: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = inputs[random.usize(..inputs.len())].clone();
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..=bytes.len());
        let end = random.usize(at..=bytes.len());
        match random.u8(..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes.insert(at, random.u8(..)),
            2 => drop(bytes.drain(at..end)),
            3 if bytes.len() < 64 * 1024 => {
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
            4 => {
                let other = &inputs[random.usize(..inputs.len())];
                let from = random.usize(..=other.len());
                drop(bytes.splice(at..end, other[from..].iter().copied()));
            }
            _ => drop(bytes.splice(at..at, ODD[random.usize(..ODD.len())].iter().copied())),
        }
    }
    bytes
}

/// What parsers stumble over.
const ODD: &[&[u8]] = &[
    b"%00",
    b"%2f",
    b"..",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"]]>",
    b"<!DOCTYPE a>",
    b"&a;",
    b"&#0;",
    b"-1",
    b"1e999",
    b"NaN",
    b"18446744073709551616",
    b"\\x41",
    b"\\u0000",
    b"=",
    b"\r\n",
    b"\"\"\"",
];
