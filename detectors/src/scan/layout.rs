//! What kind of content this is, told by how it begins and never by its declared type.
//!
//! Only what changes how values or their names are read is told apart: in a table the name of a value stands in the
//! first line, in a form `+` is a space, and in binary media there is nothing to read.

use super::meaning::Meaning;
use super::vocabulary::Vocabulary;

/// How many bytes from the start decide.
pub(crate) const HEAD: usize = 2_048;
/// How many columns of a table have names.
const MAX_COLUMNS: usize = 64;

/// What the start of content says about all of it.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    kind: Kind,
    /// What names say in it.
    vocabulary: &'static Vocabulary,
}

#[derive(Clone, Debug, Default)]
enum Kind {
    /// JSON, markup, text: values have their names before them.
    #[default]
    Named,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Comma-separated values and their like (RFC 4180), with a header line.
    Table(Box<Table>),
    /// Images, audio, video, fonts, archives.
    Media,
}

#[derive(Clone, Debug)]
struct Table {
    delimiter: u8,
    /// What the name of each column says.
    columns: [Meaning; MAX_COLUMNS],
    /// What the names say together.
    any: Meaning,
}

impl Layout {
    /// Text of which nothing is known.
    pub(crate) fn plain(vocabulary: &'static Vocabulary) -> Self {
        Self { kind: Kind::Named, vocabulary }
    }

    /// Reads the first [`HEAD`] bytes of content, whose names are looked up in a vocabulary.
    pub(crate) fn of(content: &[u8], vocabulary: &'static Vocabulary) -> Self {
        let head = content.get(..HEAD).unwrap_or(content);
        let kind = match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{' | b'[' | b'<') | None => Kind::Named,
            Some(_) if is_media(head) => Kind::Media,
            Some(_) if is_form(head) => Kind::Form,
            Some(_) => table(head, vocabulary).map_or(Kind::Named, Kind::Table),
        };
        Self { kind, vocabulary }
    }

    /// What names say in this content.
    pub(crate) fn vocabulary(&self) -> &'static Vocabulary {
        self.vocabulary
    }

    /// Whether the content is binary media: nothing in it can be read without decoding it.
    pub(crate) fn is_media(&self) -> bool {
        matches!(self.kind, Kind::Media)
    }

    /// Whether `+` stands for a space.
    pub(crate) fn is_form(&self) -> bool {
        matches!(self.kind, Kind::Form)
    }

    /// The delimiter, when this is a table.
    pub(crate) fn delimiter(&self) -> Option<u8> {
        match &self.kind {
            Kind::Table(table) => Some(table.delimiter),
            _ => None,
        }
    }

    /// What the name of a table's column says.
    pub(crate) fn column(&self, number: usize) -> Meaning {
        match &self.kind {
            Kind::Table(table) => table.columns.get(number).copied().unwrap_or_default(),
            _ => Meaning::default(),
        }
    }

    /// Whether any name can have this meaning: `false` for a table without such a column.
    pub(crate) fn may_say(&self, meaning: Meaning) -> bool {
        match &self.kind {
            Kind::Table(table) => table.any.says(meaning),
            _ => true,
        }
    }
}

/// Reads a header line: at least two names, told from data by how they are spelt, over a row of as many fields.
fn table(head: &[u8], vocabulary: &Vocabulary) -> Option<Box<Table>> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let end = memchr::memchr(b'\n', head)?;
    let (line, rows) = (head.get(..end)?, head.get(end + 1..)?);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let count = |delimiter| line.iter().filter(|byte| **byte == delimiter).count();
    let delimiter = *b",;\t|".iter().max_by_key(|delimiter| count(**delimiter)).filter(|best| count(**best) > 0)?;
    if first_row(rows, delimiter).is_some_and(|fields| fields != count(delimiter)) {
        return None;
    }
    let mut table = Table { delimiter, columns: [Meaning::default(); MAX_COLUMNS], any: Meaning::default() };
    for (number, name) in line.split(|byte| *byte == delimiter).enumerate() {
        let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
        let spelt = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-. /#()".contains(byte) || *byte >= 0x80;
        if name.is_empty() || name.len() > 64 || name[0].is_ascii_digit() || !name.iter().all(spelt) {
            return None;
        }
        let meaning = Meaning::of_name_in(name, vocabulary);
        table.any = table.any.and(meaning);
        if let Some(column) = table.columns.get_mut(number) {
            *column = meaning;
        }
    }
    Some(Box::new(table))
}

/// How many delimiters the first row has outside of quotes, if it ends within `rows`.
fn first_row(rows: &[u8], delimiter: u8) -> Option<usize> {
    let (mut quoted, mut delimiters) = (false, 0);
    for byte in rows {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return Some(delimiters),
            _ if *byte == delimiter && !quoted => delimiters += 1,
            _ => {}
        }
    }
    None
}

/// Whether content begins like a form: a name of unreserved characters, `=`, and no white space in sight.
fn is_form(head: &[u8]) -> bool {
    let name = head.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%~*".contains(byte)).count();
    let seen = head.get(..256).unwrap_or(head).trim_ascii_end();
    (1..=64).contains(&name)
        && head.get(name) == Some(&b'=')
        && seen.iter().all(|byte| byte.is_ascii_graphic() && !b"\"<>{}\\".contains(byte))
}

/// Beginnings that no text has (WHATWG MIME Sniffing, sections 6 and 7), at an offset.
const SIGNATURES: &[(usize, &[u8])] = &[
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"\xff\xd8\xff"),
    (0, b"GIF87a"),
    (0, b"GIF89a"),
    (8, b"WEBP"),
    (8, b"WAVE"),
    (8, b"AVI "),
    (4, b"ftyp"),
    (0, b"\0\0\x01\0"),
    (0, b"OggS\0"),
    (0, b"fLaC\0"),
    (0, b"ID3"),
    (0, b"\x1a\x45\xdf\xa3"),
    (0, b"wOFF"),
    (0, b"wOF2"),
    (0, b"OTTO\0"),
    (0, b"\0\x01\0\0"),
    (0, b"PK\x03\x04"),
    (0, b"\x1f\x8b\x08"),
    (0, b"7z\xbc\xaf\x27\x1c"),
    (0, b"Rar!\x1a\x07"),
    (0, b"\0asm"),
];

/// How many bytes are looked at beside the signature.
const MEDIA_HEAD: usize = 512;

/// Whether the first bytes prove binary media: a signature, and behind it bytes that no text has. The signature alone
/// is no proof; anybody can write `GIF89a` before a list of customers.
fn is_media(head: &[u8]) -> bool {
    let head = head.get(..MEDIA_HEAD).unwrap_or(head);
    if !SIGNATURES.iter().any(|(at, signature)| head.get(*at..).is_some_and(|head| head.starts_with(signature))) {
        return false;
    }
    let binary = |byte: &&u8| matches!(**byte, 0..=8 | 14..=26 | 28..=31 | 0x7f..);
    8 * head.iter().filter(binary).count() > head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Layout {
        Layout::of(content, Vocabulary::built_in())
    }

    #[test]
    fn a_table_names_its_columns() {
        let layout = of(b"id,\"Phone Number\",ssn\r\n1,030 1234567,123-45-6789\r\n");
        assert_eq!(layout.delimiter(), Some(b','));
        assert!(layout.column(1).says(Meaning::PHONE) && layout.column(2).says(Meaning::SSN));
        assert!(!layout.column(0).says(Meaning::SSN) && !layout.column(99).says(Meaning::SSN));
        assert!(layout.may_say(Meaning::PHONE) && !layout.may_say(Meaning::CARD));
    }

    #[test]
    fn text_and_data_are_no_header() {
        for content in [
            &b"Dear customer,\nyour card: 4111\n, and"[..],
            b"Hello, world\nno comma here\n",
            b"1,2\n3,4\n",
            b"{\"a\":1,\n\"b\":2}",
            b"a,b,c",
            b"word\n",
        ] {
            assert_eq!(of(content).delimiter(), None, "{content:?}");
        }
    }

    #[test]
    fn quoted_delimiters_do_not_count() {
        assert_eq!(of(b"id,points\n1,\"[1, 2, 3]\"\n").delimiter(), Some(b','));
    }

    #[test]
    fn forms_are_told_from_text() {
        assert!(of(b"a=1&mail=x%40y.example").is_form());
        assert!(of(b"a[b]=1\r\n").is_form());
        for content in [&b"a = 1"[..], b"{\"a\":\"b=c\"}", b"a=<b>", b"=1", b"plain"] {
            assert!(!of(content).is_form(), "{content:?}");
        }
    }

    #[test]
    fn media_needs_a_signature_and_binary_bytes() {
        let png: Vec<u8> =
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".iter().copied().chain((0..400).map(|n| (n * 7) as u8)).collect();
        assert!(of(&png).is_media());
        let disguised = [b"GIF89a".as_slice(), &b"jane.doe@corp.example\n".repeat(40)].concat();
        assert!(!of(&disguised).is_media());
        assert!(!of(&png[8..]).is_media());
        assert!(!of(b"").is_media());
    }
}
