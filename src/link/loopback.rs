//! The BSD loopback header: the protocol family as the capturing system numbers it.

use super::DropReason;
use super::ip::Version;

/// In the capturing machine's byte order (`LINKTYPE_NULL`) or in network order (`LINKTYPE_LOOP`). No family is larger than
/// an octet, so the order need not be known.
pub(super) fn open(frame: &[u8]) -> Result<(Version, &[u8]), DropReason> {
    let (family, packet) = frame.split_first_chunk().ok_or(DropReason::LinkMalformed)?;
    match family {
        [family, 0, 0, 0] | [0, 0, 0, family] => match family {
            2 => Ok((Version::V4, packet)),
            // Linux; NetBSD and OpenBSD; FreeBSD; Darwin.
            10 | 24 | 28 | 30 => Ok((Version::V6, packet)),
            _ => Err(DropReason::NotIp),
        },
        _ => Err(DropReason::NotIp),
    }
}
