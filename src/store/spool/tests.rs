//! What holds for a spool whatever happens to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::store::chain::{ChainKey, Tombstone};

const KEY: [u8; 32] = [9; 32];

/// A folder that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("apitap-spool-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn options(&self) -> Options {
        Options { segment: 400, ..Options::new(&self.0) }
    }

    fn open(&self) -> Spool {
        open(&self.options())
    }

    fn newest(&self) -> PathBuf {
        folder::segment(&self.0, *folder::segments(&self.0).unwrap().last().unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(options: &Options) -> Spool {
    Spool::open(options, ChainKey::new(KEY)).unwrap()
}

fn json(number: u64) -> Vec<u8> {
    format!("{{\"id\":{number}}}").into_bytes()
}

fn append(spool: &mut Spool, numbers: std::ops::RangeInclusive<u64>) -> Appended {
    spool.append(&numbers.map(json).collect::<Vec<_>>(), 1_000)
}

fn rest(reader: &mut Reader) -> Vec<Item> {
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

fn records(items: &[Item]) -> Vec<(u64, String)> {
    let text = |json: &[u8]| String::from_utf8(json.to_vec()).unwrap();
    let of = |item: &Item| match item {
        Item::Record(record) => (record.sequence, text(&record.json)),
        Item::Lost { first, last, .. } => (*first, format!("lost up to {last}")),
    };
    items.iter().map(of).collect()
}

fn numbered(numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, String)> {
    numbers.map(|number| (number, String::from_utf8(json(number)).unwrap())).collect()
}

/// Every record follows from the one before.
fn assert_chained(items: &[Item]) {
    let key = ChainKey::new(KEY);
    for item in items {
        if let Item::Record(Spooled { sequence, previous, hash, json, .. }) = item {
            assert_eq!(*hash, key.link(*sequence, *previous, json));
        }
    }
    for pair in items.windows(2) {
        let (Item::Record(Spooled { hash, .. }) | Item::Lost { hash, .. }) = &pair[0];
        let (Item::Record(Spooled { previous, .. }) | Item::Lost { previous, .. }) = &pair[1];
        assert_eq!(hash, previous);
    }
}

#[test]
fn what_goes_in_comes_out_across_segments_and_restarts() {
    let scratch = Scratch::new("restarts");
    let mut spool = scratch.open();
    assert_eq!(append(&mut spool, 1..=3), Appended { kept: 3, dropped: 0 });
    for number in 4..=20 {
        append(&mut spool, number..=number);
    }
    let head = spool.head();
    assert_eq!(acknowledged(&scratch.0).unwrap(), 20);
    drop(spool);
    let mut spool = scratch.open();
    assert_eq!(spool.head(), head);
    append(&mut spool, 21..=22);
    let items = rest(&mut Reader::new(&spool, 0).unwrap());
    assert_eq!(records(&items), numbered(1..=22));
    assert_chained(&items);
    assert!(folder::segments(&scratch.0).unwrap().len() > 2);
    for entry in fs::read_dir(&scratch.0).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn one_process_has_it() {
    let scratch = Scratch::new("lock");
    let spool = scratch.open();
    assert!(matches!(Spool::open(&scratch.options(), ChainKey::new(KEY)), Err(SpoolError::InUse { .. })));
    drop(spool);
    scratch.open();
}

#[test]
fn what_the_store_has_is_removed_and_the_chain_goes_on() {
    let scratch = Scratch::new("release");
    let mut spool = scratch.open();
    for number in 1..=20 {
        append(&mut spool, number..=number);
    }
    let mut reader = Reader::new(&spool, 7).unwrap();
    assert_eq!(records(&rest(&mut reader)), numbered(8..=20));
    reader.release(20).unwrap();
    assert_eq!(folder::segments(&scratch.0).unwrap().len(), 1);
    assert_eq!(spool.shared().used(), fs::metadata(scratch.newest()).unwrap().len());
    let head = spool.head();
    drop((spool, reader));
    let mut spool = scratch.open();
    assert_eq!(spool.head(), head);
    let mut reader = Reader::new(&spool, 20).unwrap();
    append(&mut spool, 21..=21);
    let items = rest(&mut reader);
    assert_eq!(records(&items), numbered(21..=21));
    assert!(matches!(&items[0], Item::Record(record) if record.previous == head.hash));
}

#[test]
fn a_reader_follows_the_writer() {
    let scratch = Scratch::new("follow");
    let mut spool = scratch.open();
    let mut reader = Reader::new(&spool, 0).unwrap();
    let mut all = Vec::new();
    for number in 1..=30 {
        append(&mut spool, number..=number);
        let items = rest(&mut reader);
        assert_eq!(items.len(), 1);
        all.extend(items);
        reader.release(number).unwrap();
    }
    assert_eq!(records(&all), numbered(1..=30));
    assert_chained(&all);
}

#[test]
fn a_full_spool_drops_what_is_new_and_says_so_in_the_chain() {
    let scratch = Scratch::new("full");
    let options = Options { limit: 2_000, ..scratch.options() };
    let mut spool = open(&options);
    let Appended { kept, dropped } = append(&mut spool, 1..=50);
    assert!(kept > 5 && dropped == 50 - kept);
    assert_eq!(append(&mut spool, 51..=52), Appended { kept: 0, dropped: 2 });
    // The count outlives the process.
    drop(spool);
    let mut spool = open(&options);
    assert_eq!(spool.shared().dropped(), dropped + 2);
    let mut reader = Reader::new(&spool, 0).unwrap();
    assert_eq!(records(&rest(&mut reader)), numbered(1..=kept));
    // The newest segment stays; the one that is begun has room for these when the old one is gone.
    let options = Options { limit: 4_000, ..options };
    drop((spool, reader));
    spool = open(&options);
    append(&mut spool, 53..=53);
    let items = rest(&mut Reader::new(&spool, kept).unwrap());
    let told = Tombstone::Dropped { count: dropped + 2, total: dropped + 2 };
    let Item::Record(tombstone) = &items[0] else { panic!("{items:?}") };
    assert_eq!(Tombstone::parse(&tombstone.json), Some(told));
    assert_eq!(records(&items)[1].1, "{\"id\":53}");
    assert_chained(&items);
    // It is told once.
    drop(spool);
    let mut spool = open(&options);
    assert_eq!(append(&mut spool, 54..=54).kept, 1);
    assert_eq!(rest(&mut Reader::new(&spool, kept).unwrap()).len(), 3);
    assert_eq!(spool.append(&[], 0), Appended { kept: 0, dropped: 0 });
    assert_eq!(spool.head().sequence, kept + 3);
}

#[test]
fn a_full_spool_whose_records_are_all_stored_takes_more() {
    let scratch = Scratch::new("emptied");
    let mut spool = open(&Options { limit: 3_000, segment: 1 << 20, ..scratch.options() });
    let Appended { kept, dropped } = append(&mut spool, 1..=50);
    assert!(kept > 5 && dropped > 5);
    let mut reader = Reader::new(&spool, 0).unwrap();
    assert_eq!(rest(&mut reader).len() as u64, kept);
    assert_eq!(append(&mut spool, 51..=51).kept, 0);
    reader.release(kept).unwrap();
    assert_eq!(append(&mut spool, 52..=53).kept, 2);
    assert_eq!(folder::segments(&scratch.0).unwrap(), [kept + 1]);
    assert_eq!(spool.shared().used(), fs::metadata(scratch.newest()).unwrap().len());
    let items = records(&rest(&mut reader));
    assert_eq!(items[0].1, format!("{{\"tombstone\":\"dropped\",\"count\":{0},\"total\":{0}}}", dropped + 1));
    assert_eq!(items[1..], [(kept + 2, numbered(52..=52)[0].1.clone()), (kept + 3, numbered(53..=53)[0].1.clone())]);
}

#[test]
fn acknowledged_records_that_are_gone_are_told_as_lost_and_their_numbers_not_given_again() {
    let scratch = Scratch::new("lost");
    let mut spool = scratch.open();
    append(&mut spool, 1..=3);
    drop(spool);
    let octets = fs::read(scratch.newest()).unwrap();
    fs::write(scratch.newest(), &octets[..octets.len() - 70]).unwrap();
    let mut spool = scratch.open();
    assert_eq!(spool.head().sequence, 3);
    assert_eq!(records(&rest(&mut Reader::new(&spool, 0).unwrap())), numbered(1..=1));
    append(&mut spool, 4..=4);
    let items = rest(&mut Reader::new(&spool, 0).unwrap());
    let expected = [numbered(1..=1), vec![(2, "lost up to 3".into())], numbered(4..=4)].concat();
    assert_eq!(records(&items), expected);
    assert_chained(&items);
    // What the store has of them is not lost.
    let items = rest(&mut Reader::new(&spool, 3).unwrap());
    assert_eq!(records(&items), numbered(4..=4));
}

#[test]
fn a_segment_without_its_header_loses_what_it_held_and_nothing_else() {
    let scratch = Scratch::new("header");
    let mut spool = scratch.open();
    for number in 1..=20 {
        append(&mut spool, number..=number);
    }
    drop(spool);
    let mut octets = fs::read(scratch.newest()).unwrap();
    octets[3] ^= 1;
    fs::write(scratch.newest(), octets).unwrap();
    let mut spool = scratch.open();
    append(&mut spool, 21..=21);
    let items = records(&rest(&mut Reader::new(&spool, 0).unwrap()));
    assert_eq!(items.first().unwrap().0, 1);
    assert!(items.iter().any(|(_, text)| text == "lost up to 20"), "{items:?}");
    assert_eq!(items.last().unwrap(), &numbered(21..=21)[0]);
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a kill leaves of the newest segment beyond what was acknowledged, the acknowledged records are there.
    #[test]
    fn a_cut_beyond_what_was_acknowledged_loses_nothing(
        groups in proptest::collection::vec(1..5_u64, 1..6),
        tail in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let scratch = Scratch::new("cut");
        let mut spool = scratch.open();
        let mut last = 0;
        for group in groups {
            append(&mut spool, last + 1..=last + group);
            last += group;
        }
        let killed = Scratch::new("cut-killed");
        copy(&scratch.0, &killed.0);
        let mut octets = fs::read(killed.newest()).unwrap();
        octets.extend(tail);
        fs::write(killed.newest(), octets).unwrap();
        let mut after = killed.open();
        prop_assert_eq!(after.head(), spool.head());
        append(&mut after, last + 1..=last + 1);
        let items = rest(&mut Reader::new(&after, 0).unwrap());
        prop_assert_eq!(records(&items), numbered(1..=last + 1));
        assert_chained(&items);
    }
}
