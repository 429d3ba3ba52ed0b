//! The one pass over content that every byte pattern goes through.
//!
//! Most bytes of a response are part of nothing we look for, and saying so quickly is what makes a sensor fast. So the
//! pass has three steps, each for what the one before lets through:
//!
//! 1. [`blocks`]: 64 bytes become bit masks of character classes, with the widest vectors the machine has.
//! 2. [`shapes`]: shifts and ands of those masks mark where the shape of a value ends. About one byte in seventy of JSON.
//! 3. [`judge`]: a verifier written by hand looks at the bytes around ([`near`]) and decides: boundaries, prefixes,
//!    lengths, check digits, and last the name the value stands under ([`context`]).
//!
//! A verdict depends on a bounded neighbourhood of the candidate and on how the content begins ([`layout`]), on nothing
//! else. So content that is too large to keep is scanned in windows ([`WindowScan`]) with the same result.

pub(crate) mod context;
pub(crate) mod layout;
pub(crate) mod meaning;
mod named;
pub(crate) mod names;
pub(crate) mod near;
pub(crate) mod value;
pub(crate) mod vocabulary;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
pub(crate) mod marks;
mod shapes;
mod window;

use std::ops::Range;

pub use window::WindowScan;
pub(crate) use window::decided_before;

use self::layout::Layout;
use self::meaning::Meaning;
use self::named::{Reader, Remembered};
use self::near::Near;
use self::shapes::Masks;
use crate::class::Classes;
use crate::pii::{self, cn_resident_id, email, fr_nir, iban, it_codice_fiscale, mx_curp, payment_card, phone, us_ssn};
pub use crate::registry::EntityType;
use crate::secret;

/// How many items of each type a piece of content holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally([u32; EntityType::ALL.len()]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; EntityType::ALL.len()])
    }
}

impl Tally {
    /// Items of one type.
    pub fn count(&self, entity: EntityType) -> u32 {
        self.0[entity as usize]
    }

    /// Counts `items` more of one type; saturates.
    pub fn add(&mut self, entity: EntityType, items: u32) {
        let count = &mut self.0[entity as usize];
        *count = count.saturating_add(items);
    }

    /// Adds all of another tally; saturates.
    pub fn merge(&mut self, other: &Self) {
        for entity in EntityType::ALL {
            self.add(*entity, other.count(*entity));
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

/// Where an item stands in the content. Holds no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) entity: EntityType,
    /// Offset of its first byte.
    pub(crate) start: usize,
    /// Offset behind its last byte.
    pub(crate) end: usize,
}

/// How many hits are kept of one piece of content. All are counted; evidence needs the first few.
const MAX_HITS: usize = 4_096;

/// What a scan finds: all of it counted, the first hits kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) tally: Tally,
    pub(crate) hits: Vec<Hit>,
    remembered: Remembered,
}

impl Found {
    fn add(&mut self, hit: Hit, only: u64, keep: usize) {
        if only & bit(hit.entity) != 0 {
            self.tally.add(hit.entity, 1);
            if self.hits.len() < keep {
                self.hits.push(hit);
            }
        }
    }

    /// Forgets everything, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.tally = Tally::default();
        self.hits.clear();
    }
}

/// Finds patterns in content. Cheap to clone; holds the instruction set chosen for this machine, and which types are
/// looked for: all, unless an inspector has narrowed it.
#[derive(Clone, Copy, Debug)]
pub struct Scanner {
    instructions: Instructions,
    /// A bit for each type that is looked for.
    only: u64,
    /// What the configuration adds to the types that are built in.
    classes: Classes,
}

#[derive(Clone, Copy, Debug)]
enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    Portable,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { instructions: Instructions::best(), only: u64::MAX, classes: Classes::default() }
    }
}

impl Instructions {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(avx512) = avx512::Avx512::detect() {
                return Self::Avx512(avx512);
            }
            if let Some(avx2) = avx2::Avx2::detect() {
                return Self::Avx2(avx2);
            }
        }
        Self::Portable
    }
}

impl Scanner {
    /// The same scanner, looking for some types only.
    pub(crate) fn only(&self, wanted: impl Fn(EntityType) -> bool) -> Self {
        let only = EntityType::ALL.iter().filter(|entity| wanted(**entity)).fold(0, |only, entity| only | bit(*entity));
        Self { only, ..*self }
    }

    /// The same scanner, looking for the configuration's classes too.
    pub(crate) fn with(&self, classes: Classes) -> Self {
        Self { classes, ..*self }
    }

    /// What kind of content this is that begins so.
    pub(crate) fn layout(&self, content: &[u8]) -> Layout {
        Layout::of(content, self.classes.vocabulary())
    }

    /// Text of which nothing is known.
    pub(crate) fn plain(&self) -> Layout {
        Layout::plain(self.classes.vocabulary())
    }

    /// Whether nothing is looked for.
    pub(crate) fn is_idle(&self) -> bool {
        EntityType::ALL.iter().all(|entity| self.only & bit(*entity) == 0)
    }

    /// Decides the candidates of `content[range]`; bytes outside of the range are their surroundings. Up to `keep` hits
    /// are kept in all.
    pub(crate) fn scan(&self, content: &[u8], range: Range<usize>, layout: &Layout, keep: usize, found: &mut Found) {
        if layout.is_media() || self.is_idle() {
            return;
        }
        let whole = range.clone();
        let judge = |start: usize, masks: &Masks| judge(content, start, masks, layout, self.only, keep, found);
        match self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(avx512) => avx512.walk(content, range, judge),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.walk(content, range, judge),
            Instructions::Portable => blocks::walk(blocks::Portable, content, range, judge),
        }
        for (entity, prefix) in self.classes.prefixes() {
            prefix.each(content, &whole, |at| {
                let (near, from) = Near::new(content, at, layout);
                if let Some(end) = prefix.end_at(&near, near.at()) {
                    found.add(Hit { entity: *entity, start: at, end: from + end }, self.only, keep);
                }
            });
        }
        named::cells(content, whole, layout, &mut |hit| found.add(hit, self.only, keep));
    }

    /// Decides the candidates of content that is at hand, and of which nothing or more may follow.
    pub(crate) fn scan_kept(&self, content: &[u8], more: More, layout: &Layout, found: &mut Found) {
        let end = match more {
            More::Nothing => content.len(),
            More::Follows => decided_before(content.len()),
        };
        self.scan(content, 0..end, layout, MAX_HITS, found);
    }

    /// Scanners with each of the instruction sets of this machine.
    #[cfg(test)]
    pub(crate) fn every() -> Vec<Self> {
        let mut all = vec![Instructions::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(avx2::Avx2::detect().map(Instructions::Avx2));
            all.extend(avx512::Avx512::detect().map(Instructions::Avx512));
        }
        all.into_iter().map(|instructions| Self { instructions, only: u64::MAX, classes: Classes::default() }).collect()
    }

    #[cfg(test)]
    pub(crate) fn hits(&self, content: &[u8]) -> Vec<Hit> {
        let mut found = Found::default();
        self.scan_kept(content, More::Nothing, &self.layout(content), &mut found);
        found.hits
    }
}

/// Whether content goes on behind what is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    /// This is all there is.
    Nothing,
    /// A [`WindowScan`] sees the rest, and decides what needs it.
    Follows,
}

const fn bit(entity: EntityType) -> u64 {
    1 << entity as u64
}

/// Calls the verifier of each candidate of a block. Out of line: the loop over blocks stays small, and only candidates
/// pay for a call.
#[inline(never)]
fn judge(content: &[u8], start: usize, masks: &Masks, layout: &Layout, only: u64, keep: usize, found: &mut Found) {
    let unnamed;
    let masks = if layout.vocabulary().decides(Meaning::of_types(only)) {
        masks
    } else {
        unnamed = masks.without_names();
        &unnamed
    };
    let others = masks.without_names().any();
    let mut rest = masks.any();
    while rest != 0 {
        let place = rest & rest.wrapping_neg();
        rest ^= place;
        let at = start + place.trailing_zeros() as usize;
        let (near, from) = Near::new(content, at, layout);
        let at = near.at();
        if (masks.sign | masks.counted) & place != 0 {
            let Found { tally, hits, remembered } = &mut *found;
            let mut reader = Reader { near: &near, remembered };
            let mut named = |hit: Hit| {
                if only & bit(hit.entity) != 0 {
                    tally.add(hit.entity, 1);
                    if hits.len() < keep {
                        hits.push(Hit { start: from + hit.start, end: from + hit.end, ..hit });
                    }
                }
            };
            if masks.sign & place != 0 {
                reader.at_sign(&mut named);
            } else {
                reader.in_text(&mut named);
            }
            // Most signs between names and values are nothing else.
            if others & place == 0 {
                continue;
            }
        }
        let mut add = |hit: Option<(EntityType, usize, usize)>| {
            if let Some((entity, start, end)) = hit {
                found.add(Hit { entity, start: from + start, end: from + end }, only, keep);
            }
        };
        let as_type = |entity| move |(start, end)| (entity, start, end);
        if masks.token & place != 0 {
            add(secret::token(&near));
        }
        if masks.capitals & place != 0 {
            add(it_codice_fiscale::in_capitals(&near).map(as_type(EntityType::ItCodiceFiscale)));
            add(mx_curp::in_capitals(&near).map(as_type(EntityType::MxCurp)));
            add(cn_resident_id::in_capitals(&near).map(as_type(EntityType::CnResidentId)));
        }
        if masks.pairs & place != 0 {
            add(fr_nir::in_pairs(&near).map(as_type(EntityType::FrNir)));
        }
        if masks.dashes & place != 0 {
            add(secret::private_key::behind_dashes(&near).map(as_type(EntityType::PrivateKey)));
        }
        if masks.dollar & place != 0 {
            add(secret::password_hash::behind_dollar(&near, at - 1, at).map(as_type(EntityType::PasswordHash)));
        }
        if masks.run & place != 0 {
            add(pii::digits(&near));
        }
        if masks.at & place != 0 {
            add(email::around_at(&near, at, at + 1).map(as_type(EntityType::Email)));
        }
        if masks.encoded & place != 0 {
            add(encoded(&near));
        }
        if masks.groups & place != 0 {
            add(payment_card::grouped(&near).map(as_type(EntityType::PaymentCard)));
        }
        if masks.ssn & place != 0 {
            add(us_ssn::formatted(&near).map(as_type(EntityType::UsSsn)));
        }
        if masks.country & place != 0 {
            add(iban::from_check_digits(&near).map(as_type(EntityType::Iban)));
        }
        if masks.plus & place != 0 {
            add(at
                .checked_sub(1)
                .and_then(|plus| phone::international(&near, plus, at))
                .map(as_type(EntityType::Phone)));
        }
        if masks.paren & place != 0 {
            add(at
                .checked_sub(2)
                .and_then(|paren| phone::in_parentheses(&near, paren, at - 1))
                .map(as_type(EntityType::Phone)));
        }
        if masks.nanp & place != 0 {
            add(at.checked_sub(11).and_then(|start| phone::american(&near, start)).map(as_type(EntityType::Phone)));
        }
        if masks.threes & place != 0 {
            add(at.checked_sub(6).and_then(|start| phone::in_threes(&near, start)).map(as_type(EntityType::Phone)));
        }
        if masks.trunk & place != 0 {
            add(at.checked_sub(2).and_then(|start| phone::national(&near, start)).map(as_type(EntityType::Phone)));
        }
    }
}

/// Reads an encoded character: at `%`, or at the `u` of `\u`.
#[inline(never)]
fn encoded(near: &Near<'_>) -> Option<(EntityType, usize, usize)> {
    let start = if near.get(near.at()) == Some(b'u') { near.at().checked_sub(1)? } else { near.at() };
    match near.unit(start)? {
        (b'@', len) if len > 1 => {
            email::around_at(near, start, start + len).map(|(start, end)| (EntityType::Email, start, end))
        }
        (b'+', len) if len > 1 => {
            phone::international(near, start, start + len).map(|(start, end)| (EntityType::Phone, start, end))
        }
        (b'$', len) if len > 1 => secret::password_hash::behind_dollar(near, start, start + len)
            .map(|(start, end)| (EntityType::PasswordHash, start, end)),
        (b'(', len) if len > 1 => {
            phone::in_parentheses(near, start, start + len).map(|(start, end)| (EntityType::Phone, start, end))
        }
        _ => None,
    }
}
