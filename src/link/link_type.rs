//! Which link header a frame begins with.

use super::ip::Version;
use super::{DropReason, cooked, ethernet, loopback, ppp};
use crate::capture::LinkType;

/// Takes off the link header: what is left begins with an IP header.
#[inline]
pub(super) fn open(link_type: LinkType, frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    match link_type {
        LinkType::ETHERNET => ethernet::open(frame),
        LinkType::NULL | LinkType::LOOP => loopback::open(frame),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => by_version(frame),
        LinkType::IPV4 => Ok((Version::V4, frame)),
        LinkType::IPV6 => Ok((Version::V6, frame)),
        LinkType::LINUX_SLL => cooked::open_v1(frame),
        LinkType::LINUX_SLL2 => cooked::open_v2(frame),
        LinkType::PPP | LinkType::PPP_HDLC => ppp::open(frame),
        LinkType::CISCO_HDLC => ppp::open_cisco_hdlc(frame),
        LinkType::PPP_ETHER => ppp::open_over_ethernet(frame),
        _ => Err(DropReason::LinkType),
    }
}

/// Goes on with an IP header that nothing announced: its version field says which.
#[inline]
pub(super) fn by_version(packet: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    match packet.first().ok_or(DropReason::LinkMalformed)? >> 4 {
        4 => Ok((Version::V4, packet)),
        6 => Ok((Version::V6, packet)),
        _ => Err(DropReason::NotIp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &[u8] = b"\x45the rest of a packet";
    const V6: &[u8] = b"\x60the rest of a packet";

    fn check(link_type: LinkType, header: &[u8], version: Version, packet: &[u8]) {
        let frame = [header, packet].concat();
        assert_eq!(open(link_type, &frame), Ok((version, packet)), "{link_type:?} {header:02x?}");
        // No cut panics, and none gives a packet before the header is whole.
        for cut in 0..header.len() {
            assert!(open(link_type, &frame[..cut]).is_err(), "{link_type:?} {header:02x?} cut to {cut}");
        }
    }

    #[test]
    fn ethernet() {
        let check = |tags: &[u8], version, packet| {
            check(LinkType::ETHERNET, &[b"dst---src---", tags].concat(), version, packet);
        };
        check(b"\x08\x00", Version::V4, V4);
        check(b"\x86\xdd", Version::V6, V6);
        // 802.1Q, QinQ, 802.1ad outside of 802.1Q, and the vendors' outer tags.
        check(b"\x81\x00\x00\x05\x08\x00", Version::V4, V4);
        check(b"\x81\x00\x00\x05\x81\x00\x00\x06\x86\xdd", Version::V6, V6);
        check(b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00", Version::V4, V4);
        check(b"\x91\x00\x00\x05\x92\x00\x00\x06\x81\x00\x00\x07\x08\x00", Version::V4, V4);
        // LLC/SNAP.
        check(b"\x00\x40\xaa\xaa\x03\x00\x00\x00\x08\x00", Version::V4, V4);
        // PPPoE session, also in a VLAN.
        check(b"\x88\x64\x11\x00\x12\x34\x00\x40\x00\x21", Version::V4, V4);
        check(b"\x81\x00\x00\x05\x88\x64\x11\x00\x12\x34\x00\x40\x00\x57", Version::V6, V6);
        // One label, and three.
        check(b"\x88\x47\x00\x01\x01\x40", Version::V4, V4);
        check(b"\x88\x48\x00\x01\x00\x40\x00\x02\x00\x40\x00\x03\x01\x40", Version::V6, V6);
    }

    #[test]
    fn cooked() {
        check(LinkType::LINUX_SLL, b"\0\0\0\x01\0\x06\0\x0c\x29\0\0\0\0\0\x08\x00", Version::V4, V4);
        check(LinkType::LINUX_SLL, b"\0\x04\0\x01\0\x06\0\x0c\x29\0\0\0\0\0\x81\x00\0\x05\x86\xdd", Version::V6, V6);
        check(LinkType::LINUX_SLL2, b"\x86\xdd\0\0\0\0\0\x02\0\x01\0\x06\0\x0c\x29\0\0\0\0\0", Version::V6, V6);
    }

    #[test]
    fn loopback() {
        check(LinkType::NULL, b"\x02\0\0\0", Version::V4, V4);
        check(LinkType::NULL, b"\0\0\0\x02", Version::V4, V4);
        for family in [10, 24, 28, 30] {
            check(LinkType::NULL, &[family, 0, 0, 0], Version::V6, V6);
            check(LinkType::LOOP, &[0, 0, 0, family], Version::V6, V6);
        }
    }

    #[test]
    fn raw() {
        for link_type in [LinkType::RAW, LinkType::RAW_BSD, LinkType::RAW_OPENBSD] {
            check(link_type, b"", Version::V4, V4);
            check(link_type, b"", Version::V6, V6);
        }
        check(LinkType::IPV4, b"", Version::V4, V4);
        check(LinkType::IPV6, b"", Version::V6, V6);
    }

    #[test]
    fn ppp() {
        check(LinkType::PPP, b"\xff\x03\0\x21", Version::V4, V4);
        check(LinkType::PPP, b"\x00\x57", Version::V6, V6);
        check(LinkType::PPP_HDLC, b"\xff\x03\x21", Version::V4, V4);
        check(LinkType::PPP_HDLC, b"\x0f\0\x08\0", Version::V4, V4);
        check(LinkType::PPP, b"\xff\x03\x02\x81\0\x01\x01\x40", Version::V4, V4);
        check(LinkType::CISCO_HDLC, b"\x0f\0\x86\xdd", Version::V6, V6);
        check(LinkType::PPP_ETHER, b"\x11\0\x12\x34\0\x40\0\x21", Version::V4, V4);
    }

    #[test]
    fn what_is_not_ip() {
        let arp = b"dst---src---\x08\x06\x00\x01";
        assert_eq!(open(LinkType::ETHERNET, arp), Err(DropReason::NotIp));
        let spanning_tree = b"dst---src---\x00\x26\x42\x42\x03\x00\x00\x00";
        assert_eq!(open(LinkType::ETHERNET, spanning_tree), Err(DropReason::NotIp));
        let discovery = b"dst---src---\x88\x64\x11\x09\x00\x00\x00\x04\x00\x21";
        assert_eq!(open(LinkType::ETHERNET, discovery), Err(DropReason::NotIp));
        assert_eq!(open(LinkType::NULL, b"\x07\0\0\0\x45"), Err(DropReason::NotIp));
        assert_eq!(open(LinkType(105), b"\x08\0\0\0"), Err(DropReason::LinkType));
    }

    #[test]
    fn stacks_of_tags_are_bounded() {
        let mut frame = b"dst---src---".to_vec();
        for _ in 0..9 {
            frame.extend_from_slice(b"\x81\x00\x00\x05");
        }
        frame.extend_from_slice(b"\x08\x00\x45");
        assert_eq!(open(LinkType::ETHERNET, &frame), Err(DropReason::TooDeep));
        let labels = [b"dst---src---\x88\x47".as_slice(), &b"\0\x01\0\x40".repeat(9), b"\0\x01\x01\x40\x45"].concat();
        assert_eq!(open(LinkType::ETHERNET, &labels), Err(DropReason::TooDeep));
    }
}
