//! The chunked transfer coding (RFC 9112 section 7.1), as lenient as the receivers that attackers aim at.

use memchr::memchr;

/// How many octets of white space and empty lines may stand where a chunk size is due.
const MAX_LEADING: u8 = 64;

/// Takes chunks apart. Holds no content, only its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    place: Place,
    /// Something broke the grammar.
    pub(super) odd: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before or in a chunk size.
    Size { value: u64, digits: bool, leading: u8 },
    /// Behind a chunk size, before the end of its line.
    Extension { size: u64, cr: bool },
    /// In the data of a chunk.
    Data { left: u64 },
    /// Behind the data of a chunk, where a line end is due.
    DataEnd { cr: bool },
    /// In the trailer section, after the last chunk; `blank` while the line at hand is empty.
    Trailer { blank: bool },
}

/// What the next octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// So many octets of content.
    Data(usize),
    /// So many octets that frame it.
    Framing(usize),
    /// So many octets of the trailer section.
    Trailer(usize),
    /// So many octets, the last of which end the message.
    End(usize),
    /// No chunk: the content cannot be told from what frames it any more.
    Broken,
}

/// Whether a gap left the decoder knowing where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterGap {
    /// The gap lay in the data of one chunk.
    InPlace,
    /// It swallowed a chunk size.
    Lost,
}

impl Chunks {
    /// At the first octet of the content.
    pub(super) const fn new() -> Self {
        Self { place: SIZE, odd: false }
    }

    /// Judges the next octets of the stream, which must not be empty; what is judged is consumed.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Chunk {
        match self.place {
            Place::Data { left } => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - taken as u64;
                self.place = if left == 0 { Place::DataEnd { cr: false } } else { Place::Data { left } };
                Chunk::Data(taken)
            }
            Place::Trailer { blank } => self.trailer(bytes, blank),
            Place::Size { .. } | Place::Extension { .. } | Place::DataEnd { .. } => self.framing(bytes),
        }
    }

    /// Passes over octets that are missing.
    pub(super) fn gap(&mut self, octets: u64) -> AfterGap {
        match self.place {
            Place::Data { left } if octets <= left => {
                let left = left - octets;
                self.place = if left == 0 { Place::DataEnd { cr: false } } else { Place::Data { left } };
                AfterGap::InPlace
            }
            _ => AfterGap::Lost,
        }
    }

    /// Whether the last chunk has been seen: a message that ends here lacks at most its trailer section.
    pub(super) const fn last_seen(&self) -> bool {
        matches!(self.place, Place::Trailer { .. })
    }

    /// Chunk sizes, extensions and the line ends behind data.
    fn framing(&mut self, bytes: &[u8]) -> Chunk {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.place {
                Place::Size { value, digits, leading } => {
                    if let Some(digit) = (byte as char).to_digit(16) {
                        // A size past 64 bits stays at the greatest: no receiver gets to its end.
                        let value = if value > u64::MAX >> 4 { u64::MAX } else { value << 4 | u64::from(digit) };
                        self.odd |= value == u64::MAX;
                        self.place = Place::Size { value, digits: true, leading };
                    } else if digits {
                        // Only a line end or an extension may follow (section 7.1.1).
                        self.odd |= !matches!(byte, b'\r' | b'\n' | b';');
                        self.place = Place::Extension { size: value, cr: false };
                        continue;
                    } else if byte.is_ascii_whitespace() && leading < MAX_LEADING {
                        self.odd = true;
                        self.place = Place::Size { value, digits, leading: leading + 1 };
                    } else {
                        self.odd = true;
                        return Chunk::Broken;
                    }
                }
                Place::Extension { size, cr } => {
                    let Some(end) = memchr(b'\n', &bytes[at..]) else {
                        self.place = Place::Extension { size, cr: bytes.last() == Some(&b'\r') };
                        return Chunk::Framing(bytes.len());
                    };
                    self.odd |= if end == 0 && at == 0 { !cr } else { bytes[..at + end].last() != Some(&b'\r') };
                    at += end + 1;
                    if size == 0 {
                        self.place = Place::Trailer { blank: true };
                        return Chunk::Framing(at);
                    }
                    self.place = Place::Data { left: size };
                    return Chunk::Framing(at);
                }
                Place::DataEnd { cr } => match byte {
                    b'\r' if !cr => self.place = Place::DataEnd { cr: true },
                    b'\n' => {
                        self.odd |= !cr;
                        self.place = SIZE;
                    }
                    _ => {
                        self.odd = true;
                        self.place = SIZE;
                        continue;
                    }
                },
                Place::Data { .. } | Place::Trailer { .. } => return Chunk::Framing(at),
            }
            at += 1;
        }
        Chunk::Framing(at)
    }

    fn trailer(&mut self, bytes: &[u8], mut blank: bool) -> Chunk {
        let mut at = 0;
        loop {
            let line = &bytes[at..];
            let Some(end) = memchr(b'\n', line) else {
                blank &= line.iter().all(|byte| *byte == b'\r');
                self.place = Place::Trailer { blank };
                return Chunk::Trailer(bytes.len());
            };
            at += end + 1;
            if blank && line[..end].iter().all(|byte| *byte == b'\r') {
                return Chunk::End(at);
            }
            blank = true;
        }
    }
}

const SIZE: Place = Place::Size { value: 0, digits: false, leading: 0 };

/// Whether content begins like a chunk; `None` when more octets are needed to tell.
pub(super) fn begins(bytes: &[u8]) -> Option<bool> {
    let size = bytes.trim_ascii_start();
    if bytes.len() - size.len() > usize::from(MAX_LEADING) {
        return Some(false);
    }
    let digits = size.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match size.get(digits) {
        None if digits > 32 => Some(true),
        None => None,
        Some(next) => Some(digits > 0 && !next.is_ascii_alphanumeric()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Decoded {
        content: Vec<u8>,
        trailer: Vec<u8>,
        rest: usize,
        ended: bool,
        odd: bool,
    }

    fn decode(pieces: &[&[u8]]) -> Decoded {
        let mut chunks = Chunks::new();
        let mut decoded = Decoded { content: vec![], trailer: vec![], rest: 0, ended: false, odd: false };
        for piece in pieces {
            let mut bytes = *piece;
            while !bytes.is_empty() && !decoded.ended {
                let taken = match chunks.next(bytes) {
                    Chunk::Data(n) => {
                        decoded.content.extend(&bytes[..n]);
                        n
                    }
                    Chunk::Framing(n) => n,
                    Chunk::Trailer(n) => {
                        decoded.trailer.extend(&bytes[..n]);
                        n
                    }
                    Chunk::End(n) => {
                        decoded.trailer.extend(&bytes[..n]);
                        decoded.ended = true;
                        n
                    }
                    Chunk::Broken => return decoded,
                };
                assert!(taken > 0 || chunks.last_seen());
                bytes = &bytes[taken..];
            }
            decoded.rest += bytes.len();
        }
        decoded.ended |= chunks.last_seen();
        decoded.odd = chunks.odd;
        decoded
    }

    #[test]
    fn chunks_with_extensions_and_trailers() {
        let decoded = decode(&[b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\nnext"]);
        assert_eq!(decoded.content, b"hello!");
        assert_eq!(decoded.trailer, b"X: y\r\n\r\n");
        assert!(decoded.ended && !decoded.odd);
        assert_eq!(decoded.rest, 4);
    }

    #[test]
    fn odd_chunks_that_receivers_take() {
        for bytes in [
            &b"3 \r\nabc\r\n0\r\n\r\n"[..],
            b"3\t\r\nabc\r\n0\r\n\r\n",
            b"3\r\r\nabc\r\n0\r\n\r\n",
            b"3,\r\nabc\r\n0\r\n\r\n",
            b"3\0\r\nabc\r\n0\r\n\r\n",
            b"3 x\r\nabc\r\n0\r\n\r\n",
            b" 3\r\nabc\r\n0\r\n\r\n",
            b"\r\n\r\n3\r\nabc\r\n\r\n\r\n0\r\n\r\n",
            b"3\r\nabc\r\n0x\r\n\r\n",
            b"3\r\nabc\r\n0\n",
            b"3\nabc\n0\n\n",
            b"3\r\nabc\r\n0\r\nfoobar\r\n",
        ] {
            let decoded = decode(&[bytes]);
            assert_eq!(decoded.content, b"abc", "{}", bytes.escape_ascii());
            assert!(decoded.ended, "{}", bytes.escape_ascii());
        }
        assert!(decode(&[b"3 \r\nabc\r\n0\r\n\r\n"]).odd);
        assert!(!decode(&[b"003\r\nabc\r\n0\r\n\r\n"]).odd);
    }

    #[test]
    fn a_size_past_64_bits_never_ends() {
        let decoded = decode(&[b"10000000000000000\r\nGET / HTTP/1.1\r\n\r\n"]);
        assert_eq!(decoded.content, b"GET / HTTP/1.1\r\n\r\n");
        assert!(!decoded.ended && decoded.odd);
    }

    #[test]
    fn gaps_in_data_are_counted_and_others_lose_the_place() {
        let mut chunks = Chunks::new();
        assert_eq!(chunks.next(b"a\r\n01"), Chunk::Framing(3));
        assert_eq!(chunks.next(b"01"), Chunk::Data(2));
        assert_eq!(chunks.gap(8), AfterGap::InPlace);
        assert_eq!(chunks.next(b"\r\n0\r\n"), Chunk::Framing(5));
        assert!(chunks.last_seen());
        let mut chunks = Chunks::new();
        assert_eq!(chunks.next(b"a\r\n"), Chunk::Framing(3));
        assert_eq!(chunks.gap(11), AfterGap::Lost);
    }

    #[test]
    fn the_content_tells_whether_it_is_chunked() {
        assert_eq!(begins(b"5\r\nhello"), Some(true));
        assert_eq!(begins(b"\r\n 5;x"), Some(true));
        assert_eq!(begins(b"5"), None);
        assert_eq!(begins(b""), None);
        assert_eq!(begins(b"X5O!P%@AP"), Some(false));
        assert_eq!(begins(b"Dear customer"), Some(false));
        assert_eq!(begins(&[b'1'; 40]), Some(true));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cuts in prop::collection::vec(0_usize..400, 0..12),
        ) {
            let mut bytes = Vec::new();
            for part in &parts {
                bytes.extend(format!("{:x}\r\n", part.len()).bytes());
                bytes.extend(part);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\nA: b\r\n\r\nrest");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % bytes.len()).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let decoded = decode(&pieces);
            prop_assert_eq!(decoded.content, parts.concat());
            prop_assert_eq!(decoded.trailer, b"A: b\r\n\r\n");
            prop_assert_eq!(decoded.rest, 4);
            prop_assert!(!decoded.odd);
        }

        #[test]
        fn arbitrary_octets_never_stall(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            decode(&[&bytes]);
        }
    }
}
