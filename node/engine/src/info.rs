//! What the engine must know of a module beside its machine code.
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use serde::{Deserialize, Serialize};

/// Found by instrumentation, stored with the artefact.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// The pointer of the shadow stack that compilers of C-like languages use.
    pub stack: Option<StackPointer>,
    /// The devices that it declares to drive.
    pub devices: Vec<String>,
}

/// A global that is dead between steps: set to the same value before each.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StackPointer {
    /// Index of the global, as in its exported name.
    pub global: u32,
    /// Its value when a step begins.
    pub initial: u32,
    /// Pages of 4 KiB that hold nothing but stack, if any.
    pub private_pages: Option<Range<u32>>,
}

impl ModuleInfo {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("plain data can always be encoded")
    }

    /// From bytes; `None` if they are none that [`ModuleInfo::encode`] made.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}
