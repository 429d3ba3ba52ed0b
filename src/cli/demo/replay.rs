//! The demo where nobody may capture: what was recorded elsewhere is read instead.

use apitap_detectors::finding::Family;

use super::super::args::{AnalysisOptions, Password, ReadArgs};
use super::super::{Exit, read};
use super::place::Place;
use crate::alert::Revision;
use crate::config::{Choice, Config, Format};

/// The captures, with the names they have in the state directory.
const CAPTURES: [(&str, &[u8]); 2] = [
    ("kill_chain.pcap", include_bytes!("../../../tests/cases/demo/kill_chain.pcap")),
    ("admin_export.pcap", include_bytes!("../../../tests/cases/demo/admin_export.pcap")),
];

/// The families that are in them.
pub(super) const FAMILIES: [Family; 7] = [
    Family::Scan,
    Family::CredentialStuffing,
    Family::Enumeration,
    Family::Injection,
    Family::Auth,
    Family::Pii,
    Family::Secret,
];

/// Reads the captures as `apitap read` does, with `see` told of each alert. The error is one line.
pub(super) fn run(
    place: &Place,
    config: &Config,
    store: &Choice,
    see: &mut dyn FnMut(&Revision),
) -> Result<Exit, String> {
    let files = CAPTURES.iter().map(|(name, octets)| place.put(name, octets)).collect::<Result<_, _>>()?;
    let args = ReadArgs {
        files,
        format: Some(config.output.format.unwrap_or(Format::Table)),
        alerts: None,
        exchanges: None,
        mask_targets: false,
        stats: None,
        hash_content: false,
        analysis: AnalysisOptions::default(),
        workers: 1,
        store: Some(Some(store.clone())),
        password: Password { file: None },
        fail_on: None,
    };
    Ok(read::run(&args, config, see))
}
