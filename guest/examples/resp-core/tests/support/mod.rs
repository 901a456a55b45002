//! The other end of a connection, in memory.

use resp_core::{Here, Stream};
use sdk::{Lost, Received};

/// A Tuesday in November.
pub(crate) const HERE: Here = Here {
    now_ms: 1_700_000_000_000,
    node: 0,
    nodes: 1,
};

/// What has come and what was answered.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) input: Vec<u8>,
    /// Nothing more will come.
    pub(crate) is_ended: bool,
    /// It is broken.
    pub(crate) is_lost: bool,
    pub(crate) output: Vec<u8>,
    /// How long `output` may become.
    pub(crate) room: usize,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            input: Vec::new(),
            is_ended: false,
            is_lost: false,
            output: Vec::new(),
            room: usize::MAX,
        }
    }
}

impl Stream for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> Received {
        let count = buffer.len().min(self.input.len());
        if count > 0 {
            buffer[..count].copy_from_slice(&self.input[..count]);
            self.input.drain(..count);
            return Received::Bytes(count);
        }
        match (self.is_lost, self.is_ended) {
            (true, _) => Received::Lost,
            (_, true) => Received::End,
            _ => Received::Nothing,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        if self.is_lost {
            return Err(Lost);
        }
        let taken = bytes.len().min(self.room.saturating_sub(self.output.len()));
        self.output.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}
