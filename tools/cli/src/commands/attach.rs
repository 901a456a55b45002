//! `plurix attach`: the console, from a terminal or in a pipe.
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use adapter::CONSOLE;
use clap::Args;

use super::DataArg;
use crate::client::ClientError;
use crate::data::DataDir;
use crate::device::Home;
use crate::error::Error;
use crate::ui;

/// How often to look for output.
const POLL_TIME: Duration = Duration::from_millis(30);
/// How often to look where the console is.
const FOLLOW_TIME: Duration = Duration::from_secs(1);
/// After the end of the input, output that has been quiet for so long has ended.
const QUIET_TIME: Duration = Duration::from_secs(1);
const PIECE_BYTES: usize = 4096;

/// Use the console: type at it what comes from standard input, write what it says to standard
/// output
///
/// Begins with what it has said lately. Ends when the input has ended and the console has been
/// quiet for a second, or at Ctrl-C. Goes on with another node when the one that has the
/// console ends.
#[derive(Args, Debug)]
pub(crate) struct AttachArgs {
    #[command(flatten)]
    data: DataArg,
}

pub(crate) fn run(args: &AttachArgs) -> Result<ExitCode, Error> {
    let data = args.data.open()?;
    let mut session = Session::new(Home::find(&data, CONSOLE)?);
    let input = read_input();
    let mut has_ended = false;
    loop {
        if let Err(error) = session.exchange() {
            match error {
                ClientError::Lost(_) | ClientError::NoNode(_) => session.move_on(&data)?,
                error => return Err(error.into()),
            }
        }
        session.follow(&data)?;
        if has_ended && session.pending.is_empty() && session.quiet_since.elapsed() > QUIET_TIME {
            return Ok(ExitCode::SUCCESS);
        }
        if has_ended || !session.pending.is_empty() {
            thread::sleep(POLL_TIME);
            continue;
        }
        match input.recv_timeout(POLL_TIME) {
            Ok(piece) => session.pending = piece,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                has_ended = true;
                session.quiet_since = Instant::now();
            }
        }
    }
}

/// Pieces of standard input, until it ends. A thread of its own waits for them; it is left
/// behind when the command ends.
fn read_input() -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut piece = [0; PIECE_BYTES];
        loop {
            match io::stdin().read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if sender.send(piece[..count].to_vec()).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

struct Session {
    home: Home,
    /// Where its output goes on, for each node that had the console.
    positions: BTreeMap<u32, u64>,
    /// Input that is not typed yet.
    pending: Vec<u8>,
    quiet_since: Instant,
    /// When it was last asked where the console is.
    asked: Instant,
}

impl Session {
    fn new(home: Home) -> Self {
        Self {
            home,
            positions: BTreeMap::new(),
            pending: Vec::new(),
            quiet_since: Instant::now(),
            asked: Instant::now(),
        }
    }

    /// Types what there is room for, shows what is new.
    fn exchange(&mut self) -> Result<(), ClientError> {
        let position = self.positions.entry(self.home.device.node).or_insert(0);
        let client = self.home.client();
        if !self.pending.is_empty() {
            match client.type_text(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count.min(self.pending.len()))),
                Err(error) => {
                    // The node may have heard it: to type it twice would be worse.
                    if matches!(error, ClientError::Lost(_)) {
                        self.pending.clear();
                    }
                    return Err(error);
                }
            }
            self.quiet_since = Instant::now();
        }
        let (text, next) = client.read_text(*position)?;
        *position = next;
        if !text.is_empty() {
            ui::write_out(&text);
            self.quiet_since = Instant::now();
        }
        Ok(())
    }

    /// Another driver may have the console of another node, though the first one lives.
    fn follow(&mut self, data: &DataDir) -> Result<(), Error> {
        if self.asked.elapsed() < FOLLOW_TIME {
            return Ok(());
        }
        if let Some(home) = Home::look(data, CONSOLE)?
            && home.device.node != self.home.device.node
        {
            ui::note(format!("{} has the console now", home.node));
            self.home = home;
            self.quiet_since = Instant::now();
        }
        self.asked = Instant::now();
        Ok(())
    }

    /// The node does not answer any more: another one has, or will have, the console.
    fn move_on(&mut self, data: &DataDir) -> Result<(), Error> {
        let left = self.home.node.clone();
        self.home = Home::find(data, CONSOLE)?;
        self.quiet_since = Instant::now();
        if self.home.node != left {
            ui::note(format!(
                "{left} does not answer; {} has the console now. What was typed last may be lost",
                self.home.node
            ));
        }
        Ok(())
    }
}
