//! What the process gives up before the engine's code runs in it.

use rustix::io::Errno;
use rustix::process::setsid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// Gives up all capabilities for good, and leaves the process group of whoever started it: some statements signal the
/// engine's whole group. Capabilities belong to threads, so there must be but one.
pub(super) fn confine() -> Result<(), Errno> {
    match setsid() {
        // It leads a group already, which then is its own.
        Ok(_) | Err(Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // Without CAP_SETPCAP the bounding set stays; no_new_privs keeps it from giving anything back. And a kernel may
            // not know the capability.
            Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}
