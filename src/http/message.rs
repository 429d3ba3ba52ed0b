//! A message as it is put together: its head and its content, in buffers that are used again.

use std::fmt;
use std::ops::Range;

use apitap_detectors::exchange::{self, Anomalies, FieldLine, Fields, Octets};

use super::Shared;
use super::content::Content;
use super::framing::Facts;
use super::identify::Role;
use crate::time::Timestamp;

/// A request or a response, as far as it was seen. Owns its bytes.
#[derive(Default)]
pub(super) struct Message {
    /// Start line and header section, then the trailer section; folds are overwritten with spaces.
    pub(super) head: Vec<u8>,
    /// The field lines in `head`.
    pub(super) lines: Vec<FieldLine>,
    pub(super) start: StartLine,
    pub(super) facts: Facts,
    pub(super) content: Content,
    /// Where in `head` the trailer section begins, if there is one.
    pub(super) trailer: Option<usize>,
    /// When its first octet was seen.
    pub(super) started: Timestamp,
    /// Where it stands in the streams.
    pub(super) place: Place,
    /// When its last octet was seen.
    pub(super) ended: Timestamp,
    pub(super) anomalies: Anomalies,
    /// Octets of it are missing.
    pub(super) gap: bool,
    /// It had not ended when it was let go.
    pub(super) cut: bool,
    /// Bytes charged to the worker's budget, those of the content apart.
    pub(super) charged: usize,
}

/// Shows how many octets there are, and not what they are.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("head", &Octets::of(&self.head))
            .field("lines", &self.lines.len())
            .field("status", &self.start.status)
            .field("facts", &self.facts)
            .field("content", &self.content)
            .field("place", &self.place)
            .field("anomalies", &self.anomalies)
            .finish_non_exhaustive()
    }
}

/// Where a message stands in the streams of its connection; positions count octets from the first that was told, gaps
/// included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Where the segment begins that its first octet came in.
    pub(super) start: u64,
    /// Up to where its sender had then acknowledged the other direction.
    pub(super) acknowledged: Option<u64>,
}

/// Where the parts of a start line stand in a message's head.
#[derive(Clone, Debug, Default)]
pub(super) struct StartLine {
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) version: Version,
    /// 0 where there is no status line.
    pub(super) status: u16,
}

/// The protocol version in a start line.
#[derive(Clone, Debug, Default)]
pub(super) enum Version {
    /// None is given.
    #[default]
    Absent,
    Http10,
    Http11,
    Other(Range<usize>),
}

impl Message {
    /// The request method; empty in a response.
    pub(super) fn method(&self) -> &[u8] {
        self.part(&self.start.method)
    }

    /// Whether it has no version: HTTP/0.9, or something that looks like it.
    pub(super) fn is_versionless(&self) -> bool {
        matches!(self.start.version, Version::Absent)
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.head.get(range.clone()).unwrap_or_default()
    }

    fn version(&self) -> exchange::Version<'_> {
        match &self.start.version {
            Version::Absent => exchange::Version::Http09,
            Version::Http10 => exchange::Version::Http10,
            Version::Http11 => exchange::Version::Http11,
            Version::Other(range) => exchange::Version::Other(self.part(range)),
        }
    }

    /// The request for the detectors.
    pub(super) fn request(&self) -> exchange::Request<'_> {
        exchange::Request {
            method: self.method(),
            target: self.part(&self.start.target),
            version: self.version(),
            fields: Fields::new(&self.head, &self.lines),
            content: self.content.view(),
        }
    }

    /// The response for the detectors.
    pub(super) fn response(&self) -> exchange::Response<'_> {
        exchange::Response {
            status: self.start.status,
            version: self.version(),
            fields: Fields::new(&self.head, &self.lines),
            content: self.content.view(),
        }
    }

    /// How many bytes it takes, those of the content apart.
    pub(super) fn cost(&self) -> usize {
        size_of::<Self>() + self.head.len() + size_of_val(self.lines.as_slice())
    }

    /// Everything odd about it, its content included.
    pub(super) fn all_anomalies(&self) -> Anomalies {
        self.anomalies.union(self.content.anomalies())
    }

    /// Takes note of a field line of the header section.
    pub(super) fn note(&mut self, name: Range<usize>, value: Range<usize>) {
        let Self { head, lines, facts, .. } = self;
        facts.note(&head[name.clone()], &head[value.clone()]);
        lines.push(field_line(name, value));
    }

    /// What is wrong with its fields as a whole, apart from framing.
    pub(super) fn judge_fields(&mut self, role: Role) {
        if role == Role::Client
            && (self.facts.hosts > 1 || (self.facts.hosts == 0 && matches!(self.start.version, Version::Http11)))
        {
            self.anomalies.insert(Anomalies::INVALID_HOST);
        }
        if matches!(self.start.version, Version::Absent | Version::Other(_)) {
            self.anomalies.insert(Anomalies::UNUSUAL_VERSION);
        }
    }

    /// Forgets the head, to read it anew.
    pub(super) fn forget_head(&mut self) {
        self.lines.clear();
        self.facts = Facts::default();
        self.start = StartLine::default();
    }

    /// Empties it for the next message.
    pub(super) fn reset(&mut self, shared: &mut Shared) {
        self.content.reset(shared);
        shared.budget.release(std::mem::take(&mut self.charged));
        self.forget_head();
        self.head.clear();
        if self.head.capacity() > Content::KEEP {
            self.head = Vec::new();
        }
        self.trailer = None;
        self.anomalies = Anomalies::none();
        self.gap = false;
        self.cut = false;
    }
}

/// Offsets within a head fit: it is at most two sections of 64 KiB.
pub(super) fn field_line(name: Range<usize>, value: Range<usize>) -> FieldLine {
    FieldLine {
        name: u32::try_from(name.start).unwrap_or(u32::MAX),
        name_len: u16::try_from(name.len()).unwrap_or(u16::MAX),
        value: u32::try_from(value.start).unwrap_or(u32::MAX),
        value_len: u32::try_from(value.len()).unwrap_or(u32::MAX),
    }
}
