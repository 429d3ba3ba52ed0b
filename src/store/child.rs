//! The embedded store as a child of the process that needs it.
//!
//! It is the same program, run as `apitap store`, so that a fault of the engine takes nothing else with it. It lives on a pipe:
//! when the parent ends, however that happens, the pipe closes and the store ends in order. When the store ends and should
//! not have, it is started again. A healthy store that already serves this state directory, somebody else's or the one of
//! a sensor that was killed, is used instead, for as long as it answers.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::gateway::{Whereabouts, utc};

/// How long a store has to say that it is there.
const PING: Duration = Duration::from_secs(2);
/// How often an adopted store is asked.
const WATCH: Duration = Duration::from_secs(2);
/// Unanswered questions after which an adopted store is given up.
const SILENCE: u32 = 3;
/// How long a store has to end in order.
const FAREWELL: Duration = Duration::from_secs(15);
/// How long to wait before it is started again: first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// A store that ran for so long was started well.
const WELL: Duration = Duration::from_secs(60);

/// What the store is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that has the command `store`: usually this one.
    pub program: PathBuf,
    /// The state directory: `store.json` is there, and the data below it.
    pub state: PathBuf,
    /// The engine's library.
    pub library: PathBuf,
    /// Memory for the engine, in octets.
    pub engine_memory: u64,
    /// What becomes of what it says.
    pub voice: Voice,
}

impl Options {
    /// A store with the usual memory that speaks aloud.
    pub fn new(program: impl Into<PathBuf>, state: impl Into<PathBuf>, library: impl Into<PathBuf>) -> Self {
        let (program, state, library) = (program.into(), state.into(), library.into());
        Self { program, state, library, engine_memory: 1 << 30, voice: Voice::Aloud }
    }
}

/// What becomes of what a store says on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// It goes to standard error.
    Aloud,
    /// Its last line is told as the reason when it ends.
    Kept,
}

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is being started.
    Starting,
    /// It runs, as a child with this process number.
    Running(u32),
    /// One that was there is used.
    Adopted(u32),
    /// It ended, and is started again.
    Ended(String),
}

/// A store that is looked after.
#[derive(Debug)]
pub struct Supervised {
    /// How it is.
    pub life: watch::Receiver<Life>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Supervised {
    /// Ends a store that was started here, in order, and waits for it. One that was adopted goes on.
    pub async fn end(self) {
        // The task has ended already if nobody takes it.
        let _ = self.end.send(());
        let _ = self.task.await;
    }
}

/// Has a store run until it is told to [end](Supervised::end). To be called within a runtime.
pub fn supervise(options: Options) -> Supervised {
    let (tell, life) = watch::channel(Life::Starting);
    let (end, ending) = oneshot::channel();
    let task = tokio::spawn(look_after(options, tell, ending));
    Supervised { life, end, task }
}

async fn look_after(options: Options, tell: watch::Sender<Life>, mut ending: oneshot::Receiver<()>) {
    let mut pause = BACK_OFF.0;
    loop {
        tokio::select! {
            () = use_adopted(&options.state, &tell) => {}
            _ = &mut ending => return,
        }
        let begun = Instant::now();
        let ended = match start(&options) {
            Ok((mut child, pipe)) => {
                tell.send_replace(Life::Running(child.id().unwrap_or(0)));
                let said = last_line(child.stderr.take());
                tokio::pin!(said);
                tokio::select! {
                    status = ended(&mut child, &mut said) => status,
                    _ = &mut ending => return end(child, pipe).await,
                }
            }
            Err(error) => format!("it cannot be started: {error}"),
        };
        tell.send_replace(Life::Ended(ended));
        if begun.elapsed() > WELL {
            pause = BACK_OFF.0;
        }
        tokio::select! {
            () = sleep(pause) => {}
            _ = &mut ending => return,
        }
        pause = (pause * 2).min(BACK_OFF.1);
    }
}

/// Returns when there is no store to be used.
async fn use_adopted(state: &Path, tell: &watch::Sender<Life>) {
    let mut silent = SILENCE;
    loop {
        match look(state).await {
            Seen::Healthy(store) => {
                silent = 0;
                tell.send_if_modified(|life| {
                    let is_news = *life != Life::Adopted(store.pid);
                    *life = Life::Adopted(store.pid);
                    is_news
                });
            }
            Seen::Silent => silent += 1,
            Seen::Gone => return,
        }
        if silent >= SILENCE {
            return;
        }
        sleep(WATCH).await;
    }
}

/// What is there of a store.
enum Seen {
    /// It answers.
    Healthy(Whereabouts),
    /// Somebody is there, and does not answer.
    Silent,
    /// Nobody is there.
    Gone,
}

/// The store of this state directory, if it answers.
pub async fn healthy(state: &Path) -> Option<Whereabouts> {
    match look(state).await {
        Seen::Healthy(store) => Some(store),
        Seen::Silent | Seen::Gone => None,
    }
}

async fn look(state: &Path) -> Seen {
    let Ok(store) = Whereabouts::read(state) else { return Seen::Gone };
    match timeout(PING, ping(&store)).await {
        Ok(Ok(true)) => Seen::Healthy(store),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Seen::Gone,
        _ => Seen::Silent,
    }
}

async fn ping(store: &Whereabouts) -> io::Result<bool> {
    let mut stream = TcpStream::connect(store.address).await?;
    let request = format!("GET /ping HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", store.address);
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    Ok(head == *b"HTTP/1.1 200")
}

fn start(options: &Options) -> io::Result<(Child, Option<ChildStdin>)> {
    let mut command = Command::new(&options.program);
    command
        .args(["store", "--until-stdin-ends", "--listen", "127.0.0.1:0"])
        .arg("--state")
        .arg(&options.state)
        .arg("--path")
        .arg(options.state.join("store"))
        .arg("--libchdb")
        .arg(&options.library)
        .args(["--engine-memory", &options.engine_memory.to_string()])
        // All that it needs to know is said here.
        .args(["--config", "/dev/null"])
        .envs([utc::ENVIRONMENT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    if options.voice == Voice::Kept {
        command.stderr(Stdio::piped());
    }
    let mut child = command.spawn()?;
    // Waiting for a child closes its pipe, if it still has it.
    let pipe = child.stdin.take();
    Ok((child, pipe))
}

async fn end(mut child: Child, pipe: Option<ChildStdin>) {
    drop(pipe);
    if timeout(FAREWELL, child.wait()).await.is_err() {
        tracing::warn!("the store did not end in time, and is stopped");
        // It is ours and still there, or has just ended.
        let _ = child.kill().await;
    }
}

/// Waits until the child has ended, and tells how.
async fn ended(child: &mut Child, said: &mut (impl Future<Output = Option<String>> + Unpin)) -> String {
    // To its end first: a pipe that nobody reads would make it wait.
    let said = said.await;
    match child.wait().await {
        Ok(status) => said.unwrap_or_else(|| describe(status)),
        Err(error) => error.to_string(),
    }
}

/// The last line that comes out of a pipe; when there is none, nothing at once.
async fn last_line(pipe: Option<ChildStderr>) -> Option<String> {
    let mut lines = BufReader::new(pipe?).lines();
    let mut last = None;
    while let Ok(Some(line)) = lines.next_line().await {
        last = Some(line.trim_start_matches("apitap: ").to_owned());
    }
    last
}

fn describe(status: ExitStatus) -> String {
    format!("it ended ({status})")
}
