//! What decoding took and gave, and when it gives too much.

use apitap_detectors::exchange::Anomalies;

/// Output that is free of the ratio limit, in bytes.
const FREE_OUTPUT: u64 = 8 << 20;
/// How many octets of output one octet of input may give past [`FREE_OUTPUT`]; text seldom passes 30.
const MAX_RATIO: u64 = 200;
/// How much output one message may give, in bytes.
const MAX_OUTPUT: u64 = 1 << 30;

/// What went in and came out.
#[derive(Default)]
pub(super) struct Meter {
    pub(super) taken: u64,
    pub(super) given: u64,
    pub(super) outcome: Outcome,
    pub(super) extent: Extent,
    /// Nothing more is decoded.
    pub(super) stopped: bool,
}

impl Meter {
    /// Counts output, and says whether it is within the limits.
    pub(super) fn allow(&mut self, octets: usize) -> bool {
        self.given = self.given.saturating_add(octets as u64);
        let ratio_limit = FREE_OUTPUT.max(self.taken.saturating_mul(MAX_RATIO));
        if self.given > ratio_limit.min(MAX_OUTPUT) {
            self.outcome.fail(Anomalies::DECOMPRESSION_LIMIT);
            self.stopped = true;
        }
        !self.stopped
    }
}

/// Whether the octets that are judged are all there are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Extent {
    #[default]
    Beginning,
    Whole,
}

/// What stopped or marred the decoding of content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Outcome {
    /// What was odd.
    pub(in crate::http) anomalies: Anomalies,
    /// Octets were seen that could not be decoded.
    pub(in crate::http) undecoded: bool,
}

impl Outcome {
    pub(super) fn odd(&mut self, anomaly: Anomalies) {
        self.anomalies.insert(anomaly);
    }

    pub(super) fn fail(&mut self, anomaly: Anomalies) {
        self.anomalies.insert(anomaly);
        self.undecoded = true;
    }
}
