//! The node itself as a device: questions of tools, one after the other.
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use adapter::{Malformed, QUESTION_BYTES_MAX};

/// What has been asked over the line that there is now.
#[derive(Debug, Default)]
pub(super) struct System {
    /// The beginning of a question.
    part: Vec<u8>,
    questions: VecDeque<Vec<u8>>,
    /// The number of the question that is to be answered.
    asked: Option<u64>,
}

impl System {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.part.extend(bytes);
        let mut rest = self.part.as_slice();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = u32::from_le_bytes(*length) as usize;
            if length > QUESTION_BYTES_MAX {
                return Err(Malformed);
            }
            let Some((body, after)) = after.split_at_checked(length) else {
                break;
            };
            self.questions.push_back(body.to_vec());
            rest = after;
        }
        self.part = rest.to_vec();
        Ok(())
    }

    pub(super) fn has_question(&self) -> bool {
        self.asked.is_none() && !self.questions.is_empty()
    }

    pub(super) fn take_question(&mut self) -> Option<Vec<u8>> {
        match self.asked {
            Some(_) => None,
            None => self.questions.pop_front(),
        }
    }

    /// What was taken has this number.
    pub(super) fn is_asked(&mut self, number: u64) {
        self.asked = Some(number);
    }

    /// There is an answer to this number; whether somebody waits for it.
    pub(super) fn is_answered(&mut self, number: u64) -> bool {
        self.asked.take_if(|asked| *asked == number).is_some()
    }
}
