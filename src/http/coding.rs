//! Content codings (RFC 9110 section 8.4) removed, within limits.
//!
//! What a Content-Encoding field says and what the content is differ often enough, by mistake and on purpose, so the content
//! decides: of each coding that is declared, a layer is opened when the octets at hand are that coding (or the one it is
//! commonly confused with), and passed over when they are not. To judge, the first 64 KiB are gathered; most content ends
//! within them and is then decoded in one go with the worker's own decompressor, so that connections hold none.

use std::mem;

use apitap_detectors::exchange::Anomalies;
use flate2::Decompress;

use self::meter::{Extent, Meter};
use self::names::{Coding, MAX_LAYERS};
use self::stream::{Ending, Format, Next, NoDecoder, Stream, inflates, is_gzip, is_zlib, is_zstd, unbrotlis};

mod meter;
mod names;
mod stream;

pub(super) use self::meter::Outcome;
pub(super) use self::names::Codings;

/// How much of the content as sent is gathered before it is judged, in bytes.
const GATHER: usize = 64 * 1024;
/// The same for the layers below the first.
const GATHER_INNER: usize = 1024;

/// What the decoders of one worker share: decoders and decompressors to use again, and scratch space.
#[derive(Default)]
pub(super) struct Coders {
    #[expect(clippy::vec_box, reason = "messages hold them boxed, and they move to and fro without being copied")]
    idle: Vec<Box<Decoder>>,
    inflaters: Vec<Decompress>,
    scratch: [Vec<u8>; MAX_LAYERS],
}

impl std::fmt::Debug for Coders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coders").field("idle", &self.idle.len()).finish_non_exhaustive()
    }
}

impl Coders {
    /// How much output is made at a time, in bytes.
    const SCRATCH: usize = 64 * 1024;
    /// How many idle decoders and decompressors are kept; each holds up to 64 KiB.
    const MAX_IDLE: usize = 16;

    /// A decoder for content with these codings.
    pub(super) fn decoder(&mut self, codings: &Codings) -> Box<Decoder> {
        let mut decoder = self.idle.pop().unwrap_or_default();
        let declared = codings.declared.iter().rev().flatten().filter(|coding| **coding != Coding::Unknown);
        for (layer, coding) in decoder.layers.iter_mut().zip(declared) {
            *layer = Layer { coding: *coding, state: State::Judging(Vec::new()) };
            decoder.depth += 1;
        }
        decoder
    }

    /// Takes back a decoder.
    pub(super) fn recycle(&mut self, mut decoder: Box<Decoder>) {
        for layer in &mut decoder.layers {
            if let State::Open(stream) = mem::replace(&mut layer.state, State::Plain) {
                self.give_back(stream);
            }
        }
        if self.idle.len() < Self::MAX_IDLE {
            let mut gathered = mem::take(&mut decoder.gathered);
            gathered.clear();
            *decoder = Decoder { gathered, ..Decoder::default() };
            self.idle.push(decoder);
        }
    }

    fn inflater(&mut self) -> Decompress {
        match self.inflaters.pop() {
            Some(mut inflater) => {
                inflater.reset(false);
                inflater
            }
            None => Decompress::new(false),
        }
    }

    fn give_back(&mut self, stream: Stream) {
        if let Stream::Gzip { inflater, .. } | Stream::Deflate { inflater, .. } = stream {
            self.keep(inflater);
        }
    }

    fn keep(&mut self, inflater: Decompress) {
        if self.inflaters.len() < Self::MAX_IDLE {
            self.inflaters.push(inflater);
        }
    }
}

/// Removes the codings of one message's content.
#[derive(Default)]
pub(super) struct Decoder {
    /// The outermost coding, which was applied last, comes first.
    layers: [Layer; MAX_LAYERS],
    /// How many of the layers are in use.
    depth: usize,
    /// The first octets, until they are judged.
    gathered: Vec<u8>,
    meter: Meter,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("depth", &self.depth).finish_non_exhaustive()
    }
}

struct Layer {
    coding: Coding,
    state: State,
}

impl Default for Layer {
    fn default() -> Self {
        Self { coding: Coding::Unknown, state: State::Plain }
    }
}

enum State {
    /// Gathers the first octets.
    Judging(Vec<u8>),
    /// They are not coded.
    Plain,
    /// They are.
    Open(Stream),
    /// Nothing more comes of it.
    Over,
}

impl Decoder {
    /// Takes the next octets of content as sent; hands on what they decode to.
    pub(super) fn push(&mut self, coders: &mut Coders, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        let judged = self.meter.taken > GATHER as u64;
        self.meter.taken += bytes.len() as u64;
        if judged {
            return self.run(coders, bytes, out);
        }
        self.gathered.extend_from_slice(bytes);
        if self.meter.taken > GATHER as u64 {
            self.run_gathered(coders, out);
        }
    }

    /// The content has ended: hands on what was held back.
    pub(super) fn finish(&mut self, coders: &mut Coders, out: &mut dyn FnMut(&[u8])) {
        self.meter.extent = Extent::Whole;
        self.run_gathered(coders, out);
        finish(&mut self.layers[..self.depth], coders, &mut self.meter, out);
    }

    fn run_gathered(&mut self, coders: &mut Coders, out: &mut dyn FnMut(&[u8])) {
        let mut gathered = mem::take(&mut self.gathered);
        self.run(coders, &gathered, out);
        gathered.clear();
        self.gathered = gathered;
    }

    fn run(&mut self, coders: &mut Coders, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        push(&mut self.layers[..self.depth], Position::Outermost, coders, &mut self.meter, bytes, out);
    }

    /// What stopped or marred the decoding so far.
    pub(super) fn outcome(&self) -> Outcome {
        self.meter.outcome
    }

    /// How many bytes of memory it holds, roughly.
    pub(super) fn held(&self) -> usize {
        let layers = self.layers.iter().map(|layer| match &layer.state {
            State::Judging(gathered) => gathered.len(),
            State::Open(stream) => stream.held(),
            State::Plain | State::Over => 0,
        });
        self.gathered.len() + layers.sum::<usize>()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Outermost,
    Inner,
}

/// Hands octets through the layers, from the outermost in.
fn push(
    layers: &mut [Layer],
    position: Position,
    coders: &mut Coders,
    meter: &mut Meter,
    bytes: &[u8],
    out: &mut dyn FnMut(&[u8]),
) {
    if meter.stopped || bytes.is_empty() {
        return;
    }
    let depth = layers.len();
    let Some((layer, inner)) = layers.split_first_mut() else { return out(bytes) };
    match &mut layer.state {
        State::Judging(_) if position == Position::Outermost => {
            layer.judge(coders, meter, bytes);
            push(layers, position, coders, meter, bytes, out);
        }
        State::Judging(gathered) => {
            gathered.extend_from_slice(bytes);
            if gathered.len() >= GATHER_INNER {
                let gathered = mem::take(gathered);
                layer.judge(coders, meter, &gathered);
                push(layers, position, coders, meter, &gathered, out);
            }
        }
        State::Plain => push(inner, Position::Inner, coders, meter, bytes, out),
        State::Open(stream) => {
            let mut scratch = mem::take(&mut coders.scratch[depth - 1]);
            scratch.resize(Coders::SCRATCH, 0);
            let goes_on = decode(stream, meter, bytes, &mut scratch, &mut |meter, decoded| {
                push(inner, Position::Inner, coders, meter, decoded, out);
            });
            coders.scratch[depth - 1] = scratch;
            if !goes_on && let State::Open(stream) = mem::replace(&mut layer.state, State::Over) {
                coders.give_back(stream);
            }
        }
        State::Over => {}
    }
}

/// Runs a stream over octets; says whether more of them can be of use.
fn decode(
    stream: &mut Stream,
    meter: &mut Meter,
    mut bytes: &[u8],
    scratch: &mut [u8],
    out: &mut dyn FnMut(&mut Meter, &[u8]),
) -> bool {
    loop {
        let step = stream.step(bytes, scratch);
        bytes = bytes.get(step.taken..).unwrap_or_default();
        if step.given > 0 {
            if !meter.allow(step.given) {
                return false;
            }
            out(meter, scratch.get(..step.given).unwrap_or_default());
        }
        match step.next {
            Next::More => {}
            Next::Hungry => return true,
            Next::Over => return false,
            Next::Trailing => {
                meter.outcome.odd(Anomalies::CORRUPT_CODING);
                return false;
            }
            Next::Corrupt => {
                meter.outcome.fail(Anomalies::CORRUPT_CODING);
                return false;
            }
        }
    }
}

fn finish(layers: &mut [Layer], coders: &mut Coders, meter: &mut Meter, out: &mut dyn FnMut(&[u8])) {
    let Some(layer) = layers.first_mut() else { return };
    if let State::Judging(gathered) = &mut layer.state {
        let gathered = mem::take(gathered);
        if !gathered.is_empty() {
            layer.judge(coders, meter, &gathered);
            push(layers, Position::Inner, coders, meter, &gathered, out);
        }
    }
    let Some((layer, inner)) = layers.split_first_mut() else { return };
    if let State::Open(stream) = &layer.state {
        match stream.ending() {
            Ending::Proper => {}
            Ending::TrailerCut => meter.outcome.odd(Anomalies::CORRUPT_CODING),
            Ending::Cut => meter.outcome.fail(Anomalies::CORRUPT_CODING),
        }
    }
    finish(inner, coders, meter, out);
}

impl Layer {
    /// Decides what the octets are that were declared to be of this coding.
    fn judge(&mut self, coders: &mut Coders, meter: &mut Meter, bytes: &[u8]) {
        let extent = meter.extent;
        let (format, as_declared) = match self.coding {
            Coding::Gzip if is_gzip(bytes) => (Some(Format::Gzip), true),
            Coding::Zstd if is_zstd(bytes) => (Some(Format::Zstd), true),
            Coding::Deflate if is_zlib(bytes) && inflates(coders, &bytes[2..], extent) => (Some(Format::Zlib), true),
            // RFC 9110 section 8.4.1.2: some send the deflate data without the zlib wrapper.
            Coding::Deflate if inflates(coders, bytes, extent) => (Some(Format::Deflate), true),
            _ if is_gzip(bytes) => (Some(Format::Gzip), false),
            _ if is_zstd(bytes) => (Some(Format::Zstd), false),
            Coding::Gzip if is_zlib(bytes) && inflates(coders, &bytes[2..], extent) => (Some(Format::Zlib), false),
            Coding::Brotli if unbrotlis(bytes, extent) => (Some(Format::Brotli), true),
            _ => (None, false),
        };
        if !as_declared {
            meter.outcome.odd(Anomalies::MISLABELLED_CODING);
        }
        self.state = match format.map(|format| Stream::open(format, coders)) {
            None => State::Plain,
            Some(Ok(stream)) => State::Open(stream),
            Some(Err(NoDecoder)) => {
                meter.outcome.fail(Anomalies::none());
                State::Over
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(bytes, 3).unwrap()
    }

    /// [`BROTLI_TEXT`] as an encoder of the reference library codes it.
    const BROTLI: &[u8] =
        b"\x1b6\0\xf8\x1d\xa9S\x9f<\x1c8\xe4<\xa1\xcfS\x8a\x82\xb0*\x93K\xb6\xb4\xb7R\xc4\xa9x R3\xf9e\x08";
    const BROTLI_TEXT: &[u8] = b"hello brotli, hello brotli, hello brotli, hello brotli\n";

    fn decode(declared: &str, pieces: &[&[u8]]) -> (Vec<u8>, Outcome) {
        let mut codings = Codings::default();
        codings.note(declared.as_bytes());
        let mut coders = Coders::default();
        let mut decoder = coders.decoder(&codings);
        let mut decoded = Vec::new();
        for piece in pieces {
            decoder.push(&mut coders, piece, &mut |bytes| decoded.extend_from_slice(bytes));
        }
        decoder.finish(&mut coders, &mut |bytes| decoded.extend_from_slice(bytes));
        let outcome = decoder.outcome();
        coders.recycle(decoder);
        (decoded, outcome)
    }

    const TEXT: &[u8] = b"an API answers with the same words again and again, and again, and again";

    #[test]
    fn codings_as_declared() {
        for (declared, coded) in [
            ("gzip", gzip(TEXT)),
            ("x-gzip", gzip(TEXT)),
            ("deflate", zlib(TEXT)),
            ("deflate", deflate(TEXT)),
            ("zstd", zstd(TEXT)),
            ("identity", TEXT.to_vec()),
            ("identity, GZIP", gzip(TEXT)),
            ("deflate, gzip", gzip(&zlib(TEXT))),
            ("gzip, zstd, deflate", deflate(&zstd(&gzip(TEXT)))),
        ] {
            assert_eq!(decode(declared, &[&coded]), (TEXT.to_vec(), Outcome::default()), "{declared}");
        }
        assert_eq!(decode("br", &[BROTLI]), (BROTLI_TEXT.to_vec(), Outcome::default()));
    }

    #[test]
    fn the_content_decides() {
        for (declared, coded) in [
            ("gzip", TEXT.to_vec()),
            ("deflate", TEXT.to_vec()),
            ("br", TEXT.to_vec()),
            ("br", b"{}".to_vec()),
            ("deflate", b"ok".to_vec()),
            ("gzip", zlib(TEXT)),
            ("br", gzip(TEXT)),
            ("gzip", zstd(TEXT)),
            ("deflate, gzip", deflate(TEXT)),
            ("deflate, deflate", deflate(TEXT)),
        ] {
            let (decoded, outcome) = decode(declared, &[&coded]);
            let text = if coded.len() < 3 { coded } else { TEXT.to_vec() };
            assert_eq!(decoded, text, "{declared}");
            assert_eq!(outcome, Outcome { anomalies: Anomalies::MISLABELLED_CODING, undecoded: false }, "{declared}");
        }
    }

    #[test]
    fn misspelt_codings_are_tried() {
        for declared in ["x gzip", "gzip;", "gzip\u{a0}", "\u{b}gzip", "gz\0ip"] {
            assert_eq!(decode(declared, &[&gzip(TEXT)]).0, TEXT, "{declared}");
        }
        let mut unknown = Codings::default();
        unknown.note(b"lzma");
        assert!(unknown.has_unknown() && !unknown.is_identity());
    }

    #[test]
    fn gzip_members_with_odd_headers_and_trailers() {
        let plain = gzip(TEXT);
        let data = &plain[10..plain.len() - 8];
        let odd = CORRUPT;
        let with = |flags: u8, extra: &[u8], trailer: &[u8]| {
            [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3][..], extra, data, trailer].concat()
        };
        for (coded, outcome) in [
            (with(4, b"\x05\0Ap\x01\0\0", &[0; 8]), Outcome::default()),
            (with(8 | 16, b"name\0comment\0", &[0; 8]), Outcome::default()),
            (with(2, b"\0\0", &[0; 8]), Outcome::default()),
            (with(0xe0, b"", &[0; 8]), Outcome::default()),
            (with(0, b"", &[0; 4]), odd),
            (with(0, b"", &[]), odd),
            (with(0, b"", b"01234567trailing"), odd),
        ] {
            assert_eq!(decode("gzip", &[&coded]), (TEXT.to_vec(), outcome), "{}", coded.escape_ascii());
        }
        let two = [gzip(b"one and "), gzip(b"two")].concat();
        assert_eq!(decode("gzip", &[&two]), (b"one and two".to_vec(), Outcome::default()));
    }

    const CORRUPT: Outcome = Outcome { anomalies: Anomalies::CORRUPT_CODING, undecoded: false };

    #[test]
    fn what_breaks_off_is_decoded_as_far_as_it_goes() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for (declared, mut coded) in [("gzip", gzip(&text)), ("deflate", zlib(&text)), ("zstd", zstd(&text))] {
            coded.truncate(coded.len() / 2);
            let (decoded, outcome) = decode(declared, &[&coded]);
            assert!(text.starts_with(&decoded) && decoded.len() > text.len() / 4, "{declared} {}", decoded.len());
            assert_eq!(outcome, Outcome { undecoded: true, ..CORRUPT }, "{declared}");
        }
        let mut damaged = gzip(&text);
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0xff);
        assert!(decode("gzip", &[&damaged]).1.anomalies.contains(Anomalies::CORRUPT_CODING) || text.len() > middle);
    }

    #[test]
    fn bombs_are_stopped() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100 << 10);
        let (decoded, outcome) = decode("gzip", &[&bomb]);
        assert!(decoded.len() < 20 << 20, "{}", decoded.len());
        assert_eq!(outcome, Outcome { anomalies: Anomalies::DECOMPRESSION_LIMIT, undecoded: true });
        let (decoded, outcome) = decode("gzip, gzip", &[&gzip(&gzip(&vec![0; 64 << 20]))]);
        assert!(decoded.len() < 20 << 20);
        assert!(outcome.undecoded);
    }

    #[test]
    fn more_codings_than_are_removed() {
        let mut codings = Codings::default();
        codings.note(b"gzip, gzip, gzip, gzip, gzip");
        assert!(codings.has_unknown());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_split_decodes_the_same(
            seed in prop::collection::vec(any::<u8>(), 1..64),
            repeat in 1_usize..4000,
            coding in 0_usize..5,
            cuts in prop::collection::vec(0.0..1.0_f64, 0..8),
        ) {
            let text = seed.repeat(repeat);
            let (declared, coded) = match coding {
                0 => ("gzip", gzip(&text)),
                1 => ("deflate", zlib(&text)),
                2 => ("deflate", deflate(&text)),
                3 => ("zstd", zstd(&text)),
                _ => ("deflate, gzip", gzip(&zlib(&text))),
            };
            let cuts = cuts.iter().map(|cut| (cut * coded.len() as f64) as usize);
            let mut cuts: Vec<usize> = cuts.chain([0, coded.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &coded[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode(declared, &pieces), (text, Outcome::default()));
        }

        #[test]
        fn arbitrary_octets_are_survived(
            declared in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "br, gzip", "deflate, zstd"]),
            magic in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\0\0\0\0\0\0\0", b"x\x9c", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\xff"]),
            noise in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            decode(declared, &[magic, &noise]);
        }
    }
}
