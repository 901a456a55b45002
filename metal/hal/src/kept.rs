//! Memory that is set aside for what is to outlast a reset: half of what there is, always at the
//! same place, which nothing else ever uses before it is known whether it is wanted.
//!
//! Neither a reset nor the loader clears memory. Nobody promises that it is left alone, either, so
//! whoever keeps something here has to see by itself whether it is whole.
use core::ops::Range;
use core::ptr;

use spin::Mutex;

use crate::heap;

/// It begins and ends at multiples of this.
const ALIGNMENT: usize = 4096;
/// A smaller piece is of no use to anybody.
const BYTES_MIN: usize = 1 << 20;

/// What is set aside and was neither taken nor given up.
static ASIDE: Mutex<Range<usize>> = Mutex::new(0..0);

/// A piece of it.
#[derive(Debug)]
pub struct Kept {
    range: Range<usize>,
}

/// Sets the end of the largest range aside; returns what is left of all.
pub(crate) fn set_aside(free: &[Range<usize>]) -> Option<Range<usize>> {
    let largest = free.iter().max_by_key(|range| range.len())?;
    let bytes = (largest.len() / 2) & !(ALIGNMENT - 1);
    let end = largest.end & !(ALIGNMENT - 1);
    let aside = end - bytes..end;
    *ASIDE.lock() = aside.clone();
    Some(aside)
}

/// Bytes that may be taken.
#[must_use]
pub fn available() -> usize {
    ASIDE.lock().len()
}

/// Takes the first bytes of what is set aside, if there are so many.
pub fn take(bytes: usize) -> Option<Kept> {
    let bytes = bytes & !(ALIGNMENT - 1);
    let mut aside = ASIDE.lock();
    if bytes < BYTES_MIN || bytes > aside.len() {
        return None;
    }
    let range = aside.start..aside.start + bytes;
    aside.start = range.end;
    Some(Kept { range })
}

/// Gives up what was not taken: it is memory like any other.
pub fn give_up() {
    let rest = core::mem::replace(&mut *ASIDE.lock(), 0..0);
    heap::claim(&[rest]);
}

impl Kept {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.range.len()
    }

    /// Copies what is there.
    ///
    /// # Panics
    /// If that is not within it.
    pub fn read(&self, offset: usize, space: &mut [u8]) {
        let at = self.at(offset, space.len());
        // SAFETY: (1) the bytes are this piece's, as just checked, and nobody else's; (2) they
        // are mapped as memory, and any bytes are a value.
        unsafe { at.copy_to_nonoverlapping(space.as_mut_ptr(), space.len()) };
    }

    /// Puts bytes there.
    ///
    /// # Panics
    /// If that is not within it.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let at = self.at(offset, bytes.len());
        // SAFETY: as in `read`; they are borrowed as a whole.
        unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn at(&self, offset: usize, bytes: usize) -> *mut u8 {
        let end = offset.checked_add(bytes);
        let is_within = end.is_some_and(|end| end <= self.range.len());
        assert!(is_within, "{bytes} bytes from {offset} of {}", self.bytes());
        ptr::with_exposed_provenance_mut(self.range.start + offset)
    }
}
