//! What became of the frames, in numbers.

use serde::Serialize;

use super::{Checksum, FragmentCounters, Outcome, tcp};

/// Counts of the link stage.
///
/// `frames_received = segments_dissected + frames_merged + frames_held + every frames_dropped_*`;
/// [`Counters::is_balanced`] says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Frames given to the dissector.
    pub frames_received: u64,
    /// TCP segments that came out.
    pub segments_dissected: u64,
    /// Segments of which the snap length cut something off.
    pub segments_snapped: u64,
    /// Segments whose checksum (or whose IPv4 header's) is wrong. Dropping them is the next stage's decision.
    pub segments_checksum_bad: u64,
    /// Segments with the URG flag; their data is taken as any other.
    pub segments_urgent: u64,
    /// Frames of a link type that is not known here.
    pub frames_dropped_link_type: u64,
    /// Frames whose link header is cut off or contradicts itself.
    pub frames_dropped_link_malformed: u64,
    /// Frames with too many VLAN tags or labels.
    pub frames_dropped_too_deep: u64,
    /// Frames that carry neither IPv4 nor IPv6.
    pub frames_dropped_not_ip: u64,
    /// Packets whose IP header contradicts itself.
    pub frames_dropped_ip_malformed: u64,
    /// Packets that carry something else than TCP.
    pub frames_dropped_not_tcp: u64,
    /// Segments whose TCP header contradicts itself.
    pub frames_dropped_tcp_malformed: u64,
    /// Frames that the snap length cut off within their headers.
    pub frames_dropped_snapped: u64,
    /// The counts of fragments, which are among the frames.
    #[serde(flatten)]
    pub fragments: FragmentCounters,
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
    /// A fragment of no use; the counts of fragments say why.
    Fragment,
}

impl Counters {
    /// Counts what became of a frame.
    #[inline]
    pub(super) fn count(&mut self, outcome: &Outcome<'_>) {
        self.frames_received += 1;
        match outcome {
            Outcome::Segment(segment) => {
                self.segments_dissected += 1;
                self.segments_snapped += u64::from(segment.snapped > 0);
                self.segments_checksum_bad += u64::from(segment.checksum == Checksum::Invalid);
                self.segments_urgent += u64::from(tcp::is_urgent(segment.flags));
            }
            Outcome::Dropped(reason) => self.drop(*reason),
            Outcome::Held => {}
        }
    }

    fn drop(&mut self, reason: DropReason) {
        let counter = match reason {
            DropReason::LinkType => &mut self.frames_dropped_link_type,
            DropReason::LinkMalformed => &mut self.frames_dropped_link_malformed,
            DropReason::TooDeep => &mut self.frames_dropped_too_deep,
            DropReason::NotIp => &mut self.frames_dropped_not_ip,
            DropReason::IpMalformed => &mut self.frames_dropped_ip_malformed,
            DropReason::NotTcp => &mut self.frames_dropped_not_tcp,
            DropReason::TcpMalformed => &mut self.frames_dropped_tcp_malformed,
            DropReason::Snapped => &mut self.frames_dropped_snapped,
            // Counted where fragments are put together.
            DropReason::Fragment => return,
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
            + self.fragments.frames_dropped()
    }

    /// Whether every frame is accounted for.
    pub fn is_balanced(&self) -> bool {
        let merged_or_held = self.fragments.frames_merged + self.fragments.frames_held;
        self.frames_received == self.segments_dissected + merged_or_held + self.frames_dropped()
    }

    /// Adds another dissector's counts.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            frames_received,
            segments_dissected,
            segments_snapped,
            segments_checksum_bad,
            segments_urgent,
            frames_dropped_link_type,
            frames_dropped_link_malformed,
            frames_dropped_too_deep,
            frames_dropped_not_ip,
            frames_dropped_ip_malformed,
            frames_dropped_not_tcp,
            frames_dropped_tcp_malformed,
            frames_dropped_snapped,
            fragments,
        } = other;
        self.frames_received += frames_received;
        self.segments_dissected += segments_dissected;
        self.segments_snapped += segments_snapped;
        self.segments_checksum_bad += segments_checksum_bad;
        self.segments_urgent += segments_urgent;
        self.frames_dropped_link_type += frames_dropped_link_type;
        self.frames_dropped_link_malformed += frames_dropped_link_malformed;
        self.frames_dropped_too_deep += frames_dropped_too_deep;
        self.frames_dropped_not_ip += frames_dropped_not_ip;
        self.frames_dropped_ip_malformed += frames_dropped_ip_malformed;
        self.frames_dropped_not_tcp += frames_dropped_not_tcp;
        self.frames_dropped_tcp_malformed += frames_dropped_tcp_malformed;
        self.frames_dropped_snapped += frames_dropped_snapped;
        self.fragments.merge(fragments);
    }
}
