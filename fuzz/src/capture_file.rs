//! A capture file, whatever is in it.

use std::io::{Cursor, Read};

use apitap::capture::file::{LARGEST_RECORD, Reader};

/// Reads the bytes as a capture file, in one go and in drips: the frames must be the same.
///
/// Where gzip data is damaged, how much before the damage comes out depends on the pieces it was read in.
pub fn run(bytes: &[u8]) {
    let at_once = read(Cursor::new(bytes.to_vec()));
    let in_drips = read(Drip(Cursor::new(bytes.to_vec()), 1 + bytes.len() % 13));
    if bytes.starts_with(b"\x1f\x8b") && !(at_once.end.is_empty() && in_drips.end.is_empty()) {
        let common = at_once.frames.len().min(in_drips.frames.len());
        assert_eq!(at_once.frames[..common], in_drips.frames[..common]);
    } else {
        assert_eq!(at_once, in_drips);
    }
}

/// What was told: each frame's time, interface, lengths and a sum of its octets; and how the file ended.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    frames: Vec<(i64, u16, u32, usize, u64)>,
    end: String,
}

fn read(source: impl Read + Send + 'static) -> Told {
    let mut told = Told { frames: Vec::new(), end: String::new() };
    let mut reader = match Reader::from_read("a file", source) {
        Ok(reader) => reader,
        Err(error) => return Told { end: error.to_string(), ..told },
    };
    loop {
        match reader.next() {
            Ok(Some(frame)) => {
                assert!(frame.bytes.len() <= LARGEST_RECORD as usize);
                let sum = frame.bytes.iter().fold(0_u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte));
                let (time, lens) = (frame.timestamp.as_nanos(), (frame.original_len, frame.bytes.len()));
                told.frames.push((time, frame.interface, lens.0, lens.1, sum));
            }
            Ok(None) => break,
            Err(error) => {
                told.end = error.to_string();
                break;
            }
        }
    }
    assert_eq!(reader.frames(), told.frames.len() as u64);
    if let Some(warning) = reader.warning() {
        told.end = warning.to_string();
    }
    told
}

/// Gives a few bytes at a time, as a pipe may.
struct Drip(Cursor<Vec<u8>>, usize);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}
