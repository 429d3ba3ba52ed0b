//! Whole connections: what goes in as octets comes out as exchanges.

mod gaps;
mod laws;
mod limits;
mod messages;
mod pairing;
mod protocols;
mod rig;
