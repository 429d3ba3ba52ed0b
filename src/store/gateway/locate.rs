//! Where the engine's library is.

use std::env;
use std::path::{Path, PathBuf};

use super::ffi;

/// Environment variable with the library's path. It is ignored in a process that has more privileges than its user.
pub const LIBRARY_VARIABLE: &str = "APITAP_LIBCHDB";

const NAME: &str = "libchdb.so";

/// Places relative to the program: installed beside it, below its prefix, or in the tree it was built in.
const BESIDE: [&str; 4] = ["lib/apitap", "../lib/apitap", ".", "../libchdb"];

/// There is no library.
#[derive(Debug, thiserror::Error)]
#[error(
    "the embedded ClickHouse engine is not there (looked for {looked}); fetch it with deploy/libchdb/install, say where it \
     is with --libchdb or {LIBRARY_VARIABLE}, or use a ClickHouse server instead"
)]
pub struct Missing {
    looked: String,
}

/// The library: where `flag` says, else where the environment says, else beside the program. A place that was named is
/// the only one that is looked at.
pub fn library(flag: Option<&Path>) -> Result<PathBuf, Missing> {
    let environment = || env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty() && !ffi::is_secure_mode());
    let named = flag.map(Path::to_path_buf).or_else(|| environment().map(PathBuf::from));
    let program = env::current_exe().ok();
    find(named, program.as_deref().and_then(Path::parent), &|path| path.is_file())
}

fn find(named: Option<PathBuf>, beside: Option<&Path>, is_there: &dyn Fn(&Path) -> bool) -> Result<PathBuf, Missing> {
    let places: Vec<PathBuf> = match (named, beside) {
        (Some(named), _) => vec![std::path::absolute(&named).unwrap_or(named)],
        (None, Some(folder)) => BESIDE.iter().map(|place| folder.join(place).join(NAME)).collect(),
        (None, None) => Vec::new(),
    };
    let looked = || places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    places.iter().find(|path| is_there(path)).cloned().ok_or_else(|| Missing { looked: looked() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_place_is_the_only_one() {
        let everywhere = |_: &Path| true;
        let nowhere = |_: &Path| false;
        let program = Some(Path::new("/opt/bin"));
        assert_eq!(find(Some("/x/y.so".into()), program, &everywhere).unwrap(), Path::new("/x/y.so"));
        let missing = find(Some("/x/y.so".into()), program, &nowhere).unwrap_err().to_string();
        assert!(missing.contains("(looked for /x/y.so)"), "{missing}");
        assert_eq!(find(None, program, &everywhere).unwrap(), Path::new("/opt/bin/lib/apitap/libchdb.so"));
        let missing = find(None, program, &nowhere).unwrap_err().to_string();
        assert!(missing.contains("/opt/bin/../lib/apitap/libchdb.so") && missing.contains("deploy/libchdb/install"));
    }
}
