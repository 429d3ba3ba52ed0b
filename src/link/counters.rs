//! What became of the frames, in numbers.

use crate::counters::counters;

counters! {
    /// Counts of the link stage.
    ///
    /// `frames_received = segments_dissected + every frames_dropped_*`; [`Counters::is_balanced`] says so.
    pub struct Counters {
        /// Frames given to the dissector.
        pub frames_received,
        /// TCP segments that came out.
        pub segments_dissected,
        /// Segments of which the snap length cut something off.
        pub segments_snapped,
        /// Segments whose checksum (or whose IPv4 header's) is wrong. Dropping them is the next stage's decision.
        pub segments_checksum_bad,
        /// Segments with the URG flag; their data is taken as any other.
        pub segments_urgent,
        /// Frames of a link type that is not known here.
        pub frames_dropped_link_type,
        /// Frames whose link header is cut off or contradicts itself.
        pub frames_dropped_link_malformed,
        /// Frames with too many VLAN tags or labels.
        pub frames_dropped_too_deep,
        /// Frames that carry neither IPv4 nor IPv6.
        pub frames_dropped_not_ip,
        /// Packets whose IP header contradicts itself.
        pub frames_dropped_ip_malformed,
        /// Packets that carry something else than TCP.
        pub frames_dropped_not_tcp,
        /// Segments whose TCP header contradicts itself.
        pub frames_dropped_tcp_malformed,
        /// Frames that the snap length cut off within their headers.
        pub frames_dropped_snapped,
        /// Fragments of packets.
        pub frames_dropped_fragment,
    }
}

/// Why a frame gave no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The link type is not known here.
    LinkType,
    /// The link header is cut off or contradicts itself.
    LinkMalformed,
    /// Too many VLAN tags or labels.
    TooDeep,
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// The IP header contradicts itself.
    IpMalformed,
    /// Not TCP.
    NotTcp,
    /// The TCP header contradicts itself.
    TcpMalformed,
    /// The snap length cut it off within its headers.
    Snapped,
    /// A fragment.
    Fragment,
}

impl Counters {
    /// Counts a dropped frame.
    pub(super) fn drop(&mut self, reason: DropReason) {
        let counter = match reason {
            DropReason::LinkType => &mut self.frames_dropped_link_type,
            DropReason::LinkMalformed => &mut self.frames_dropped_link_malformed,
            DropReason::TooDeep => &mut self.frames_dropped_too_deep,
            DropReason::NotIp => &mut self.frames_dropped_not_ip,
            DropReason::IpMalformed => &mut self.frames_dropped_ip_malformed,
            DropReason::NotTcp => &mut self.frames_dropped_not_tcp,
            DropReason::TcpMalformed => &mut self.frames_dropped_tcp_malformed,
            DropReason::Snapped => &mut self.frames_dropped_snapped,
            DropReason::Fragment => &mut self.frames_dropped_fragment,
        };
        *counter += 1;
    }

    /// All frames that were dropped.
    pub fn frames_dropped(&self) -> u64 {
        self.frames_dropped_link_type
            + self.frames_dropped_link_malformed
            + self.frames_dropped_too_deep
            + self.frames_dropped_not_ip
            + self.frames_dropped_ip_malformed
            + self.frames_dropped_not_tcp
            + self.frames_dropped_tcp_malformed
            + self.frames_dropped_snapped
            + self.frames_dropped_fragment
    }

    /// Whether every frame is accounted for.
    pub fn is_balanced(&self) -> bool {
        self.frames_received == self.segments_dissected + self.frames_dropped()
    }
}
