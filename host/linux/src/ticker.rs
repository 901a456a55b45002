//! A thread that looks at a regular pace whether guests run long, and interrupts those.
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};

use types::Duration;

use crate::interrupt;

/// Interrupts the guests of all threads of this process until it is dropped.
#[derive(Debug)]
pub struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Looks once per `period`; a step is interrupted when it was running at the last
    /// look, too.
    ///
    /// # Errors
    /// If the machine has no thread to give.
    pub fn start(period: Duration) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let period = std::time::Duration::from_nanos(period.as_nanos());
        let thread = thread::Builder::new()
            .name("ticker".into())
            .spawn(move || {
                while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    interrupt::look();
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
            thread.join().expect("looking at counters does not fail");
        }
    }
}
