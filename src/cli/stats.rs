//! Statistics as one JSON object.

use std::io::{self, Write};

use apitap_detectors::class::Classes;
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

/// Entity counts by name; all types, also those that were not seen, and behind them the configuration's classes.
struct Entities<'a>(&'a [EntityCounters], Classes);

impl Serialize for Entities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(counters, classes) = *self;
        let mut map = serializer.serialize_map(None)?;
        for entity in EntityType::built_in().chain(classes.types()) {
            if let Some(counters) = counters.get(entity as usize) {
                map.serialize_entry(classes.name_of(entity), counters)?;
            }
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
    classes: Classes,
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
        entities: Entities(&worker.entities.0, classes),
        suppressions,
    };
    serde_json::to_writer(&mut *out, &stats)?;
    out.write_all(b"\n")
}
