//! Content that is too large to keep, scanned in windows.
//!
//! Verdicts depend on a bounded neighbourhood ([`LOOK_BACK`], [`LOOK_AHEAD`]) and on the first [`HEAD`] bytes. So each
//! candidate is decided once: by the scan of what is kept when everything it may look at is there, else here, when that
//! much has come or the content is over. The sum is what a scan of the whole would count, wherever it was cut.

use std::fmt;

use super::layout::{HEAD, Layout};
use super::near::{LOOK_AHEAD, LOOK_BACK};
use super::{Found, Scanner, Tally};

/// How much is taken in before it is scanned, in bytes.
const PIECE: usize = 32 * 1024;

/// Up to where the candidates of the first `len` bytes of content can be decided when more follows.
///
/// With less than a head nothing can be: what kind of content this is may hang on what comes.
pub(crate) const fn decided_before(len: usize) -> usize {
    if len < HEAD + LOOK_AHEAD { 0 } else { len - LOOK_AHEAD }
}

/// A scan of content that comes in windows and is not kept: constant memory, counts only.
///
/// Every item is counted once, in the window in which its first byte can be judged with all of its context.
#[derive(Clone, Default)]
pub struct WindowScan {
    tally: Tally,
    /// What is not decided yet, behind its left context.
    window: Vec<u8>,
    /// Where in the window the undecided part starts.
    undecided: usize,
    /// Known once the head was seen.
    layout: Option<Layout>,
    found: Found,
}

impl WindowScan {
    /// Starts behind `kept`, the content up to the inspection limit: what [`Inspector::inspect`] cannot judge at its end
    /// for want of what follows is counted here.
    ///
    /// [`Inspector::inspect`]: crate::inspect::Inspector::inspect
    pub fn after(scanner: &Scanner, kept: &[u8]) -> Self {
        let decided = decided_before(kept.len());
        let start = decided.saturating_sub(LOOK_BACK);
        Self {
            tally: Tally::default(),
            window: kept.get(start..).unwrap_or_default().to_vec(),
            undecided: decided - start,
            layout: (decided > 0).then(|| scanner.layout(kept)),
            found: Found::default(),
        }
    }

    /// Scans the next piece.
    pub fn push(&mut self, scanner: &Scanner, bytes: &[u8]) {
        if self.layout.as_ref().is_some_and(Layout::is_media) {
            return;
        }
        for piece in bytes.chunks(PIECE) {
            self.window.extend_from_slice(piece);
            let decided = match self.layout {
                Some(_) => self.window.len().saturating_sub(LOOK_AHEAD),
                None => decided_before(self.window.len()),
            };
            self.decide(scanner, decided);
        }
    }

    /// Judges what was held back for want of what follows; nothing does.
    pub fn finish(&mut self, scanner: &Scanner) {
        self.decide(scanner, self.window.len());
        self.window = Vec::new();
        self.found = Found::default();
        self.undecided = 0;
    }

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn decide(&mut self, scanner: &Scanner, end: usize) {
        if end <= self.undecided {
            return;
        }
        let layout = self.layout.get_or_insert_with(|| scanner.layout(&self.window));
        self.found.clear();
        scanner.scan(&self.window, self.undecided..end, layout, 0, &mut self.found);
        self.tally.merge(&self.found.tally);
        let spent = end.saturating_sub(LOOK_BACK);
        self.window.drain(..spent);
        self.undecided = end - spent;
    }
}

/// Shows counts and lengths only: the window holds what was in a response.
impl fmt::Debug for WindowScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WindowScan")
            .field("tally", &self.tally)
            .field("held", &(self.window.len() - self.undecided))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::super::near::work;
    use super::super::{EntityType, More};
    use super::*;
    use crate::class::Classes;
    use crate::class::tests::classes;
    use proptest::prelude::*;

    /// The laws of windows hold for classes of the configuration too, whichever way they are told.
    static CLASSES: LazyLock<Classes> = LazyLock::new(|| {
        classes(
            r###"[
                {"name":"staff","family":"pii","names":["staff no","badge"],"format":"E####"},
                {"name":"ward","family":"pii","names":["ward"]},
                {"name":"member","family":"pii","names":["member no"],"check":"luhn"},
                {"name":"key","family":"secret","prefix":"a_a_"},
                {"name":"ticket","family":"secret","prefix":"acme-","format":"##-@@*"}
            ]"###,
        )
    });

    fn scanner() -> Scanner {
        Scanner::default().with(*CLASSES)
    }

    fn whole(content: &[u8]) -> Tally {
        let mut found = Found::default();
        let scanner = scanner();
        scanner.scan_kept(content, More::Nothing, &scanner.layout(content), &mut found);
        found.tally
    }

    fn in_windows(content: &[u8], limit: usize, cuts: &[usize]) -> Tally {
        let scanner = scanner();
        let (kept, rest) = content.split_at(limit.min(content.len()));
        let mut found = Found::default();
        scanner.scan_kept(kept, More::Follows, &scanner.layout(kept), &mut found);
        let mut windows = WindowScan::after(&scanner, kept);
        let mut at = 0;
        for cut in cuts {
            let end = (at + cut).min(rest.len());
            windows.push(&scanner, &rest[at..end]);
            at = end;
        }
        windows.push(&scanner, &rest[at..]);
        windows.finish(&scanner);
        found.tally.merge(windows.tally());
        found.tally
    }

    /// Values, look-alikes, names and punctuation, so that what is found hangs on surroundings near and far.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec![
                "\"email\":\"jane@example.com\",",
                "jane@example.com ",
                "jane%40example.com&",
                "@",
                "a.b@",
                "logo@2x.png,",
                "\"card\":\"4111111111111111\",",
                "4111 1111 1111 1111,",
                "order 4111-1111-1111-1111 ",
                "4111111111111111\n",
                "\"ssn\":\"123-45-6789\",",
                "123-45-6789,",
                "<ssn>123-45-6789</ssn>",
                "987-65-4321",
                "DE89 3704 0044 0532 0130 00,",
                "\"DE89370400440532013000\"",
                "DE00",
                "PK",
                "SCBL ",
                "+4930123456,",
                "(212) 555-0123,",
                "\"phone\":\"030 1234567\",",
                "030 1234567\n",
                "\"phones\":[",
                "]",
                "+1",
                "\"ssn\":{",
                "\"value\":",
                "{",
                "}",
                "\n",
                ",",
                " ",
                "\"",
                "\\\"",
                "id,ssn,phone\n",
                "a=1&ssn=",
                "\"badge\":\"E1234\",",
                "staff no E1234 ",
                "badge: E1234\n",
                "E1234",
                "\"ward\":\"",
                "id,ward,badge\n",
                "<ward>",
                "member no 123455 ",
                "a_a_a_a_",
                "a_a_k1k2k3k4 ",
                " a_",
                "acme-",
                "12-ABc",
                " acme-12-ABc.",
            ])
            .prop_map(str::to_owned),
            "[0-9]{1,20}",
            "[a-z .,]{1,80}",
            (1usize..600, prop::sample::select(vec!["x", " ", "7", "\"", "@", ","]))
                .prop_map(|(count, text)| text.repeat(count)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn windows_count_what_the_whole_holds(
            pieces in prop::collection::vec(piece(), 1..80),
            limit in 0usize..6_000,
            cuts in prop::collection::vec(0usize..900, 0..12),
        ) {
            let content = pieces.concat();
            prop_assert_eq!(in_windows(content.as_bytes(), limit, &cuts), whole(content.as_bytes()));
        }

        #[test]
        fn noise_counts_alike(content in prop::collection::vec(super::super::blocks::tests::telling_byte(), 0..5_000), limit in 0usize..5_000) {
            prop_assert_eq!(in_windows(&content, limit, &[700, 1, 64]), whole(&content));
        }
    }

    #[test]
    fn an_item_across_every_cut_is_counted_once() {
        let content = [b"x ".repeat(1_500), b"ssn: 123-45-6789 ".to_vec(), b" y".repeat(400)].concat();
        for limit in 2_900..3_100 {
            assert_eq!(in_windows(&content, limit, &[1; 300]).count(EntityType::UsSsn), 1, "limit {limit}");
        }
    }

    #[test]
    fn large_pieces_go_through_a_small_window() {
        let scanner = Scanner::default();
        let mut windows = WindowScan::after(&scanner, b"");
        windows.push(&scanner, &b"jane@example.com ".repeat(100_000));
        assert!(windows.window.capacity() <= 4 * PIECE);
        windows.finish(&scanner);
        assert_eq!(windows.tally().count(EntityType::Email), 100_000);
    }

    #[test]
    fn media_is_not_searched() {
        let image = [b"\x89PNG\r\n\x1a\n".to_vec(), b"\xf0\x01".repeat(1_000), b" jane@example.com ".to_vec()].concat();
        assert!(whole(&image).is_empty());
        assert!(in_windows(&image, 10, &[]).is_empty());
    }

    /// Bytes that verifiers read for content made of one piece, for each byte of it.
    fn work_per_byte(piece: &str, len: usize) -> f64 {
        let content = piece.repeat(len / piece.len() + 1);
        work::take();
        whole(content.as_bytes());
        work::take() as f64 / content.len() as f64
    }

    #[test]
    fn work_grows_with_the_content_and_no_faster() {
        for piece in [
            "@",
            "a@",
            "a@b.",
            "@a.b.c.d",
            "a.b.c.d.e.f@g",
            "+1",
            "+1 ",
            "+49 30 1",
            "1",
            "1 ",
            "1111 ",
            "0000-",
            "(11",
            "%",
            "%40",
            "\\u0040",
            "\\",
            "\\\\\"",
            "\"",
            "AA11",
            "DE89 3704 ",
            "GB29NWBK",
            "123-45-6789",
            "212-555-0123",
            "030 ",
            "4111111111111111,",
            "4111111111111111,\"",
            "4111 1111 1111 1111\",",
            "[4111111111111111]",
            ">4111111111111111<",
            "ssn 123-45-6789 ",
            "a 4111111111111111=",
            "<a>4111111111111111",
            "{\"number\":4111111111111111,",
            "123456789,",
            "+4930123456,",
            "a_",
            ".a_a_",
            " acme-1",
            "\"badge\":\"E123",
            "staff no E",
        ] {
            let (small, large) = (work_per_byte(piece, 10_000), work_per_byte(piece, 80_000));
            assert!(large <= small * 1.2 + 1.0, "{piece}: {small} then {large} reads a byte");
            assert!(large < 150.0, "{piece}: {large} reads a byte");
        }
    }
}
