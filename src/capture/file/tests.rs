use std::io::{Cursor, Write};

use proptest::prelude::*;

use super::*;

/// A frame as the tests compare it: nanoseconds, link type, interface, original length, octets.
type Seen = (i64, u16, u16, u32, Vec<u8>);

/// Reads all there is: frames, and the warning at the end.
fn read(file: &[u8]) -> Result<(Vec<Seen>, Option<String>), String> {
    let mut reader = Reader::from_read("test", Cursor::new(file.to_vec())).map_err(|error| error.to_string())?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().map_err(|error| error.to_string())? {
        let Frame { timestamp, link_type, interface, original_len, bytes } = frame;
        frames.push((timestamp.as_nanos(), link_type.0, interface, original_len, bytes.to_vec()));
    }
    assert!(reader.next().is_ok_and(|frame| frame.is_none()), "the end is the end");
    assert_eq!(reader.frames(), frames.len() as u64);
    Ok((frames, reader.warning().map(ToString::to_string)))
}

fn gzip(file: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(file).unwrap();
    encoder.finish().unwrap()
}

mod classic {
    use super::*;

    /// Two frames on Ethernet, "one" and the first three octets of "three".
    const LITTLE: &[u8] = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0\
        \x01\0\0\0\x02\0\0\0\x03\0\0\0\x03\0\0\0one\
        \x03\0\0\0\x04\0\0\0\x03\0\0\0\x05\0\0\0thr";
    const BIG: &[u8] = b"\xa1\xb2\xc3\xd4\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\x01\
        \0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x03one\
        \0\0\0\x03\0\0\0\x04\0\0\0\x03\0\0\0\x05thr";

    fn frames(nanos: i64) -> Vec<Seen> {
        vec![
            (1_000_000_000 + 2 * nanos, 1, 0, 3, b"one".to_vec()),
            (3_000_000_000 + 4 * nanos, 1, 0, 5, b"thr".to_vec()),
        ]
    }

    #[test]
    fn both_byte_orders_and_resolutions() {
        assert_eq!(read(LITTLE), Ok((frames(1000), None)));
        assert_eq!(read(BIG), Ok((frames(1000), None)));
        let mut little_nanos = LITTLE.to_vec();
        little_nanos[..4].copy_from_slice(b"\x4d\x3c\xb2\xa1");
        assert_eq!(read(&little_nanos), Ok((frames(1), None)));
        let mut big_nanos = BIG.to_vec();
        big_nanos[..4].copy_from_slice(b"\xa1\xb2\x3c\x4d");
        assert_eq!(read(&big_nanos), Ok((frames(1), None)));
    }

    #[test]
    fn modified_records_have_longer_headers() {
        let file = b"\x34\xcd\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0\
            \x01\0\0\0\x02\0\0\0\x03\0\0\0\x03\0\0\0\x07\0\0\0\x08\0\0\0one";
        assert_eq!(read(file), Ok((frames(1000)[..1].to_vec(), None)));
    }

    #[test]
    fn the_link_type_ends_where_the_check_sequence_length_begins() {
        let mut file = LITTLE.to_vec();
        file[20..24].copy_from_slice(b"\x71\0\0\x24");
        let (frames, _) = read(&file).unwrap();
        assert_eq!(frames[0].1, 113);
    }

    #[test]
    fn no_record_at_all_is_an_empty_capture() {
        assert_eq!(read(&LITTLE[..24]), Ok((vec![], None)));
    }

    #[test]
    fn a_cut_keeps_what_came_before() {
        for cut in 24 + 19 + 1..LITTLE.len() {
            let (seen, warning) = read(&LITTLE[..cut]).unwrap();
            assert_eq!(seen, frames(1000)[..1]);
            assert_eq!(
                warning.as_deref(),
                Some(
                    "test: it ends in the middle of a record, at byte 43; \
                     the 1 frames before it are used, the rest is not"
                ),
            );
        }
        for cut in 25..24 + 19 {
            assert_eq!(
                read(&LITTLE[..cut]).unwrap_err(),
                "cannot read test: not one record is readable: it ends in the middle of a record; \
                 capture it again or copy it again",
            );
        }
    }

    #[test]
    fn an_absurd_length_ends_the_file() {
        let mut file = LITTLE.to_vec();
        file[24 + 19 + 8..24 + 19 + 12].copy_from_slice(b"\xff\xff\xff\x7f");
        let (seen, warning) = read(&file).unwrap();
        assert_eq!(seen, frames(1000)[..1]);
        assert!(warning.is_some_and(|text| text.contains("claims 2147483647 bytes (the limit is 262144), at byte 43")));
    }

    #[test]
    fn large_frames_cross_the_buffer() {
        let mut file = LITTLE[..24].to_vec();
        for size in [200_000_usize, 262_144, 1, 100_000, 65_535] {
            file.extend_from_slice(b"\0\0\0\0\0\0\0\0");
            file.extend_from_slice(&(size as u32).to_le_bytes());
            file.extend_from_slice(&(size as u32).to_le_bytes());
            file.extend((0..size).map(|octet| (octet / 7) as u8));
        }
        let (seen, warning) = read(&file).unwrap();
        assert_eq!(warning, None);
        for (_, _, _, original_len, octets) in seen {
            assert_eq!(octets.len(), original_len as usize);
            assert!(octets.iter().enumerate().all(|(at, octet)| *octet == (at / 7) as u8));
        }
    }

    #[test]
    fn gzip_by_content_whole_cut_and_damaged() {
        let compressed = gzip(LITTLE);
        assert_eq!(read(&compressed), Ok((frames(1000), None)));
        // Several members one after another are one file (RFC 1952 section 2.2).
        let members = [gzip(&LITTLE[..30]), gzip(&LITTLE[30..])].concat();
        assert_eq!(read(&members), Ok((frames(1000), None)));

        let members = [gzip(&LITTLE[..50]), b"garbage".to_vec()].concat();
        let (seen, warning) = read(&members).unwrap();
        assert_eq!(seen, frames(1000)[..1]);
        assert!(warning.is_some_and(|text| text.contains("gzip compression is cut off or damaged")));
        assert!(read(&compressed[..12]).unwrap_err().contains("gzip compression is cut off or damaged"));
    }
}

mod pcapng {
    use super::*;

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let body = [body, &[0; 3][..body.len().next_multiple_of(4) - body.len()]].concat();
        let len = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes(), &len, &body[..], &len].concat()
    }

    fn section() -> Vec<u8> {
        block(0x0a0d_0d0a, b"\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff")
    }

    fn interface(link_type: u8, options: &[u8]) -> Vec<u8> {
        block(1, &[&[link_type, 0, 0, 0, 0xff, 0xff, 0, 0], options].concat())
    }

    fn enhanced(interface: u8, ticks: u64, frame: &[u8], original_len: u32) -> Vec<u8> {
        let body = [
            &[interface, 0, 0, 0],
            &((ticks >> 32) as u32).to_le_bytes()[..],
            &(ticks as u32).to_le_bytes(),
            &(frame.len() as u32).to_le_bytes(),
            &original_len.to_le_bytes(),
            frame,
        ];
        block(6, &body.concat())
    }

    #[test]
    fn sections_and_interfaces() {
        let file = [
            section(),
            interface(1, b""),
            // A comment, then nanoseconds.
            interface(113, b"\x01\0\x02\0hi\0\0\x09\0\x01\0\x09\0\0\0\0\0\0\0"),
            enhanced(0, 5_000_001, b"one", 3),
            enhanced(1, 5_000_001, b"two!", 60),
            block(5, b"statistics are skipped"),
            section(),
            interface(101, b""),
            enhanced(0, 1, b"", 0),
        ]
        .concat();
        let expected = vec![
            (5_000_001_000, 1, 0, 3, b"one".to_vec()),
            (5_000_001, 113, 1, 60, b"two!".to_vec()),
            (1_000, 101, 2, 0, vec![]),
        ];
        assert_eq!(read(&file), Ok((expected.clone(), None)));
        assert_eq!(read(&gzip(&file)), Ok((expected, None)));
    }

    #[test]
    fn big_endian() {
        let file = b"\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x1c\
            \0\0\0\x01\0\0\0\x14\0\x01\0\0\0\0\xff\xff\0\0\0\x14\
            \0\0\0\x06\0\0\0\x24\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\x03\0\0\0\x09one\0\0\0\0\x24";
        assert_eq!(read(file), Ok((vec![(7_000, 1, 0, 9, b"one".to_vec())], None)));
    }

    #[test]
    fn simple_and_obsolete_packets() {
        let file = [
            section(),
            interface(1, b""),
            block(2, b"\0\0\x05\0\0\0\0\0\x09\0\0\0\x03\0\0\0\x04\0\0\0old"),
            block(3, b"\x06\0\0\0simple"),
        ]
        .concat();
        let expected = vec![(9_000, 1, 0, 4, b"old".to_vec()), (9_000, 1, 0, 6, b"simple".to_vec())];
        assert_eq!(read(&file), Ok((expected, None)));

        // The interface's snap length tells how much of a simple packet is padding.
        let snapping = block(1, b"\x01\0\0\0\x02\0\0\0");
        let file = [section(), snapping, block(3, b"\x06\0\0\0si")].concat();
        assert_eq!(read(&file), Ok((vec![(0, 1, 0, 6, b"si".to_vec())], None)));
    }

    #[test]
    fn resolutions_and_offsets() {
        let stamp = |options: &[u8], ticks| {
            let file = [section(), interface(1, options), enhanced(0, ticks, b".", 1)].concat();
            read(&file).unwrap().0[0].0
        };
        assert_eq!(stamp(b"\x09\0\x01\0\x00\0\0\0", 3), 3_000_000_000);
        assert_eq!(stamp(b"\x09\0\x01\0\x03\0\0\0", 3), 3_000_000);
        assert_eq!(stamp(b"\x09\0\x01\0\x0c\0\0\0", 3_999), 3);
        assert_eq!(stamp(b"\x09\0\x01\0\x7f\0\0\0", u64::MAX), 0);
        assert_eq!(stamp(b"\x09\0\x01\0\x8a\0\0\0", 512), 500_000_000);
        assert_eq!(stamp(b"\x09\0\x01\0\xff\0\0\0", u64::MAX), 0);
        assert_eq!(stamp(b"\x0e\0\x08\0\x02\0\0\0\0\0\0\0", 1), 2_000_001_000);
        assert_eq!(stamp(b"\x0e\0\x08\0\xff\xff\xff\xff\xff\xff\xff\xff", 1), -999_999_000);
        // Past what a time stamp holds.
        assert_eq!(stamp(b"\x09\0\x01\0\x00\0\0\0", u64::MAX), i64::MAX);
        assert_eq!(stamp(b"\x0e\0\x08\0\0\0\0\0\0\0\0\x80", 1), i64::MIN);
        // An option that is longer than its block.
        assert_eq!(stamp(b"\x09\0\xff\xff\x03\0\0\0", 3), 3_000);
    }

    #[test]
    fn damage_ends_the_file() {
        let good = [section(), interface(1, b""), enhanced(0, 1, b"one", 3)].concat();
        let faults: [(&[u8], &str); 6] = [
            (b"\x06\0\0\0\x0d\0\0\0-------------", "a block's lengths contradict each other"),
            (b"\x06\0\0\0\x08\0\0\0\x08\0\0\0", "a block's lengths contradict each other"),
            (b"\x06\0\0\0\x10\0\0\0----\x11\0\0\0", "a block's lengths contradict each other"),
            (b"\x06\0\0\0\0\0\0\xff----\x11\0\0\0", "a record claims 4278190080 bytes (the limit is 16777216)"),
            (&enhanced(9, 1, b"two", 3), "an interface that the file does not describe"),
            (b"\x06\0\0\0\x20\0\0\0----", "it ends in the middle of a record"),
        ];
        for (fault, text) in faults {
            let (seen, warning) = read(&[&good[..], fault].concat()).unwrap();
            assert_eq!(seen.len(), 1);
            let warning = warning.unwrap_or_default();
            assert!(warning.contains(text) && warning.contains(&format!("at byte {}", good.len())), "{warning}");
        }
        // A frame that is longer than its block.
        let mut long = enhanced(0, 1, b"one", 3);
        long[20] = 5;
        let text = read(&[section(), interface(1, b""), long].concat()).unwrap_err();
        assert!(text.contains("not one record is readable: damaged: a block's lengths"), "{text}");
    }
}

#[test]
fn what_is_no_capture_is_named() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "it is empty"),
        (b"GET / HTTP/1.1\r\n", "it looks like text"),
        ("größer".as_bytes(), "it looks like text"),
        (b"\x7fELF\x02\x01\x01\0", "it looks like a program (ELF)"),
        (b"\x28\xb5\x2f\xfd....", "'zstd -d'"),
        (b"snoop\0\0\0....", "snoop capture; convert it with 'editcap -F pcap'"),
        (b"\xff\xfe\xfd\xfc....", "its first bytes belong to no format that is known here"),
        (b"\xd4\xc3\xb2", "no format"),
        (&gzip(b"text within"), "gzip, but what is in it is no capture"),
    ];
    for (file, text) in cases {
        let error = read(file).unwrap_err();
        assert!(error.starts_with("cannot read test: ") && error.contains(text), "{error}");
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let open = |path: &Path| Reader::open(path).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(open(Path::new("/no/such.pcap")), "cannot read /no/such.pcap: there is no such file; check the path");
    assert_eq!(open(Path::new("/")), "cannot read /: it is a directory; name the capture files in it");
}

#[test]
fn progress_is_counted_in_octets_of_the_file() {
    let path = std::env::temp_dir().join(format!("apitap-progress-{}.pcap", std::process::id()));
    let file = gzip(b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0");
    std::fs::write(&path, &file).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(reader.next().unwrap().is_none());
    assert_eq!(reader.size(), Some(file.len() as u64));
    assert_eq!(reader.position(), file.len() as u64);
}

/// A source that gives a few octets at a time.
struct Drip(Cursor<Vec<u8>>, usize);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn a_pipe_that_drips_is_named_alike() {
    let told = |piece| {
        Reader::from_read("a pipe", Drip(Cursor::new(b"plain text with a NUL at the end\0".to_vec()), piece)).err()
    };
    assert!(told(100).unwrap().to_string().ends_with("known here"));
    assert_eq!(told(1).unwrap().to_string(), told(100).unwrap().to_string());
}

/// A valid file of either format with frames of these lengths.
fn build(frames: &[Vec<u8>], ng: bool) -> Vec<u8> {
    let mut file = if ng {
        b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0\
          \x01\0\0\0\x14\0\0\0\x01\0\0\0\0\0\0\0\x14\0\0\0"
            .to_vec()
    } else {
        b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0".to_vec()
    };
    for frame in frames {
        let len = (frame.len() as u32).to_le_bytes();
        if ng {
            let padding = frame.len().next_multiple_of(4) - frame.len();
            let block_len = ((frame.len() + padding + 32) as u32).to_le_bytes();
            file.extend([&b"\x06\0\0\0"[..], &block_len, &[0; 12], &len, &len, frame].concat());
            file.extend([&[0; 3][..padding], &block_len].concat());
        } else {
            file.extend([&[0; 8][..], &len, &len, frame].concat());
        }
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_octets_never_panic(start in 0..4_usize, octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let starts: [&[u8]; 4] = [
            b"",
            b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0",
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        ];
        let _ = read(&[starts[start], &octets].concat());
    }

    #[test]
    fn damage_gives_no_frame_that_was_not_there_before_it(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
        ng: bool, at: prop::sample::Index, octet: u8,
    ) {
        let mut file = build(&frames, ng);
        let at = at.index(file.len());
        file[at] ^= octet;
        let whole_before = (0..frames.len()).take_while(|&count| build(&frames[..count + 1], ng).len() <= at).count();
        let seen = read(&file).map(|(seen, _)| seen).unwrap_or_default();
        // Damage in the header may make it another file; elsewhere the frames before it are as they were.
        if at >= build(&[], ng).len() {
            for (before, seen) in frames.iter().zip(&seen).take(whole_before) {
                prop_assert_eq!(before, &seen.4);
            }
            prop_assert!(seen.len() >= whole_before);
        }
    }

    #[test]
    fn a_cut_gives_a_prefix(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
        ng: bool, cut: prop::sample::Index, drip in 1..50_usize,
    ) {
        let file = build(&frames, ng);
        let cut = cut.index(file.len() + 1);
        let whole = (0..frames.len()).take_while(|&count| build(&frames[..count + 1], ng).len() <= cut).count();
        let opened = Reader::from_read("drip", Drip(Cursor::new(file[..cut].to_vec()), drip));
        let mut seen = Vec::new();
        let mut failed = opened.is_err();
        if let Ok(mut reader) = opened {
            loop {
                match reader.next() {
                    Ok(Some(frame)) => seen.push(frame.bytes.to_vec()),
                    Ok(None) => break,
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
            let at_border = (0..=frames.len()).any(|count| build(&frames[..count], ng).len() == cut);
            // A cut between the blocks before the first packet shows no less than one between packets.
            let between_headers = ng && cut == 28;
            prop_assert_eq!(reader.warning().is_none() && !failed, at_border || between_headers);
        }
        prop_assert_eq!(&seen[..], &frames[..whole]);
        prop_assert!(!failed || whole == 0);
    }
}
