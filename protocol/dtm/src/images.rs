//! Page-sized buffers that are used again: before-images come and go with every
//! transaction, and the local path must not allocate.
use alloc::sync::Arc;
use alloc::vec::Vec;
use types::{Frame, PageBytes, zero_frame};
use wire::Image;

/// Buffers kept at most: 4 MiB.
const SPARE_MAX: usize = 1024;

/// A stock of frames that nobody else holds.
#[derive(Debug)]
pub(crate) struct Images {
    spare: Vec<Frame>,
}

impl Images {
    pub(crate) fn new() -> Self {
        Self { spare: Vec::new() }
    }

    /// A frame with these contents.
    pub(crate) fn copy_of(&mut self, bytes: &PageBytes) -> Frame {
        let Some(mut frame) = self.spare.pop() else {
            return Arc::new(*bytes);
        };
        *Arc::get_mut(&mut frame).expect("only unshared frames are spare") = *bytes;
        frame
    }

    /// The frame of an image.
    pub(crate) fn frame_of(&mut self, image: &Image) -> Frame {
        if let Some(frame) = image.whole() {
            return Arc::clone(frame);
        }
        let mut frame = self.spare.pop().unwrap_or_else(zero_frame);
        image.write_to(Arc::get_mut(&mut frame).expect("only unshared frames are spare"));
        frame
    }

    /// The image of a frame, which is taken back if the image does not need it.
    pub(crate) fn image_of(&mut self, frame: Frame) -> Image {
        let (image, left) = Image::of_frame(frame);
        if let Some(frame) = left {
            self.recycle(frame);
        }
        image
    }

    /// Takes a frame back; if somebody else still holds it, it is just let go.
    pub(crate) fn recycle(&mut self, mut frame: Frame) {
        if self.spare.len() < SPARE_MAX && Arc::get_mut(&mut frame).is_some() {
            self.spare.push(frame);
        }
    }
}
