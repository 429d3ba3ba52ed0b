//! A request's content: read to its end within limits of size and time, and decoded.
//!
//! All of an insert's data is here before the engine sees the first of it, so a client that goes away inserts nothing.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::{Fault, blocks};

/// How long a client may take to send what it has to say.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Reads content to its end.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Bytes, Fault> {
    let collected = tokio::time::timeout(TIME_LIMIT, Limited::new(body, limit).collect()).await;
    match collected {
        Err(_) => Err(Fault::Data("the request took too long to arrive")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Fault::TooLarge(limit)),
        Ok(Err(_)) => Err(Fault::Data("the request ended early")),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

/// Reads content that nobody wants, as far as it is worth while.
pub(super) async fn discard(body: Incoming) {
    const WORTH_WHILE: usize = 4 << 20;
    let _ = tokio::time::timeout(Duration::from_secs(2), Limited::new(body, WORTH_WHILE).collect()).await;
}

/// Takes the content coding off, to at most `limit` octets.
pub(super) fn decode(body: Bytes, coding: Option<&str>, limit: usize) -> Result<Bytes, Fault> {
    match coding.map(str::trim) {
        None | Some("" | "identity") => Ok(body),
        #[expect(clippy::disallowed_types, reason = "a client's own data, and `all` caps it")]
        Some("gzip" | "x-gzip") => all(flate2::read::MultiGzDecoder::new(&*body), limit),
        Some("deflate") => all(flate2::read::ZlibDecoder::new(&*body), limit),
        #[expect(clippy::disallowed_types, reason = "a client's own data, and `all` caps it")]
        Some("zstd") => {
            let decoder = zstd::stream::read::Decoder::with_buffer(&*body);
            all(decoder.map_err(|_| Fault::Data("the content cannot be decoded"))?, limit)
        }
        Some("lz4") => all(lz4_flex::frame::FrameDecoder::new(&*body), limit),
        Some(other) => Err(Fault::NotImplemented(format!("Content-Encoding: {}", other.escape_debug()))),
    }
}

fn all(decoder: impl Read, limit: usize) -> Result<Bytes, Fault> {
    let mut decoded = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut decoded).map_err(|_| Fault::Data("the content cannot be decoded"))?;
    if decoded.len() > limit { Err(Fault::TooLarge(limit)) } else { Ok(decoded.into()) }
}

/// Unpacks ClickHouse's own compressed blocks, to at most `limit` octets.
pub(super) fn unpack(body: &[u8], limit: usize) -> Result<Bytes, Fault> {
    blocks::unpack(body, limit).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn coded() -> [(&'static str, Vec<u8>); 4] {
        let raw = b"octets".repeat(20);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&raw).unwrap();
        let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(&raw).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&raw).unwrap();
        [
            ("gzip", gzip.finish().unwrap()),
            ("deflate", deflate.finish().unwrap()),
            ("zstd", zstd::bulk::compress(&raw, 1).unwrap()),
            ("lz4", lz4.finish().unwrap()),
        ]
    }

    #[test]
    fn content_codings_are_taken_off() {
        for (coding, body) in coded() {
            assert_eq!(decode(body.clone().into(), Some(coding), 120).unwrap(), b"octets".repeat(20), "{coding}");
            assert!(matches!(decode(body.clone().into(), Some(coding), 119), Err(Fault::TooLarge(119))), "{coding}");
            let cut = Bytes::from(body).slice(..12);
            assert!(matches!(decode(cut, Some(coding), 120), Err(Fault::Data(_))), "{coding}");
        }
        assert_eq!(decode(Bytes::from_static(b"raw"), None, 3).unwrap(), "raw");
        assert!(matches!(decode(Bytes::new(), Some("br"), 3), Err(Fault::NotImplemented(_))));
    }
}
