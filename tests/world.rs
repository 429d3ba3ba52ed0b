//! Network namespaces for tests: two hosts and a wire between them. Needs root, `ip` and veth.

use std::process::Command;

pub(crate) const SERVER: &str = "10.99.0.1";
pub(crate) const CLIENT: &str = "10.99.0.2";

/// Two namespaces and a veth pair between them: `near` in the first, with the server's address, and `far` in the second.
pub(crate) struct World {
    pub(crate) near: String,
    pub(crate) far: String,
}

impl World {
    pub(crate) fn make(name: &str) -> Result<Self, String> {
        let id = std::process::id();
        let world = Self { near: format!("apitap-{id}-{name}-n"), far: format!("apitap-{id}-{name}-f") };
        let Self { near, far } = &world;
        for line in [
            format!("netns add {near}"),
            format!("netns add {far}"),
            format!("-n {near} link add near type veth peer name far netns {far}"),
            format!("-n {near} address add {SERVER}/24 dev near"),
            format!("-n {far} address add {CLIENT}/24 dev far"),
            format!("-n {near} link set near up"),
            format!("-n {far} link set far up"),
            format!("-n {near} link set lo up"),
        ] {
            let output = Command::new("ip").args(line.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
            if !output.status.success() {
                return Err(format!("ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim()));
            }
        }
        Ok(world)
    }

    /// A program to be run in one of the namespaces.
    pub(crate) fn command(&self, namespace: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for namespace in [&self.near, &self.far] {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
        }
    }
}

/// Says that a test is left out, and why, past what the test harness captures and throws away; where tests run unattended that is a failure (`.ci/run` looks for the word).
pub(crate) fn skip(reason: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "SKIPPED: {reason}").expect("standard error takes a line");
}
