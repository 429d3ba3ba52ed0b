//! Where output goes, and what happens when it cannot.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::args::Destination;

/// Who may read a file that an output makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Whoever the user's umask allows.
    Umask,
    /// The user alone.
    Owner,
}

/// A buffered output that remembers its first failure instead of making every caller look.
pub(super) struct Output {
    name: String,
    writer: Option<BufWriter<Box<dyn Write>>>,
    failure: Option<io::Error>,
}

impl Output {
    /// Opens a destination; a file is made anew.
    pub(super) fn open(destination: &Destination, readers: Readers) -> Result<Self, String> {
        let (name, writer): (String, Option<Box<dyn Write>>) = match destination {
            Destination::Nowhere => ("nowhere".into(), None),
            Destination::Stdout => ("standard output".into(), Some(Box::new(io::stdout()))),
            Destination::File(path) => {
                let name = path.display().to_string();
                let file = create(path, readers).map_err(|error| format!("cannot write {name}: {error}"))?;
                (name, Some(Box::new(file)))
            }
        };
        let writer = writer.map(|writer| BufWriter::with_capacity(64 * 1024, writer));
        Ok(Self { name, writer, failure: None })
    }

    /// Whether writing is still of use.
    pub(super) fn is_stdout(&self) -> bool {
        self.name == "standard output"
    }

    /// Whether writing is still of use.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Lets `write` write, unless nothing is wanted or something failed before.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if let (Some(writer), None) = (&mut self.writer, &self.failure)
            && let Err(error) = write(writer)
        {
            self.failure = Some(error);
        }
    }

    /// Writes what is buffered. An error says what failed; that a reader went away is none.
    pub(super) fn finish(mut self) -> Result<(), String> {
        self.write(|writer| writer.flush());
        match self.failure {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                // What is left in the buffer has no reader; dropping the writer would only fail again.
                std::mem::forget(self.writer);
                Ok(())
            }
            Some(error) => Err(format!("cannot write {}: {error}", self.name)),
            None => Ok(()),
        }
    }
}

fn create(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if readers == Readers::Owner {
        options.mode(0o600);
    }
    let file = options.open(path)?;
    // A file that was there before keeps its mode otherwise.
    if readers == Readers::Owner && file.metadata()?.is_file() {
        file.set_permissions(PermissionsExt::from_mode(0o600))?;
    }
    Ok(file)
}
