//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit status of a program ended by SIGINT, as shells have it.
const ENDED_BY_SIGNAL: i32 = 130;

/// Sets `stop` at the first signal. The thread lives as long as the program.
pub fn stop_on_signal(stop: Arc<AtomicBool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let watch = move || {
        runtime.block_on(async {
            signals.next().await;
            stop.store(true, Ordering::Relaxed);
            signals.next().await;
            std::process::exit(ENDED_BY_SIGNAL);
        });
    };
    thread::Builder::new().name("signals".into()).spawn(watch)?;
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
