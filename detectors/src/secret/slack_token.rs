//! Slack tokens.
//!
//! *Why*: They read and write messages in the name of a person or bot.
//!
//! *Must match*: the prefixes of Slack (`xoxb-`, `xoxp-`, `xapp-` and the like) and groups of letters and digits.
//!
//! *Must not match*: the prefix alone, and placeholders.

use super::is_random;
use crate::kind::{Kind, credential, first};

pub(crate) static SLACK_TOKEN: Kind = credential(
    "secret.slack_token",
    "Slack token in a message",
    "A message holds Slack tokens. They read and write messages in the name of a person or bot.",
    &["slack token", "slack bot token", "bot token", "slack api token"],
    |value| first(value, 5),
);

/// How long the key is that a run of token characters is.
pub(super) fn len(token: &[u8]) -> Option<usize> {
    let is = token.strip_prefix(b"xapp-").or(match token {
        [b'x', b'o', b'x', b'a' | b'b' | b'c' | b'd' | b'e' | b'p' | b'r' | b's', b'-', rest @ ..] => Some(rest),
        _ => None,
    });
    let rest = is?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let shaped = rest.len() >= 20 && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    (shaped && digits >= 1 && is_random(rest)).then_some(token.len())
}

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn keys_whatever_the_name() {
        for key in [
            "xoxb-048791281696-175835110959-Gh6Dr7zMkHlKCrSS8XWIv6qZ",
            "xoxp-96953336853-54397968481-464309775377-281ba4f639b256bbc7",
        ] {
            must_match(
                EntityType::SlackToken,
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
        for text in [
            "xoxb-your-token-goes-here-please",
            "xoxb-0000000000-0000000000-xxxxxxxxxxxx",
            "xoxq-048791281696-175835110959-Gh6Dr7zMkHlKCrSS8XWIv6qZ",
        ] {
            must_not_match(EntityType::SlackToken, &[&format!("{{\"a\":\"{text}\"}}"), text]);
        }
    }
}
