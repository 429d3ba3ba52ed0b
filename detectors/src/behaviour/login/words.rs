//! What names in a body and words in a path mean for a login, in the larger languages.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// What a name in a body stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Who wants in.
    Account,
    /// A password.
    Password,
    /// A password that is to hold from now on, or its repetition.
    NewPassword,
    /// The password that held until now, where it is changed.
    OldPassword,
    /// A one-time code or a PIN.
    Code,
    /// A one-time code, where the path says so.
    MaybeCode,
    /// The password of a program (RFC 6749 section 2.3.1).
    ClientSecret,
    /// A program's name (RFC 6749 section 2.2).
    Client,
    /// How a token is asked for (RFC 6749 section 4).
    Grant,
    /// A GraphQL document.
    Document,
    /// What people are asked when they register.
    Personal,
    /// Something else.
    Other,
}

/// Parts of names that hold a password.
const PASSWORDS: [&[u8]; 17] = [
    b"password",
    b"passwd",
    b"passwort",
    b"kennwort",
    b"passphrase",
    b"motdepasse",
    b"contrasen",
    b"contrase\xc3\xb1a",
    b"senha",
    b"wachtwoord",
    b"haslo",
    b"losenord",
    b"adgangskode",
    b"passord",
    b"salasana",
    b"jelszo",
    b"userpass",
];
/// Names that hold a password only as a whole: as parts they are of other words.
const WHOLE_PASSWORDS: [&[u8]; 17] = [
    b"pass",
    b"pwd",
    b"pw",
    b"psw",
    b"pswd",
    b"mdp",
    b"clave",
    b"parola",
    b"sifre",
    b"heslo",
    b"secret",
    b"jpassword",
    b"\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c",
    b"has\xc5\x82o",
    b"l\xc3\xb6senord",
    b"\xe5\xaf\x86\xe7\xa0\x81",
    b"userpwd",
];
const CODES: [&[u8]; 19] = [
    b"pin",
    b"otp",
    b"totp",
    b"tan",
    b"mfacode",
    b"2facode",
    b"twofactorcode",
    b"smscode",
    b"verificationcode",
    b"onetimecode",
    b"onetimepassword",
    b"onetimepin",
    b"passcode",
    b"otpcode",
    b"totpcode",
    b"securitycode",
    b"cardpin",
    b"userpin",
    b"loginpin",
];
const MAYBE_CODES: [&[u8]; 7] = [b"code", b"token", b"value", b"answer", b"authcode", b"pincode", b"response"];
const ACCOUNT_PARTS: [&[u8]; 8] =
    [b"username", b"email", b"loginname", b"loginid", b"userid", b"accountid", b"benutzername", b"phonenumber"];
const ACCOUNTS: [&[u8]; 44] = [
    b"login",
    b"user",
    b"uname",
    b"uid",
    b"mail",
    b"account",
    b"accountname",
    b"accountnumber",
    b"identifier",
    b"identity",
    b"ident",
    b"benutzer",
    b"anmeldename",
    b"kennung",
    b"usuario",
    b"correo",
    b"utilisateur",
    b"identifiant",
    b"courriel",
    b"utente",
    b"gebruiker",
    b"gebruikersnaam",
    b"uzytkownik",
    b"anvandarnamn",
    b"brugernavn",
    b"brukernavn",
    b"phone",
    b"mobile",
    b"msisdn",
    b"customerid",
    b"customernumber",
    b"kundennummer",
    b"memberid",
    b"membernumber",
    b"cardid",
    b"cardnumber",
    b"card",
    b"cpf",
    b"dni",
    b"nif",
    b"personnummer",
    b"subject",
    b"handle",
    b"nickname",
];
const PERSONAL: [&[u8]; 16] = [
    b"firstname",
    b"lastname",
    b"fullname",
    b"givenname",
    b"surname",
    b"familyname",
    b"birthdate",
    b"dateofbirth",
    b"birthday",
    b"vorname",
    b"nachname",
    b"prenom",
    b"nombre",
    b"apellido",
    b"terms",
    b"acceptterms",
];
const NEW: [&[u8]; 10] =
    [b"new", b"neues", b"nouveau", b"nueva", b"nova", b"confirm", b"repeat", b"retype", b"again", b"verify"];
const OLD: [&[u8]; 5] = [b"old", b"current", b"altes", b"ancien", b"actual"];

/// What a name in a body stands for.
pub(super) fn name(sent: &[u8]) -> Name {
    let mut short = [0; 40];
    let Some(name) = plain(sent, &mut short) else { return Name::Other };
    let has = |part: &&[u8]| memchr::memmem::find(name, part).is_some();
    let is = |whole: &&[u8]| name == *whole;
    match name {
        b"granttype" => return Name::Grant,
        b"query" => return Name::Document,
        b"clientsecret" => return Name::ClientSecret,
        b"clientid" => return Name::Client,
        _ => {}
    }
    if CODES.iter().any(is) {
        return Name::Code;
    }
    if WHOLE_PASSWORDS.iter().any(is) || PASSWORDS.iter().any(has) {
        return match () {
            () if OLD.iter().any(|part| name.starts_with(part)) => Name::OldPassword,
            () if NEW.iter().any(has) => Name::NewPassword,
            () => Name::Password,
        };
    }
    match () {
        () if MAYBE_CODES.iter().any(is) => Name::MaybeCode,
        () if PERSONAL.iter().any(is) => Name::Personal,
        () if ACCOUNTS.iter().any(is) || ACCOUNT_PARTS.iter().any(has) => Name::Account,
        () => Name::Other,
    }
}

/// What the words of a path, or of a GraphQL document, say about an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Purpose {
    /// It lets somebody in.
    pub(super) is_login: bool,
    /// It checks a code.
    pub(super) is_code: bool,
    /// It helps who forgot a password.
    pub(super) is_reset: bool,
    /// It makes an account.
    pub(super) is_registration: bool,
    /// It says whether a name is taken.
    pub(super) is_lookup: bool,
}

impl Purpose {
    /// Whether it is about getting in at all, so that whoever asks cannot have a credential yet.
    pub(super) const fn is_way_in(self) -> bool {
        self.is_login || self.is_code || self.is_reset || self.is_registration || self.is_lookup
    }
}

const LOGINS: [&[u8]; 29] = [
    b"sso",
    b"refresh",
    b"login",
    b"logon",
    b"signin",
    b"signon",
    b"session",
    b"auth",
    b"token",
    b"anmeld",
    b"einlogg",
    b"connexion",
    b"seconnecter",
    b"iniciarsesion",
    b"inicio",
    b"acceso",
    b"acceder",
    b"ingres",
    b"entrar",
    b"accedi",
    b"accesso",
    b"inlogg",
    b"aanmeld",
    b"logowanie",
    b"zaloguj",
    b"loggain",
    b"giris",
    b"kirjaudu",
    b"credential",
];
const CODE_PLACES: [&[u8]; 13] = [
    b"otp",
    b"2fa",
    b"mfa",
    b"twofactor",
    b"verif",
    b"challenge",
    b"pin",
    b"passcode",
    b"tan",
    b"sms",
    b"confirm",
    b"secondfactor",
    b"stepup",
];
const RESETS: [&[u8]; 14] = [
    b"reset",
    b"forgot",
    b"recover",
    b"lostpass",
    b"vergessen",
    b"zuruecksetz",
    b"oublie",
    b"reinitialis",
    b"recuper",
    b"olvid",
    b"esquec",
    b"vergeten",
    b"odzysk",
    b"dimenticat",
];
const REGISTRATIONS: [&[u8]; 15] = [
    b"register",
    b"signup",
    b"registr",
    b"inscri",
    b"cadastr",
    b"iscri",
    b"rejestr",
    b"enrol",
    b"createaccount",
    b"createuser",
    b"newuser",
    b"newaccount",
    b"konto",
    b"crearcuenta",
    b"onboard",
];

const LOOKUPS: [&[u8]; 7] =
    [b"exists", b"available", b"availability", b"lookup", b"checkemail", b"checkuser", b"checkname"];

/// What a text, a path or a document, says an operation is for. Looks at its first 256 octets.
pub(super) fn purpose(text: &[u8]) -> Purpose {
    let mut short = [0; 256];
    let Some(words) = plain(text.get(..256).unwrap_or(text), &mut short) else { return Purpose::default() };
    let mut purpose = Purpose::default();
    if let Some((automaton, says)) = PURPOSES.as_ref() {
        for found in automaton.find_overlapping_iter(words) {
            if let Some(say) = says.get(found.pattern().as_usize()) {
                say(&mut purpose);
            }
        }
    }
    purpose
}

type Words = &'static [&'static [u8]];
type Say = fn(&mut Purpose);

/// All words that say what an operation is for, and what each says. Every request's path is asked for all of them, so they
/// are looked for together. A few dozen short words are no more than an automaton can have.
static PURPOSES: LazyLock<Option<(AhoCorasick, Vec<Say>)>> = LazyLock::new(|| {
    let lists: [(Words, Say); 5] = [
        (&LOGINS, |purpose| purpose.is_login = true),
        (&CODE_PLACES, |purpose| purpose.is_code = true),
        (&RESETS, |purpose| purpose.is_reset = true),
        (&REGISTRATIONS, |purpose| purpose.is_registration = true),
        (&LOOKUPS, |purpose| purpose.is_lookup = true),
    ];
    let words = lists.iter().flat_map(|(list, _)| *list);
    let says = lists.iter().flat_map(|(list, say)| list.iter().map(|_| *say)).collect();
    Some((AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(words).ok()?, says))
});

/// Words in an answer that say: not that one.
const FAILURES: [&[u8]; 39] = [
    b"invalid",
    b"incorrect",
    b"wrong",
    b"fail",
    b"denied",
    b"mismatch",
    b"unauthor",
    b"unknown",
    b"reject",
    b"badcred",
    b"nomatch",
    b"notmatch",
    b"doesnotmatch",
    b"notfound",
    b"nosuch",
    b"expired",
    b"forbidden",
    b"error",
    b"falsch",
    b"ungueltig",
    b"ung\xc3\xbcltig",
    b"fehlgeschlagen",
    b"incorrecto",
    b"invalido",
    b"inv\xc3\xa1lid",
    b"fallid",
    b"incorrecta",
    b"errone",
    b"invalide",
    b"echec",
    b"\xc3\xa9chou",
    b"incorreto",
    b"errat",
    b"nonvalid",
    b"onjuist",
    b"ongeldig",
    b"nieprawid",
    b"felaktig",
    b"nok",
];
/// Words in an answer that say: not now.
const LIMITS: [&[u8]; 16] = [
    b"locked",
    b"lockedout",
    b"toomany",
    b"throttl",
    b"ratelimit",
    b"captcha",
    b"tryagainlater",
    b"temporarilyblocked",
    b"accountblocked",
    b"suspended",
    b"gesperrt",
    b"bloquead",
    b"bloqu\xc3\xa9",
    b"zuviele",
    b"tropde",
    b"demasiad",
];

/// Whether a text says that something failed.
pub(super) fn says_failure(text: &[u8]) -> bool {
    says(text, &FAILURES)
}

/// Words in an answer that say: not without logging in, or not you.
const DENIALS: [&[u8]; 27] = [
    b"keyinvalid",
    b"invalidkey",
    b"invalidapikey",
    b"notsignedin",
    b"keineberechtigung",
    b"nichtautorisiert",
    b"noautorizado",
    b"unauthor",
    b"notauthor",
    b"unauthent",
    b"notauthent",
    b"authenticationrequired",
    b"notloggedin",
    b"loginrequired",
    b"pleaselogin",
    b"pleasesignin",
    b"mustlogin",
    b"mustbeloggedin",
    b"invalidtoken",
    b"tokeninvalid",
    b"tokenexpired",
    b"tokenhasexpired",
    b"sessionexpired",
    b"accessdenied",
    b"permissiondenied",
    b"forbidden",
    b"nichtangemeldet",
];

/// Whether a text says that somebody may not, or has to log in first.
pub(super) fn says_denied(text: &[u8]) -> bool {
    says(text, &DENIALS)
}

/// Words of a path that are those of a page to log in at, and of nothing else.
const LOGIN_PAGES: [&[u8]; 18] = [
    b"login",
    b"logon",
    b"signin",
    b"signon",
    b"anmeld",
    b"einlogg",
    b"connexion",
    b"seconnecter",
    b"iniciarsesion",
    b"accedi",
    b"inlogg",
    b"aanmeld",
    b"logowanie",
    b"zaloguj",
    b"loggain",
    b"kirjaudu",
    b"unauthorized",
    b"oauth2",
];

/// Whether a segment of a path names a page to log in at.
pub(super) fn is_login_word(segment: &[u8]) -> bool {
    says(segment, &LOGIN_PAGES)
}

/// Whether a text says that somebody tried too often.
pub(super) fn says_limit(text: &[u8]) -> bool {
    says(text, &LIMITS)
}

fn says(text: &[u8], list: &[&[u8]]) -> bool {
    let mut short = [0; 256];
    let Some(words) = plain(text.get(..256).unwrap_or(text), &mut short) else { return false };
    list.iter().any(|part| memchr::memmem::find(words, part).is_some())
}

/// A text with ASCII letters small and everything between words gone; `None` when it is longer than a name is.
pub(crate) fn plain<'a>(text: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut len = 0;
    let octets = text.iter().filter(|octet| octet.is_ascii_alphanumeric() || !octet.is_ascii());
    for octet in octets {
        *out.get_mut(len)? = octet.to_ascii_lowercase();
        len += 1;
    }
    out.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (sent, expected) in [
            ("password", Name::Password),
            ("j_password", Name::Password),
            ("user[password]", Name::Password),
            ("Kennwort", Name::Password),
            ("mot_de_passe", Name::Password),
            ("contraseña", Name::Password),
            ("clave", Name::Password),
            ("enclave", Name::Other),
            ("passenger", Name::Other),
            ("new_password", Name::NewPassword),
            ("password_confirmation", Name::NewPassword),
            ("currentPassword", Name::OldPassword),
            ("pin", Name::Code),
            ("verification-code", Name::Code),
            ("code", Name::MaybeCode),
            ("emailAddress", Name::Account),
            ("login", Name::Account),
            ("benutzername", Name::Account),
            ("grant_type", Name::Grant),
            ("colour", Name::Other),
        ] {
            assert_eq!(name(sent.as_bytes()), expected, "{sent}");
        }
    }

    #[test]
    fn paths() {
        assert!(purpose(b"/api/v3/Sign-In").is_login && purpose(b"/fr/se_connecter").is_login);
        assert!(purpose(b"/auth/password/forgot").is_reset && purpose(b"/users/register").is_registration);
        assert!(purpose(b"/me/2fa/check").is_code && purpose(b"/users/check-email").is_lookup);
        assert_eq!(purpose(b"/orders/17"), Purpose::default());
        type Says = fn(&Purpose) -> bool;
        let lists: [(Words, Says); 5] = [
            (&LOGINS, |purpose| purpose.is_login),
            (&CODE_PLACES, |purpose| purpose.is_code),
            (&RESETS, |purpose| purpose.is_reset),
            (&REGISTRATIONS, |purpose| purpose.is_registration),
            (&LOOKUPS, |purpose| purpose.is_lookup),
        ];
        for (words, says) in lists {
            for word in words {
                assert!(says(&purpose(&[b"/x", *word, b"y/"].concat())), "{}", String::from_utf8_lossy(word));
            }
        }
    }
}
