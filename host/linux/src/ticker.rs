//! A thread that calls a function at a regular pace: the heartbeat that lets a node
//! look up from a long step of a guest.
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};

use types::Duration;

/// Ticks until it is dropped.
#[derive(Debug)]
pub struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Calls `tick` once per `period`.
    ///
    /// # Errors
    /// If the machine has no thread to give.
    pub fn start(period: Duration, tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let period = std::time::Duration::from_nanos(period.as_nanos());
        let thread = thread::Builder::new()
            .name("ticker".into())
            .spawn(move || {
                while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    tick();
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // The tick function may have panicked: that was reported when it happened.
            let _ = thread.join();
        }
    }
}
