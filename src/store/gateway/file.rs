//! Files that are whole or not there.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`, readable by its owner alone; whoever opens it finds the old bytes or the new ones.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (unnamed, mut file) = create_unnamed(path, 0o600)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unnamed, path)
}

/// Makes a file beside `path`, which is to get that name when it is written, and gives its name until then.
pub(super) fn create_unnamed(path: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let unnamed = path.with_file_name(name);
    // One may be left of a process that had this number.
    match fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok((unnamed, file))
}
