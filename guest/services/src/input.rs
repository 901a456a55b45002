//! The keyboard's and pointer's service.
//!
//! What was done with them goes to the program that came last, as [`InputEvent`]s; when that has
//! ended, to the one before. A program says which lights are to be on: a byte, a bit each.
use alloc::vec::Vec;

pub use adapter::input::InputEvent;

/// Takes the first event off the front.
///
/// # Errors
/// If it is none.
pub fn take(bytes: &mut Vec<u8>) -> Result<Option<InputEvent>, adapter::Malformed> {
    let Some(&event) = bytes.first_chunk::<{ InputEvent::BYTES }>() else {
        return Ok(None);
    };
    let event = InputEvent::decode(event)?;
    bytes.drain(..InputEvent::BYTES);
    Ok(Some(event))
}
