//! The content of one message: decoded, kept up to the inspection limit, and past it scanned in windows.

use std::fmt;

use apitap_detectors::exchange::{self, Anomalies, Octets};
use apitap_detectors::scan::{Scanner, WindowScan};
use sha2::{Digest, Sha256};

use super::budget::Budget;
use super::coding::{Codings, Decoder};
use super::{Limits, Shared};

/// What taking content needs from its surroundings.
pub(super) struct Means<'a> {
    pub(super) limits: &'a Limits,
    pub(super) scanner: &'a Scanner,
    pub(super) shared: &'a mut Shared,
}

/// The content of one message, as far as it has come.
#[derive(Default)]
pub(super) struct Content {
    /// Decoded, up to the inspection limit.
    bytes: Vec<u8>,
    /// Decoded octets in all.
    len: u64,
    /// Octets as sent, transfer coding removed.
    wire_len: u64,
    /// The content codings still to be removed.
    decoder: Option<Box<Decoder>>,
    /// The scan of what is not kept.
    beyond: Option<Box<WindowScan>>,
    digest: Option<Box<Sha256>>,
    sha256: Option<[u8; 32]>,
    /// Bytes charged to the worker's content budget.
    charged: usize,
    /// Octets were seen that are not among the decoded ones.
    undecoded: bool,
    /// Octets are missing.
    holed: bool,
    anomalies: Anomalies,
}

/// Shows how many octets there are, and not what they are.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("bytes", &Octets::of(&self.bytes))
            .field("len", &self.len)
            .field("wire_len", &self.wire_len)
            .field("decoder", &self.decoder)
            .field("beyond", &self.beyond)
            .field("undecoded", &self.undecoded)
            .field("holed", &self.holed)
            .finish_non_exhaustive()
    }
}

impl Content {
    /// How large a buffer may be to be kept for the next message, in bytes.
    pub(super) const KEEP: usize = 128 * 1024;

    /// Gets ready for content with these codings.
    pub(super) fn begin(&mut self, means: &mut Means<'_>, codings: &Codings) {
        self.undecoded = codings.has_unknown();
        if !codings.is_identity() {
            self.decoder = Some(means.shared.coders.decoder(codings));
        }
        if means.limits.hash_content {
            self.digest = Some(Box::default());
        }
    }

    /// Takes the next octets as sent, transfer coding removed.
    pub(super) fn push(&mut self, means: &mut Means<'_>, bytes: &[u8]) {
        self.wire_len = self.wire_len.saturating_add(bytes.len() as u64);
        let Some(mut decoder) = self.decoder.take() else {
            return self.accept(means.limits, means.scanner, &mut means.shared.budget, bytes);
        };
        if self.holed {
            // Behind a hole the codings make no sense any more.
            self.undecoded = true;
        } else {
            let Shared { coders, budget, .. } = &mut *means.shared;
            decoder.push(coders, bytes, &mut |decoded| {
                self.accept(means.limits, means.scanner, budget, decoded);
            });
            let held = decoder.held();
            if held > 0 && !budget.charge_content(&mut self.charged, self.bytes.len() + held) {
                // The budget is spent, and this decoder would hold more of it.
                self.undecoded = true;
                self.holed = true;
                coders.recycle(decoder);
                self.decoder = Some(coders.decoder(&Codings::default()));
                return;
            }
        }
        self.decoder = Some(decoder);
    }

    /// Passes over octets that are missing.
    pub(super) fn gap(&mut self) {
        self.holed = true;
        self.undecoded |= self.decoder.is_some();
    }

    /// Notes that octets of the content were seen but could not be told from what frames them.
    pub(super) fn lose(&mut self, octets: usize) {
        self.wire_len = self.wire_len.saturating_add(octets as u64);
        self.undecoded = true;
    }

    /// The content has ended; `whole` says whether all of it was seen. May be called again.
    pub(super) fn finish(&mut self, means: &mut Means<'_>, whole: bool) {
        if let Some(mut decoder) = self.decoder.take() {
            if !self.holed {
                let Shared { coders, budget, .. } = &mut *means.shared;
                decoder.finish(coders, &mut |decoded| {
                    self.accept(means.limits, means.scanner, budget, decoded);
                });
                let outcome = decoder.outcome();
                self.anomalies.insert(outcome.anomalies);
                self.undecoded |= outcome.undecoded;
            }
            means.shared.coders.recycle(decoder);
        }
        if let Some(beyond) = &mut self.beyond {
            beyond.finish(means.scanner);
        }
        if let Some(digest) = self.digest.take() {
            let failed = self.anomalies.contains(Anomalies::DECOMPRESSION_LIMIT)
                || (self.undecoded && self.anomalies.contains(Anomalies::CORRUPT_CODING));
            if whole && !self.holed && !failed && self.wire_len > 0 {
                self.sha256 = Some(digest.finalize().into());
            }
        }
    }

    /// What was odd about the content codings.
    pub(super) fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// Whether content went past the limit, and whether some was not decoded.
    pub(super) fn shortfall(&self) -> exchange::Completeness {
        let mut shortfall = exchange::Completeness::none();
        if self.beyond.is_some() {
            shortfall.insert(exchange::Completeness::SCANNED_ONLY);
        }
        if self.undecoded {
            shortfall.insert(exchange::Completeness::UNDECODED);
        }
        shortfall
    }

    /// The content for the detectors.
    pub(super) fn view(&self) -> exchange::Content<'_> {
        exchange::Content {
            bytes: &self.bytes,
            len: self.len,
            wire_len: self.wire_len,
            undecoded: self.undecoded,
            beyond: self.beyond.as_deref().map(WindowScan::tally),
            sha256: self.sha256,
        }
    }

    /// Empties it for the next message; gives back what it held.
    pub(super) fn reset(&mut self, shared: &mut Shared) {
        if let Some(decoder) = self.decoder.take() {
            shared.coders.recycle(decoder);
        }
        shared.budget.release(self.charged);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        if bytes.capacity() > Self::KEEP {
            bytes = Vec::new();
        }
        *self = Self { bytes, ..Self::default() };
    }

    /// Takes decoded octets.
    fn accept(&mut self, limits: &Limits, scanner: &Scanner, budget: &mut Budget, bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len() as u64);
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        let mut rest = bytes;
        if self.beyond.is_none() {
            let room = limits.inspection.saturating_sub(self.bytes.len()).min(bytes.len());
            let kept = if budget.charge_content(&mut self.charged, self.bytes.len() + room) { room } else { 0 };
            let (now, later) = bytes.split_at(kept);
            self.bytes.extend_from_slice(now);
            rest = later;
        }
        if !rest.is_empty() {
            self.beyond.get_or_insert_with(|| Box::new(WindowScan::after(scanner, &self.bytes))).push(scanner, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn codings(declared: &str) -> Codings {
        let mut codings = Codings::default();
        if !declared.is_empty() {
            codings.note(declared.as_bytes());
        }
        codings
    }

    struct Rig {
        limits: Limits,
        scanner: Scanner,
        shared: Shared,
        content: Content,
    }

    impl Rig {
        fn new(limits: Limits, declared: &str) -> Self {
            let shared = Shared::new(&limits);
            let mut rig = Self { limits, scanner: Scanner::default(), shared, content: Content::default() };
            rig.with(|content, means| content.begin(means, &codings(declared)));
            rig
        }

        fn with(&mut self, call: impl FnOnce(&mut Content, &mut Means<'_>)) -> &mut Self {
            let mut means = Means { limits: &self.limits, scanner: &self.scanner, shared: &mut self.shared };
            call(&mut self.content, &mut means);
            self
        }

        fn push(&mut self, bytes: &[u8]) -> &mut Self {
            self.with(|content, means| content.push(means, bytes))
        }

        fn finish(&mut self) -> exchange::Content<'_> {
            self.with(|content, means| content.finish(means, true));
            self.content.view()
        }
    }

    fn hashing() -> Limits {
        Limits { hash_content: true, ..Limits::default() }
    }

    #[test]
    fn the_hash_is_of_the_whole_decoded_content() {
        let mut rig = Rig::new(hashing(), "gzip");
        let coded = gzip(b"hello");
        let view = rig.push(&coded).finish();
        assert_eq!((view.bytes, view.len, view.wire_len), (&b"hello"[..], 5, coded.len() as u64));
        assert_eq!(view.sha256, Some(Sha256::digest(b"hello").into()));
        assert_eq!(Rig::new(hashing(), "").finish().sha256, None, "there is no content");
        let mut rig = Rig::new(hashing(), "");
        rig.push(b"hel").with(|content, _| content.gap()).push(b"o");
        assert_eq!((rig.finish().sha256, rig.content.view().bytes), (None, &b"helo"[..]));
        let mut rig = Rig::new(hashing(), "gzip");
        assert_eq!(rig.push(&coded[..14]).finish().sha256, None, "it breaks off");
    }

    #[test]
    fn content_behind_a_hole_is_not_decoded() {
        let coded = gzip(&vec![b'a'; 400_000]);
        let mut rig = Rig::new(hashing(), "gzip");
        rig.push(&coded[..coded.len() / 2]).with(|content, _| content.gap()).push(&coded[coded.len() / 2..]);
        assert!(rig.finish().undecoded);
        assert_eq!(rig.content.shortfall(), exchange::Completeness::UNDECODED);
    }

    #[test]
    fn what_is_charged_is_given_back() {
        let limits = Limits { inspection: 1000, content_budget: 1500, ..Limits::default() };
        let mut rig = Rig::new(limits.clone(), "");
        rig.push(&[b'x'; 700]).push(&[b'x'; 700]);
        assert_eq!((rig.content.view().bytes.len(), rig.content.view().len), (1000, 1400));
        assert!(rig.content.view().beyond.is_some());
        assert_eq!(rig.shared.bytes_held(), 1000);
        let mut other = Content::default();
        let mut means = Means { limits: &limits, scanner: &rig.scanner, shared: &mut rig.shared };
        other.push(&mut means, &[b'x'; 700]);
        assert!(other.view().bytes.is_empty() && other.view().beyond.is_some());
        assert_eq!(rig.shared.counters().content_budget_refused, 1);
        other.reset(&mut rig.shared);
        rig.content.reset(&mut rig.shared);
        assert_eq!(rig.shared.bytes_held(), 0);
    }

    #[test]
    fn a_decoder_past_the_budget_is_closed() {
        let noise: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut rig = Rig::new(Limits { inspection: 0, content_budget: 1000, ..Limits::default() }, "zstd");
        for piece in zstd::stream::encode_all(&noise[..], 3).unwrap().chunks(1448) {
            rig.push(piece);
        }
        assert!(rig.finish().undecoded);
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let mut rig = Rig::new(Limits::default(), "");
        rig.push(&vec![b'x'; 200 * 1024]);
        rig.content.reset(&mut rig.shared);
        assert_eq!(rig.content.bytes.capacity(), 0);
        rig.push(&[b'x'; 100]);
        rig.content.reset(&mut rig.shared);
        assert!(rig.content.bytes.capacity() >= 100);
    }
}
