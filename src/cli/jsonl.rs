//! Alerts for programs: a JSON object a line.

use std::io::{self, Write};

use crate::alert::Revision;

/// Writes one revision as one line.
pub fn write(out: &mut impl Write, revision: &Revision) -> io::Result<()> {
    serde_json::to_writer(&mut *out, revision)?;
    out.write_all(b"\n")
}
