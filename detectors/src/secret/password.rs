//! Passwords in clear.
//!
//! *Why*: a response that tells a password shows that it is stored so, and people use the same one elsewhere.
//!
//! *Must match*, under a name that says password, in the languages of Europe: a text that can be one.
//!
//! *Must not match*: what is masked or empty, hashes (they are `password_hash`), rules, labels and messages about
//! passwords, and fields that only say something of one (`password_changed_at`).

use super::password_hash;
use crate::kind::{Kind, Told, credential};
use crate::scan::value::Value;

pub(crate) static PASSWORD: Kind = Kind {
    told: Told::Name(is),
    ..credential(
        "secret.password",
        "Passwords in clear in a message",
        "A message holds passwords in clear. They are stored so, or sent back, and most people use the same one elsewhere.",
        &[
            "password",
            "passwd",
            "pwd",
            "passwrd",
            "passphrase",
            "=pass",
            "=pw",
            "user password",
            "user pwd",
            "login password",
            "passcode",
            "=passwort",
            "passwort",
            "kennwort",
            "mot de passe",
            "motdepasse",
            "=mdp",
            "contrasena",
            "=clave",
            "clave acceso",
            "contrasenya",
            "senha",
            "palavra passe",
            "palavrapasse",
            "=parola",
            "parola chiave",
            "wachtwoord",
            "haslo",
            "losenord",
            "adgangskode",
            "passord",
            "salasana",
            "heslo",
            "jelszo",
            "sifre",
            "mima",
            "密码",
            "口令",
            "temp password",
            "initial password",
            "plaintext password",
            "db password",
            "smtp password",
            "admin password",
        ],
        |_| "********".to_owned(),
    )
};

fn is(value: &Value<'_>) -> bool {
    let text = value.text();
    let words = text.split_ascii_whitespace().count();
    let lower = text.to_lowercase();
    (3..=128).contains(&text.chars().count())
        && value.is_text
        && !password_hash::is_formed(text)
        && !password_hash::is_digest(value)
        // Masked: one character over and over, or brackets around a word.
        && text.chars().zip(text.chars().skip(1)).any(|(one, next)| one != next)
        && !text.chars().all(|character| "*•●xX.#-_ ".contains(character))
        && text.matches(['*', '•', '●']).count() < 4
        && !(text.starts_with(['[', '<', '(', '{']) && text.ends_with([']', '>', ')', '}']))
        && !text.starts_with("${")
        // A rule or message: words like a sentence's, without a digit or with a full stop.
        && !(words >= 3 && (text.ends_with(['.', '!', '?', ':']) || !text.chars().any(char::is_numeric)))
        && words <= 8
        && !LABELS.contains(&lower.trim_end_matches([':', '.', '!', '?', '*', ' ']))
        && !lower.starts_with("http://") && !lower.starts_with("https://")
}

/// What a form or a schema shows in the place of a password.
const LABELS: &[&str] = &[
    "null",
    "none",
    "nil",
    "undefined",
    "true",
    "false",
    "yes",
    "no",
    "string",
    "text",
    "password",
    "passwd",
    "passwort",
    "kennwort",
    "parola",
    "lösenord",
    "adgangskode",
    "passord",
    "salasana",
    "heslo",
    "contrasenya",
    "palavra-passe",
    "redacted",
    "masked",
    "hidden",
    "filtered",
    "encrypted",
    "removed",
    "secret",
    "required",
    "invalid",
    "incorrect",
    "missing",
    "mot de passe",
    "contraseña",
    "senha",
    "wachtwoord",
    "hasło",
    "optional",
    "enabled",
    "disabled",
    "n/a",
    "is required",
    "too short",
    "is too short",
    "is invalid",
    "not set",
    "set",
    "unset",
    "expired",
    "current-password",
    "new-password",
    "enter password",
    "new password",
    "confirm password",
    "your password",
    "forgot password",
    "weak",
    "strong",
];

#[cfg(test)]
mod tests {
    use crate::kind::tests::{must_match, must_not_match};
    use crate::scan::EntityType;

    #[test]
    fn in_clear() {
        must_match(
            EntityType::Password,
            &[
                (r#"{"password":"Kestrel638"}"#, "Kestrel638"),
                (r#"{"pwd":"!%tbEegCZ9"}"#, "!%tbEegCZ9"),
                (r#"{"db":{"password":"correct horse battery 9"}}"#, "correct horse battery 9"),
                (r#"{"userPassword":"a1Q@65Db@!M6)*"}"#, "a1Q@65Db@!M6)*"),
                ("<r><passwd>week-sea66</passwd></r>", "week-sea66"),
                ("user=a&password=hunter2%21&b=1", "hunter2%21"),
                (r#"{"contraseña":"Verano2020"}"#, "Verano2020"),
                (r#"{"body":"{\"password\":\"Kestrel638\"}"}"#, "Kestrel638"),
                ("<input type=\"text\" name=\"password\" value=\"hunter2\">", "hunter2"),
                ("--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--b--", "hunter2"),
                ("id,passwd\n1,Summer7958\n", "Summer7958"),
            ],
        );
    }

    #[test]
    fn masked_and_about_passwords() {
        must_not_match(
            EntityType::Password,
            &[
                r#"{"password":null}"#,
                r#"{"password":""}"#,
                r#"{"password":"********"}"#,
                r#"{"password":"[REDACTED]"}"#,
                r#"{"password":"<hidden>"}"#,
                r#"{"password":"Password"}"#,
                r#"{"labels":{"password":"Kennwort"}}"#,
                r#"{"password":"must be at least 8 characters long."}"#,
                r#"{"errors":{"password":["is too short"]}}"#,
                r#"{"password_policy":"min 12 characters, one digit"}"#,
                r#"{"password_set":"true"}"#,
                r#"{"passwordChangedAt":"2024-01-01"}"#,
                r#"{"password_reset_url":"https://a.example/x"}"#,
                r#"{"password":{"type":"string"}}"#,
                "<input type=\"password\" name=\"password\" placeholder=\"Your password\">",
                "password\nKestrel638",
            ],
        );
    }
}
