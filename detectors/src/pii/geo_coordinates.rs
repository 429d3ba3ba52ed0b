//! Geographic coordinates.
//!
//! *Why*: Those of people, their homes or their cars say where to find them.
//!
//! *Must match*, under a name that says what it is: a latitude with at least three decimals, or latitude and longitude as one text.
//!
//! *Must not match*: whole numbers, and latitudes that there are none of.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight};
use crate::scan::value::Value;

pub(crate) static GEO_COORDINATES: Kind = Kind {
    detector: Detector {
        name: "pii.geo_coordinates",
        family: Family::Pii,
        title: "Geographic coordinates in a response",
        description: "A response holds coordinates. Those of people, their homes or their cars say where to find them.",
        remediation: "Return only the fields the caller needs, and those of people only to themselves and to those who \
                      work with them.",
        owasp: "API3:2023",
        cwe: "CWE-359",
        attack: "T1589",
    },
    weight: Weight::Context,
    names: &[
        "=lat",
        "latitude",
        "=latitud",
        "latitudine",
        "breitengrad",
        "=lat lng",
        "=lat lon",
        "=lat long",
        "=latlng",
        "=latlong",
        "=coordinates",
        "=coords",
        "gps coordinates",
        "=gps",
        "gps position",
        "=geo",
        "geo location",
        "geolocation",
        "=geo point",
        "gps location",
        "=location",
        "=position",
        "gps lat",
        "geo lat",
        "start lat",
        "end lat",
        "pickup lat",
        "home lat",
        "last lat",
        "current lat",
        "location lat",
        "breite",
        "geo coordinates",
        "koordinaten",
        "coordenadas",
        "coordonnees gps",
        "szerokosc geograficzna",
        "breddgrad",
        "breedtegraad",
        "纬度",
    ],
    told: Told::Name(is),
    confidence: Confidence::Medium,
    normalise: Some,
    mask: |_| "**.****, **.****".to_owned(),
};

/// Whether the text is a latitude, or both, written so exactly that a place can be told (three decimals are 100 m).
fn is(value: &Value<'_>) -> bool {
    let text = value.text().trim_start_matches("geo:").trim_matches(['(', ')', ' ']);
    match text.split_once([',', ';', ' ']) {
        Some((latitude, longitude)) => {
            let longitude = longitude.trim_matches([',', ';', ' ']);
            degrees(latitude).is_some_and(|latitude| latitude <= 90.0)
                && degrees(longitude).is_some_and(|longitude| longitude <= 180.0)
        }
        None => degrees(text).is_some_and(|latitude| latitude <= 90.0),
    }
}

/// Degrees without their sign.
fn degrees(text: &str) -> Option<f64> {
    let text = text.trim_end_matches(['N', 'S', 'E', 'W', '°', ' ']);
    let (whole, decimals) = text.trim_start_matches(['-', '+']).split_once('.')?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exact =
        (1..=3).contains(&whole.len()) && (3..=18).contains(&decimals.len()) && digits(whole) && digits(decimals);
    exact.then(|| text.trim_start_matches(['-', '+']).parse().ok())?
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn under_telling_names() {
        must_match(
            EntityType::GeoCoordinates,
            &[
                ("{\"lat\":52.5200,\"lng\":13.4050}", "52.5200"),
                ("{\"latitude\":\"-14.416789\",\"longitude\":\"1\"}", "-14.416789"),
                ("{\"location\":\"52.5200,13.4050\"}", "52.5200,13.4050"),
                ("<latitude>8.01129</latitude>", "8.01129"),
                ("id,lat,lon\n1,8.01129,9.1\n", "8.01129"),
            ],
        );
    }

    #[test]
    fn other_names_and_other_values() {
        must_not_match(
            EntityType::GeoCoordinates,
            &[
                "{\"lat\":52}",
                "{\"lat\":152.1234}",
                "{\"score\":51.50740}",
                "{\"location\":\"Berlin\"}",
                "{\"latency\":12.3456}",
                "{\"points\":[[52.5200,13.4050]]}",
            ],
        );
    }
}
