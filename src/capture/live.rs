//! Live interfaces, through libpcap.
//!
//! The ring is TPACKET_V3's: no immediate mode, so frames come in blocks and a block that is not full is handed over after
//! [`HOLD`]. A frame is borrowed from the ring while it is dissected. The handle does not block: with this ring libpcap
//! waits for the first frame for as long as it takes, and timers, counters and the wish to stop could not be heard. Instead
//! [`Source::poll`] sleeps for [`STEP`] when the ring is empty.
//!
//! Several sources may be open on one interface; until they share it by flow, each sees all of its frames.

mod fault;
mod interfaces;

use std::time::Duration;

use pcap::{Active, Capture, Packet, Precision};
use serde::Serialize;

pub use fault::{CaptureError, OpenError, OpenErrorKind};
pub use interfaces::{Interface, interfaces};

use super::{Frame, LinkType};
use crate::time::Timestamp;

/// How to capture.
#[derive(Clone, Debug)]
pub struct Options {
    /// The interface's name.
    pub interface: String,
    /// A filter in libpcap's language; frames it does not match never reach the ring.
    pub filter: Option<String>,
    /// How many octets of a frame to take.
    pub snaplen: u32,
    /// The size of the ring in octets, at most 2 GiB.
    pub buffer: u32,
    /// Which frames the interface is asked to take in.
    pub mode: Mode,
}

impl Options {
    /// Everything on an interface, whole frames, a ring of 64 MiB: a second of 0.5 Gbit/s.
    pub fn new(interface: impl Into<String>) -> Self {
        Self { interface: interface.into(), filter: None, snaplen: 262_144, buffer: 64 << 20, mode: Mode::Promiscuous }
    }
}

/// Which frames an interface takes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All, as on a mirror port.
    #[default]
    Promiscuous,
    /// Those for this machine.
    Own,
}

/// Counts of a source, since it was opened.
///
/// `frames_received = frames_processed + frames_dropped_kernel`, and what is in the ring. On a loopback interface and on
/// `any` the kernel counts loopback frames twice: there the dropped ones are counted so, and the received ones are the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Frames that passed the filter, the dropped ones included.
    pub frames_received: u64,
    /// Frames handed out.
    pub frames_processed: u64,
    /// Frames for which there was no room in the ring.
    pub frames_dropped_kernel: u64,
    /// Frames that the interface or its driver dropped before the ring.
    pub frames_dropped_interface: u64,
}

impl Statistics {
    /// Adds another source's counts.
    pub fn merge(&mut self, other: &Self) {
        let Self { frames_received, frames_processed, frames_dropped_kernel, frames_dropped_interface } = other;
        self.frames_received += frames_received;
        self.frames_processed += frames_processed;
        self.frames_dropped_kernel += frames_dropped_kernel;
        self.frames_dropped_interface += frames_dropped_interface;
    }
}

/// How long the kernel holds a block that is not full.
pub const HOLD: Duration = Duration::from_millis(100);

/// How long to sleep when the ring is empty: the longest a wish to stop goes unheard.
pub const STEP: Duration = Duration::from_millis(10);

/// Frames handed out before the caller is asked again.
const BATCH: usize = 1024;

/// An open interface.
pub struct Source {
    name: String,
    handle: Capture<Active>,
    link_type: LinkType,
    number: u16,
    kernel_counts: KernelCounts,
    /// How many frames the ring can hold.
    ring_frames: u64,
    frames_processed: u64,
    received: Counter,
    dropped_kernel: Counter,
    dropped_interface: Counter,
    /// The kernel's counts when the end began: what comes later is nobody's.
    last: Option<(u64, u64, u64)>,
}

/// Opens an interface. Its frames will carry `number`.
pub fn open(options: &Options, number: u16) -> Result<Source, OpenError> {
    let explain = |error: pcap::Error| OpenError::explain(options, &error);
    let mut handle = activate(options, options.mode).map_err(explain)?;
    if let Some(filter) = &options.filter {
        handle.filter(filter, true).map_err(|error| OpenError::filter(options, &error))?;
    }
    let link_type = LinkType(u16::try_from(handle.get_datalink().0).unwrap_or(u16::MAX));
    let handle = handle.setnonblock().map_err(explain)?;
    Ok(Source {
        name: options.interface.clone(),
        handle,
        link_type,
        number,
        kernel_counts: kernel_counts(&options.interface),
        ring_frames: u64::from(options.buffer) / SMALLEST_RING_FRAME,
        frames_processed: 0,
        received: Counter::default(),
        dropped_kernel: Counter::default(),
        dropped_interface: Counter::default(),
        last: None,
    })
}

/// What the kernel's count of received frames means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KernelCounts {
    /// Frames.
    Frames,
    /// Loopback frames twice, as they leave and as they arrive. libpcap hands out the second only. (A filter on the
    /// direction would keep the first out of the ring, but libpcap applies new filters to the first blocks itself, and there
    /// it does not know directions and drops everything.)
    LoopbackTwice,
}

fn kernel_counts(interface: &str) -> KernelCounts {
    let is_loopback = || interfaces::find(interface).is_some_and(|interface| interface.loopback);
    if interface == "any" || is_loopback() { KernelCounts::LoopbackTwice } else { KernelCounts::Frames }
}

/// What a frame takes in the ring, at least: its header, the link-layer address and an Ethernet header.
const SMALLEST_RING_FRAME: u64 = 96;

fn activate(options: &Options, mode: Mode) -> Result<Capture<Active>, pcap::Error> {
    let clamped = |octets: u32| i32::try_from(octets).unwrap_or(i32::MAX);
    let activated = Capture::from_device(options.interface.as_str())?
        .snaplen(clamped(options.snaplen))
        .buffer_size(clamped(options.buffer))
        .promisc(mode == Mode::Promiscuous)
        .timeout(HOLD.as_millis() as i32)
        .precision(Precision::Nano)
        .open();
    match activated {
        // The `any` device and some drivers: libpcap means it as a warning.
        Err(pcap::Error::PcapError(text))
            if mode == Mode::Promiscuous && text.contains("romiscuous mode not supported") =>
        {
            activate(options, Mode::Own)
        }
        activated => activated,
    }
}

impl Source {
    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its frames begin.
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Hands out what is in the ring, a batch at most, and returns how many frames that were. When there is none it sleeps
    /// for [`STEP`] first and may return 0.
    pub fn poll(&mut self, mut on_frame: impl FnMut(&Frame<'_>)) -> Result<usize, CaptureError> {
        match self.dispatch(BATCH, &mut on_frame)? {
            0 => {
                std::thread::sleep(STEP);
                self.dispatch(BATCH, &mut on_frame)
            }
            frames => Ok(frames),
        }
    }

    /// Hands out what was in the ring when it was called, and returns how many frames that were. It ends when the kernel has
    /// handed over its last block, or when as many frames have come as the ring can have held. [`Source::statistics`] stays
    /// as it was then.
    pub fn drain(&mut self, mut on_frame: impl FnMut(&Frame<'_>)) -> Result<u64, CaptureError> {
        let counts = self.kernel_counters()?;
        self.last = Some(counts);
        let (received, dropped, _) = counts;
        let before = self.frames_processed;
        let mut left = received.saturating_sub(dropped).saturating_sub(before).min(self.ring_frames);
        let mut naps = HOLD.as_millis() / STEP.as_millis() + 2;
        while left > 0 && naps > 0 {
            let batch = usize::try_from(left).map_or(BATCH, |left| left.min(BATCH));
            let frames = self.dispatch(batch, &mut on_frame)?;
            left = left.saturating_sub(frames as u64);
            if frames == 0 {
                std::thread::sleep(STEP);
                naps -= 1;
            }
        }
        Ok(self.frames_processed - before)
    }

    /// The counts so far. To be asked for once a second or so: the kernel's are 32 bits wide.
    pub fn statistics(&mut self) -> Result<Statistics, CaptureError> {
        let (received, frames_dropped_kernel, frames_dropped_interface) = self.kernel_counters()?;
        Ok(Statistics {
            frames_received: match self.kernel_counts {
                KernelCounts::Frames => received,
                KernelCounts::LoopbackTwice => self.frames_processed + frames_dropped_kernel,
            },
            frames_processed: self.frames_processed,
            frames_dropped_kernel,
            frames_dropped_interface,
        })
    }

    /// Frames received (those dropped from the ring among them), dropped from the ring, dropped by the interface.
    fn kernel_counters(&mut self) -> Result<(u64, u64, u64), CaptureError> {
        if let Some(last) = self.last {
            return Ok(last);
        }
        let now = self.handle.stats().map_err(|error| CaptureError::new(&self.name, &error))?;
        Ok((
            self.received.advance(now.received),
            self.dropped_kernel.advance(now.dropped),
            self.dropped_interface.advance(now.if_dropped),
        ))
    }

    fn dispatch(&mut self, batch: usize, on_frame: &mut impl FnMut(&Frame<'_>)) -> Result<usize, CaptureError> {
        let (link_type, interface) = (self.link_type, self.number);
        let frames = self.handle.dispatch(Some(batch), |Packet { header, data }| {
            on_frame(&Frame {
                // The second field holds nanoseconds, as they were asked for.
                timestamp: Timestamp::from_parts(header.ts.tv_sec, u32::try_from(header.ts.tv_usec).unwrap_or(0)),
                link_type,
                interface,
                original_len: header.len.max(header.caplen),
                bytes: data,
            });
        });
        let frames = frames.map_err(|error| CaptureError::new(&self.name, &error))?;
        self.frames_processed += frames as u64;
        Ok(frames)
    }
}

/// A 32-bit counter that wraps, read often enough.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    last: u32,
    total: u64,
}

impl Counter {
    fn advance(&mut self, now: u32) -> u64 {
        let step = now.wrapping_sub(self.last);
        // Half a turn in one step is a counter that was set back.
        if step < 1 << 31 {
            self.total += u64::from(step);
        }
        self.last = now;
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_wrap() {
        let mut counter = Counter::default();
        assert_eq!(counter.advance(7), 7);
        assert_eq!(counter.advance(u32::MAX / 2), u64::from(u32::MAX / 2));
        assert_eq!(counter.advance(u32::MAX - 1), u64::from(u32::MAX - 1));
        assert_eq!(counter.advance(4), u64::from(u32::MAX) + 5);
        // Set back, as when an interface is made anew.
        assert_eq!(counter.advance(1), u64::from(u32::MAX) + 5);
        assert_eq!(counter.advance(2), u64::from(u32::MAX) + 6);
    }
}
