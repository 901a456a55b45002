//! Callers of the program `turnstile`: they send 1, 2, 3 and so on over TCP, and hear for each
//! how many have passed.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use types::Prng;

use crate::cluster::rest_within_epoch;

/// Longest wait for an answer, or for somebody who listens.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(2);
const NUMBER_BYTES: usize = size_of::<u64>();
/// Numbers that are sent at once where none is waited for.
const NUMBERS_AT_ONCE: u64 = 1024;

/// A caller over a connection of its own.
#[derive(Debug)]
pub(crate) struct Caller {
    socket: TcpStream,
    last: u64,
}

impl Caller {
    /// Connects, as soon as somebody listens.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, String> {
        let begin = Instant::now();
        loop {
            match TcpStream::connect(address) {
                Ok(socket) => return Self::over(socket).map_err(failed),
                Err(error) if begin.elapsed() > PATIENCE => return Err(failed(error)),
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn over(socket: TcpStream) -> std::io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, last: 0 })
    }

    /// Passes once; the time until the answer.
    pub(crate) fn pass(&mut self) -> Result<Duration, String> {
        let begin = Instant::now();
        self.last += 1;
        let sent = self.socket.write_all(&self.last.to_le_bytes());
        sent.map_err(failed)?;
        let mut answer = [0; NUMBER_BYTES];
        self.socket.read_exact(&mut answer).map_err(failed)?;
        Ok(begin.elapsed())
    }

    /// Passes again and again for this time, at any moment of an epoch; milliseconds until
    /// each answer. Those of the time before that are not told.
    pub(crate) fn pass_at_times(
        &mut self,
        epoch_ms: u32,
        seed: u64,
        [warmed, measured]: [Duration; 2],
    ) -> Result<Vec<f64>, String> {
        let (mut prng, mut times) = (Prng::new(seed), Vec::new());
        let begin = Instant::now();
        while begin.elapsed() < warmed + measured {
            // An answer comes behind the end of an epoch: a rest of any part of two has the
            // next request come at any moment of one, each as likely as the other.
            rest_within_epoch(&mut prng, 2 * epoch_ms);
            let is_told = begin.elapsed() > warmed;
            let time = self.pass()?;
            if is_told {
                times.push(time.as_secs_f64() * 1e3);
            }
        }
        Ok(times)
    }

    /// Sends numbers for this time without waiting; how many were answered per second until
    /// all were.
    pub(crate) fn stream(mut self, time: Duration) -> Result<f64, String> {
        let begin = Instant::now();
        let mut answers = self.socket.try_clone().map_err(failed)?;
        let sender = std::thread::spawn(move || -> std::io::Result<u64> {
            while begin.elapsed() < time {
                let numbers = self.last + 1..=self.last + NUMBERS_AT_ONCE;
                self.last += NUMBERS_AT_ONCE;
                let bytes: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
                self.socket.write_all(&bytes)?;
            }
            self.socket.shutdown(Shutdown::Write)?;
            Ok(self.last)
        });
        let (mut buffer, mut answered) = ([0; 1 << 16], 0);
        loop {
            match answers.read(&mut buffer).map_err(failed)? {
                0 => break,
                count => answered += count,
            }
        }
        let elapsed = begin.elapsed().as_secs_f64();
        let sent = sender.join().expect("it does not panic").map_err(failed)?;
        let answered = answered / NUMBER_BYTES;
        if answered as u64 != sent {
            return Err(format!("expected {sent} answers, found {answered}"));
        }
        let answered = u32::try_from(answered).map_err(|error| error.to_string())?;
        Ok(f64::from(answered) / elapsed)
    }
}

fn failed(error: std::io::Error) -> String {
    format!("call a program over TCP: {error}")
}

/// An address of this machine where nobody listens yet.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map_err(|error| format!("find a free port: {error}"))
}
