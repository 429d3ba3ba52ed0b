//! Findings to alerts: what a detector thought of one exchange becomes what a person is told, once.
//!
//! An [`Observation`] comes in: the findings about one exchange, and what of the exchange may be told
//! ([`ExchangeContext`], owned and redacted). Each finding has a [`Fingerprint`], the identity of its cause. The
//! [`AlertBook`] holds one open alert for each fingerprint: it grows while the cause goes on, and closes after an hour of
//! capture time without a match. What comes out are [`Revision`]s, immutable states of an alert, ready to be written.
//!
//! Three rules keep a replay equal to the live run, whatever the number of workers:
//! - Observations come in [`Order`], and the book has no clock but theirs. Deadlines that lie before an observation fire
//!   before it is looked at, and what they yield is stamped with the deadline; so it does not matter how often
//!   [`AlertBook::advance`] is called in between.
//! - Ids are derived, not drawn.
//! - What comes out comes in the order of opening or of deadlines, never in that of a hash map.
//!
//! The book belongs to one thread, the behaviour stage. Memory is bounded: see [`Settings::open_limit`].

mod assess;
mod book;
mod clients;
mod fingerprint;
mod incident;
mod open;
mod revision;
pub mod suppress;

pub use apitap_detectors::finding::{Confidence, Evidence, Family, Finding, Severity, Subject};
pub use assess::Assessor;
pub use book::{AlertBook, Counters, Emit, Settings};
pub use fingerprint::{AlertId, Fingerprint};
pub use revision::{Revision, State};

pub use apitap_detectors::observation::{ExchangeContext, Observation};
