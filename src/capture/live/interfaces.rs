//! The interfaces there are.

use std::net::IpAddr;

/// An interface that frames can be captured on.
#[derive(Clone, Debug)]
pub struct Interface {
    /// What to call it.
    pub name: String,
    /// What it is, if the system says so.
    pub description: Option<String>,
    /// Whether it is up; one that is not cannot be captured on.
    pub up: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// All interfaces, in libpcap's order: the likely ones first. Needs no privileges.
pub fn interfaces() -> Vec<Interface> {
    let devices = pcap::Device::list().unwrap_or_default();
    let interface = |device: pcap::Device| Interface {
        name: device.name,
        description: device.desc,
        up: device.flags.is_up(),
        loopback: device.flags.is_loopback(),
        addresses: device.addresses.into_iter().map(|address| address.addr).collect(),
    };
    // Buses and log sockets are devices to libpcap, too.
    let is_network = |interface: &Interface| {
        !["usbmon", "bluetooth", "nflog", "nfqueue", "dbus"].iter().any(|kind| interface.name.starts_with(kind))
    };
    devices.into_iter().map(interface).filter(is_network).collect()
}

/// The interface of this name.
pub(super) fn find(name: &str) -> Option<Interface> {
    interfaces().into_iter().find(|interface| interface.name == name)
}
