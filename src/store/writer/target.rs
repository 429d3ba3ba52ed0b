//! Which store is written to.

use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use clickhouse::Client;
use percent_encoding::percent_decode_str;

use super::fault::{Fault, Trouble};
use crate::store::DATABASE;
use crate::store::client::client;
use crate::store::gateway::{Role, Whereabouts, read_password};

/// Environment variable with the password for a store that is given as a URL: the command line can be read by everybody.
pub const PASSWORD_VARIABLE: &str = "APITAP_STORE_PASSWORD";

/// Where the store is.
#[derive(Clone)]
pub enum Target {
    /// A ClickHouse.
    Url(Url),
    /// The embedded store of this state directory. Where it is, and its password, are read whenever it is connected to, so
    /// that it may be another one than before.
    Embedded(PathBuf),
}

/// The address of a ClickHouse, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    address: String,
    user: String,
    password: Option<Password>,
}

/// Where a password is.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// Here.
    Text(String),
    /// In a file, which is read whenever the store is connected to: a new password needs no new start.
    File(PathBuf),
}

impl Password {
    /// What the environment says.
    pub fn of_environment() -> Option<Self> {
        env::var(PASSWORD_VARIABLE).ok().map(Self::Text)
    }

    fn read(&self) -> io::Result<String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => Self::read_file(path),
        }
    }

    /// The password in the file at `path`, without the end of its line.
    pub fn read_file(path: &Path) -> io::Result<String> {
        Ok(fs::read_to_string(path)?.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// Why a text is no URL of a store. One line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme.
    #[error("store {0}: it must begin with http://, as in http://user@host:8123")]
    Scheme(String),
    /// TLS.
    #[error(
        "store {0}: this version speaks no TLS; put a proxy beside it, or use http:// on a network that is trusted"
    )]
    Tls(String),
    /// No host.
    #[error("store {0}: there is no host in it")]
    Host(String),
}

impl Url {
    /// Takes a URL apart: `http://user:password@host:port`. The user is `default` when there is none.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let Some((scheme, rest)) = text.split_once("://") else { return Err(UrlError::Scheme(text.to_owned())) };
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        // What is said of it never has a password in it.
        let shown = || format!("{scheme}://{place}");
        match scheme {
            "http" => {}
            "https" => return Err(UrlError::Tls(shown())),
            _ => return Err(UrlError::Scheme(shown())),
        }
        if place.trim_matches('/').is_empty() {
            return Err(UrlError::Host(shown()));
        }
        let who = rest.rsplit_once('@').map_or("", |(who, _)| who);
        let (user, password) = who.split_once(':').map_or((who, None), |(user, password)| (user, Some(password)));
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Ok(Self {
            address: shown(),
            user: if user.is_empty() { "default".into() } else { decode(user) },
            password: password.map(decode).map(Password::Text),
        })
    }

    /// Whether it has a password already.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The same with this password, unless it has one.
    #[must_use]
    pub fn or_password(mut self, password: Option<Password>) -> Self {
        self.password = self.password.or(password);
        self
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    fn connect(&self) -> io::Result<Client> {
        let password = self.password.as_ref().map(Password::read).transpose()?.unwrap_or_default();
        Ok(client(&self.address, &self.user, &password))
    }
}

impl Target {
    /// A client for questions about what is stored. The error is what is wrong, in one line.
    pub fn connect_for_questions(&self) -> Result<Client, String> {
        self.connect_as(Role::Sensor)
    }

    /// A client that may do what `role` may, where the embedded store is asked; elsewhere the URL says who asks.
    pub fn connect_as(&self, role: Role) -> Result<Client, String> {
        match self.connect_with(role) {
            Ok(client) => Ok(client.with_database(DATABASE)),
            Err(Fault::Away(_, said) | Fault::Refused(said)) => Err(said),
        }
    }

    /// A client of it.
    pub(super) fn connect(&self) -> Result<Client, Fault> {
        self.connect_with(Role::Sensor)
    }

    fn connect_with(&self, role: Role) -> Result<Client, Fault> {
        let denied =
            |path: &Path, error: &io::Error| Fault::Away(Trouble::Denied, format!("{}: {error}", path.display()));
        match self {
            Self::Url(url) => url.connect().map_err(|error| match &url.password {
                Some(Password::File(path)) => denied(path, &error),
                _ => Fault::Away(Trouble::Denied, error.to_string()),
            }),
            Self::Embedded(state) => {
                let store = Whereabouts::read(state)
                    .map_err(|_| Fault::Away(Trouble::Unreachable, "it has not started yet".into()))?;
                let path = store.credentials.join(role.name());
                let password = read_password(&path).map_err(|error| denied(&path, &error))?;
                Ok(client(&format!("http://{}", store.address), role.name(), &password))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(&url.address),
            Self::Embedded(_) => f.write_str("embedded"),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_who_asks() {
        let url = |text: &str, elsewhere: Option<&str>| {
            let elsewhere = elsewhere.map(|text| Password::Text(text.to_owned()));
            let url = Url::parse(text).unwrap().or_password(elsewhere);
            let password = url.password.map(|password| password.read().unwrap());
            (url.address, url.user, password.unwrap_or_default())
        };
        let expected = |address: &str, user: &str, password: &str| (address.into(), user.into(), password.into());
        assert_eq!(url("http://h:8123", None), expected("http://h:8123", "default", ""));
        assert_eq!(url("http://u%40x:p%3A@h:1/", Some("else")), expected("http://h:1/", "u@x", "p:"));
        assert_eq!(url("http://u@h:1", Some("else")), expected("http://h:1", "u", "else"));
    }

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        for wrong in ["https://u:secret@h", "ftp://u:secret@h", "http://u:secret@", "http://"] {
            let error = Url::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("store") && !error.contains("secret"), "{error}");
        }
        assert!(Url::parse("localhost:8123").is_err());
        assert_eq!(format!("{:?}", Url::parse("http://u:secret@h").unwrap()), "http://h");
    }
}
