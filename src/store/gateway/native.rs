//! The Native format as clients expect it that say which version of the native protocol they speak (clickhouse-go, and so
//! Grafana): each block begins with its info, and from one version on each column says how it is serialised. The engine
//! writes blocks for a client without a version, so what is missing has to be put in, and for that the end of each
//! column has to be found.

use super::Fault;
use super::format::varint;

/// From this version on, a column's type is followed by an octet that says whether it is serialised in a special way.
const WITH_SERIALIZATION: u32 = 54_454;

/// Block info: 1, no overflow rows; 2, bucket number -1; 0, the end.
const BLOCK_INFO: [u8; 8] = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0];

/// How deep types may be nested.
const DEPTH_LIMIT: usize = 32;

/// The blocks in `piece`, as a client of this protocol version expects them.
pub(super) fn for_protocol(piece: &[u8], protocol: u32) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(piece.len() + piece.len() / 8 + 64);
    let mut reader = Reader { bytes: piece, at: 0 };
    while reader.at < piece.len() {
        out.extend(BLOCK_INFO);
        let start = reader.at;
        let columns = reader.varint()?;
        let rows = reader.count()?;
        out.extend(reader.since(start));
        for _ in 0..columns {
            let start = reader.at;
            reader.string()?;
            let kind = reader.string()?;
            out.extend(reader.since(start));
            if protocol >= WITH_SERIALIZATION {
                out.push(0);
            }
            let start = reader.at;
            if rows > 0 {
                let kind = std::str::from_utf8(kind).map_err(|_| malformed())?;
                reader.prefix(kind, DEPTH_LIMIT)?;
                reader.data(kind, rows, DEPTH_LIMIT)?;
            }
            out.extend(reader.since(start));
        }
    }
    Ok(out)
}

fn malformed() -> Fault {
    Fault::Engine("Code: 33. DB::Exception: a block of the result cannot be read. (CANNOT_READ_ALL_DATA)".into())
}

fn unknown(kind: &str) -> Fault {
    Fault::NotImplemented(format!("type {kind} in Native for a client with a protocol version; choose another format"))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(length).ok_or_else(malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(malformed)?;
        self.at = end;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let (value, end) = varint(self.bytes, self.at).ok_or_else(malformed)?;
        self.at = end;
        Ok(value)
    }

    fn count(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.varint()?).map_err(|_| malformed())
    }

    fn string(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.count()?;
        self.take(length)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        let octets = self.take(8)?;
        octets.try_into().map(u64::from_le_bytes).map_err(|_| malformed())
    }

    /// What stands once before a column's data: the version of a dictionary, for each one in its type.
    fn prefix(&mut self, kind: &str, depth: usize) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or_else(|| unknown(kind))?;
        let (name, arguments) = split(kind);
        match name {
            "LowCardinality" => self.u64().map(|_| ()),
            "Array" | "Nullable" | "Tuple" | "Nested" | "Map" => {
                arguments.iter().try_for_each(|argument| self.prefix(element(name, argument), depth))
            }
            "SimpleAggregateFunction" => arguments.last().map_or(Ok(()), |argument| self.prefix(argument, depth)),
            _ => Ok(()),
        }
    }

    /// A column's data.
    fn data(&mut self, kind: &str, rows: usize, depth: usize) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or_else(|| unknown(kind))?;
        let (name, arguments) = split(kind);
        let inner = || arguments.last().copied().ok_or_else(|| unknown(kind));
        match name {
            "String" => (0..rows).try_for_each(|_| self.string().map(|_| ())),
            "Nullable" => {
                self.take(rows)?;
                self.data(inner()?, rows, depth)
            }
            "SimpleAggregateFunction" => self.data(inner()?, rows, depth),
            "Array" | "Map" | "Nested" => {
                let rows = self.offsets(rows)?;
                arguments.iter().try_for_each(|argument| self.data(element(name, argument), rows, depth))
            }
            "Tuple" if !arguments.is_empty() => {
                arguments.iter().try_for_each(|argument| self.data(element(name, argument), rows, depth))
            }
            "LowCardinality" => self.dictionary(inner()?, rows, depth),
            _ => {
                let width = width(name, &arguments).ok_or_else(|| unknown(kind))?;
                self.take(rows.checked_mul(width).ok_or_else(malformed)?).map(|_| ())
            }
        }
    }

    /// The ends of arrays; the last one says how many elements there are in all.
    fn offsets(&mut self, rows: usize) -> Result<usize, Fault> {
        if rows == 0 {
            return Ok(0);
        }
        self.take((rows - 1).checked_mul(8).ok_or_else(malformed)?)?;
        usize::try_from(self.u64()?).map_err(|_| malformed())
    }

    fn dictionary(&mut self, kind: &str, rows: usize, depth: usize) -> Result<(), Fault> {
        if rows == 0 {
            return Ok(());
        }
        let flags = self.u64()?;
        let index = match flags & 0xff {
            shift @ 0..=3 => 1 << shift,
            _ => return Err(malformed()),
        };
        let has_keys = flags & (1 << 9) != 0;
        if has_keys {
            let keys = usize::try_from(self.u64()?).map_err(|_| malformed())?;
            // Whether a value is null is told by its index.
            let kind = kind.strip_prefix("Nullable(").and_then(|inner| inner.strip_suffix(')')).unwrap_or(kind);
            self.data(kind, keys, depth)?;
        }
        let indexes = usize::try_from(self.u64()?).map_err(|_| malformed())?;
        self.take(indexes.checked_mul(index).ok_or_else(malformed)?).map(|_| ())
    }
}

/// `Array(Tuple(a UInt8, b String))` into `Array` and its arguments.
fn split(kind: &str) -> (&str, Vec<&str>) {
    let Some((name, rest)) = kind.split_once('(') else { return (kind, Vec::new()) };
    let rest = rest.strip_suffix(')').unwrap_or(rest);
    let mut arguments = Vec::new();
    let (mut depth, mut start, mut is_quoted, mut is_escaped) = (0_usize, 0, false, false);
    for (at, octet) in rest.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'\'' | b'`' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                arguments.push(rest.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = rest.get(start..).unwrap_or_default().trim();
    if !last.is_empty() {
        arguments.push(last);
    }
    (name, arguments)
}

/// The type in an argument of `Tuple` or `Nested`, which may have a name before it.
fn element<'a>(of: &str, argument: &'a str) -> &'a str {
    if !matches!(of, "Tuple" | "Nested") {
        return argument;
    }
    if let Some(quoted) = argument.strip_prefix('`') {
        return quoted.rsplit_once("` ").map_or(argument, |(_, kind)| kind);
    }
    let head = argument.split('(').next().unwrap_or_default();
    match head.split_once(' ') {
        Some((name, _)) => argument.get(name.len() + 1..).unwrap_or_default(),
        None => argument,
    }
}

/// Octets of a value of a type with a fixed width.
fn width(name: &str, arguments: &[&str]) -> Option<usize> {
    let number = |index: usize| arguments.get(index).and_then(|argument| argument.parse::<usize>().ok());
    Some(match name {
        "Int8" | "UInt8" | "Bool" | "Enum8" | "Nothing" => 1,
        "Int16" | "UInt16" | "Enum16" | "Date" | "BFloat16" => 2,
        "Int32" | "UInt32" | "Float32" | "Date32" | "DateTime" | "IPv4" | "Decimal32" => 4,
        "Int64" | "UInt64" | "Float64" | "DateTime64" | "Decimal64" => 8,
        "Int128" | "UInt128" | "UUID" | "IPv6" | "Decimal128" => 16,
        "Int256" | "UInt256" | "Decimal256" => 32,
        "FixedString" => number(0)?,
        "Decimal" => match number(0)? {
            0..=9 => 4,
            10..=18 => 8,
            19..=38 => 16,
            _ => 32,
        },
        interval if interval.starts_with("Interval") => 8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A block with one column, without and with what a protocol version adds.
    fn check(kind: &str, rows: u8, data: &[u8]) {
        let kind = [&[kind.len() as u8], kind.as_bytes()].concat();
        let plain = [&[1, rows, 1, b'a'], &kind[..], data].concat();
        let expected = [&BLOCK_INFO[..], &[1, rows, 1, b'a'], &kind, &[0], data].concat();
        // Twice, so that a wrong end of the column is seen.
        let twice = for_protocol(&plain.repeat(2), WITH_SERIALIZATION).unwrap();
        assert_eq!(twice, expected.repeat(2));
        let older = for_protocol(&plain, WITH_SERIALIZATION - 1).unwrap();
        assert_eq!(older, [&BLOCK_INFO[..], &plain].concat());
        for end in 1..plain.len() {
            let _ = for_protocol(&plain[..end], WITH_SERIALIZATION);
        }
    }

    #[test]
    fn columns_end_where_they_end() {
        check("UInt8", 2, &[1, 2]);
        check("DateTime64(6, 'UTC')", 1, &[0; 8]);
        check("Decimal(18, 4)", 1, &[0; 8]);
        check("FixedString(3)", 2, b"abcdef");
        check("Enum8('a(' = 1, 'b\\')' = 2)", 1, &[1]);
        check("String", 2, b"\x01a\x02bc");
        check("Nullable(String)", 2, b"\x00\x01\x01a\x00");
        check("Array(UInt16)", 2, &[1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0]);
        check("Array(String)", 1, &[0; 8]);
        check("Map(String, UInt8)", 1, &[1, 0, 0, 0, 0, 0, 0, 0, 1, b'k', 7]);
        check("Tuple(a UInt8, `b c` Tuple(UInt8, String))", 1, &[1, 2, 1, b'x']);
        check(
            "Array(Tuple(kind LowCardinality(String), offset UInt64))",
            1,
            &[&[1, 0, 0, 0, 0, 0, 0, 0], &[0; 8][..]].concat(),
        );
        let dictionary =
            [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[0, 6, 0, 0, 0, 0, 0, 0], &[2, 0, 0, 0, 0, 0, 0, 0], b"\0\x01a"];
        check(
            "LowCardinality(Nullable(String))",
            2,
            &[&dictionary.concat()[..], &[2, 0, 0, 0, 0, 0, 0, 0, 1, 0]].concat(),
        );
    }

    #[test]
    fn what_is_not_known_is_said() {
        let block = [&[1, 1, 1, b'a', 4], &b"JSON"[..], &[0]].concat();
        assert!(matches!(for_protocol(&block, 54_460), Err(Fault::NotImplemented(_))));
        // Without rows there is nothing to be known.
        let block = [&[1, 0, 1, b'a', 4], &b"JSON"[..]].concat();
        assert!(for_protocol(&block, 54_460).is_ok());
        let deep = "Array(".repeat(40) + "UInt8" + &")".repeat(40);
        let block = [&[1, 1, 1, b'a', 0x8d, 0x02], deep.as_bytes(), &[0; 800]].concat();
        assert!(for_protocol(&block, 54_460).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_octets_are_survived(piece in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = for_protocol(&piece, WITH_SERIALIZATION);
        }
    }
}
