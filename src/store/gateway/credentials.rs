//! Who may ask the store what: three names, each with a random password in a file of its own.
//!
//! The files' modes decide who can use them: `sensor` is for the store's own user, `analyst` and `reader` for its group.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;

/// What a credential allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything that the store allows at all.
    Sensor,
    /// Reading, and adding changes of an alert's status.
    Analyst,
    /// Reading.
    Reader,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sensor, Self::Analyst, Self::Reader];

    /// Its user name, and the name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::Analyst => "analyst",
            Self::Reader => "reader",
        }
    }

    const fn mode(self) -> u32 {
        match self {
            Self::Sensor => 0o600,
            Self::Analyst | Self::Reader => 0o640,
        }
    }
}

/// Octets of a password, before they are written in hexadecimal.
const PASSWORD: usize = 24;

/// The passwords, by role.
pub(super) struct Credentials([(Role, String); 3]);

impl Credentials {
    /// Reads the passwords from the files in `folder`; makes those that are not there.
    pub(super) fn load_or_create(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        let password = |role: Role| {
            let path = folder.join(role.name());
            if !path.try_exists()? {
                create(folder, &path, role.mode())?;
            }
            read_password(&path).map(|password| (role, password))
        };
        Ok(Self([password(Role::Sensor)?, password(Role::Analyst)?, password(Role::Reader)?]))
    }

    /// Who it is that asks.
    pub(super) fn check(&self, user: &[u8], password: &[u8]) -> Option<Role> {
        let mut found = None;
        // Every one is compared, whichever fits, and in constant time.
        for (role, known) in &self.0 {
            let is_same = same(password, known.as_bytes());
            if user == role.name().as_bytes() && is_same {
                found = Some(*role);
            }
        }
        found
    }
}

/// Reads a password from its file.
pub fn read_password(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    let password = text.trim();
    let is_ours = password.len() == 2 * PASSWORD && password.bytes().all(|octet| octet.is_ascii_hexdigit());
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no password of this store; remove it to get a new one");
    is_ours.then(|| password.to_owned()).ok_or_else(wrong)
}

/// Makes a password: whole, on disk and with its mode before it has its name.
fn create(folder: &Path, path: &Path, mode: u32) -> io::Result<()> {
    let mut random = [0; PASSWORD];
    getrandom::fill(&mut random)?;
    let password: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
    let unnamed = path.with_extension("new");
    match fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    writeln!(file, "{password}")?;
    file.sync_all()?;
    fs::rename(&unnamed, path)?;
    File::open(folder)?.sync_all()
}

/// Equality in a time that depends on lengths alone.
fn same(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

/// User and password as a request gives them: in fields of ClickHouse, by basic authentication, or as parameters.
pub(super) fn presented(headers: &HeaderMap, parameter: impl Fn(&str) -> Option<Vec<u8>>) -> (Vec<u8>, Vec<u8>) {
    let field = |name: &str| headers.get(name).map(|value| value.as_bytes().to_vec());
    let own = (field("x-clickhouse-user"), field("x-clickhouse-key"));
    if own.0.is_some() || own.1.is_some() {
        return (own.0.unwrap_or_else(default_user), own.1.unwrap_or_default());
    }
    if let Some(basic) = headers.get(hyper::header::AUTHORIZATION).and_then(|value| basic(value.as_bytes())) {
        return basic;
    }
    (parameter("user").unwrap_or_else(default_user), parameter("password").unwrap_or_default())
}

fn default_user() -> Vec<u8> {
    b"default".to_vec()
}

/// `Basic base64(user:password)` (RFC 7617).
fn basic(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|octet| *octet == b':')?;
    let (user, password) = decoded.split_at(colon);
    Some((user.to_vec(), password.get(1..).unwrap_or_default().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn pair(user: &str, password: &str) -> (Vec<u8>, Vec<u8>) {
        (user.into(), password.into())
    }

    #[test]
    fn there_are_three_ways_to_say_who_one_is() {
        let none = |_: &str| None;
        let given = |name: &str| Some(format!("parameter {name}").into_bytes());
        let basic = ("authorization", "Basic cmVhZGVyOmE6Yg==");
        assert_eq!(presented(&headers(&[]), none), pair("default", ""));
        assert_eq!(presented(&headers(&[]), given), pair("parameter user", "parameter password"));
        assert_eq!(presented(&headers(&[basic]), given), pair("reader", "a:b"));
        assert_eq!(
            presented(&headers(&[basic, ("x-clickhouse-user", "u"), ("x-clickhouse-key", "k")]), given),
            pair("u", "k")
        );
        assert_eq!(presented(&headers(&[("authorization", "Bearer x")]), none), pair("default", ""));
    }

    #[test]
    fn passwords_are_made_once_and_differ() {
        let folder = std::env::temp_dir().join(format!("apitap-credentials-{}", std::process::id()));
        let credentials = Credentials::load_or_create(&folder).unwrap();
        let again = Credentials::load_or_create(&folder).unwrap();
        for (index, role) in Role::ALL.into_iter().enumerate() {
            let path = folder.join(role.name());
            let password = read_password(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, role.mode());
            assert_eq!(credentials.check(role.name().as_bytes(), password.as_bytes()), Some(role));
            assert_eq!(again.check(role.name().as_bytes(), password.as_bytes()), Some(role));
            assert_eq!(credentials.check(role.name().as_bytes(), &password.as_bytes()[1..]), None);
            let other = Role::ALL[(index + 1) % 3].name();
            assert_eq!(credentials.check(other.as_bytes(), password.as_bytes()), None);
        }
        fs::write(folder.join("reader"), "short").unwrap();
        assert!(Credentials::load_or_create(&folder).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
