//! Stripe secret keys.
//!
//! *Why*: They charge, refund and read every payment of an account.
//!
//! *Must match*: secret and restricted keys (`sk_`, `rk_`) and signing secrets (`whsec_`).
//!
//! *Must not match*: publishable keys (`pk_`), which are made to be seen.

use super::is_random;
use crate::kind::{Kind, credential, first};

pub(crate) static STRIPE_KEY: Kind = credential(
    "secret.stripe_key",
    "Stripe secret key in a message",
    "A message holds Stripe secret keys. They charge, refund and read every payment of an account.",
    &["stripe key", "stripe secret key", "stripe api key"],
    |value| first(value, 8),
);

/// How long the key is that a run of token characters is.
pub(super) fn len(token: &[u8]) -> Option<usize> {
    let rest = [b"sk_live_".as_slice(), b"rk_live_", b"sk_test_", b"rk_test_", b"whsec_"]
        .into_iter()
        .find_map(|prefix| token.strip_prefix(prefix))?;
    (rest.len() >= 16 && rest.iter().all(u8::is_ascii_alphanumeric) && is_random(rest)).then_some(token.len())
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn keys_whatever_the_name() {
        for key in ["sk_live_0LXZo1H0WWslWvCNHU9rWcT6", "rk_live_UttUOXGu164IrLK95HoXF5o4CQS7ll1iiaoDb59ZsaaG8tT8g5Yq"]
        {
            must_match(
                EntityType::StripeKey,
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
        for text in ["pk_live_0LXZo1H0WWslWvCNHU9rWcT6", "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx", "sk_live_short"] {
            must_not_match(EntityType::StripeKey, &[&format!("{{\"a\":\"{text}\"}}"), text]);
        }
    }
}
