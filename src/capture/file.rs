//! Capture files: classic pcap and pcapng, plain or gzip, from a path or from standard input.
//!
//! Nothing in a file is trusted: lengths are bounded before they are used, memory stays at one buffer that grows to the
//! largest record ([`LARGEST_RECORD`] at most), and a file that breaks off or is damaged gives the frames before the fault
//! and a [`Warning`].

mod classic;
mod fault;
mod input;
mod pcapng;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use fault::{Content, Fault, ReadError, ReadErrorKind, Warning};

use self::classic::Classic;
use self::input::{Input, Span};
use self::pcapng::PcapNg;
use super::{Frame, LinkType};
use crate::time::Timestamp;

/// The most octets a record may have, whatever the file says.
pub const LARGEST_RECORD: u32 = 16 * 1024 * 1024;

/// Reads the frames of a capture file one after another.
pub struct Reader {
    name: String,
    size: Option<u64>,
    input: Input,
    format: Format,
    frames: u64,
    warning: Option<Warning>,
}

enum Format {
    Classic(Classic),
    PcapNg(PcapNg),
    /// Nothing more to read.
    Ended,
}

impl Reader {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        if path.as_os_str() == "-" {
            return Self::stdin();
        }
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        match opened {
            Err(error) => Err(ReadError { name, kind: ReadErrorKind::from_io(error) }),
            Ok((_, metadata)) if metadata.is_dir() => Err(ReadError { name, kind: ReadErrorKind::Directory }),
            Ok((file, metadata)) => {
                let mut reader = Self::from_read(name, file)?;
                reader.size = metadata.is_file().then_some(metadata.len());
                Ok(reader)
            }
        }
    }

    /// Reads standard input.
    pub fn stdin() -> Result<Self, ReadError> {
        Self::from_read("standard input", io::stdin())
    }

    /// Reads from anything; `name` is what warnings and errors call it.
    pub fn from_read(name: impl Into<String>, source: impl Read + Send + 'static) -> Result<Self, ReadError> {
        let mut input = Input::new(source);
        let opened = Self::detect(&mut input);
        let name = name.into();
        match opened {
            Ok(format) => Ok(Self { name, size: None, input, format, frames: 0, warning: None }),
            Err(kind) => Err(ReadError { name, kind }),
        }
    }

    fn detect(input: &mut Input) -> Result<Format, ReadErrorKind> {
        if let Some(format) = PcapNg::open(input) {
            return Ok(Format::PcapNg(format));
        }
        match Classic::open(input) {
            Ok(Some(format)) => return Ok(Format::Classic(format)),
            Ok(None) => {}
            Err(fault) => return Err(ReadErrorKind::NoRecord(explain(fault, input))),
        }
        match input.failure() {
            Some(error) if input.is_gzip() => Err(ReadErrorKind::NoRecord(Fault::Gzip(error))),
            Some(error) => Err(ReadErrorKind::from_io(error)),
            None if input.available().is_empty() && !input.is_gzip() => Err(ReadErrorKind::Empty),
            None => {
                // A pipe may have given a few octets only.
                input.want(Content::SAMPLE);
                Err(ReadErrorKind::NotACapture(Content::guess(input.available(), input.is_gzip())))
            }
        }
    }

    /// The next frame, or `None` at the end; [`Reader::warning`] then says whether that is the file's own end.
    ///
    /// It is an error when not one frame could be read of a file that begins like a capture.
    #[inline]
    #[expect(
        clippy::should_implement_trait,
        reason = "what it returns borrows from the reader; Iterator cannot say that"
    )]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        let record = match &mut self.format {
            Format::Classic(format) => format.next(&mut self.input),
            Format::PcapNg(format) => format.next(&mut self.input),
            Format::Ended => return Ok(None),
        };
        match record {
            Ok(Some(record)) => {
                self.frames += 1;
                Ok(Some(Frame {
                    timestamp: record.timestamp,
                    link_type: record.link_type,
                    interface: record.interface,
                    original_len: record.original_len,
                    bytes: self.input.octets(record.frame),
                }))
            }
            Ok(None) => self.end(None).map(|()| None),
            Err(fault) => self.end(Some(fault)).map(|()| None),
        }
    }

    #[cold]
    fn end(&mut self, fault: Option<Fault>) -> Result<(), ReadError> {
        self.format = Format::Ended;
        // A source that fails looks like one that ends.
        let fault = match fault {
            Some(fault) => explain(fault, &mut self.input),
            None => match self.input.failure() {
                Some(error) => explain_failure(error, &self.input),
                None => return Ok(()),
            },
        };
        if self.frames == 0 {
            return Err(ReadError { name: self.name.clone(), kind: ReadErrorKind::NoRecord(fault) });
        }
        let offset = self.input.offset();
        self.warning = Some(Warning { name: self.name.clone(), fault, offset, frames: self.frames });
        Ok(())
    }

    /// What the file is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why the file could not be read to its end, if it could not.
    pub fn warning(&self) -> Option<&Warning> {
        self.warning.as_ref()
    }

    /// Why the file was not read to its end, if so; for when reading is over.
    pub fn into_warning(self) -> Option<Warning> {
        self.warning
    }

    /// How many frames it has given.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// How many octets of the file have been read; of a compressed file, of the compressed octets.
    pub fn position(&self) -> u64 {
        self.input.raw_octets()
    }

    /// How many octets the file has, if that can be known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }
}

/// Says why the input was short, when the source failed rather than ended.
fn explain(fault: Fault, input: &mut Input) -> Fault {
    match input.failure() {
        Some(error) if matches!(fault, Fault::Truncated) => explain_failure(error, input),
        _ => fault,
    }
}

fn explain_failure(error: io::Error, input: &Input) -> Fault {
    if input.is_gzip() { Fault::Gzip(error) } else { Fault::Io(error) }
}

/// A frame as a place in the input buffer: a borrow could not be carried through the readers' loops.
struct Record {
    timestamp: Timestamp,
    link_type: LinkType,
    interface: u16,
    original_len: u32,
    frame: Span,
}

/// The byte order of whoever wrote the file.
#[derive(Clone, Copy)]
enum Endian {
    Big,
    Little,
}

impl Endian {
    /// From the byte-order magic in a pcapng section header block.
    fn of_section(block: &[u8]) -> Option<Self> {
        match block.get(8..12)? {
            [0x1a, 0x2b, 0x3c, 0x4d] => Some(Self::Big),
            [0x4d, 0x3c, 0x2b, 0x1a] => Some(Self::Little),
            _ => None,
        }
    }

    /// The number at `offset`; zero past the end, so callers check lengths first.
    #[inline]
    fn u32(self, octets: &[u8], offset: usize) -> u32 {
        let Some(field) = octets.get(offset..).and_then(<[u8]>::first_chunk) else { return 0 };
        match self {
            Self::Big => u32::from_be_bytes(*field),
            Self::Little => u32::from_le_bytes(*field),
        }
    }

    #[inline]
    fn u16(self, octets: &[u8], offset: usize) -> u16 {
        let Some(field) = octets.get(offset..).and_then(<[u8]>::first_chunk) else { return 0 };
        match self {
            Self::Big => u16::from_be_bytes(*field),
            Self::Little => u16::from_le_bytes(*field),
        }
    }

    fn i64(self, octets: &[u8]) -> i64 {
        let Some(field) = octets.first_chunk() else { return 0 };
        match self {
            Self::Big => i64::from_be_bytes(*field),
            Self::Little => i64::from_le_bytes(*field),
        }
    }
}

#[cfg(test)]
mod tests;
