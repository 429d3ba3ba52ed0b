//! `apitap run` beside a real server and real clients, each in a network namespace of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::{SERVER, World, skip};

const NGINX: &str = "
daemon off; master_process off; pid nginx.pid; error_log error.log;
events { worker_connections 64; }
http {
    access_log access.log; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi; gzip on; gzip_min_length 100; gzip_types application/json;
    types { application/json json; application/octet-stream bin; }
    server { listen 80; root www; location = /empty { return 204; } }
}
";

/// A directory for one test, gone afterwards.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("apitap-test-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("www")).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child that does not outlive the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn start_server(world: &World, folder: &Path) -> Running {
    fs::write(folder.join("nginx.conf"), NGINX).unwrap();
    let customers: Vec<String> = (0..40)
        .map(|n| format!("{{\"id\":{n},\"email\":\"customer{n}@mail.example.org\",\"card\":\"4111 1111 1111 1111\"}}"))
        .collect();
    fs::write(folder.join("www/customers.json"), format!("[{}]", customers.join(","))).unwrap();
    fs::write(folder.join("www/health.json"), "{\"status\":\"ok\",\"uptime\":1735000000123}").unwrap();
    fs::write(folder.join("www/blob.bin"), vec![b'x'; 300_000]).unwrap();
    let mut server = world.command(&world.near, "nginx");
    server.args(["-p", &folder.display().to_string(), "-c", "nginx.conf", "-e", "error.log"]);
    let server = Running(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    for _ in 0..100 {
        let probe =
            world.command(&world.near, "curl").args(["-s", "-o", "/dev/null", "http://127.0.0.1/empty"]).status();
        if probe.unwrap().success() {
            fs::write(folder.join("access.log"), "").unwrap();
            return server;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nginx does not answer: {}", fs::read_to_string(folder.join("error.log")).unwrap_or_default());
}

struct Sensor {
    child: Running,
    stderr: BufReader<std::process::ChildStderr>,
}

fn start_sensor(world: &World, folder: &Path, more: &[&str]) -> Sensor {
    let mut command = world.command(&world.near, env!("CARGO_BIN_EXE_apitap"));
    command
        .args(["run", "-i", "near", "--store", "none", "--format", "jsonl", "--state"])
        .arg(folder.join("state"))
        .args(more);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("capturing") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the sensor ended before it captured");
    }
    Sensor { child: Running(child), stderr }
}

impl Sensor {
    /// Ends it with SIGINT; what it said on standard output and standard error, and its exit code.
    fn stop(mut self) -> (String, String, i32) {
        // Time for the last frames to come through the ring.
        std::thread::sleep(Duration::from_millis(400));
        let kill = Command::new("kill").args(["-INT", &self.child.0.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let mut alerts = String::new();
        let mut summary = String::new();
        self.child.0.stdout.take().unwrap().read_to_string(&mut alerts).unwrap();
        self.stderr.read_to_string(&mut summary).unwrap();
        (alerts, summary, self.child.0.wait().unwrap().code().unwrap_or(-1))
    }
}

pub(crate) fn number(summary: &str, name: &str) -> u64 {
    let lines: Vec<&str> = summary.lines().filter_map(|line| line.strip_prefix(&format!("{name}="))).collect();
    assert_eq!(lines.len(), 1, "{name} in {summary}");
    lines[0].parse().unwrap()
}

fn requests_logged(folder: &Path) -> u64 {
    fs::read_to_string(folder.join("access.log")).unwrap().lines().count() as u64
}

fn has(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status().unwrap().success()
}

/// A world with the programs a test needs, or a line that says why it is left out.
pub(crate) fn world_with(name: &str, programs: &[&str]) -> Option<World> {
    if let Some(missing) = programs.iter().find(|program| !has(program)) {
        skip(&format!("{missing} is not installed"));
        return None;
    }
    World::make(name).map_err(|reason| skip(&format!("no network namespaces: {reason}"))).ok()
}

#[test]
fn all_that_was_asked_is_seen() {
    let Some(world) = world_with("curl", &["nginx", "curl"]) else { return };
    let scratch = Scratch::new("curl");
    let folder = scratch.0.as_path();
    let _server = start_server(&world, folder);
    let sensor = start_sensor(&world, folder, &[]);
    let url = |path: &str| format!("http://{SERVER}/{path}");
    for round in 0..5 {
        let mut curl = world.command(&world.far, "curl");
        curl.args(["-s", "--compressed", "-o", "/dev/null"]).arg(url("customers.json"));
        for path in ["health.json", "blob.bin", "empty", "missing"] {
            curl.args(["-o", "/dev/null"]).arg(url(path));
        }
        if round == 4 {
            curl.args(["-X", "POST", "-d", "a=b"]);
        }
        assert!(curl.status().unwrap().success());
    }
    let (alerts, summary, code) = sensor.stop();
    assert_eq!((code, requests_logged(folder)), (0, 25), "{summary}");
    assert_eq!(number(&summary, "exchanges"), 25, "{summary}");
    assert!(summary.contains("25 exchanges (0 incomplete)"), "{summary}");
    assert_eq!(number(&summary, "frames_dropped_kernel"), 0);
    assert_eq!(number(&summary, "frames_received"), number(&summary, "frames_processed"), "{summary}");
    let alerts: Vec<serde_json::Value> = alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let cards: Vec<_> = alerts.iter().filter(|alert| alert["detector"] == "pii.payment_card").collect();
    assert!(cards.iter().any(|alert| alert["state"] == "open") && cards.iter().any(|alert| alert["state"] == "closed"));
    let last = cards.last().unwrap();
    assert_eq!((&last["client"], &last["endpoint"]), (&"10.99.0.2".into(), &"/customers.json".into()));
    assert_eq!((&last["count"], &last["items"]), (&4.into(), &160.into()));
    let text = format!("{alerts:?}{summary}");
    assert!(!text.contains("4111 1111") && !text.contains("customer7@"), "a value was told");
}

#[test]
fn a_busy_server_is_seen_whole() {
    let Some(world) = world_with("wrk", &["nginx", "wrk"]) else { return };
    let scratch = Scratch::new("wrk");
    let folder = scratch.0.as_path();
    let _server = start_server(&world, folder);
    let sensor = start_sensor(&world, folder, &["--filter", "tcp port 80"]);
    let wrk = world
        .command(&world.far, "wrk")
        .args(["-t1", "-c8", "-d1"])
        .arg(format!("http://{SERVER}/health.json"))
        .output();
    assert!(wrk.unwrap().status.success());
    let (_, summary, code) = sensor.stop();
    let asked = requests_logged(folder);
    assert!(asked > 100, "wrk asked {asked} times");
    assert_eq!((code, number(&summary, "frames_dropped_kernel")), (0, 0), "{summary}");
    // At its end wrk leaves, on each of its 8 connections, a request that may reach the server or not.
    let seen = number(&summary, "exchanges");
    assert!(seen.abs_diff(asked) <= 8, "{seen} seen of {asked}: {summary}");
}
