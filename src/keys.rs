//! The installation's key, from which every keyed hash of the sensor is made.
//!
//! There is one random key for each installation, in the state directory and readable by its owner alone. Each purpose
//! has a subkey of its own, so that no hash of one kind can be compared with one of another.
//!
//! Without a state directory ([`Keys::Public`]) there is no secret, and then:
//! - what needs a secret to be safe is not printed: hashes of values and of principals. Both come from small sets, cards
//!   or user names, and an unkeyed or publicly keyed hash of such a value is the value to whoever tries them all;
//! - alert ids are keyed with a constant. They need to be told apart, not to be secret: what they are derived from stands
//!   beside them in the alert. So `apitap read` gives byte-identical output each time it is run, on any machine.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, fmt};

/// Where keys come from.
#[derive(Clone)]
pub enum Keys {
    /// The key of this installation.
    Installation([u8; 32]),
    /// No secret at all.
    Public,
}

/// Name of the key file in the state directory.
const FILE_NAME: &str = "key";

impl Keys {
    /// Reads the key from the state directory; makes the directory and the key when they are not there.
    pub fn load_or_create(state: &Path) -> Result<Self, KeyError> {
        let path = state.join(FILE_NAME);
        match load(&path) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded.map(Self::Installation),
        }
        create(state, &path).map_err(|source| KeyError::Io { path: path.clone(), source })?;
        // Not the key that was just made: another process may have been first.
        load(&path).map(Self::Installation)
    }

    /// Key for hashes of values in evidence.
    pub fn evidence(&self) -> Option<[u8; 32]> {
        self.secret("apitap 2025 evidence")
    }

    /// Key for hashes of principals.
    pub fn principal(&self) -> Option<[u8; 32]> {
        self.secret("apitap 2025 principal")
    }

    /// Key for the chain over stored revisions.
    pub fn chain(&self) -> Option<[u8; 32]> {
        self.secret("apitap 2025 chain")
    }

    /// Key for alert ids.
    pub fn id(&self) -> [u8; 32] {
        self.secret("apitap 2025 id").unwrap_or_else(|| blake3::derive_key("apitap 2025 id without a secret", &[]))
    }

    fn secret(&self, purpose: &'static str) -> Option<[u8; 32]> {
        match self {
            Self::Installation(key) => Some(blake3::derive_key(purpose, key)),
            Self::Public => None,
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Installation(_) => "Installation(..)",
            Self::Public => "Public",
        })
    }
}

/// Why there is no key. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("{path}: {source}; give a directory that this user may write with --state", path = .path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could have read it.
    #[error("{path}: mode {mode:04o} lets others read the key; make it private with: chmod 600 '{path}'", path = .path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is none of ours.
    #[error(
        "{path}: not a key of 32 bytes; restore it from a copy, or remove it to get a new one (hashes and ids then change)",
        path = .path.display()
    )]
    Malformed {
        /// The key file.
        path: PathBuf,
    },
}

/// The state directory where `--state` names none: below `/var/lib` for root, else where the XDG base directory
/// specification has it. `None` when the environment does not say where that is.
pub fn default_state_directory() -> Option<PathBuf> {
    let is_root = rustix::process::geteuid().is_root();
    state_directory(is_root, env::var_os("XDG_STATE_HOME").map(PathBuf::from), env::var_os("HOME").map(PathBuf::from))
}

fn state_directory(is_root: bool, xdg_state_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // "All paths set in these environment variables must be absolute. If [...] relative [...] ignore it."
    let xdg = xdg_state_home.filter(|path| path.is_absolute());
    let below = match xdg {
        Some(path) => path,
        None if is_root => PathBuf::from("/var/lib"),
        None => home.filter(|path| path.is_absolute())?.join(".local/state"),
    };
    Some(below.join("apitap"))
}

fn load(path: &Path) -> Result<[u8; 32], KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let malformed = || KeyError::Malformed { path: path.to_owned() };
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() || metadata.len() != 32 {
        return Err(malformed());
    }
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let mut key = [0; 32];
    file.read_exact(&mut key).map_err(io)?;
    Ok(key)
}

/// Makes a key at `path` unless there is one: whole, on disk and private before it has its name.
fn create(state: &Path, path: &Path) -> io::Result<()> {
    let mut random = [0; 40];
    getrandom::fill(&mut random)?;
    let (key, suffix) = random.split_at(32);
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;

    let suffix: String = suffix.iter().map(|byte| format!("{byte:02x}")).collect();
    let unnamed = state.join(format!("{FILE_NAME}.{suffix}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
    let named = file
        .write_all(key)
        .and_then(|()| file.sync_all())
        // A rename would replace the key of a process that was faster; a link does not.
        .and_then(|()| fs::hard_link(&unnamed, path));
    fs::remove_file(&unnamed)?;
    match named {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(state)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that goes away with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("apitap-keys-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn key(&self) -> PathBuf {
            self.0.join(FILE_NAME)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_key_is_made_once_and_kept() {
        let state = Scratch::new("kept");
        let first = Keys::load_or_create(&state.0).unwrap();
        let second = Keys::load_or_create(&state.0).unwrap();
        assert_eq!(first.id(), second.id());
        assert_eq!(fs::metadata(state.key()).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(&state.0).unwrap().permissions().mode() & 0o7777, 0o700);
        assert_eq!(fs::read_dir(&state.0).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn of_many_that_start_together_all_have_one_key() {
        let state = Scratch::new("together");
        let ids: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| Keys::load_or_create(&state.0).unwrap().id())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[test]
    fn a_key_that_others_could_read_is_refused() {
        let state = Scratch::new("exposed");
        Keys::load_or_create(&state.0).unwrap();
        fs::set_permissions(state.key(), fs::Permissions::from_mode(0o640)).unwrap();
        let error = Keys::load_or_create(&state.0).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"));
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_not_replaced() {
        let state = Scratch::new("malformed");
        fs::create_dir_all(&state.0).unwrap();
        for bytes in [&b""[..], b"short", &[0; 33]] {
            fs::write(state.key(), bytes).unwrap();
            assert!(matches!(Keys::load_or_create(&state.0), Err(KeyError::Malformed { .. })));
            assert_eq!(fs::read(state.key()).unwrap(), bytes);
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_one_line() {
        let error = Keys::load_or_create(Path::new("/dev/null/state")).unwrap_err().to_string();
        assert!(error.contains("/dev/null/state/key") && error.contains("--state") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn each_purpose_has_its_own_key_and_debug_shows_none() {
        let keys = Keys::Installation([0x5a; 32]);
        let all =
            [keys.evidence().unwrap(), keys.principal().unwrap(), keys.chain().unwrap(), keys.id(), Keys::Public.id()];
        for (n, key) in all.iter().enumerate() {
            assert!(all[..n].iter().all(|other| other != key));
        }
        assert_eq!(format!("{keys:?}"), "Installation(..)");
    }

    #[test]
    fn without_a_secret_nothing_that_needs_one_has_a_key() {
        assert_eq!((Keys::Public.evidence(), Keys::Public.principal(), Keys::Public.chain()), (None, None, None));
        assert_eq!(Keys::Public.id(), Keys::Public.id());
    }

    #[test]
    fn the_state_directory_follows_the_environment() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(state_directory(false, path("/x"), path("/home/a")), path("/x/apitap"));
        assert_eq!(state_directory(false, path("x"), path("/home/a")), path("/home/a/.local/state/apitap"));
        assert_eq!(state_directory(false, None, None), None);
        assert_eq!(state_directory(true, None, path("/root")), path("/var/lib/apitap"));
    }
}
