//! The sensor as a sidecar: a server and the sensor as two processes in one network namespace, the sensor as a user of its
//! own whose program may capture and whose bounding set holds nothing else.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::{SERVER, World, skip};

const PART: &str = "APITAP_TEST_SIDECAR";
/// A user that needs no entry in any file.
const USER: &str = "64123";
const CARD: &str = "4111 1111 1111 1111";

/// A child that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that any user can reach, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("apitap-sidecar-{}", std::process::id()));
        fs::create_dir_all(path.join("state")).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Not a test of its own: the application.
#[test]
fn application() {
    if std::env::var_os(PART).is_none() {
        return;
    }
    let listener = TcpListener::bind((SERVER, 8080)).unwrap();
    println!("listening");
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.next().unwrap().is_ok_and(|line| !line.is_empty()) {}
        let body = format!("{{\"card\":\"{CARD}\"}}");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
}

/// A copy of the program with the file capability that the image gives it.
fn capable(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("apitap");
    fs::copy(env!("CARGO_BIN_EXE_apitap"), &program).unwrap();
    run("setcap", &["cap_net_raw=ep", &program.display().to_string()]).then_some(program)
}

/// The program in the namespace, as the sidecar runs it.
fn sidecar(world: &World, program: &Path) -> Command {
    let mut command = world.command(&world.near, "setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--inh-caps=-all", "--ambient-caps=-all"]);
    command.args(["--bounding-set=-all,+net_raw"]).arg(program).stdin(Stdio::null());
    command
}

#[test]
fn a_sidecar_with_one_capability_gives_the_alert() {
    let world = match World::make("sidecar") {
        Ok(world) => world,
        Err(reason) => return skip(&format!("no network namespaces: {reason}")),
    };
    let scratch = Scratch::new();
    let folder = scratch.0.as_path();
    let Some(program) = capable(folder) else { return skip("setcap gives no capability to a file here") };
    assert!(run("chown", &["-R", USER, &folder.join("state").display().to_string()]));
    let config = folder.join("apitap.toml");
    let state = folder.join("state");
    fs::write(
        &config,
        format!(
            "state = '{}'\n[capture]\ninterfaces = ['near']\nfilter = 'tcp port 8080'\nbuffer = '4M'\n[store]\nurl = 'none'\n\
             [output]\nformat = 'jsonl'\n",
            state.display()
        ),
    )
    .unwrap();

    let mut server = world.command(&world.near, &std::env::current_exe().unwrap().display().to_string());
    server.args(["--exact", "sidecar::application", "--nocapture"]).env(PART, "application");
    let mut server = Running(server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("listening")));

    let checked = sidecar(&world, &program).args(["check", "--config"]).arg(&config).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));

    let mut sensor = sidecar(&world, &program);
    sensor.args(["run", "--config"]).arg(&config).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut sensor = Running(sensor.spawn().unwrap());
    let mut said = BufReader::new(sensor.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("capturing on near") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the sensor ended before it captured");
    }
    let capability = 1_u64 << 13;
    let status = fs::read_to_string(format!("/proc/{}/status", sensor.0.id())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for name in ["CapBnd:", "CapPrm:", "CapEff:"] {
        assert_eq!(u64::from_str_radix(&field(name), 16).unwrap(), capability, "{name} {status}");
    }
    assert!(field("Uid:").split_whitespace().all(|id| id == USER));

    let asked = world.command(&world.far, "curl").args(["-s", &format!("http://{SERVER}:8080/customers/7")]).output();
    assert!(String::from_utf8_lossy(&asked.unwrap().stdout).contains(CARD));
    let mut alert = String::new();
    let mut alerts = BufReader::new(sensor.0.stdout.take().unwrap());
    assert!(alerts.read_line(&mut alert).unwrap() > 0);
    let alert: serde_json::Value = serde_json::from_str(&alert).unwrap();
    assert_eq!((&alert["detector"], &alert["endpoint"]), (&"pii.payment_card".into(), &"/customers/{int}".into()));
    assert!(!alert.to_string().contains(CARD));

    assert!(run("kill", &["-TERM", &sensor.0.id().to_string()]));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(sensor.0.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("\nframes_dropped_kernel=0\n"), "{rest}");
}
