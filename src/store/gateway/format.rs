//! Formats of results: which of them can be sent in pieces, and what they are called in HTTP.

/// How the pieces of a streamed result make one document. The engine gives each piece as a document of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    /// One behind the other.
    Concatenate,
    /// The same, with the header of names and types only once.
    HeaderOnce,
    /// They don't: the result is made whole.
    None,
}

/// How pieces of a result in this format are put together.
pub(super) fn pieces(format: &str) -> Pieces {
    match format {
        "RowBinary"
        | "Native"
        | "TSV"
        | "TabSeparated"
        | "TSVRaw"
        | "TabSeparatedRaw"
        | "CSV"
        | "TSKV"
        | "LineAsString"
        | "RawBLOB"
        | "JSONEachRow"
        | "JSONLines"
        | "NDJSON"
        | "JSONStringsEachRow"
        | "JSONCompactEachRow"
        | "JSONCompactStringsEachRow" => Pieces::Concatenate,
        "RowBinaryWithNamesAndTypes" => Pieces::HeaderOnce,
        _ => Pieces::None,
    }
}

/// The media type that ClickHouse sends with a format.
pub(super) fn content_type(format: &str) -> &'static str {
    match format {
        "JSONEachRow"
        | "JSONLines"
        | "NDJSON"
        | "JSONStringsEachRow"
        | "JSONCompactEachRow"
        | "JSONCompactStringsEachRow"
        | "JSONEachRowWithProgress" => "application/x-ndjson; charset=UTF-8",
        json if json.starts_with("JSON") => "application/json; charset=UTF-8",
        csv if csv.starts_with("CSV") => "text/csv; charset=UTF-8; header=absent",
        tsv if tsv.starts_with("TSV") || tsv.starts_with("TabSeparated") => "text/tab-separated-values; charset=UTF-8",
        "XML" => "application/xml; charset=UTF-8",
        "Native"
        | "RowBinary"
        | "RowBinaryWithNames"
        | "RowBinaryWithNamesAndTypes"
        | "Parquet"
        | "Arrow"
        | "ArrowStream"
        | "ORC"
        | "Avro"
        | "MsgPack"
        | "BSONEachRow"
        | "Protobuf" => "application/octet-stream",
        _ => "text/plain; charset=UTF-8",
    }
}

/// Length of the header of RowBinaryWithNamesAndTypes: the number of columns, their names, their types, each a string
/// with its length before it.
pub(super) fn header_length(piece: &[u8]) -> Option<usize> {
    let (columns, mut at) = varint(piece, 0)?;
    for _ in 0..columns.checked_mul(2)? {
        let (length, start) = varint(piece, at)?;
        at = start.checked_add(usize::try_from(length).ok()?)?;
        if at > piece.len() {
            return None;
        }
    }
    Some(at)
}

/// The number at `at` (7 bits an octet, the low ones first), and where it ends.
pub(super) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, octet) in bytes.get(at..)?.iter().take(9).enumerate() {
        value |= u64::from(octet & 0x7f) << (7 * index);
        if octet & 0x80 == 0 {
            return Some((value, at + index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_measured() {
        let header = b"\x02\x01a\x02bc\x05UInt8\x06String";
        assert_eq!(header_length(&[&header[..], b"\x01\x01x"].concat()), Some(header.len()));
        assert_eq!(header_length(&header[..header.len() - 1]), None);
        assert_eq!(header_length(b""), None);
        assert_eq!(header_length(b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), None);
        assert_eq!(header_length(&[0xff; 20]), None);
    }

    #[test]
    fn numbers_take_as_many_octets_as_they_need() {
        assert_eq!(varint(&[0x05], 0), Some((5, 1)));
        assert_eq!(varint(&[0, 0xac, 0x02], 1), Some((300, 3)));
        assert_eq!(varint(&[0x80], 0), None);
    }

    #[test]
    fn media_types_are_those_of_clickhouse() {
        assert_eq!(content_type("JSONCompact"), "application/json; charset=UTF-8");
        assert_eq!(content_type("TabSeparated"), "text/tab-separated-values; charset=UTF-8");
        assert_eq!(content_type("Native"), "application/octet-stream");
        assert_eq!(content_type("Pretty"), "text/plain; charset=UTF-8");
    }
}
