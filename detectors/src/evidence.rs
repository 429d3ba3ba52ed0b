//! What a finding shows of the values it is about.
//!
//! Only this file sees a value and a finding at once: a value comes in as a range of the content, and leaves masked, and
//! as a keyed hash where there is a key. Names on the way to it (JSON keys, parameters) are shown when they look like
//! names; one that looks like a value itself is replaced by its form.

use crate::class::Classes;
use crate::endpoint;
use crate::finding::{Confidence, Evidence, Location};
use crate::kind::Kind;
use crate::path::{self, Paths};
use crate::scan::EntityType;
use crate::scan::layout::Layout;
use crate::scan::meaning::Meaning;
use crate::scan::near::Near;
use crate::scan::value::character;
use crate::scan::{Hit, context};

/// How many different values a finding shows.
pub(crate) const MAX_EVIDENCE: usize = 5;
/// Hexadecimal digits of a value hash: enough to tell the values of one installation apart, too few to be worth turning
/// into anything else.
const HASH_DIGITS: usize = 16;

/// What a finding says about the hits of one kind.
pub(crate) struct Shown {
    /// The first few different values.
    pub(crate) evidence: Vec<Evidence>,
    /// The best confidence among them.
    pub(crate) confidence: Confidence,
}

/// Where hits are, and how to show them.
pub(crate) struct Scene<'a> {
    pub(crate) content: &'a [u8],
    pub(crate) layout: &'a Layout,
    pub(crate) part: &'static str,
    pub(crate) key: Option<&'a [u8; 32]>,
    pub(crate) classes: Classes,
}

impl Scene<'_> {
    /// Shows the first different values among `hits`, which are of one kind and in order. Where they stand in JSON says
    /// [`Self::locate`].
    pub(crate) fn show<'h>(&self, entity: EntityType, hits: impl Iterator<Item = &'h Hit>) -> Shown {
        let kind = self.classes.kind(entity);
        let mut values: Vec<String> = Vec::with_capacity(MAX_EVIDENCE);
        let mut shown = Shown { evidence: Vec::new(), confidence: kind.confidence };
        for hit in hits {
            let (near, from) = Near::new(self.content, hit.start, self.layout);
            let (start, end) = (hit.start - from, hit.end - from);
            let value = kind.normal(&text(&near, start, end));
            if values.contains(&value) {
                continue;
            }
            shown.confidence =
                shown.confidence.max(kind.confidence(context::meaning(&near, start), Meaning::of_type(entity)));
            shown.evidence.push(Evidence {
                kind: kind.name().to_owned(),
                location: Location {
                    part: self.part.to_owned(),
                    path: self.name(&near, start),
                    offset: hit.start as u64,
                },
                masked: (kind.mask)(&value),
                value_hash: self.key.map(|key| value_hash(key, kind, &value)),
            });
            values.push(value);
            if values.len() == MAX_EVIDENCE {
                break;
            }
        }
        shown
    }

    /// Says where in JSON content the evidence of several findings stands, in one walk over it.
    pub(crate) fn locate<'e>(&self, evidence: impl Iterator<Item = &'e mut Evidence>) {
        if !path::is_json(self.content) {
            return;
        }
        let mut paths = Paths::new(self.content);
        let mut places: Vec<_> = evidence.map(|evidence| &mut evidence.location).collect();
        places.sort_by_key(|location| location.offset);
        for location in places {
            location.path = Some(paths.at(usize::try_from(location.offset).unwrap_or(usize::MAX)));
        }
    }

    /// The name a value stands under in content that is not JSON.
    fn name(&self, near: &Near<'_>, start: usize) -> Option<String> {
        if path::is_json(self.content) {
            return None;
        }
        let name = match self.layout.delimiter() {
            Some(delimiter) => {
                let column = context::cell(near, start, delimiter)?.number;
                let header = self.content.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
                header.split(|byte| *byte == delimiter).nth(column)?
            }
            None => context::name(near, start),
        };
        let name = name.trim_ascii().trim_ascii_start();
        (!name.is_empty()).then(|| endpoint::shown_name(name).into_owned())
    }
}

/// The text of a range of `near`, encodings undone. An octet that is no UTF-8 is replaced.
fn text(near: &Near<'_>, start: usize, end: usize) -> String {
    let mut bytes = Vec::with_capacity(end.saturating_sub(start));
    let mut position = start;
    while position < end
        && let Some((character, len)) = character(near, position)
    {
        match u8::try_from(character as u32) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        position += len;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn value_hash(key: &[u8; 32], kind: &Kind, value: &str) -> String {
    let mut hasher = blake3::Hasher::new_keyed(key);
    // The kind is part of what is hashed: equal digits under two kinds are two things.
    hasher.update(kind.name().as_bytes()).update(b"\0").update(value.as_bytes());
    let mut digits = hasher.finalize().to_hex().to_string();
    digits.truncate(HASH_DIGITS);
    digits
}
