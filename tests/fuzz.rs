//! The fuzz targets on a stable compiler: their seeds, and cheap mutations of them, always the same ones.
//!
//! Found faults stay found: an input that showed one is a seed in `fuzz/corpus`. To look for new ones, see fuzz/README.md.

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate of its own for cargo-fuzz")]
mod targets;

#[test]
fn capture_file() {
    exercise("capture_file", targets::capture_file::run, 6_000);
}

#[test]
fn dissect() {
    exercise("dissect", targets::dissect::run, 30_000);
}

#[test]
fn assembler() {
    exercise("assembler", targets::assembler::run, 20_000);
}

#[test]
fn http_connection() {
    exercise("http_connection", targets::http_connection::run, 20_000);
}

#[test]
fn scan() {
    exercise("scan", targets::scan::run, 3_000);
}

#[test]
fn worker() {
    exercise("worker", targets::worker::run, 6_000);
}

/// Runs a target on its seeds, and on `mutations` more inputs made of them.
fn exercise(name: &str, target: fn(&[u8]), mutations: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).expect("a seed can be read")).collect();
    assert!(!seeds.is_empty(), "no seed in {}", folder.display());
    for (path, seed) in paths.iter().zip(&seeds) {
        run(target, seed, &path.display().to_string());
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for number in 0..mutations {
        run(target, &mutate(&seeds, &mut dice), &format!("mutation {number}"));
    }
}

/// Says which input it was when the target panics.
fn run(target: fn(&[u8]), input: &[u8], name: &str) {
    struct Teller<'a>(&'a [u8], &'a str);
    #[expect(clippy::print_stderr, reason = "a test")]
    impl Drop for Teller<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{}: b\"{}\"", self.1, self.0.escape_ascii());
            }
        }
    }
    let _teller = Teller(input, name);
    target(input);
}

/// A seed with some of it changed, repeated, left out, or put together with a part of another one.
fn mutate(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const LONGEST: usize = 2_048;
    const TELLING: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'@', b'0', b' ', b':'];
    let mut input = seeds[dice.below(seeds.len())].clone();
    let other = &seeds[dice.below(seeds.len())];
    input.truncate(LONGEST);
    for _ in 0..1 + dice.below(6) {
        let at = dice.below(input.len() + 1);
        let end = (at + dice.below(24)).min(input.len());
        match dice.below(6) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = TELLING[dice.below(TELLING.len())],
            2 => drop(input.drain(at..end)),
            3 => {
                let copy = input[at..end].repeat(1 + dice.below(3));
                input.splice(at..at, copy);
            }
            4 => {
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(64)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            _ => input.insert(at, dice.below(256) as u8),
        }
    }
    input
}

/// Numbers that are the same in each run (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }
}
