//! What the configuration says of the store reaches the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::world::is_here;

/// A folder with a state directory and a configuration, gone afterwards.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Scratch {
    fn apitap(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_apitap"));
        command.args(arguments).arg("--config").arg(self.0.join("apitap.toml")).output().unwrap()
    }

    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.apitap(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn configure(&self, store: &str) {
        let state = self.0.join("state");
        let text = format!("state = '{}'\n[store]\n{store}\n", state.display());
        fs::write(self.0.join("apitap.toml"), text).unwrap();
    }
}

/// Retention, also of tables that are there; memory; the state directory; and which store, for every command alike.
#[test]
fn what_is_configured_is_so() {
    if !is_here() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("configured-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let scratch = Scratch(folder);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/demo");
    let table = "SELECT create_table_query FROM system.tables WHERE name = 'alert_revisions' AND database = 'apitap'";
    // The schema is looked at when there is something to store.
    for (days, capture) in [("30", "admin_export.pcap"), ("7", "directory_exposure.pcap")] {
        scratch.configure(&format!("retention-days = {days}\nengine-memory = '512M'"));
        scratch.says(&["read", "--store", &demo.join(capture).display().to_string()]);
        let made = scratch.says(&["query", table, "--format", "csv"]);
        assert!(made.contains(&format!("toIntervalDay({days})")), "{made}");
    }
    let engine = fs::read_to_string(scratch.0.join("state/store/config/config.xml")).unwrap();
    assert!(engine.contains("<max_server_memory_usage>536870912<"), "{engine}");
    assert!(scratch.says(&["alerts", "--format", "jsonl"]).lines().count() > 6);
    assert!(scratch.says(&["verify"]).contains("as it was written"));
    // A store that does not start says why, in one line.
    fs::write(scratch.0.join("state/store/credentials/reader"), "").unwrap();
    let refused = scratch.apitap(&["alerts"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!((refused.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("cannot be started") && said.contains("no password of this store"), "{said}");
    scratch.configure("url = 'none'");
    for command in [&["alerts"][..], &["query", "SELECT 1"], &["verify"]] {
        let refused = scratch.apitap(command);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no store to ask"), "{refused:?}");
    }
}
