//! The line to the node that leads.
use admin::{Failure, FailureKind, Request, Response};
use alloc::format;
use alloc::vec::Vec;
use sdk::{Connection, Device, Received, Release};

use crate::NEWS;

/// Bytes read in one go.
const READ_BYTES: usize = 16 << 10;

/// The device `system`, and the line to it.
#[derive(Debug)]
pub(crate) struct System {
    device: Device,
    line: Option<Connection>,
    unsent: Vec<u8>,
    heard: Vec<u8>,
}

/// What comes over it.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The answer to the first question that has none.
    Answer(Response),
    /// There is another line: questions without an answer get none.
    NewLine,
}

impl System {
    pub(crate) fn attach() -> Self {
        Self {
            device: Device::attach(adapter::SYSTEM, Release::AtStable, NEWS),
            line: None,
            unsent: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Whether another program has it now.
    pub(crate) fn is_lost(&self) -> bool {
        self.device.is_lost()
    }

    /// A question, after those before.
    pub(crate) fn ask(&mut self, request: &Request) {
        let body = admin::encode(request);
        let length = u32::try_from(body.len()).expect("what is typed is short");
        self.unsent.extend(length.to_le_bytes());
        self.unsent.extend(body);
    }

    pub(crate) fn hear(&mut self) -> Option<Heard> {
        if let Some(line) = self.device.line(NEWS) {
            self.heard.clear();
            // What was asked before there was any line, is still to be asked.
            if let Some(before) = self.line.replace(line) {
                before.close();
                self.unsent.clear();
                return Some(Heard::NewLine);
            }
        }
        let line = self.line?;
        while let Received::Bytes(_) = line.receive(&mut self.heard, READ_BYTES) {}
        let (length, rest) = self.heard.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let body = rest.get(..length)?;
        // A shell may outlive the nodes for which it was built.
        let response = admin::decode(body).unwrap_or_else(|error| {
            let message = format!("{error}: this shell is not of today; end it and start another");
            Response::Failed(Failure {
                kind: FailureKind::Unknown,
                message,
            })
        });
        self.heard.drain(..size_of::<u32>() + length);
        Some(Heard::Answer(response))
    }

    pub(crate) fn speak(&mut self) {
        if let Some(line) = self.line {
            // If it is lost, there will be another one.
            let count = line.write(&self.unsent).unwrap_or(0);
            self.unsent.drain(..count);
        }
    }
}
