//! Where output goes, and what happens when it cannot.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

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
    is_stdout: bool,
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
        Ok(Self { name, writer, is_stdout: *destination == Destination::Stdout, failure: None })
    }

    /// Whether it is standard output.
    pub(super) fn is_stdout(&self) -> bool {
        self.is_stdout
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

/// Refuses outputs that would overwrite an input or one another.
pub(super) fn check_distinct(inputs: &[PathBuf], outputs: &[&Destination]) -> Result<(), String> {
    // What a path leads to; a file that is not there yet is told by its directory and name.
    let identity = |path: &Path| match fs::metadata(path) {
        Ok(metadata) => metadata.is_file().then(|| (metadata.dev(), metadata.ino(), None)),
        Err(_) => {
            let parent =
                path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
            let folder = fs::metadata(parent).ok()?;
            Some((folder.dev(), folder.ino(), path.file_name().map(ToOwned::to_owned)))
        }
    };
    let mut taken: Vec<_> = inputs.iter().filter_map(|input| identity(input)).collect();
    for output in outputs {
        let Destination::File(path) = output else { continue };
        let Some(identity) = identity(path) else { continue };
        if taken.contains(&identity) {
            return Err(format!("{} is read or written already; give each output a file of its own", path.display()));
        }
        taken.push(identity);
    }
    Ok(())
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
