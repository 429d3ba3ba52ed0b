//! What the process gives up before the engine's code runs in it. All of this is of one thread and of those it starts
//! later, so there must be but one.
//!
//! The kernel's Landlock is the border that holds. The engine's own grants have holes in a process that is no server: the
//! function `file` reads any file for whoever may SELECT, and some table engines take any path. With Landlock they find
//! the store's data and nothing else: no credential, no key, no other file, no program to run, no connection to anywhere.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, make_bitflags, path_beneath_rules,
};
use rustix::io::Errno;
use rustix::process::setsid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// Gives up all capabilities for good, and leaves the process group of whoever started it: some statements signal the
/// engine's whole group.
pub(super) fn give_up_privileges() -> Result<(), Errno> {
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

/// How far the store's statements can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// The store's own data.
    Data,
    /// Whatever the user who runs it can reach: the kernel has no Landlock, or has it switched off.
    User,
}

/// What the engine needs.
pub(super) struct Places<'a> {
    /// What it reads and writes.
    pub(super) data: [&'a Path; 2],
    /// What it reads.
    pub(super) config: &'a Path,
    /// Where a file is renamed and removed.
    pub(super) state: &'a Path,
    /// Its own code.
    pub(super) library: &'a Path,
}

/// What the engine and the C library read of the system: shared libraries, how much memory and how many processors
/// there are, and where the stack is. Nothing of it is secret.
const SYSTEM: [&str; 10] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/etc/ld.so.cache",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/proc/meminfo",
    "/proc/self/maps",
    "/proc/self/statm",
];

/// Shuts everything else away, as far as the kernel can.
pub(super) fn stay_in(places: &Places<'_>) -> Result<Confinement, RulesetError> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let write = make_bitflags!(AccessFs::{
        ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | MakeSym | RemoveFile | RemoveDir | Refer
    });
    let rename: BitFlags<AccessFs> = make_bitflags!(AccessFs::{MakeReg | RemoveFile});
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rules(path_beneath_rules(places.data, write))?
        .add_rules(path_beneath_rules([places.config, places.library], read))?
        .add_rules(path_beneath_rules([places.state], rename))?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(["/dev/null", "/dev/urandom"], AccessFs::ReadFile | AccessFs::WriteFile))?
        .restrict_self()?;
    Ok(if status.ruleset == RulesetStatus::NotEnforced { Confinement::User } else { Confinement::Data })
}
