//! Keys, tokens and passwords: one file for each kind.

pub(crate) mod aws_access_key;
pub(crate) mod github_token;
pub(crate) mod google_api_key;
pub(crate) mod jwt;
pub(crate) mod password;
pub(crate) mod password_hash;
pub(crate) mod private_key;
pub(crate) mod slack_token;
pub(crate) mod stripe_key;

use crate::scan::EntityType;
use crate::scan::near::Near;

/// How many bytes the scan's shape of a token has.
const SHAPE: usize = 20;

/// Reads from the twentieth of a run of token characters. What a token is says its beginning, and the run begins where
/// the token does: what services give out has a prefix for this purpose.
#[inline(never)]
pub(crate) fn token(near: &Near<'_>) -> Option<(EntityType, usize, usize)> {
    let mut start = near.at().checked_sub(SHAPE - 1)?;
    // The letter of an escape (`\n`) is no part of it.
    if near.back(start, 1) == Some(b'\\') {
        start += 1;
    }
    if !matches!(near.get(start)?, b'A' | b'e' | b'g' | b'r' | b's' | b'w' | b'x') {
        return None;
    }
    let rest = near.slice(start, usize::MAX);
    let run =
        rest.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte))).unwrap_or(rest.len());
    let mut token = rest.get(..run)?;
    // The end of a sentence is not of the token.
    while let Some((b'.' | b'-', shorter)) = token.split_last() {
        token = shorter;
    }
    let (entity, len) = match token.first()? {
        b'e' => (EntityType::Jwt, jwt::len(token)?),
        b'g' => (EntityType::GithubToken, github_token::len(token)?),
        b'x' => (EntityType::SlackToken, slack_token::len(token)?),
        b'r' | b's' | b'w' => (EntityType::StripeKey, stripe_key::len(token)?),
        _ => match aws_access_key::len(token) {
            Some(len) => (EntityType::AwsAccessKey, len),
            None => (EntityType::GoogleApiKey, google_api_key::len(token)?),
        },
    };
    Some((entity, start, start + len))
}

/// Whether a key is more than a placeholder: `xxxxxxxx`, `00000000`, `your-key-here`.
fn is_random(key: &[u8]) -> bool {
    let mut seen = 0u128;
    for byte in key {
        seen |= 1 << (byte & 0x7f);
    }
    seen.count_ones() >= 8 && key.iter().any(u8::is_ascii_digit)
}
