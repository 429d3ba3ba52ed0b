//! What the process must not leave behind: memory images, and values in panic messages.

use std::panic;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps: memory holds what was on the wire.
///
/// Both are needed: a limit of zero does not stop a dump that goes to a pipe (core(5)), and the attribute is lost when
/// another program is executed.
pub(super) fn forbid_core_dumps() {
    let refused = [
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).err(),
        set_dumpable_behavior(DumpableBehavior::NotDumpable).err(),
    ];
    for error in refused.into_iter().flatten() {
        super::tell(&format!("warning: core dumps could not be forbidden: {error}"));
    }
}

/// Lets a panic say where it happened and nothing else: its message may quote what was on the wire.
pub(super) fn mute_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        super::tell(&format!("defect{place}; please report it"));
    }));
}
