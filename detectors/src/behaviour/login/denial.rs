//! Refusals without a status for one: a redirection to a page to log in at, and 200 with an error in it.
//!
//! Applications for browsers send whoever is not logged in to the login (302, 303, 307); some interfaces answer everything
//! with 200 and say in the content that one may not. What asks to be let in, or to be let out, is answered with the same and
//! refused nothing.

use super::answer::{self, Verdict};
use super::pairs::{self, Form, Value};
use super::{is_way_in, words};
use crate::behaviour::logout;
use crate::endpoint;
use crate::exchange::{Request, Response};
use crate::visit::Outcome;

/// The largest answer that only says no, in octets: a code, a text, and the path and time that frameworks add.
const LONGEST: u64 = 512;

/// How many names of an answer are looked at.
const NAMES: usize = 16;

/// What a response says to the request although its status does not: that one has to log in, or that nothing is there.
pub(crate) fn denies(request: &Request<'_>, response: &Response<'_>) -> Option<Outcome> {
    let meant = match response.status {
        302 | 303 | 307 if response.fields.get("location").is_some_and(is_login_page) => Some(Outcome::SentToLogin),
        200 => says_denied(response),
        _ => None,
    };
    meant.filter(|_| !is_way_in(request.target) && !logout::is_logout(request))
}

/// Whether a reference leads to where one logs in: by the words of its path, or as a request for authorisation (RFC 6749
/// section 4.1.1).
fn is_login_page(reference: &[u8]) -> bool {
    let asks = |name: &[u8]| memchr::memmem::find(reference, name).is_some();
    if asks(b"response_type=") && asks(b"client_id=") {
        return true;
    }
    let path = endpoint::path(reference);
    let last = endpoint::segments(path).last().unwrap_or_default();
    [&b"auth"[..], b"sso", b"saml", b"cas"].iter().any(|word| last.eq_ignore_ascii_case(word))
        || endpoint::segments(path).any(words::is_login_word)
}

fn says_denied(response: &Response<'_>) -> Option<Outcome> {
    let content = response.content.bytes;
    if response.content.len > LONGEST || content.first() != Some(&b'{') {
        return None;
    }
    // What most answers are is told by their first few names; only one that speaks of an error is read for what it says.
    let (mut is_fine, mut is_code, mut is_missing, mut speaks) = (false, false, false, false);
    pairs::pairs(Form::Json, content, NAMES, |name, value| {
        let is = |words: &[&[u8]]| words.iter().any(|word| name.eq_ignore_ascii_case(word));
        match value {
            Value::Flag(true) => is_fine |= is(&[b"success", b"ok", b"succeeded"]),
            Value::Flag(false) => speaks |= is(&[b"success", b"ok", b"succeeded"]),
            Value::Number(code) | Value::Text(code) if code.len() <= 3 && is(&CODES) => {
                is_fine |= matches!(code, b"0" | b"00" | b"200" | b"201" | b"ok" | b"OK");
                is_code |= matches!(code, b"401" | b"403");
                is_missing |= code == b"404";
            }
            Value::Text(_) | Value::Inner => speaks |= is(&SPEECH),
            _ => {}
        }
    });
    let is_denied =
        || is_code || speaks && words::says_denied(content) && answer::told(Form::Json, content) == Verdict::Out;
    match () {
        () if is_fine => None,
        () if is_denied() => Some(Outcome::SentToLogin),
        () if is_missing && speaks => Some(Outcome::NotFound),
        () => None,
    }
}

/// Names that hold a code in answers of one form.
const CODES: [&[u8]; 7] = [b"code", b"status", b"statuscode", b"status_code", b"errcode", b"errorcode", b"error_code"];
/// Names that say what went wrong.
const SPEECH: [&[u8]; 8] = [b"error", b"errors", b"message", b"msg", b"errmsg", b"detail", b"status", b"reason"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Content, FieldLine, Fields, Version};

    fn denied(target: &str, status: u16, location: &str, content: &str) -> bool {
        means(target, status, location, content) == Some(Outcome::SentToLogin)
    }

    fn means(target: &str, status: u16, location: &str, content: &str) -> Option<Outcome> {
        let bytes = format!("Location{location}");
        let line = FieldLine { name: 0, name_len: 8, value: 8, value_len: location.len() as u32 };
        let lines = if location.is_empty() { &[][..] } else { std::slice::from_ref(&line) };
        let (version, fields) = (Version::Http11, Fields::new(bytes.as_bytes(), lines));
        let content = Content { bytes: content.as_bytes(), len: content.len() as u64, ..Content::default() };
        let request = Request {
            method: b"GET",
            target: target.as_bytes(),
            version,
            fields: Fields::default(),
            content: Content::default(),
        };
        denies(&request, &Response { status, version, fields, content })
    }

    #[test]
    fn redirections_to_a_login() {
        for location in [
            "/login?next=/orders",
            "https://app.example/users/sign_in",
            "/accounts/login/",
            "/auth",
            "https://id.example/x?client_id=7&response_type=code",
            "/Anmeldung",
        ] {
            assert!(denied("/orders", 302, location, ""), "{location}");
        }
        for location in ["/orders/17", "/inicio", "/", "https://cdn.example/catalogue", "/authors/7"] {
            assert!(!denied("/orders", 302, location, ""), "{location}");
        }
        // A wrong password, a logout, a status for good.
        assert!(!denied("/login", 302, "/login?error", "") && !denied("/logout", 302, "/login", ""));
        assert!(!denied("/orders", 301, "/login", "") && !denied("/orders", 200, "/login", ""));
    }

    #[test]
    fn errors_with_a_status_that_says_yes() {
        for content in [
            r#"{"code":401,"msg":"please login"}"#,
            r#"{"success":false,"message":"Unauthorized"}"#,
            r#"{"error":{"type":"access_denied"}}"#,
            r#"{"status":"error","message":"Token expired"}"#,
        ] {
            assert!(denied("/orders", 200, "", content), "{content}");
        }
        for content in [
            r#"{"success":true,"message":"Unauthorized charges were refunded"}"#,
            r#"{"success":false,"message":"Out of stock"}"#,
            r#"{"id":401,"name":"forbidden fruit"}"#,
            r#"{"code":200,"msg":"ok"}"#,
            r#"{"code":0,"message":"the token expired offer","data":{"code":403}}"#,
            r#"{"status":"open","note":"Access denied for the parcel at the gate"}"#,
            "{}",
            "",
        ] {
            assert!(!denied("/orders", 200, "", content), "{content}");
        }
    }

    #[test]
    fn nothing_there_with_a_status_that_says_yes() {
        let means = |content| means("/orders?no=7", 200, "", content);
        for content in [
            r#"{"status":"error","error_code":404,"msg":"no such order"}"#,
            r#"{"code":"404","message":"Nicht gefunden"}"#,
        ] {
            assert_eq!(means(content), Some(Outcome::NotFound), "{content}");
        }
        for content in [
            r#"{"id":404,"message":"hello"}"#,
            r#"{"code":404,"name":"Berlin"}"#,
            r#"{"success":true,"code":404,"message":"of a link"}"#,
            r#"{"links":[{"url":"/a","status":404}]}"#,
        ] {
            assert_eq!(means(content), None, "{content}");
        }
    }
}
