//! What a server makes of an attempt to get in.

use super::pairs::{self, Form, Value};
use super::{AttemptKind, words};
use crate::exchange::{Exchange, Response};
use crate::visit::{Hash, Hashing};

/// What a server made of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It let in.
    In,
    /// It did not.
    Out,
    /// It says that there were too many attempts, or that the account is locked.
    Limited,
    /// It did not come to an opinion: a malformed request, a fault, no answer.
    None,
}

/// How much of an answer is read, in octets.
const CONTENT: usize = 4 * 1024;

/// How many names of an answer are looked at.
const NAMES: usize = 64;

/// The verdict, and the wording of the answer.
pub(super) fn of(exchange: &Exchange<'_>, account: &[u8], kind: AttemptKind, hashing: &Hashing) -> (Verdict, Hash) {
    let Some(response) = &exchange.response else { return (Verdict::None, Hash(0)) };
    let content = response.content.bytes;
    let content = content.get(..CONTENT).unwrap_or(content);
    let verdict = match kind {
        // The operation behind it may fail for reasons of its own.
        AttemptKind::Basic => match response.status {
            401 => Verdict::Out,
            429 | 423 => Verdict::Limited,
            0 | 400.. => Verdict::None,
            _ => Verdict::In,
        },
        _ => verdict(response, content),
    };
    (verdict, wording(response.status, content, account, hashing))
}

fn verdict(response: &Response<'_>, content: &[u8]) -> Verdict {
    match response.status {
        423 | 429 => Verdict::Limited,
        405 | 406 | 411 | 413 | 415 | 431 => Verdict::None,
        // What is malformed is no attempt; most say so, and some say 400 or 422 for a wrong password.
        400 | 422 if is_about_form(content) => Verdict::None,
        400..=499 if words::says_limit(content) => Verdict::Limited,
        400..=499 => Verdict::Out,
        300..=399 => redirected(response),
        200..=299 => answered(response, content),
        _ => Verdict::None,
    }
}

/// Whether an error is about how the request was written.
fn is_about_form(content: &[u8]) -> bool {
    [&b"required"[..], b"missing", b"must be", b"not a valid", b"schema", b"Malformed", b"malformed", b"parse"]
        .iter()
        .any(|word| memchr::memmem::find(content, word).is_some())
}

/// Back to the login with an error, or on to what is behind it.
fn redirected(response: &Response<'_>) -> Verdict {
    let to = response.fields.get("location").unwrap_or_default();
    match () {
        () if words::says_limit(to) => Verdict::Limited,
        () if words::says_failure(to) => Verdict::Out,
        () if words::purpose(to.split(|octet| *octet == b'?').next().unwrap_or_default()).is_login => Verdict::Out,
        () => Verdict::In,
    }
}

/// Status 2xx: whether it means it is in the content.
fn answered(response: &Response<'_>, content: &[u8]) -> Verdict {
    let content_type = response.fields.get("content-type").unwrap_or_default();
    match Form::of(content, content_type) {
        Some(Form::Xml) if memchr::memmem::find(content_type, b"html").is_some() => html(content),
        Some(form) => told(form, content),
        None if content.len() < 200 && words::says_limit(content) => Verdict::Limited,
        None if content.len() < 200 && words::says_failure(content) => Verdict::Out,
        None => Verdict::In,
    }
}

/// A page that asks for the password again did not let in.
fn html(content: &[u8]) -> Verdict {
    let asks = [&b"type=\"password\""[..], b"type='password'", b"type=password"];
    if asks.iter().any(|form| memchr::memmem::find(content, form).is_some()) { Verdict::Out } else { Verdict::In }
}

/// What the names and values of an answer say.
pub(super) fn told(form: Form, content: &[u8]) -> Verdict {
    let (mut failed, mut limited, mut passed) = (false, false, false);
    pairs::pairs(form, content, NAMES, |name, value| {
        let mut short = [0; 24];
        let name = small(name, &mut short);
        let ends = |words: &[&[u8]]| words.iter().any(|word| name.ends_with(word));
        match value {
            Value::Flag(flag) if ends(&FLAGS) => {
                failed |= !flag;
                passed |= flag;
            }
            Value::Flag(flag) if ends(&ERRORS) => failed |= flag,
            Value::Flag(flag) if ends(&[b"locked", b"blocked", b"captcharequired"]) => limited |= flag,
            Value::Inner if ends(&ERRORS) => failed = true,
            Value::Text(text) if ends(&ERRORS) && !text.is_empty() => {
                failed |= !matches!(text, b"0" | b"ok" | b"OK" | b"none" | b"null");
                limited |= words::says_limit(text);
            }
            Value::Number(number) if ends(&ERRORS) => failed |= number != b"0",
            Value::Number(number) if ends(&[b"code", b"status"]) => {
                failed |= number.len() == 3 && matches!(number.first(), Some(b'4' | b'5'));
            }
            Value::Text(text) if ends(&TOKENS) && text.len() >= 16 => passed = true,
            Value::Text(text) if ends(&SPEECH) => {
                limited |= words::says_limit(text);
                failed |= words::says_failure(text);
            }
            _ => {}
        }
    });
    match () {
        // A token is what was asked for, whatever else is said.
        () if passed && !failed => Verdict::In,
        () if limited => Verdict::Limited,
        () if failed => Verdict::Out,
        () => Verdict::In,
    }
}

/// Ends of names whose `true` means yes.
const FLAGS: [&[u8]; 12] = [
    b"success",
    b"succeeded",
    b"ok",
    b"valid",
    b"verified",
    b"authenticated",
    b"authorized",
    b"loggedin",
    b"matched",
    b"match",
    b"passed",
    b"accepted",
];
/// Ends of names that stand for what went wrong.
const ERRORS: [&[u8]; 7] = [b"error", b"errors", b"errorcode", b"errormessage", b"errormsg", b"exception", b"fault"];
/// Ends of names that hold what lets in from now on.
const TOKENS: [&[u8]; 6] = [b"token", b"jwt", b"sessionid", b"accesskey", b"session", b"ticket"];
/// Ends of names whose text says how it went.
const SPEECH: [&[u8]; 12] = [
    b"message",
    b"msg",
    b"status",
    b"result",
    b"code",
    b"reason",
    b"state",
    b"outcome",
    b"title",
    b"detail",
    b"info",
    b"description",
];

/// A name without what stands between its words, in small letters; the end of a longer one.
fn small<'a>(name: &[u8], out: &'a mut [u8; 24]) -> &'a [u8] {
    let mut len = 0;
    let octets = name.iter().filter(|octet| octet.is_ascii_alphanumeric());
    let skipped = octets.clone().count().saturating_sub(out.len());
    for (octet, place) in octets.skip(skipped).zip(out.iter_mut()) {
        *place = octet.to_ascii_lowercase();
        len += 1;
    }
    &out[..len]
}

/// The words of an answer: what holds digits, what is long and the account itself differ each time.
fn wording(status: u16, content: &[u8], account: &[u8], hashing: &Hashing) -> Hash {
    const LONGEST: usize = 24;
    let content = content.get(..512).unwrap_or(content);
    let is_word = |word: &&[u8]| {
        !word.is_empty()
            && word.len() <= LONGEST
            && !word.iter().any(u8::is_ascii_digit)
            && (word.len() < 3 || memchr::memmem::find(account, word).is_none())
    };
    let words = content.split(|octet| !octet.is_ascii_alphanumeric()).filter(is_word).map(|word| hashing.hash(word));
    hashing.hash_all(std::iter::once(Hash(u64::from(status))).chain(words))
}
