//! Google API keys.
//!
//! *Why*: They use paid services on the account of their owner.
//!
//! *Must match*: `AIza` and 35 more letters, digits, dashes and underscores.
//!
//! *Must not match*: longer words, and placeholders.

use super::is_random;
use crate::kind::{Kind, credential, first};

pub(crate) static GOOGLE_API_KEY: Kind = credential(
    "secret.google_api_key",
    "Google API key in a message",
    "A message holds Google API keys. They use paid services on the account of their owner.",
    &["google api key", "google key", "maps key", "google maps key", "firebase key"],
    |value| first(value, 4),
);

/// How long the key is that a run of token characters is.
pub(super) fn len(token: &[u8]) -> Option<usize> {
    let rest = token.strip_prefix(b"AIza")?;
    (rest.len() == 35 && !rest.contains(&b'.') && is_random(rest)).then_some(39)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn keys_whatever_the_name() {
        for key in ["AIza1ELehlMaqUzHln_NGN6FGQ4iSU7qllnktI4", "AIza28FI06HvqUcvmGFREN-USNQX6_x79Dc23Bf"] {
            must_match(
                EntityType::GoogleApiKey,
                &[
                    (&format!("{{\"a\":\"{key}\"}}"), key),
                    (&format!("a={key}&b=1"), key),
                    (&format!("use {key}, and\n"), key),
                    (&format!("use {key}."), key),
                    (&format!("{{\"a\":\"x\\n{key}\\n\"}}"), key),
                ],
            );
        }
    }

    #[test]
    fn what_only_looks_like_one() {
        for text in ["AIza1ELehlMaqUzHln_NGN6FGQ4iSU7qllnktI", "AIzaXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"] {
            must_not_match(EntityType::GoogleApiKey, &[&format!("{{\"a\":\"{text}\"}}"), text]);
        }
    }
}
