//! Views as the runtime's linear memories.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use platform::{GUARD_BYTES, GuestSpace, VIEW_BYTES};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use crate::handout;

/// A part of a view that guest code addresses.
pub(crate) struct ViewPart {
    /// Keeps the addresses valid.
    space: Arc<dyn GuestSpace>,
    part: Part,
    bytes: usize,
}

#[derive(Clone, Copy)]
enum Part {
    Linear,
    Barriers,
}

/// Gives instances what was handed out for them: the runtime asks for memories without saying
/// for which instance.
pub(crate) struct ViewMemories;

impl ViewPart {
    pub(crate) fn linear(space: Arc<dyn GuestSpace>, bytes: usize) -> Self {
        Self {
            space,
            part: Part::Linear,
            bytes,
        }
    }

    pub(crate) fn barriers(space: Arc<dyn GuestSpace>, bytes: usize) -> Self {
        Self {
            space,
            part: Part::Barriers,
            bytes,
        }
    }
}

// SAFETY: the memory handed out has the size and reservation asked for, which is
// asserted. It need not be zero: an instance continues over the memory of the one before.
unsafe impl MemoryCreator for ViewMemories {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        reserved_size_in_bytes: Option<usize>,
        guard_size_in_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let part = handout::take()
            .ok_or_else(|| String::from("a module has its own memory and a barrier table only"))?;
        assert!(
            part.bytes >= minimum,
            "an instance is made at a size that its module allows"
        );
        assert!(
            reserved_size_in_bytes.is_none_or(|bytes| bytes <= VIEW_BYTES)
                && guard_size_in_bytes <= GUARD_BYTES,
            "the engine is configured for views"
        );
        Ok(Box::new(part))
    }
}

// SAFETY: the base is that of a reservation of a view, whose pages below the current size
// are accessible or raise faults that the platform answers; it never moves.
unsafe impl LinearMemory for ViewPart {
    fn byte_size(&self) -> usize {
        self.bytes
    }

    fn byte_capacity(&self) -> usize {
        VIEW_BYTES
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        assert!(new_size <= VIEW_BYTES, "the runtime keeps to the capacity");
        self.bytes = new_size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        match self.part {
            Part::Linear => self.space.memory(),
            Part::Barriers => self.space.barriers(),
        }
    }
}
