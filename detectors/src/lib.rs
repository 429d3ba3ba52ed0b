//! What an HTTP exchange is, and everything that forms an opinion about one.
//!
//! No I/O, no clock, no async: a detector is a function of what it is given, so a replay of a capture gives what the
//! live run gave. The sensor (package `apitap`) builds [`exchange::Exchange`]s and hands them to an
//! [`inspect::Inspector`]; what comes back are [`finding::Finding`]s, which hold masked evidence and never a value.

pub mod behaviour;
mod claims;
pub mod class;
pub mod endpoint;
mod evidence;
pub mod exchange;
pub mod finding;
pub mod identity;
pub mod inspect;
mod kind;
pub mod knob;
pub mod observation;
pub mod openapi;
mod path;
mod pii;
pub mod registry;
pub mod scan;
mod secret;
pub mod sketch;
pub mod time;
mod token;
pub mod visit;
