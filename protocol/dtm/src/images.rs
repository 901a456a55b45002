//! Page-sized buffers that are used again: before-images come and go with every
//! transaction, and the local path must not allocate.
use alloc::sync::Arc;
use alloc::vec::Vec;
use types::{Frame, PageBytes, zero_frame};

/// Buffers kept at most: 4 MiB.
const SPARE_MAX: usize = 1024;

/// A stock of frames that nobody else holds.
#[derive(Debug)]
pub(crate) struct Images {
    spare: Vec<Frame>,
    zero: Frame,
}

impl Images {
    pub(crate) fn new() -> Self {
        Self {
            spare: Vec::new(),
            zero: zero_frame(),
        }
    }

    /// A frame with these contents.
    pub(crate) fn copy_of(&mut self, bytes: &PageBytes) -> Frame {
        let Some(mut frame) = self.spare.pop() else {
            return Arc::new(*bytes);
        };
        *Arc::get_mut(&mut frame).expect("only unshared frames are spare") = *bytes;
        frame
    }

    /// The frame of a page that nobody has written.
    pub(crate) fn zero(&self) -> Frame {
        Arc::clone(&self.zero)
    }

    /// Takes a frame back; if somebody else still holds it, it is just let go.
    pub(crate) fn recycle(&mut self, mut frame: Frame) {
        if self.spare.len() < SPARE_MAX && Arc::get_mut(&mut frame).is_some() {
            self.spare.push(frame);
        }
    }
}
