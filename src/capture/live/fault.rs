//! What can be wrong with an interface, in words for the person who named it.

use std::fmt;

use super::{Interface, Options, interfaces};
use crate::nearest::nearest;

/// An interface that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot capture on {interface}: {kind}")]
pub struct OpenError {
    /// The interface, as the user named it.
    pub interface: String,
    /// What is wrong.
    pub kind: OpenErrorKind,
}

/// Why an interface could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenErrorKind {
    /// There is none of this name.
    NoSuchInterface {
        /// The one that was probably meant.
        nearest: Option<String>,
        /// Those there are.
        existing: Vec<String>,
    },
    /// It is not up.
    Down {
        /// Its name, for the remedy.
        interface: String,
    },
    /// This user may not capture.
    PermissionDenied,
    /// libpcap does not understand the filter.
    BadFilter {
        /// The filter.
        filter: String,
        /// What libpcap says.
        message: String,
    },
    /// libpcap says something else.
    Other(String),
}

impl fmt::Display for OpenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchInterface { nearest, existing } => {
                f.write_str("there is no such interface")?;
                if let Some(nearest) = nearest {
                    write!(f, "; did you mean {nearest}?")?;
                }
                if existing.is_empty() { Ok(()) } else { write!(f, " (there are: {})", existing.join(", ")) }
            }
            Self::Down { interface } => {
                write!(f, "the interface is down; 'ip link set dev {interface} up' brings it up")
            }
            Self::PermissionDenied => f.write_str(
                "permission denied; allow the program to capture, with 'sudo setcap cap_net_raw+ep PATH' on it or with \
                 CAP_NET_RAW from systemd or the container, or run it with sudo",
            ),
            Self::BadFilter { filter, message } => {
                write!(f, "the filter '{filter}' is wrong: {message}; 'man pcap-filter' has the language")
            }
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl OpenError {
    pub(super) fn explain(options: &Options, error: &pcap::Error) -> Self {
        let kind = classify(&options.interface, &message(error), &interfaces());
        Self { interface: options.interface.clone(), kind }
    }

    pub(super) fn filter(options: &Options, error: &pcap::Error) -> Self {
        let filter = options.filter.clone().unwrap_or_default();
        let kind = OpenErrorKind::BadFilter { filter, message: message(error) };
        Self { interface: options.interface.clone(), kind }
    }
}

/// libpcap's error codes do not come through, only its words; what can be looked up is.
fn classify(name: &str, message: &str, interfaces: &[Interface]) -> OpenErrorKind {
    let found = interfaces.iter().find(|interface| interface.name == name);
    let lower = message.to_lowercase();
    if ["permi", "cap_net_raw"].iter().any(|word| lower.contains(word)) {
        return OpenErrorKind::PermissionDenied;
    }
    match found {
        None => OpenErrorKind::NoSuchInterface {
            nearest: nearest(name, interfaces.iter().map(|interface| &*interface.name)).map(str::to_owned),
            existing: interfaces.iter().map(|interface| interface.name.clone()).collect(),
        },
        Some(interface) if !interface.up => OpenErrorKind::Down { interface: name.to_owned() },
        Some(_) if message.is_empty() => OpenErrorKind::Other("libpcap does not say why".to_owned()),
        Some(_) => OpenErrorKind::Other(message.to_owned()),
    }
}

fn message(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        error => error.to_string(),
    }
}

/// A capture that broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capturing on {interface} broke off: {message}")]
pub struct CaptureError {
    /// The interface.
    pub interface: String,
    /// What libpcap says.
    pub message: String,
}

impl CaptureError {
    pub(super) fn new(interface: &str, error: &pcap::Error) -> Self {
        Self { interface: interface.to_owned(), message: message(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, up: bool) -> Interface {
        Interface { name: name.to_owned(), description: None, up, loopback: name == "lo", addresses: Vec::new() }
    }

    #[test]
    fn one_clear_line() {
        let interfaces = [interface("eth0", true), interface("enp3s0", false), interface("lo", true)];
        let line = |name: &str, message: &str| {
            OpenError { interface: name.to_owned(), kind: classify(name, message, &interfaces) }.to_string()
        };
        assert_eq!(
            line("eth1", "eth1: No such device exists"),
            "cannot capture on eth1: there is no such interface; did you mean eth0? (there are: eth0, enp3s0, lo)",
        );
        assert_eq!(
            line("wireless", ""),
            "cannot capture on wireless: there is no such interface (there are: eth0, enp3s0, lo)",
        );
        assert!(line("enp3s0", "").contains("the interface is down; 'ip link set dev enp3s0 up'"));
        assert!(line("eth0", "socket: Operation not permitted").contains("setcap cap_net_raw+ep"));
        assert_eq!(line("eth0", "ring: no memory"), "cannot capture on eth0: ring: no memory");
    }
}
