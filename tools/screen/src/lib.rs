//! What a virtual display shows, as a picture.
//!
//! A [`Screen`] is a likeness of an adapter: it is told what has changed ([`Screen::apply`])
//! and makes pixels of it ([`Screen::render`]), as a monitor would. It asks nobody anything.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod font;
mod image;
mod likeness;

pub use image::{Image, PIXEL_BYTES, Rectangle};
pub use likeness::{BadPicture, Screen};
