//! What can be wrong with a capture file, in words for the person who gave it.

use std::fmt;
use std::io;

/// A file of which nothing could be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}: {kind}")]
pub struct ReadError {
    /// The file, as the user named it.
    pub name: String,
    /// What is wrong.
    #[source]
    pub kind: ReadErrorKind,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadErrorKind {
    /// No such file.
    #[error("there is no such file; check the path")]
    NotFound,
    /// A directory was named.
    #[error("it is a directory; name the capture files in it")]
    Directory,
    /// The file may not be read.
    #[error("permission denied; make the file readable for this user (chmod, chown) or run as its owner")]
    PermissionDenied,
    /// It has no octets at all.
    #[error("it is empty; was the capture stopped before it was written out?")]
    Empty,
    /// It holds something else.
    #[error("it is not a capture file (pcap or pcapng): {0}")]
    NotACapture(Content),
    /// It begins like a capture, but has not one readable record.
    #[error("not one record is readable: {0}; capture it again or copy it again")]
    NoRecord(Fault),
    /// The system said no in another way.
    #[error("{0}")]
    Io(io::Error),
}

impl ReadErrorKind {
    pub(super) fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::IsADirectory => Self::Directory,
            _ => Self::Io(error),
        }
    }
}

/// A file that could not be read to its end. Everything before the fault was used.
#[derive(Debug)]
pub struct Warning {
    /// The file, as the user named it.
    pub name: String,
    /// What is wrong.
    pub fault: Fault,
    /// Where the record that could not be read begins: octets from the start of the (decompressed) capture.
    pub offset: u64,
    /// How many frames came before it.
    pub frames: u64,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, fault, offset, frames } = self;
        write!(f, "{name}: {fault}, at byte {offset}; the {frames} frames before it are used, the rest is not")
    }
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file ends within it.
    #[error("it ends in the middle of a record")]
    Truncated,
    /// It claims to be larger than any frame is.
    #[error("damaged: a record claims {len} bytes (the limit is {limit})")]
    RecordLength {
        /// Octets it claims to have.
        len: u32,
        /// Octets it may have.
        limit: u32,
    },
    /// A pcapng block whose lengths contradict each other.
    #[error("damaged: a block's lengths contradict each other")]
    Block,
    /// A pcapng packet of an interface that was not described.
    #[error("damaged: a packet refers to an interface that the file does not describe")]
    UnknownInterface,
    /// The gzip stream ends too early or is damaged.
    #[error("its gzip compression is cut off or damaged ({0})")]
    Gzip(io::Error),
    /// The system could not read on.
    #[error("reading failed ({0})")]
    Io(io::Error),
}

/// What a file that is no capture looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A compression that is not read here, by its program's name.
    Compressed(&'static str),
    /// A capture format that is not read here.
    OtherCapture(&'static str),
    /// An ELF program.
    Elf,
    /// Text.
    Text,
    /// gzip, and within it no capture.
    Gzip,
    /// Something else.
    Unknown,
}

impl Content {
    /// How many octets are enough for a guess.
    pub(super) const SAMPLE: usize = 256;

    /// Guesses from the first octets.
    pub(super) fn guess(head: &[u8], gzip: bool) -> Self {
        let starts = |magic: &[u8]| head.starts_with(magic);
        match head {
            _ if gzip => Self::Gzip,
            _ if starts(b"\x28\xb5\x2f\xfd") => Self::Compressed("zstd -d"),
            _ if starts(b"\xfd7zXZ\0") => Self::Compressed("xz -d"),
            _ if starts(b"BZh") => Self::Compressed("bzip2 -d"),
            _ if starts(b"\x04\x22\x4d\x18") => Self::Compressed("lz4 -d"),
            _ if starts(b"PK\x03\x04") => Self::Compressed("unzip"),
            _ if starts(b"snoop\0\0\0") => Self::OtherCapture("snoop"),
            _ if starts(b"GMBU") || starts(b"RTSS") => Self::OtherCapture("Network Monitor"),
            _ if starts(b"\x7fELF") => Self::Elf,
            _ if is_text(head) => Self::Text,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed(program) => write!(f, "it is compressed; unpack it first with '{program}'"),
            Self::OtherCapture(format) => {
                write!(f, "it is a {format} capture; convert it with 'editcap -F pcap'")
            }
            Self::Elf => f.write_str("it looks like a program (ELF)"),
            Self::Text => f.write_str("it looks like text"),
            Self::Gzip => f.write_str("it is gzip, but what is in it is no capture"),
            Self::Unknown => f.write_str("its first bytes belong to no format that is known here"),
        }
    }
}

fn is_text(head: &[u8]) -> bool {
    let head = head.get(..Content::SAMPLE).unwrap_or(head);
    let cut = match std::str::from_utf8(head) {
        Ok(_) => head.len(),
        // A character cut in two by the end of the sample.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return false,
    };
    cut > 0 && head.iter().take(cut).all(|&octet| octet >= 0x20 || matches!(octet, b'\t' | b'\n' | b'\r'))
}
