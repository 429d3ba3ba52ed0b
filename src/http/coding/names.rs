//! What Content-Encoding fields declare.

use crate::http::framing::mentions;

/// How many codings may be stacked; what is below them is not decoded.
pub(super) const MAX_LAYERS: usize = 4;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
    Unknown,
}

/// The codings that the Content-Encoding fields of a message declare, in the order applied.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http) struct Codings {
    pub(super) declared: [Option<Coding>; MAX_LAYERS],
    /// More than fit.
    excess: bool,
}

impl Codings {
    /// Takes note of the value of a Content-Encoding field.
    pub(in crate::http) fn note(&mut self, value: &[u8]) {
        for item in value.split(|byte| *byte == b',') {
            let Some(coding) = Coding::named(item) else { continue };
            match self.declared.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some(coding),
                None => self.excess = true,
            }
        }
    }

    /// Whether content is sent as it is.
    pub(in crate::http) fn is_identity(&self) -> bool {
        self.declared[0].is_none()
    }

    /// Whether there is a coding among them that cannot be removed.
    pub(in crate::http) fn has_unknown(&self) -> bool {
        self.excess || self.declared.contains(&Some(Coding::Unknown))
    }
}

impl Coding {
    /// The coding that an item of a Content-Encoding field names; `None` for `identity`, which changes nothing.
    fn named(item: &[u8]) -> Option<Self> {
        let item = item.trim_ascii();
        for (name, coding) in [
            (&b"gzip"[..], Self::Gzip),
            (b"deflate", Self::Deflate),
            (b"br", Self::Brotli),
            (b"zstd", Self::Zstd),
            (b"x-gzip", Self::Gzip),
        ] {
            if item.eq_ignore_ascii_case(name) {
                return Some(coding);
            }
        }
        if item.is_empty() || item.eq_ignore_ascii_case(b"identity") {
            return None;
        }
        // `gzip;`, `x gzip`, a stray octet: whether it is one is for the content to tell.
        Some(if mentions(item, b"gzip") {
            Self::Gzip
        } else if mentions(item, b"deflate") {
            Self::Deflate
        } else {
            Self::Unknown
        })
    }
}
