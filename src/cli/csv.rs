//! Comma-separated values, RFC 4180.

use std::io::{self, Write};

/// Writes one record.
pub(super) fn write(out: &mut dyn Write, cells: &[impl AsRef<str>]) -> io::Result<()> {
    let mut separator = "";
    for cell in cells {
        out.write_all(separator.as_bytes())?;
        self::cell(out, cell.as_ref())?;
        separator = ",";
    }
    out.write_all(b"\r\n")
}

fn cell(out: &mut dyn Write, text: &str) -> io::Result<()> {
    // Spreadsheets run what begins like this, and the text may be an attacker's; an apostrophe makes it text.
    let is_number = text.parse::<f64>().is_ok();
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number { "'" } else { "" };
    if !text.contains([',', '"', '\r', '\n']) {
        return write!(out, "{guard}{text}");
    }
    write!(out, "\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: &[&str]) -> String {
        let mut out = Vec::new();
        write(&mut out, cells).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_needs_quotes_has_them() {
        assert_eq!(line(&["a", "", "b c"]), "a,,b c\r\n");
        assert_eq!(line(&["a,b", "say \"x\"", "1\n2"]), "\"a,b\",\"say \"\"x\"\"\",\"1\n2\"\r\n");
    }

    #[test]
    fn nothing_is_a_formula() {
        assert_eq!(line(&["=1+1", "@a", "-cmd", "+x,y"]), "'=1+1,'@a,'-cmd,\"'+x,y\"\r\n");
        assert_eq!(line(&["-1", "+2.5", "-1e3"]), "-1,+2.5,-1e3\r\n");
    }
}
