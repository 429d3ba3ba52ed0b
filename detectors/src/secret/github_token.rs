//! GitHub tokens.
//!
//! *Why*: They read and write code and what builds it.
//!
//! *Must match*: the prefixes of GitHub (`ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_`, `github_pat_`) and 36 letters and digits or more.
//!
//! *Must not match*: the prefix alone, and placeholders.

use super::is_random;
use crate::kind::{Kind, credential, first};

pub(crate) static GITHUB_TOKEN: Kind = credential(
    "secret.github_token",
    "GitHub token in a message",
    "A message holds GitHub tokens. They read and write code and what builds it.",
    &["github token", "github pat", "gh token", "github access token"],
    |value| first(value, 4),
);

/// How long the key is that a run of token characters is.
pub(super) fn len(token: &[u8]) -> Option<usize> {
    let rest = [b"ghp_".as_slice(), b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"]
        .into_iter()
        .find_map(|prefix| token.strip_prefix(prefix))?;
    let is =
        rest.len() >= 30 && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') && is_random(rest);
    is.then_some(token.len())
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn keys_whatever_the_name() {
        for key in [
            "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",
            "github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789aBcDeFgHiJk",
        ] {
            must_match(
                EntityType::GithubToken,
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
        for text in
            ["ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ghp_short", "x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"]
        {
            must_not_match(EntityType::GithubToken, &[&format!("{{\"a\":\"{text}\"}}"), text]);
        }
    }
}
