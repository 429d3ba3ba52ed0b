//! The engine's time zone, which it takes from the environment and not from its configuration.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

const VARIABLE: &str = "TZ";
const UTC: &str = "UTC";

/// What a process is started with, so that [`ensure`] has nothing to do in it.
pub const ENVIRONMENT: (&str, &str) = (VARIABLE, UTC);

/// Begins the program again with UTC as its time zone, unless it has that already.
///
/// The environment of a running process must not be changed, not even before its first thread: the engine's library looks
/// for the auxiliary vector behind the environment's end, where only the kernel puts it, and crashes on what lies behind
/// the end of a copy.
///
/// # Errors
/// When the program cannot be executed again.
pub(super) fn ensure() -> io::Result<()> {
    if std::env::var_os(VARIABLE).is_some_and(|zone| zone == UTC) {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let mut again = Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    Err(again.args(arguments).env(VARIABLE, UTC).exec())
}
