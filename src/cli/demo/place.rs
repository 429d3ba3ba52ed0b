//! Where the demo keeps what it makes: its state directory.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A state directory, and whose it is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) origin: Origin,
}

/// Where a state directory came from, and so who has to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Named,
    Made,
}

impl Place {
    /// The state directory: the one that is named, else a fresh one that nobody else may read.
    pub(super) fn take(named: Option<&Path>) -> Result<Self, String> {
        if let Some(named) = named {
            return Ok(Self { path: named.to_owned(), origin: Origin::Named });
        }
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| format!("the system gives no random numbers: {error}"))?;
        let path = std::env::temp_dir().join(format!("apitap-demo-{:016x}", u64::from_le_bytes(number)));
        // Fails when it is there already: what somebody else has put there is not taken.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| format!("{}: {error}; name a directory with --state DIR", path.display()))?;
        Ok(Self { path, origin: Origin::Made })
    }

    /// Writes a file that the demo needs into it.
    pub(super) fn put(&self, name: &str, octets: &[u8]) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        let written = DirBuilder::new().recursive(true).mode(0o700).create(&self.path).and_then(|()| {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(octets))
        });
        match written {
            Ok(()) => Ok(path),
            Err(error) => Err(format!("{}: {error}; name another directory with --state DIR", path.display())),
        }
    }

    /// Nothing in it is worth being asked: what was made for the demo goes.
    pub(super) fn abandon(&self) {
        if self.origin == Origin::Made {
            // It is a fresh one for temporary files: what cannot be removed is removed with the others.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_fresh_directory_is_its_owners_alone_and_goes_with_all_that_is_in_it() {
        let place = Place::take(None).unwrap();
        let file = place.put("a", b"b").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let modes = (mode(&place.path), mode(&file));
        place.abandon();
        assert_eq!((modes, place.origin), ((0o700, 0o600), Origin::Made));
        assert!(!place.path.exists());
    }

    #[test]
    fn a_named_directory_is_made_when_it_is_needed_and_stays() {
        let path = std::env::temp_dir().join(format!("apitap-place-{}", std::process::id()));
        let place = Place::take(Some(&path)).unwrap();
        assert!(!path.exists());
        place.put("a", b"b").unwrap();
        place.abandon();
        let stayed = path.join("a").exists();
        fs::remove_dir_all(&path).unwrap();
        assert!(stayed);
    }
}
