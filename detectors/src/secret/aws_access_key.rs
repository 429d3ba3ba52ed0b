//! Amazon Web Services access key ids.
//!
//! *Why*: Whoever finds the secret that belongs to one acts as the account's owner.
//!
//! *Must match*: the prefixes that AWS gives to keys of users and of sessions, and sixteen more capitals and digits.
//!
//! *Must not match*: ids of other AWS resources (`AROA`, `AIDA`), and longer words.

use crate::kind::{Kind, credential, first};

pub(crate) static AWS_ACCESS_KEY: Kind = credential(
    "secret.aws_access_key",
    "AWS access key in a message",
    "A message holds Amazon Web Services access key ids. Whoever finds the secret that belongs to one acts as the account's owner.",
    &["access key id", "accesskeyid", "aws access key", "aws access key id", "aws key", "aws key id"],
    |value| first(value, 4),
);

/// How long the key is that a run of token characters is.
pub(super) fn len(token: &[u8]) -> Option<usize> {
    let prefix = token.get(..4)?;
    let is = matches!(prefix, b"AKIA" | b"ASIA" | b"ABIA" | b"ACCA")
        && token.len() == 20
        && token.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is.then_some(20)
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn keys_whatever_the_name() {
        for key in ["AKIA2GA5CEZ2G35GG7AJ", "ASIAMCSACXOQ2LYKLI2S"] {
            must_match(
                EntityType::AwsAccessKey,
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
        for text in ["AKIA2GA5CEZ2G35GG7AJX", "AIDA2GA5CEZ2G35GG7AJ", "AKIA2ga5CEZ2G35GG7AJ"] {
            must_not_match(EntityType::AwsAccessKey, &[&format!("{{\"a\":\"{text}\"}}"), text]);
        }
    }
}
