//! Who was involved in an alert: the first few by address, the rest by number.

use std::net::IpAddr;

use apitap_detectors::sketch::Sketch;
use apitap_detectors::visit::Hash;

/// How many clients an alert names; also how far their number is exact.
pub(super) const NAMED: usize = 64;

/// Distinct clients in bounded memory: the first [`NAMED`] are kept, from then on a sketch of keyed hashes counts them to about
/// 3 %.
#[derive(Debug, Default)]
pub(super) struct Clients {
    named: Vec<IpAddr>,
    sketch: Option<Box<Sketch<1024>>>,
}

impl Clients {
    /// Counts a client. `key` keeps a hostile choice of addresses from steering the estimate.
    pub(super) fn add(&mut self, client: IpAddr, key: &[u8; 32]) {
        if self.named.contains(&client) {
            return;
        }
        if self.named.len() < NAMED {
            self.named.push(client);
            return;
        }
        let sketch = self.sketch.get_or_insert_with(|| {
            let mut sketch = Box::<Sketch<1024>>::default();
            self.named.iter().for_each(|client| sketch.insert(hash(*client, key)));
            sketch
        });
        sketch.insert(hash(client, key));
    }

    /// The clients that are named, in the order in which they came.
    pub(super) fn named(&self) -> &[IpAddr] {
        &self.named
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        match &self.sketch {
            // The estimate may fall short of what is known for certain: one more than has a name.
            Some(sketch) => sketch.estimate().max(NAMED as u64 + 1),
            None => self.named.len() as u64,
        }
    }

    /// Whether [`Self::count`] is an estimate.
    pub(super) fn is_estimated(&self) -> bool {
        self.sketch.is_some()
    }
}

fn hash(client: IpAddr, key: &[u8; 32]) -> Hash {
    match client {
        IpAddr::V4(address) => Hash::keyed(key, &address.octets()),
        IpAddr::V6(address) => Hash::keyed(key, &address.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(number: u32) -> Clients {
        let mut clients = Clients::default();
        for _ in 0..2 {
            (0..number).for_each(|n| clients.add(IpAddr::V4((0x0a00_0000 + n).into()), &[7; 32]));
        }
        clients
    }

    #[test]
    fn a_few_are_exact() {
        for number in [0, 1, NAMED as u32] {
            let clients = clients(number);
            assert_eq!((clients.count(), clients.named().len()), (u64::from(number), number as usize));
            assert!(!clients.is_estimated());
        }
    }

    #[test]
    fn many_are_estimated_well() {
        for number in [65_u32, 100, 500, 2_000, 5_000, 50_000] {
            let clients = clients(number);
            let error = clients.count() as f64 / f64::from(number) - 1.0;
            assert!(error.abs() < 0.1, "{number}: {}", clients.count());
            assert_eq!(clients.named().len(), NAMED);
            assert!(clients.is_estimated());
        }
    }
}
