//! JSON Web Tokens (RFC 7519).
//!
//! *Why*: most are bearer tokens. Who has one acts as its subject until it expires.
//!
//! *Must match*: a first part in base64url that is a JSON object with `alg`, a dot, and a second part. A longer token
//! than can be seen at once is told by its start.
//!
//! *Must not match*: other JSON in base64, such as cursors of lists.

use crate::finding::{Confidence, Detector, Family};
use crate::kind::{Kind, Told, Weight, first};

pub(crate) static JWT: Kind = Kind {
    detector: Detector {
        name: "secret.jwt",
        family: Family::Secret,
        title: "JSON Web Token in a message",
        description: "A message holds JSON Web Tokens. Who reads one acts as its subject until it expires.",
        remediation: "Send tokens only from the endpoints that give them out, to those they are for. Keep their life short.",
        owasp: "API2:2023",
        cwe: "CWE-522",
        attack: "T1528",
    },
    weight: Weight::Session,
    names: &["jwt", "id token", "access token", "refresh token", "bearer token", "auth token"],
    told: Told::Form,
    confidence: Confidence::High,
    normalise: Some,
    mask: |value| first(value, 6),
};

/// How much of a header is decoded, in bytes of base64url.
const MAX_HEADER: usize = 240;

/// How long the token is that a run of token characters is, as far as it can be seen.
pub(super) fn len(token: &[u8]) -> Option<usize> {
    let dot = memchr::memchr(b'.', token)?;
    let (header, rest) = (token.get(..dot)?, token.get(dot + 1..)?);
    let payload = rest.iter().take_while(|byte| **byte != b'.').count();
    (header.starts_with(b"eyJ") && header.len() <= MAX_HEADER && names_algorithm(header) && payload >= 4)
        .then_some(token.len())
}

/// Whether the header, decoded, has a member `alg`.
fn names_algorithm(header: &[u8]) -> bool {
    let mut decoded = [0u8; MAX_HEADER];
    let mut len = 0;
    for group in header.chunks(4) {
        let Some(bits) = group.iter().try_fold(0u32, |bits, byte| Some(bits << 6 | sextet(*byte)?)) else {
            return false;
        };
        let bits = bits << (6 * (4 - group.len()));
        for byte in bits.to_be_bytes().get(1..group.len()).unwrap_or_default() {
            let Some(place) = decoded.get_mut(len) else { return false };
            *place = *byte;
            len += 1;
        }
    }
    memchr::memmem::find(decoded.get(..len).unwrap_or_default(), b"\"alg\"").is_some()
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{found, must_match, must_not_match};
    use crate::scan::EntityType;

    const TOKEN: &str =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

    #[test]
    fn tokens() {
        must_match(
            EntityType::Jwt,
            &[
                (&format!("{{\"token\":\"{TOKEN}\"}}"), TOKEN),
                (&format!("token={TOKEN}&a=1"), TOKEN),
                (&format!("Authorization: Bearer {TOKEN}\r\n"), TOKEN),
                ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0"),
            ],
        );
    }

    #[test]
    fn a_long_token_is_told_by_its_start() {
        let long = format!("\"{}{}\"", &TOKEN[..60], "Ab1".repeat(2_000));
        assert_eq!(found(EntityType::Jwt, &long).len(), 1);
    }

    #[test]
    fn other_base64() {
        must_not_match(
            EntityType::Jwt,
            &[
                "eyJpZCI6IDQ3MzU2OSwgImRpciI6ICJuZXh0IiwgImsiOiAienI4NTFTIn0=",
                "eyJpZCI6IDQ3MzU2OSwgImRpciI6ICJuZXh0In0.eyJzdWIiOiIxIn0.abc",
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
                "eyJ.eyJ.aaaaaaaaaaaaaaaaaaaaaaaaaa",
            ],
        );
    }
}
