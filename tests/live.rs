//! Live capture in network namespaces made for it: needs root, `ip` and veth, and says SKIPPED without them.
//!
//! Each test runs itself again inside a namespace; what it does there is the function beside it.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use apitap::capture::Frame;
use apitap::capture::live::{self, OpenErrorKind, Options, STEP, Source};
use apitap::link::{Dissector, Outcome};

use crate::world::{CLIENT, SERVER, World, skip};

const INSIDE: &str = "APITAP_TEST_INSIDE";
/// More than enough for what takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// This test program, run in a namespace and told to do no more than `test`'s inner part.
fn again(namespace: &str, wrapper: &[&str], test: &str, part: &str) -> Command {
    let module = module_path!().split_once("::").map(|(_, module)| format!("{module}::")).unwrap_or_default();
    let mut command = Command::new("ip");
    // A side that waits for the other in vain must not wait for ever.
    command.args(["netns", "exec", namespace, "timeout", "60"]).args(wrapper).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}{test}"), "--nocapture"]).env(INSIDE, part);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn check(output: &Output) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
}

/// Runs `near` in the first namespace and `far`, if there is one, in the second; or says why not.
fn in_world(name: &str, wrapper: &[&str], near: impl FnOnce(), far: Option<fn()>) {
    match std::env::var(INSIDE).as_deref() {
        Ok("near") => return near(),
        Ok("far") => return far.unwrap()(),
        _ => {}
    }
    let world = match World::make(name) {
        Ok(world) => world,
        Err(reason) => return skip(&format!("no network namespaces: {reason}")),
    };
    let far = far.map(|_| again(&world.far, &[], name, "far").spawn().unwrap());
    let output = again(&world.near, wrapper, name, "near").output().unwrap();
    if let Some(far) = far {
        check(&far.wait_with_output().unwrap());
    }
    check(&output);
}

/// Polls until `done` says so.
fn poll_until(source: &mut Source, mut on_frame: impl FnMut(&Frame<'_>), mut done: impl FnMut() -> bool) {
    let mut patience = PATIENCE.as_millis() / STEP.as_millis();
    while !done() && patience > 0 {
        if source.poll(&mut on_frame).unwrap() == 0 {
            patience -= 1;
        }
    }
}

const SENT: usize = 3_000_000;

/// A connection between the namespaces is seen whole, and what the filter excludes is not.
#[test]
fn veth() {
    let near = || {
        let listener = TcpListener::bind((SERVER, 8080)).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let options = Options { filter: Some("tcp port 8080".to_owned()), ..Options::new("near") };
        let mut source = live::open(&options, 7).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                UdpSocket::bind((SERVER, 0)).unwrap().send_to(b"filtered out", (CLIENT, 8080)).unwrap();
                stream.write_all(b"go").unwrap();
                std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
            let mut dissector = Dissector::default();
            let (mut first, mut octets, mut stamps) = (None, 0, Vec::new());
            let fins = Cell::new(0);
            let on_frame = |frame: &Frame<'_>| {
                assert_eq!(frame.interface, 7);
                stamps.push(frame.timestamp);
                let Outcome::Segment(segment) = dissector.dissect(frame) else { panic!("{frame:?}") };
                fins.set(fins.get() + u32::from(segment.flags.fin()));
                if segment.dst.port == 8080 && !segment.payload.is_empty() {
                    let first = *first.get_or_insert(segment.seq);
                    octets = octets.max(segment.seq.advance(segment.payload_len()).distance_from(first));
                }
            };
            poll_until(&mut source, on_frame, || fins.get() >= 2);
            assert_eq!(octets as usize, SENT);
            assert!(stamps.iter().any(|stamp| stamp.as_nanos() % 1000 != 0), "nanoseconds");
            assert!(dissector.counters().is_balanced());
        });
        source.drain(|_| {}).unwrap();
        let statistics = source.statistics().unwrap();
        assert_eq!(statistics.frames_dropped_kernel, 0);
        assert_eq!(statistics.frames_received, statistics.frames_processed);
    };
    let far = || {
        let mut stream = connect((SERVER, 8080));
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.write_all(&vec![b'x'; SENT]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    };
    in_world("veth", &[], near, Some(far));
}

/// Connects as soon as the other side listens.
fn connect(address: (&str, u16)) -> TcpStream {
    for _ in 0..PATIENCE.as_millis() / 10 {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("no server");
}

/// On a loopback interface a frame leaves and arrives, and is seen once.
#[test]
fn loopback() {
    let near = || {
        let mut source = live::open(&Options::new("lo"), 0).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            socket.send_to(b"octets", socket.local_addr().unwrap()).unwrap();
        }
        let mut frames = 0;
        let drained = source.drain(|_| frames += 1).unwrap();
        assert_eq!((frames, drained), (100, 100));
        let statistics = source.statistics().unwrap();
        assert_eq!((statistics.frames_received, statistics.frames_processed), (100, 100));
    };
    in_world("loopback", &[], near, None);
}

/// When there is no room for more, what was dropped and what was handed out make up what was received.
#[test]
fn overload() {
    let near = || {
        let options = Options { buffer: 1 << 20, filter: Some("udp".to_owned()), ..Options::new("near") };
        let mut source = live::open(&options, 0).unwrap();
        let socket = UdpSocket::bind((SERVER, 0)).unwrap();
        for _ in 0..5000 {
            socket.send_to(&[0; 1400], (CLIENT, 9)).unwrap();
        }
        source.drain(|_| {}).unwrap();
        let statistics = source.statistics().unwrap();
        assert_eq!(statistics.frames_received, 5000);
        assert!(statistics.frames_dropped_kernel > 1000, "{statistics:?}");
        assert_eq!(statistics.frames_processed + statistics.frames_dropped_kernel, 5000);
    };
    in_world("overload", &[], near, None);
}

/// What is wrong is said in one line, with its remedy.
#[test]
fn refusals() {
    let near = || {
        let open = |name: &str, filter: &str| {
            let filter = (!filter.is_empty()).then(|| filter.to_owned());
            let refused = live::open(&Options { filter, ..Options::new(name) }, 0);
            refused.err().map(|error| (error.to_string(), error.kind)).unwrap()
        };
        let (text, kind) = open("nea", "");
        assert!(matches!(kind, OpenErrorKind::NoSuchInterface { .. }), "{text}");
        assert!(text.contains("did you mean near?") && text.contains("lo"), "{text}");
        let (text, _) = open("near", "tcp prot 80");
        assert!(text.starts_with("cannot capture on near: the filter 'tcp prot 80' is wrong: "), "{text}");

        let ip = |line: &str| assert!(Command::new("ip").args(line.split(' ')).status().unwrap().success());
        let mut source = live::open(&Options::new("near"), 0).unwrap();
        ip("link set near down");
        let (text, _) = open("near", "");
        assert!(text.contains("the interface is down; 'ip link set dev near up'"), "{text}");
        ip("link delete near");
        let broken = (0..100).find_map(|_| source.poll(|_| {}).err()).unwrap();
        assert!(broken.to_string().starts_with("capturing on near broke off: "), "{broken}");
    };
    in_world("refusals", &[], near, None);
}

/// Without the capability the error names it.
#[test]
fn no_permission() {
    let near = || {
        let refused = live::open(&Options::new("near"), 0).err().unwrap();
        assert_eq!(refused.kind, OpenErrorKind::PermissionDenied);
        assert!(refused.to_string().contains("setcap cap_net_raw+ep"), "{refused}");
    };
    let wrapper = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
    in_world("no_permission", &wrapper, near, None);
}
