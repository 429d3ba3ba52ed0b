//! The configuration: what `apitap.toml` may say, a file for each kind of section.
//!
//! Keys have the names of the flags. [`Config`] holds what the program goes by: the defaults, over them the file, over
//! that the flags. `deploy/apitap.toml` has every key with its unit, range and default; a test holds it to this.

pub(crate) mod classes;
mod fault;
mod thresholds;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use apitap_detectors::class::{Class, is_detector_name};
use apitap_detectors::knob::Thresholds;
use serde::{Deserialize, Deserializer, Serialize};

use crate::alert::suppress::Suppression;
use crate::keys::default_state_directory;
use crate::store::schema::RETENTION_DAYS;
use crate::store::spool;

pub use fault::ConfigError;
pub use values::{Checksums, Choice, Count, Format, Size};

/// Size of an interface's ring: libpcap takes it as a signed number.
pub type Buffer = Size<{ 1 << 20 }, { (2 << 30) - 1 }>;
/// Bytes taken of a frame.
pub type Snaplen = Count<64, 262_144>;
/// Decoded content kept of a message.
pub type InspectLimit = Size<4096, { 1 << 30 }>;
/// Memory for connections and what is held for them.
pub type Memory = Size<{ 16 << 20 }, { 1 << 40 }>;
/// Days that alerts are kept.
pub type Days = Count<1, 36_500>;
/// Disk for what waits for the store.
pub type SpoolSize = Size<{ 16 << 20 }, { 1 << 40 }>;
/// Memory of the embedded engine.
pub type EngineMemory = Size<{ 256 << 20 }, { 1 << 40 }>;

/// Where the configuration of a machine is, when no other is named.
pub const INSTALLED: &str = "/etc/apitap/apitap.toml";

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The state directory, where another than the user's is meant.
    pub state: Option<PathBuf>,
    /// Where frames come from.
    pub capture: Capture,
    /// What is made of them.
    pub analysis: Analysis,
    /// Who looks at exchanges.
    pub detectors: Detectors,
    /// Where alerts are kept.
    pub store: Store,
    /// How alerts are told.
    pub output: Output,
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Capture {
    /// Names of the interfaces.
    pub interfaces: Vec<String>,
    /// Which frames to take, in libpcap's language.
    pub filter: Option<String>,
    /// Size of each interface's ring in the kernel.
    pub buffer: Buffer,
    /// Bytes to take of each frame.
    pub snaplen: Snaplen,
    /// Whether all frames are taken, or those for this machine.
    pub promiscuous: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            filter: None,
            buffer: Buffer::new(64 << 20),
            snaplen: Snaplen::new(262_144),
            promiscuous: true,
        }
    }
}

/// What is made of frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Analysis {
    /// What to make of wrong TCP checksums.
    pub checksums: Checksums,
    /// How much decoded content of a message is kept for inspection.
    pub inspect_limit: InspectLimit,
    /// Memory for connections and what is held for them.
    pub memory: Memory,
}

impl Default for Analysis {
    fn default() -> Self {
        Self { checksums: Checksums::Auto, inspect_limit: InspectLimit::new(1 << 20), memory: Memory::new(512 << 20) }
    }
}

/// Who looks at exchanges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Detectors {
    /// `all`, `none`, or families and names of detectors, separated by commas.
    #[serde(deserialize_with = "known_detectors")]
    pub enabled: String,
    /// Findings that are not told, each with its reason and its last day.
    pub suppress: Vec<Suppression>,
    /// Thresholds of detectors that are not the defaults.
    #[serde(deserialize_with = "thresholds::read")]
    pub thresholds: Thresholds,
    /// Kinds of data that an organisation describes itself.
    #[serde(deserialize_with = "classes::read")]
    pub classes: Vec<Class>,
}

impl Default for Detectors {
    fn default() -> Self {
        Self { enabled: "all".to_owned(), suppress: Vec::new(), thresholds: Thresholds::default(), classes: Vec::new() }
    }
}

fn known_detectors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let list = String::deserialize(deserializer)?;
    apitap_detectors::inspect::Settings::parse_only(&list, is_detector_name).map_err(serde::de::Error::custom)?;
    Ok(list)
}

/// Where alerts are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Store {
    /// Which store; the embedded one, if its library is there, when nothing is said.
    pub url: Option<Choice>,
    /// File with the password of the URL's user.
    pub password_file: Option<PathBuf>,
    /// Days that alerts are kept after they were stored.
    pub retention_days: Days,
    /// Disk for what waits for the store.
    pub spool_size: SpoolSize,
    /// Memory of the embedded engine.
    pub engine_memory: EngineMemory,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            retention_days: const { Days::new(RETENTION_DAYS) },
            spool_size: const { SpoolSize::new(spool::LIMIT) },
            engine_memory: const { EngineMemory::new(1 << 30) },
        }
    }
}

/// How alerts are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Output {
    /// How they are written; a table on a terminal, else JSON lines, when nothing is said.
    pub format: Option<Format>,
}

impl Config {
    /// Reads a configuration.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let fail = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        Self::parse(&fs::read_to_string(path).map_err(fail)?, path)
    }

    /// Reads the configuration of this machine, if it has one.
    pub fn installed() -> Result<Option<Self>, ConfigError> {
        match Self::load(Path::new(INSTALLED)) {
            Err(ConfigError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            loaded => loaded.map(Some),
        }
    }

    /// Takes the text of a configuration; `path` is for what is said of it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::explain(path, text, &error))?;
        let Detectors { enabled, suppress, classes, .. } = &config.detectors;
        let named = enabled.split(',').map(str::trim).chain(suppress.iter().filter_map(Suppression::detector));
        if let Some((said, written)) = classes::missing(named, classes) {
            return Err(ConfigError::at(path, text, written, said));
        }
        let interfaces = &config.capture.interfaces;
        let twice =
            interfaces.iter().enumerate().find(|(n, name)| interfaces.iter().take(*n).any(|other| other == *name));
        match twice {
            Some((_, name)) => Err(ConfigError::twice(path, name)),
            None => Ok(config),
        }
    }

    /// The state directory: the one that is named, else the user's.
    pub fn state_directory(&self) -> Option<PathBuf> {
        self.state.clone().or_else(default_state_directory)
    }

    /// Names of the keys of each section; those that stand outside of a section are in the one without a name.
    pub fn keys() -> BTreeMap<String, Vec<String>> {
        let mut keys = BTreeMap::<String, Vec<String>>::new();
        // It serialises: it is a tree of texts and numbers.
        let tree = serde_json::to_value(Self::default()).unwrap_or_default();
        for (name, value) in tree.as_object().into_iter().flatten() {
            match value.as_object() {
                Some(section) => keys.entry(name.clone()).or_default().extend(section.keys().cloned()),
                None => keys.entry(String::new()).or_default().push(name.clone()),
            }
        }
        keys
    }
}
