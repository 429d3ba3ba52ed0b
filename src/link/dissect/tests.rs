use proptest::prelude::*;

use super::super::{Address, Checksum, Segment, Socket, TcpFlags, spread};
use super::*;
use crate::tcp::SeqNumber;

const SRC: [u8; 4] = [192, 0, 2, 1];
const DST: [u8; 4] = [198, 51, 100, 2];
const SRC_V6: [u8; 16] = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
const DST_V6: [u8; 16] = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02";

/// From port 1025 to port 80, sequence number 0x01020304, acknowledging 0x05060708 with PSH and ACK, no options; the
/// checksum is zero.
const HEADER: &[u8] = b"\x04\x01\0\x50\x01\x02\x03\x04\x05\x06\x07\x08\x50\x18\x10\0\0\0\0\0";

fn tcp(payload: &[u8]) -> Vec<u8> {
    [HEADER, payload].concat()
}

/// A TCP header with twelve octets of options.
fn tcp_with_options(payload: &[u8]) -> Vec<u8> {
    let mut segment = [HEADER, b"\x01\x01\x08\x0a\0\0\0\x01\0\0\0\x02", payload].concat();
    segment[12] = 0x80;
    segment
}

fn ones_complement(octets: &[u8]) -> u16 {
    octets.chunks(2).fold(0_u32, |sum, pair| {
        let sum = sum + (u32::from(pair[0]) << 8) + u32::from(*pair.get(1).unwrap_or(&0));
        (sum & 0xffff) + (sum >> 16)
    }) as u16
}

fn with_checksum(addresses: &[u8], mut segment: Vec<u8>) -> Vec<u8> {
    let pseudo_header = [addresses, &[0, 6], &(segment.len() as u16).to_be_bytes(), &segment].concat();
    let checksum = !ones_complement(&pseudo_header);
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
    segment
}

fn ipv4_part(protocol: u8, flags_and_offset: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = b"\x45\0\0\0\x12\x34\0\0\x40\0\0\0".to_vec();
    header[2..4].copy_from_slice(&(payload.len() as u16 + 20).to_be_bytes());
    header[6..8].copy_from_slice(&flags_and_offset.to_be_bytes());
    header[9] = protocol;
    header.extend([SRC, DST].concat());
    let checksum = !ones_complement(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&header[..], payload].concat()
}

fn ipv4(segment: Vec<u8>) -> Vec<u8> {
    ipv4_part(6, 0x4000, &with_checksum(&[SRC, DST].concat(), segment))
}

fn ipv6_part(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    [b"\x60\0\0\0", &len[..], &[next_header, 64], &SRC_V6, &DST_V6, payload].concat()
}

/// With these extension headers, the first of which is of the kind given.
fn ipv6(first: u8, extensions: &[u8], segment: Vec<u8>) -> Vec<u8> {
    let segment = with_checksum(&[SRC_V6, DST_V6].concat(), segment);
    ipv6_part(first, &[extensions, &segment].concat())
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet.first().is_some_and(|octet| octet >> 4 == 6) { b"\x86\xdd" } else { b"\x08\x00" };
    [b"dst---src---", &ether_type[..], packet].concat()
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    Frame {
        timestamp: Timestamp::default(),
        link_type: LinkType::ETHERNET,
        interface: 0,
        original_len: bytes.len() as u32,
        bytes,
    }
}

/// Dissects one packet on Ethernet that had `cut` octets more on the wire.
fn dissect_cut(packet: &[u8], cut: u32, check: impl FnOnce(Outcome<'_>)) {
    let bytes = ethernet(packet);
    let mut dissector = Dissector::default();
    let mut frame = frame(&bytes);
    frame.original_len += cut;
    check(dissector.dissect(&frame));
    assert!(dissector.counters().is_balanced());
}

#[track_caller]
fn segment_of(packet: &[u8], check: impl FnOnce(Segment<'_>)) {
    dissect_cut(packet, 0, |outcome| match outcome {
        Outcome::Segment(segment) => check(segment),
        other => panic!("{other:?}"),
    });
}

#[track_caller]
fn dropped(packet: &[u8]) -> DropReason {
    dropped_cut(packet, 0)
}

#[track_caller]
fn dropped_cut(packet: &[u8], cut: u32) -> DropReason {
    let mut reason = None;
    dissect_cut(packet, cut, |outcome| match outcome {
        Outcome::Dropped(because) => reason = Some(because),
        other => panic!("{other:?}"),
    });
    reason.unwrap()
}

#[test]
fn fields_of_a_segment() {
    segment_of(&ipv4(tcp(b"octets")), |segment| {
        assert_eq!(segment.overlay, Overlay::NONE);
        assert_eq!(segment.src, Socket { address: Address::v4(SRC), port: 1025 });
        assert_eq!(segment.dst.to_std().to_string(), "198.51.100.2:80");
        assert_eq!(segment.seq, SeqNumber(0x0102_0304));
        assert_eq!(segment.ack, Some(SeqNumber(0x0506_0708)));
        assert_eq!(segment.flags, TcpFlags(0x18));
        assert_eq!(segment.payload, b"octets");
        assert_eq!(segment.snapped, 0);
        assert_eq!(segment.checksum, Checksum::Valid);
    });
    segment_of(&ipv6(6, b"", tcp_with_options(b"octets")), |segment| {
        assert_eq!(segment.src.to_std().to_string(), "[2001:db8::1]:1025");
        assert_eq!(segment.payload, b"octets");
        assert_eq!(segment.checksum, Checksum::Valid);
    });
}

#[test]
fn without_the_flag_there_is_no_acknowledgment() {
    let mut segment = tcp(b"");
    segment[13] = TcpFlags::SYN;
    segment_of(&ipv4(segment), |segment| {
        assert_eq!(segment.ack, None);
        assert_eq!(segment.sequence_len(), 1);
    });
}

#[test]
fn padding_is_gone() {
    segment_of(&[&ipv4(tcp(b"x"))[..], b"padding"].concat(), |segment| {
        assert_eq!(segment.payload, b"x");
        assert_eq!(segment.checksum, Checksum::Valid);
    });
    segment_of(&[&ipv6(6, b"", tcp(b""))[..], b"padding"].concat(), |segment| assert_eq!(segment.payload, b""));
}

#[test]
fn ipv4_options() {
    let mut packet = ipv4(tcp(b"octets"));
    packet.splice(20..20, *b"\x94\x04\0\0");
    packet[0] = 0x46;
    packet[3] += 4;
    segment_of(&packet, |segment| assert_eq!(segment.payload, b"octets"));
}

#[test]
fn no_length_means_all_there_is() {
    let mut packet = ipv4(tcp(b"offloaded"));
    packet[2..4].fill(0);
    segment_of(&packet, |segment| assert_eq!(segment.payload, b"offloaded"));
    let mut packet = ipv6(6, b"", tcp(b"offloaded"));
    packet[4..6].fill(0);
    segment_of(&packet, |segment| assert_eq!(segment.payload, b"offloaded"));
}

#[test]
fn snapped_at_every_octet() {
    for (packet, headers) in [(ipv4(tcp_with_options(b"octets")), 20), (ipv6(6, b"", tcp_with_options(b"octets")), 40)]
    {
        for kept in 0..packet.len() {
            let cut = (packet.len() - kept) as u32;
            if kept < headers + 20 {
                assert_eq!(dropped_cut(&packet[..kept], cut), DropReason::Snapped, "{kept}");
                continue;
            }
            // From a mirror that truncates, the frame's length is the truncated one.
            for told in [cut, 0] {
                dissect_cut(&packet[..kept], told, |outcome| {
                    let Outcome::Segment(segment) = outcome else { panic!("{outcome:?}") };
                    assert_eq!(segment.payload, packet.get(headers + 32..kept).unwrap_or_default());
                    assert_eq!(segment.payload_len(), 6);
                    assert_eq!(segment.checksum, Checksum::Unknown);
                });
            }
        }
    }
}

#[test]
fn extension_headers() {
    let hop_by_hop = b"\x3c\0\x05\x02\0\0\0\0";
    let destination = b"\x2b\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let routing = b"\x2c\0\0\0\0\0\0\0";
    let atomic = b"\x33\0\0\0\x12\x34\x56\x78";
    let authentication = b"\x06\x01\0\0\0\0\0\0\0\0\0\0";
    let chain = [&hop_by_hop[..], destination, routing, atomic, authentication].concat();
    let packet = ipv6(0, &chain, tcp(b"octets"));
    segment_of(&packet, |segment| {
        assert_eq!(segment.payload, b"octets");
        assert_eq!(segment.checksum, Checksum::Valid);
    });
    for kept in 0..40 + chain.len() {
        assert_eq!(dropped_cut(&packet[..kept], (packet.len() - kept) as u32), DropReason::Snapped, "{kept}");
    }
    // In IPv4 there is only this one.
    let payload = [&authentication[..], &tcp(b"octets")].concat();
    segment_of(&ipv4_part(51, 0, &payload), |segment| assert_eq!(segment.payload, b"octets"));
}

#[test]
fn the_checksum_on_the_way_to_another_destination_is_not_known() {
    let packet = ipv6(43, b"\x06\0\0\x01\0\0\0\0", tcp(b""));
    segment_of(&packet, |segment| assert_eq!(segment.checksum, Checksum::Unknown));
}

#[test]
fn contradictions() {
    // IP: header length, total length, version, an extension header that is longer than its packet, too many of them.
    let good = ipv4(tcp(b""));
    let with = |at: usize, octet: u8| {
        let mut packet = good.clone();
        packet[at] = octet;
        packet
    };
    assert_eq!(dropped(&with(0, 0x44)), DropReason::IpMalformed);
    assert_eq!(dropped(&with(0, 0x55)), DropReason::IpMalformed);
    assert_eq!(dropped(&with(3, 19)), DropReason::IpMalformed);
    assert_eq!(dropped(&good[..19]), DropReason::IpMalformed);
    assert_eq!(dropped(&ipv6_part(0, b"\x06\xff\0\0\0\0\0\0")), DropReason::IpMalformed);
    assert_eq!(dropped(&ipv6_part(60, &b"\x3c\0\0\0\0\0\0\0".repeat(20))), DropReason::TooDeep);
    // TCP: data offset below the header, past the packet; a header that is not there.
    assert_eq!(dropped(&with(32, 0x40)), DropReason::TcpMalformed);
    assert_eq!(dropped(&with(32, 0x60)), DropReason::TcpMalformed);
    assert_eq!(dropped(&ipv4_part(6, 0, &[0; 19])), DropReason::TcpMalformed);
}

#[test]
fn other_protocols() {
    assert_eq!(dropped(&ipv4_part(17, 0, &[0; 20])), DropReason::NotTcp);
    assert_eq!(dropped(&ipv4_part(17, 0x2000, &[0; 24])), DropReason::NotTcp);
    assert_eq!(dropped(&ipv6_part(59, b"")), DropReason::NotTcp);
}

#[test]
fn checksums() {
    let mut bad_segment = ipv4(tcp(b"octets"));
    bad_segment[45] ^= 1;
    segment_of(&bad_segment, |segment| assert_eq!(segment.checksum, Checksum::Invalid));
    let mut bad_header = ipv4(tcp(b"octets"));
    bad_header[8] ^= 1;
    segment_of(&bad_header, |segment| assert_eq!(segment.checksum, Checksum::Invalid));

    let bytes = ethernet(&bad_segment);
    let mut ignoring = Dissector::new(Options { checksums: ChecksumPolicy::Ignore, ..Options::default() });
    let Outcome::Segment(segment) = ignoring.dissect(&frame(&bytes)) else { panic!() };
    assert_eq!(segment.checksum, Checksum::Unknown);
    assert_eq!(ignoring.counters().segments_checksum_bad, 0);
}

#[test]
fn urgent_data_is_data() {
    let mut segment = tcp(b"octets");
    segment[13] |= 0x20;
    let bytes = ethernet(&ipv4(segment));
    let mut dissector = Dissector::default();
    let Outcome::Segment(segment) = dissector.dissect(&frame(&bytes)) else { panic!() };
    assert_eq!(segment.payload, b"octets");
    assert_eq!(dissector.counters().segments_urgent, 1);
}

#[test]
fn unknown_link_types_are_remembered_once() {
    let mut dissector = Dissector::default();
    for link_type in [105, 147, 105] {
        let frame = Frame { link_type: LinkType(link_type), ..frame(b"octets") };
        assert!(matches!(dissector.dissect(&frame), Outcome::Dropped(DropReason::LinkType)));
    }
    assert_eq!(dissector.unknown_link_types(), [LinkType(105), LinkType(147)]);
    assert_eq!(dissector.counters().frames_dropped_link_type, 3);
}

#[test]
fn fragments_of_a_fragment() {
    // The first fragment's payload is a fragment header again.
    let first = ipv6_part(44, b"\x2c\0\0\x01\0\0\0\x01\x06\0\0\x01\0\0\0\x02");
    let second = ipv6_part(44, b"\x2c\0\0\x08\0\0\0\x01octets");
    let mut dissector = Dissector::default();
    assert!(matches!(dissector.dissect(&frame(&ethernet(&first))), Outcome::Held));
    let bytes = ethernet(&second);
    assert!(matches!(dissector.dissect(&frame(&bytes)), Outcome::Dropped(DropReason::IpMalformed)));
    assert!(dissector.counters().is_balanced());
}

#[test]
fn counters_merge() {
    let bytes = ethernet(&ipv4(tcp(b"")));
    let mut one = Dissector::default();
    one.dissect(&frame(&bytes));
    let mut two = Dissector::default();
    two.dissect(&frame(&bytes));
    two.dissect(&frame(&ethernet(&ipv4_part(6, 0x2000, b"fragment"))));
    two.dissect(&frame(b"short"));
    let mut merged = one.counters();
    merged.merge(&two.counters());
    assert_eq!((merged.frames_received, merged.segments_dissected), (4, 2));
    assert_eq!((merged.fragments.frames_held, merged.frames_dropped_link_malformed), (1, 1));
    assert!(merged.is_balanced());
}

/// Cuts a payload at multiples of eight octets, as a router does, into IPv4 or IPv6 fragments.
fn fragment(payload: &[u8], units: usize, v6: bool) -> Vec<Vec<u8>> {
    let count = payload.len().div_ceil(units * 8);
    let part = |(index, part): (usize, &[u8])| {
        let (offset, more) = ((index * units) as u16, u16::from(index + 1 < count));
        if v6 {
            let [high, low] = (offset << 3 | more).to_be_bytes();
            ipv6_part(44, &[&[6, 0, high, low, 0, 0, 0, 9], part].concat())
        } else {
            ipv4_part(6, offset | more << 13, part)
        }
    };
    payload.chunks(units * 8).enumerate().map(part).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_fragmentation_gives_the_segment(
        octets in proptest::collection::vec(any::<u8>(), 1..300), units in 1..6_usize, v6: bool,
        order in proptest::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let addresses = if v6 { [SRC_V6, DST_V6].concat() } else { [SRC, DST].concat() };
        let mut parts = fragment(&with_checksum(&addresses, tcp(&octets)), units, v6);
        let count = parts.len();
        for (at, index) in (1..count).zip(order) {
            parts.swap(at, index.index(at + 1));
        }
        let mut dissector = Dissector::default();
        for (at, part) in parts.iter().enumerate() {
            let bytes = ethernet(part);
            match dissector.dissect(&frame(&bytes)) {
                Outcome::Segment(segment) => {
                    prop_assert_eq!(at + 1, count);
                    prop_assert_eq!(segment.payload, &octets[..]);
                    prop_assert_eq!(segment.checksum, Checksum::Valid);
                }
                Outcome::Held => prop_assert!(at + 1 < count),
                Outcome::Dropped(reason) => prop_assert!(false, "{:?}", reason),
            }
            prop_assert!(dissector.counters().is_balanced());
        }
        prop_assert_eq!(dissector.counters().segments_dissected, 1);
    }

    #[test]
    fn hostile_octets_are_accounted_for(
        frames in proptest::collection::vec(
            (any::<bool>(), 0..14_usize, 0..100_u32, proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
             proptest::collection::vec(any::<u8>(), 0..80)),
            1..30,
        ),
    ) {
        const LINK_TYPES: [u16; 14] = [0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 228, 276];
        let mut dissector = Dissector::default();
        for (noise, link_type, original_len, flips, octets) in frames {
            // Noise, or a good packet, or a fragment, with a few octets changed.
            let mut bytes = match (noise, octets.len() % 3) {
                (true, _) => octets,
                (false, 0) => ethernet(&ipv4(tcp(&octets))),
                (false, 1) => ethernet(&ipv6(0, b"\x3c\0\x05\x02\0\0\0\0\x06\0\x05\x02\0\0\0\0", tcp(&octets))),
                (false, _) => ethernet(&fragment(&tcp(&octets), 1, octets.len() % 2 == 0)[0]),
            };
            for (at, octet) in flips {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = octet;
                }
            }
            let link_type = LinkType(if noise { LINK_TYPES[link_type] } else { 1 });
            let frame = Frame { link_type, original_len, ..frame(&bytes) };
            if let Outcome::Segment(segment) = dissector.dissect(&frame) {
                prop_assert!(segment.payload.len() <= 65_535);
            }
            prop_assert!(dissector.counters().is_balanced());
        }
    }

    #[test]
    fn spread_does_not_mind_the_direction(
        src: [u8; 16], dst: [u8; 16], ports: [u16; 2], overlay: u32,
    ) {
        let bytes = ethernet(&ipv4(tcp(b"")));
        let mut dissector = Dissector::default();
        let Outcome::Segment(segment) = dissector.dissect(&frame(&bytes)) else { panic!() };
        let there = Segment {
            overlay: Overlay(overlay),
            src: Socket { address: Address::v6(src), port: ports[0] },
            dst: Socket { address: Address::v6(dst), port: ports[1] },
            ..segment
        };
        let back = Segment { src: there.dst, dst: there.src, ..there };
        prop_assert_eq!(spread(&there), spread(&back));
    }
}

#[test]
fn spread_is_even() {
    let bytes = ethernet(&ipv4(tcp(b"")));
    let mut dissector = Dissector::default();
    let Outcome::Segment(segment) = dissector.dissect(&frame(&bytes)) else { panic!() };
    let mut workers = [0_u32; 4];
    for client in 0..40_u8 {
        for port in 0..100 {
            let src = Socket { address: Address::v4([10, 0, 0, client]), port: 40_000 + port };
            workers[(spread(&Segment { src, ..segment }) % 4) as usize] += 1;
        }
    }
    assert!(workers.iter().all(|count| (900..1100).contains(count)), "{workers:?}");
}
