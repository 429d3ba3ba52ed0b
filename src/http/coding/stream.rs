//! The formats of content codings: telling them by their first octets, and decoders that take input as it comes.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use super::{Coders, Extent};

/// How much output a judgement asks for, in bytes.
const TRIAL: usize = 512;
/// How long the header of a gzip member may be, in bytes.
const MAX_GZIP_HEADER: usize = 64 * 1024;
/// The largest zstd window that is decoded, as a power of two; RFC 8878 asks decoders for 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;

/// A format that content can be in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Gzip,
    Zlib,
    Deflate,
    Brotli,
    Zstd,
}

pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b, 8])
}

pub(super) fn is_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

/// A zlib header: deflate, a window of at most 32 KiB, the check bits, no preset dictionary (RFC 1950 section 2.2).
pub(super) fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [cmf, flg, ..] if cmf & 15 == 8 && cmf >> 4 <= 7 && flg & 32 == 0
        && (u16::from(*cmf) << 8 | u16::from(*flg)).is_multiple_of(31))
}

/// Whether octets are deflate data, as far as [`TRIAL`] octets of output tell.
pub(super) fn inflates(coders: &mut Coders, bytes: &[u8], extent: Extent) -> bool {
    let mut inflater = coders.inflater();
    let mut out = [0; TRIAL];
    let result = inflater.decompress(bytes, &mut out, FlushDecompress::None);
    let verdict = match result {
        Err(_) => false,
        Ok(Status::StreamEnd) => true,
        // Short octets that are not deflate data can look like the beginning of some: then they have to be whole.
        Ok(Status::Ok | Status::BufError) => {
            inflater.total_out() >= TRIAL as u64 || extent == Extent::Beginning || bytes.len() > 64
        }
    };
    coders.keep(inflater);
    verdict
}

/// Whether octets are brotli data, as far as [`TRIAL`] octets of output tell.
pub(super) fn unbrotlis(bytes: &[u8], extent: Extent) -> bool {
    let mut state = brotli_state();
    let mut out = [0; TRIAL];
    let (mut available_in, mut taken, mut available_out, mut given, mut total) = (bytes.len(), 0, TRIAL, 0, 0);
    let result = BrotliDecompressStream(
        &mut available_in,
        &mut taken,
        bytes,
        &mut available_out,
        &mut given,
        &mut out,
        &mut total,
        &mut state,
    );
    match result {
        BrotliResult::ResultFailure => false,
        BrotliResult::ResultSuccess | BrotliResult::NeedsMoreOutput => true,
        BrotliResult::NeedsMoreInput => extent == Extent::Beginning || bytes.len() > 64,
    }
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

fn brotli_state() -> Brotli {
    BrotliState::new(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default())
}

/// The decoder library could not make a decoder.
pub(super) struct NoDecoder;

/// A decoder in the middle of its work.
pub(super) enum Stream {
    Gzip { inflater: Decompress, at: Member },
    Deflate { inflater: Decompress, skip: usize, ended: bool },
    Brotli { state: Box<Brotli>, ended: bool },
    Zstd { decoder: ZstdDecoder<'static>, frame: Frame },
}

/// Where in a gzip member (RFC 1952) a stream is.
pub(super) enum Member {
    Header(Vec<u8>),
    Data,
    Trailer { left: usize },
}

/// Where in the frames of zstd data (RFC 8878) a stream is.
#[derive(PartialEq, Eq)]
pub(super) enum Frame {
    First,
    Within,
    Ended,
}

pub(super) struct Step {
    pub(super) taken: usize,
    pub(super) given: usize,
    pub(super) next: Next,
}

/// What to do after a step.
#[derive(PartialEq, Eq)]
pub(super) enum Next {
    /// Call again.
    More,
    /// Wait for more input.
    Hungry,
    /// The coded data has ended.
    Over,
    /// The coded data has ended; what follows it is not of the coding.
    Trailing,
    /// The data makes no sense.
    Corrupt,
}

/// How coded data ended when the content did.
pub(super) enum Ending {
    Proper,
    TrailerCut,
    Cut,
}

impl Stream {
    pub(super) fn open(format: Format, coders: &mut Coders) -> Result<Self, NoDecoder> {
        Ok(match format {
            Format::Gzip => Self::Gzip { inflater: coders.inflater(), at: Member::Header(Vec::new()) },
            // The checksum behind zlib's data is not needed to read it, and wrong ones are sent.
            Format::Zlib => Self::Deflate { inflater: coders.inflater(), skip: 2, ended: false },
            Format::Deflate => Self::Deflate { inflater: coders.inflater(), skip: 0, ended: false },
            Format::Brotli => Self::Brotli { state: Box::new(brotli_state()), ended: false },
            Format::Zstd => {
                let mut decoder = ZstdDecoder::new().map_err(|_| NoDecoder)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(|_| NoDecoder)?;
                Self::Zstd { decoder, frame: Frame::First }
            }
        })
    }

    /// Rough sizes: zlib's window and tables; what RFC 8878 lets a window be; brotli's usual window.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Gzip { .. } | Self::Deflate { .. } => 48 << 10,
            Self::Brotli { .. } => 4 << 20,
            Self::Zstd { .. } => 8 << 20,
        }
    }

    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        match self {
            Self::Gzip { inflater, at } => gzip_step(inflater, at, input, out),
            Self::Deflate { inflater, skip, ended } => {
                if *ended {
                    // Behind zlib's data comes its checksum.
                    return Step { taken: input.len(), given: 0, next: Next::Hungry };
                }
                if *skip > 0 {
                    let taken = input.len().min(*skip);
                    *skip -= taken;
                    return Step { taken, given: 0, next: if *skip == 0 { Next::More } else { Next::Hungry } };
                }
                let step = inflate(inflater, input, out);
                *ended = step.next == Next::Over;
                if *ended { Step { next: Next::More, ..step } } else { step }
            }
            Self::Brotli { state, ended } => {
                if *ended {
                    return Step {
                        taken: 0,
                        given: 0,
                        next: if input.is_empty() { Next::Hungry } else { Next::Trailing },
                    };
                }
                let step = unbrotli(state, input, out);
                *ended = step.next == Next::Over;
                if *ended { Step { next: Next::More, ..step } } else { step }
            }
            Self::Zstd { decoder, frame } => unzstd(decoder, frame, input, out),
        }
    }

    pub(super) fn ending(&self) -> Ending {
        match self {
            Self::Gzip { at: Member::Header(buffer), .. } if buffer.is_empty() => Ending::Proper,
            Self::Gzip { at: Member::Trailer { .. } | Member::Header(_), .. } => Ending::TrailerCut,
            Self::Deflate { ended: true, .. } | Self::Brotli { ended: true, .. } => Ending::Proper,
            Self::Zstd { frame: Frame::Ended, .. } => Ending::Proper,
            Self::Gzip { .. } | Self::Deflate { .. } | Self::Brotli { .. } | Self::Zstd { .. } => Ending::Cut,
        }
    }
}

/// Header, data and trailer of one member after another. Checksums are not compared: with a wrong one the content is read
/// all the same, by browsers too.
fn gzip_step(inflater: &mut Decompress, at: &mut Member, input: &[u8], out: &mut [u8]) -> Step {
    match at {
        Member::Header(buffer) => {
            if input.is_empty() {
                return Step { taken: 0, given: 0, next: Next::Hungry };
            }
            let before = buffer.len();
            // A header in one piece is read in place.
            let bytes: &[u8] = if before == 0 {
                input
            } else {
                buffer.extend_from_slice(input);
                buffer
            };
            match gzip_header(bytes) {
                GzipHeader::Whole(len) => {
                    *at = Member::Data;
                    Step { taken: len - before, given: 0, next: Next::More }
                }
                GzipHeader::Partial if bytes.len() < MAX_GZIP_HEADER => {
                    if before == 0 {
                        buffer.extend_from_slice(input);
                    }
                    Step { taken: input.len(), given: 0, next: Next::Hungry }
                }
                GzipHeader::Partial | GzipHeader::Other => Step { taken: 0, given: 0, next: Next::Trailing },
            }
        }
        Member::Data => {
            let step = inflate(inflater, input, out);
            if step.next == Next::Over {
                *at = Member::Trailer { left: 8 };
                return Step { next: Next::More, ..step };
            }
            step
        }
        Member::Trailer { left } => {
            let taken = input.len().min(*left);
            *left -= taken;
            if *left > 0 {
                return Step { taken, given: 0, next: Next::Hungry };
            }
            inflater.reset(false);
            *at = Member::Header(Vec::new());
            Step { taken, given: 0, next: Next::More }
        }
    }
}

enum GzipHeader {
    Whole(usize),
    Partial,
    Other,
}

/// RFC 1952 section 2.3. Reserved flags are passed over: they add nothing to the header.
fn gzip_header(bytes: &[u8]) -> GzipHeader {
    const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
    let seen = bytes.len().min(MAGIC.len());
    if bytes[..seen] != MAGIC[..seen] {
        return GzipHeader::Other;
    }
    let whole = || {
        let flags = *bytes.get(3)?;
        let mut len = 10;
        if flags & 4 != 0 {
            let extra = bytes.get(len..len + 2)?;
            len += 2 + usize::from(u16::from_le_bytes([extra[0], extra[1]]));
        }
        for text in [8, 16] {
            if flags & text != 0 {
                len += memchr::memchr(0, bytes.get(len..)?)? + 1;
            }
        }
        len += usize::from(flags & 2);
        (len <= bytes.len()).then_some(len)
    };
    whole().map_or(GzipHeader::Partial, GzipHeader::Whole)
}

fn inflate(inflater: &mut Decompress, input: &[u8], out: &mut [u8]) -> Step {
    let (taken, given) = (inflater.total_in(), inflater.total_out());
    let result = inflater.decompress(input, out, FlushDecompress::None);
    let taken = (inflater.total_in() - taken) as usize;
    let given = (inflater.total_out() - given) as usize;
    let next = match result {
        Err(_) => Next::Corrupt,
        Ok(Status::StreamEnd) => Next::Over,
        Ok(_) if given == out.len() => Next::More,
        Ok(_) if taken < input.len() && (taken > 0 || given > 0) => Next::More,
        Ok(_) if taken < input.len() => Next::Corrupt,
        Ok(_) => Next::Hungry,
    };
    Step { taken, given, next }
}

fn unbrotli(state: &mut Brotli, input: &[u8], out: &mut [u8]) -> Step {
    let (mut available_in, mut taken, mut available_out, mut given, mut total) = (input.len(), 0, out.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut available_in,
        &mut taken,
        input,
        &mut available_out,
        &mut given,
        out,
        &mut total,
        state,
    );
    let next = match result {
        BrotliResult::ResultSuccess => Next::Over,
        BrotliResult::NeedsMoreInput => Next::Hungry,
        BrotliResult::NeedsMoreOutput => Next::More,
        BrotliResult::ResultFailure => Next::Corrupt,
    };
    Step { taken, given, next }
}

fn unzstd(decoder: &mut ZstdDecoder<'static>, frame: &mut Frame, input: &[u8], out: &mut [u8]) -> Step {
    let mut source = InBuffer::around(input);
    let mut target = OutBuffer::around(out);
    let result = decoder.run(&mut source, &mut target);
    let (taken, given) = (source.pos(), target.pos());
    let next = match result {
        Err(_) if *frame == Frame::Ended && given == 0 => Next::Trailing,
        Err(_) => Next::Corrupt,
        Ok(left) => {
            if taken > 0 || given > 0 {
                *frame = if left == 0 { Frame::Ended } else { Frame::Within };
            }
            if given == target.capacity() || (taken < input.len() && (taken > 0 || given > 0)) {
                Next::More
            } else {
                Next::Hungry
            }
        }
    };
    Step { taken, given, next }
}
