//! The octets of a capture file, buffered; gzip is taken off on the way.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Large enough that system calls do not show, small enough to stay in the second-level cache with what reads it.
const BUFFER: usize = 256 * 1024;

/// A buffer over a source. Positions within it are handed out as [`Span`]s, which hold until the next [`Input::want`].
pub(super) struct Input {
    source: Box<dyn Read + Send>,
    raw_octets: Arc<AtomicU64>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `buffer[0]` in the (decompressed) capture.
    base: u64,
    /// The source has ended or failed.
    ended: bool,
    failure: Option<io::Error>,
    gzip: bool,
}

/// A place in the buffer.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start: usize,
    len: usize,
}

impl Input {
    pub(super) fn new(source: impl Read + Send + 'static) -> Self {
        let raw_octets = Arc::new(AtomicU64::new(0));
        let counted = Counted { source, octets: Arc::clone(&raw_octets) };
        let mut input = Self {
            source: Box::new(counted),
            raw_octets,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            base: 0,
            ended: false,
            failure: None,
            gzip: false,
        };
        if input.want(GZIP_MAGIC.len()) && input.available().starts_with(&GZIP_MAGIC) {
            input.unzip();
        }
        input
    }

    /// Puts a decompressor between the source and the buffer.
    #[expect(
        clippy::disallowed_types,
        reason = "the capture reader: its output is bounded by the buffer, not collected"
    )]
    fn unzip(&mut self) {
        let source = std::mem::replace(&mut self.source, Box::new(io::empty()));
        let compressed = Cursor::new(self.available().to_vec()).chain(source);
        self.source = Box::new(flate2::read::MultiGzDecoder::new(compressed));
        (self.start, self.end, self.ended, self.gzip) = (0, 0, false, true);
    }

    /// Sees to it that `len` octets are in the buffer; false when the source has fewer left.
    #[inline]
    pub(super) fn want(&mut self, len: usize) -> bool {
        self.end - self.start >= len || self.refill(len)
    }

    #[cold]
    fn refill(&mut self, len: usize) -> bool {
        if self.buffer.len() - self.start < len {
            self.buffer.copy_within(self.start..self.end, 0);
            self.base += self.start as u64;
            self.end -= self.start;
            self.start = 0;
            if self.buffer.len() < len {
                self.buffer.resize(len.next_power_of_two(), 0);
            }
        }
        while !self.ended && self.end - self.start < len {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(octets) => self.end += octets,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(error);
                }
            }
        }
        self.end - self.start >= len
    }

    /// What is in the buffer and not taken yet.
    #[inline]
    pub(super) fn available(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Up to `len` octets from the front.
    #[inline]
    pub(super) fn ahead(&self, len: usize) -> Span {
        Span { start: self.start, len: len.min(self.end - self.start) }
    }

    /// Takes up to `len` octets from the front.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Span {
        let span = self.ahead(len);
        self.start += span.len;
        span
    }

    /// The octets of a span.
    #[inline]
    pub(super) fn octets(&self, span: Span) -> &[u8] {
        &self.buffer[span.start..span.start + span.len]
    }

    /// Offset in the (decompressed) capture of the next octet to be taken.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// How many octets were read from the source itself.
    pub(super) fn raw_octets(&self) -> u64 {
        self.raw_octets.load(Ordering::Relaxed)
    }

    /// Why the source ended early, if it did.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Whether the source is gzip.
    pub(super) fn is_gzip(&self) -> bool {
        self.gzip
    }
}

impl Span {
    /// The part of the span from `start`, at most `len` octets.
    #[inline]
    pub(super) fn part(self, start: usize, len: usize) -> Self {
        let start = start.min(self.len);
        Self { start: self.start + start, len: len.min(self.len - start) }
    }
}

const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Counts what is read, for the progress of compressed files.
struct Counted<R> {
    source: R,
    octets: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let octets = self.source.read(buffer)?;
        self.octets.fetch_add(octets as u64, Ordering::Relaxed);
        Ok(octets)
    }
}
