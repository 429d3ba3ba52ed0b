//! Statistics as one JSON object.

use std::io::{self, Write};

use apitap_detectors::scan::EntityType;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::alert;
use crate::alert::suppress::Applied;
use crate::http;
use crate::link;
use crate::pipeline::Counters;
use crate::tcp;
use crate::worker::{EntityCounters, ExchangeCounters, FlowCounters};

#[derive(Serialize)]
struct Stats<'a> {
    stages: Stages<'a>,
    exchanges: &'a ExchangeCounters,
    entities: Entities<'a>,
    /// What each suppression did, in the order of the configuration.
    suppressions: &'a [Applied],
}

#[derive(Serialize)]
struct Stages<'a> {
    link: &'a link::Counters,
    flow: &'a FlowCounters,
    tcp: &'a tcp::Counters,
    http: &'a http::Counters,
    alert: &'a alert::Counters,
}

/// Entity counts by name; all types, also those that were not seen.
struct Entities<'a>(&'a [EntityCounters]);

impl Serialize for Entities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (entity, counters) in EntityType::ALL.iter().zip(self.0) {
            map.serialize_entry(entity.name(), counters)?;
        }
        map.end()
    }
}

/// Writes the statistics as one line.
pub(super) fn write(
    out: &mut dyn Write,
    counters: &Counters,
    alerts: &alert::Counters,
    suppressions: &[Applied],
) -> io::Result<()> {
    let worker = &counters.worker;
    let stats = Stats {
        stages: Stages {
            link: &counters.link,
            flow: &worker.flow,
            tcp: &worker.tcp,
            http: &worker.http,
            alert: alerts,
        },
        exchanges: &worker.exchanges,
        entities: Entities(&worker.entities.0),
        suppressions,
    };
    serde_json::to_writer(&mut *out, &stats)?;
    out.write_all(b"\n")
}
