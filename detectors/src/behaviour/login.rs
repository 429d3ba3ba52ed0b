//! Logins: which exchanges try to get in, as whom, with what, and whether it worked.
//!
//! An operation is a login by its shape, wherever it stands: a name and a password in a form, in JSON, in a GraphQL
//! mutation or in Basic authentication, a token grant of OAuth 2, a PIN or a one-time code. Resets, registrations and the
//! renewal of a session are told apart, since they fail for other reasons. Whether it worked is told by the status, and
//! where that says yes by the content: many interfaces answer 200 and `"success": false`.
//!
//! What leaves are hashes. It is a fact for others to judge; nothing is found here.
//!
//! Cost: for a request that has neither a small body nor a query with a login's word in its path, two comparisons.

mod answer;
mod denial;
mod pairs;
mod words;

use std::borrow::Cow;

use pairs::{Form, Value};
use words::{Name, Purpose};

use super::{Fact, Seen};
use crate::endpoint;
use crate::exchange::Request;
use crate::identity::{self, CredentialKind};
use crate::visit::Hash;

pub use answer::Verdict;
pub(crate) use denial::denies;
pub(crate) use words::plain;

/// Somebody tried to get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The account it was about, where one is named.
    pub account: Option<Hash>,
    /// The account's hash that is the same on every machine with this key.
    pub lasting: Option<Hash>,
    /// The password or code, where there was one.
    pub secret: Option<Hash>,
    /// What was tried.
    pub kind: AttemptKind,
    /// What the server made of it.
    pub verdict: Verdict,
    /// The wording of the answer without what differs each time, to tell whether two answers say the same.
    pub answer: Hash,
}

/// What is tried with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttemptKind {
    /// A password.
    Password,
    /// Basic authentication, which comes with every request.
    Basic,
    /// A PIN or a one-time code.
    Code,
    /// The secret of a program.
    Client,
    /// The renewal of a session that was let in before.
    Refresh,
    /// The name alone, ahead of the password.
    Identify,
    /// Help for a forgotten password.
    Reset,
    /// A new account.
    Registration,
    /// The question whether a name is taken.
    Lookup,
}

/// The largest body that is read: names, a password and what forms add to them take a few hundred octets.
const BODY: usize = 16 * 1024;

/// The largest body that is read without a login's word in the path.
const BODY_ANYWHERE: usize = 2 * 1024;

/// How many names of a body are looked at.
const NAMES: usize = 48;

/// How many names a body has at most that is a login without saying so in its path.
const NAMES_ANYWHERE: usize = 8;

/// Whether a target is, by the words of its path, for those who cannot have a credential yet.
pub(crate) fn is_way_in(target: &[u8]) -> bool {
    words::purpose(endpoint::path(target)).is_way_in()
}

/// Whether a target is, by the words of its path, for those who want an account.
pub(crate) fn is_registration(target: &[u8]) -> bool {
    words::purpose(endpoint::path(target)).is_registration
}

/// What a small body has under `name`, encodings of forms undone.
pub(crate) fn named<'a>(body: &'a [u8], content_type: &[u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let mut found = None;
    pairs::pairs(Form::of(body, content_type)?, body, NAMES, |other, value| {
        if found.is_none() && other == name {
            found = value.text();
        }
    });
    found.map(pairs::decoded)
}

/// Notes an attempt to get in.
pub(crate) fn observe(seen: &mut Seen<'_>) {
    let Some(request) = &seen.exchange.request else { return };
    let Some(tried) = tried(request, seen) else { return };
    let (verdict, answer) = answer::of(seen.exchange, tried.account_text, tried.kind, seen.hashing);
    let Tried { account, account_text, secret, kind } = tried;
    let lasting = match account_text {
        b"" => seen.visit.lasting,
        text => Some(seen.hashing.lasting(&pairs::same_text(text))),
    };
    seen.visit.facts.push(Fact::Login(Attempt { account, lasting, secret, kind, verdict, answer }));
}

/// An attempt, without its outcome.
struct Tried<'a> {
    account: Option<Hash>,
    account_text: &'a [u8],
    secret: Option<Hash>,
    kind: AttemptKind,
}

fn tried<'a>(request: &'a Request<'a>, seen: &Seen<'_>) -> Option<Tried<'a>> {
    let is_get = request.method == b"GET";
    let body = request.content.bytes;
    if !is_get && matches!(request.method, b"POST" | b"PUT" | b"PATCH") && !body.is_empty() && body.len() <= BODY {
        let purpose = words::purpose(endpoint::path(request.target));
        let is_likely = purpose.is_way_in();
        if is_likely || (body.len() <= BODY_ANYWHERE && request.method == b"POST") {
            let content_type = request.fields.get("content-type").unwrap_or_default();
            if let Some(form) = Form::of(body, content_type)
                && let Some(tried) = in_body(form, body, purpose, is_likely, seen)
            {
                return Some(tried);
            }
        }
    }
    if let Some(query) = endpoint::query(request.target) {
        let purpose = words::purpose(endpoint::path(request.target));
        if purpose.is_way_in() {
            let mut read = Read { purpose, ..Read::default() };
            pairs::urlencoded(query).take(NAMES).for_each(|(name, value)| read.take(name, value));
            if let Some(tried) = read.settle(true, seen)
                && (tried.secret.is_some() || !purpose.is_login)
            {
                return Some(tried);
            }
        }
    }
    basic(request, seen)
}

fn in_body<'a>(form: Form, body: &'a [u8], purpose: Purpose, is_likely: bool, seen: &Seen<'_>) -> Option<Tried<'a>> {
    let mut read = Read { purpose, ..Read::default() };
    pairs::pairs(form, body, NAMES, |name, value| read.take(name, value));
    if let Some(document) = read.document {
        // A query reads; what lets somebody in changes something.
        let says = words::purpose(document);
        memchr::memmem::find(document, b"mutation")?;
        pairs::arguments(document, NAMES, &mut |name, value| read.take(name, value));
        read.purpose = says;
    }
    read.settle(is_likely || read.document.is_some(), seen)
}

/// What was read of a body so far: the first of each kind counts.
#[derive(Default)]
struct Read<'a> {
    purpose: Purpose,
    account: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    new_password: Option<&'a [u8]>,
    has_old_password: bool,
    code: Option<&'a [u8]>,
    maybe_code: Option<&'a [u8]>,
    client: Option<&'a [u8]>,
    client_secret: Option<&'a [u8]>,
    grant: Option<&'a [u8]>,
    document: Option<&'a [u8]>,
    personal: usize,
    names: usize,
}

impl<'a> Read<'a> {
    fn take(&mut self, name: &'a [u8], value: Value<'a>) {
        self.names += 1;
        let Some(text) = value.text() else { return };
        let first = |place: &mut Option<&'a [u8]>| {
            place.get_or_insert(text);
        };
        match words::name(name) {
            Name::Account => first(&mut self.account),
            Name::Password if self.password.is_some() => first(&mut self.new_password),
            Name::Password => first(&mut self.password),
            Name::NewPassword => first(&mut self.new_password),
            Name::OldPassword => self.has_old_password = true,
            Name::Code => first(&mut self.code),
            Name::MaybeCode => first(&mut self.maybe_code),
            Name::Client => first(&mut self.client),
            Name::ClientSecret => first(&mut self.client_secret),
            Name::Grant => first(&mut self.grant),
            Name::Document => first(&mut self.document),
            Name::Personal => self.personal += 1,
            Name::Other => {}
        }
    }

    fn settle(&self, is_likely: bool, seen: &Seen<'_>) -> Option<Tried<'a>> {
        let purpose = self.purpose;
        let made = |kind, account: Option<&'a [u8]>, secret: Option<&'a [u8]>| {
            let hash = |text: &[u8]| seen.hashing.hash(text);
            Some(Tried {
                account: account.map(|text| hash(&pairs::same_text(text))),
                account_text: account.unwrap_or_default(),
                secret: secret.map(hash),
                kind,
            })
        };
        if let Some(grant) = self.grant {
            return match grant {
                b"password" => made(AttemptKind::Password, self.account, self.password),
                b"refresh_token" => made(AttemptKind::Refresh, None, None),
                b"client_credentials" => made(AttemptKind::Client, self.client, self.client_secret),
                _ => None,
            };
        }
        if self.has_old_password {
            return None;
        }
        let is_short = is_likely || self.names <= NAMES_ANYWHERE;
        if let Some(password) = self.password {
            let is_new = self.new_password.is_some() || self.personal > 0;
            return match () {
                () if purpose.is_reset => made(AttemptKind::Reset, self.account, None),
                () if purpose.is_registration || is_new => made(AttemptKind::Registration, self.account, None),
                // Whoever sets a password for an account names it, too; so does a form of some settings.
                () if purpose.is_login => made(AttemptKind::Password, self.account, Some(password)),
                () if is_short && self.account.is_some() => made(AttemptKind::Password, self.account, Some(password)),
                () => None,
            };
        }
        let digits = |code: &&[u8]| (3..=10).contains(&code.len()) && code.iter().all(u8::is_ascii_digit);
        let code = self.code.filter(|_| is_short);
        let code =
            code.or_else(|| self.maybe_code.filter(|code| (purpose.is_code || purpose.is_login) && digits(code)));
        if let Some(code) = code {
            let mut tried = made(AttemptKind::Code, self.account, Some(code))?;
            tried.account = tried.account.or_else(|| Self::holder(seen));
            return Some(tried);
        }
        let is_named =
            self.account.is_some() && self.new_password.is_none() && is_likely && self.names <= NAMES_ANYWHERE;
        match () {
            () if !is_named => None,
            () if purpose.is_reset => made(AttemptKind::Reset, self.account, None),
            () if purpose.is_registration => made(AttemptKind::Registration, self.account, None),
            () if purpose.is_lookup => made(AttemptKind::Lookup, self.account, None),
            () if purpose.is_login => made(AttemptKind::Identify, self.account, None),
            () => None,
        }
    }

    /// Whose code it is where the body does not say: that of who is half in, or of what the path names.
    fn holder(seen: &Seen<'_>) -> Option<Hash> {
        seen.visit.principal.or_else(|| seen.visit.objects.as_slice().first().map(|object| object.hash))
    }
}

/// Basic authentication (RFC 7617).
fn basic<'a>(request: &'a Request<'a>, seen: &Seen<'_>) -> Option<Tried<'a>> {
    seen.visit.credential.filter(|credential| credential.kind == CredentialKind::Basic)?;
    let (user, password) = identity::basic(identity::basic_pair(request)?)?;
    let hash = |text: &[u8]| seen.hashing.hash(text);
    Some(Tried {
        account: Some(hash(&pairs::same_text(&user))),
        account_text: b"",
        secret: Some(hash(&password)),
        kind: AttemptKind::Basic,
    })
}

#[cfg(test)]
pub(crate) mod tests;
