//! Private keys in PEM (RFC 7468).
//!
//! *Why*: with a private key one is whom it belongs to: a server, a person, an issuer of tokens.
//!
//! *Must match*: the line that begins one, whatever the kind of key (`RSA`, `EC`, `OPENSSH`, `ENCRYPTED`, PGP), with
//! spaces and line ends encoded as JSON and forms do.
//!
//! *Must not match*: public keys and certificates; the line in a manual, with nothing behind it.

use crate::kind::{Kind, credential};
use crate::scan::near::Near;

pub(crate) static PRIVATE_KEY: Kind = credential(
    "secret.private_key",
    "Private key in a message",
    "A message holds private keys. With one, its reader can pass for whom it belongs to, and read what was sent to them.",
    &["private key", "privatekey", "tls key", "ssh key", "rsa key", "signing key"],
    |_| "-----BEGIN **** PRIVATE KEY-----".to_owned(),
);

/// How much of a key must follow its first line, in letters of base64.
const BODY: usize = 24;

/// Reads from the fifth of a run of dashes: the line, and as much of the key as shows that there is one.
#[inline(never)]
pub(crate) fn behind_dashes(near: &Near<'_>) -> Option<(usize, usize)> {
    let start = near.at().checked_sub(4)?;
    let mut line = [0u8; 48];
    let (mut len, mut position) = (0, near.at() + 1);
    loop {
        let (byte, taken) = near.unit(position)?;
        if byte == b'-' {
            break;
        }
        let byte = if byte == b'+' { b' ' } else { byte };
        if !(byte.is_ascii_uppercase() || byte == b' ') {
            return None;
        }
        *line.get_mut(len)? = byte;
        (len, position) = (len + 1, position + taken);
    }
    let line = line.get(..len)?;
    if !line.starts_with(b"BEGIN ") || !(line.ends_with(b"PRIVATE KEY") || line.ends_with(b"PRIVATE KEY BLOCK")) {
        return None;
    }
    if near.slice(position, position + 5) != b"-----" {
        return None;
    }
    let end = position + 5;
    let (mut letters, mut position) = (0, end);
    while letters < BODY {
        let (byte, taken) = near.unit(position)?;
        let text = byte.is_ascii_alphanumeric()
            || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n' | b'\\' | b' ' | b':' | b',' | b'-');
        if !text {
            return None;
        }
        letters += usize::from(byte.is_ascii_alphanumeric());
        position += taken;
    }
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    const BODY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";

    #[test]
    fn keys_in_every_encoding() {
        for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
            let line = format!("-----BEGIN {kind}PRIVATE KEY-----");
            must_match(
                EntityType::PrivateKey,
                &[
                    (&format!("{line}\n{BODY}\n"), &line),
                    (&format!("{{\"k\":\"{line}\\n{BODY}\\n\"}}"), &line),
                    (&format!("<k>{line}\r\n{BODY}</k>"), &line),
                ],
            );
        }
        must_match(
            EntityType::PrivateKey,
            &[(&format!("k=-----BEGIN+PRIVATE+KEY-----%0A{BODY}"), "-----BEGIN+PRIVATE+KEY-----")],
        );
    }

    #[test]
    fn public_keys_and_manuals() {
        must_not_match(
            EntityType::PrivateKey,
            &[
                &format!("-----BEGIN PUBLIC KEY-----\n{BODY}\n"),
                &format!("-----BEGIN CERTIFICATE-----\n{BODY}\n"),
                "begins with -----BEGIN PRIVATE KEY-----.",
                "{\"k\":\"-----BEGIN PRIVATE KEY-----\"}",
            ],
        );
    }
}
