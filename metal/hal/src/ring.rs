//! What an interrupt has taken from a device, until somebody asks for it.
use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

/// Words in order: one side puts, the other takes, neither waits.
pub(crate) struct Ring<const LENGTH: usize> {
    words: [AtomicU16; LENGTH],
    written: AtomicUsize,
    read: AtomicUsize,
}

impl<const LENGTH: usize> Ring<LENGTH> {
    pub(crate) const fn new() -> Self {
        Self {
            words: [const { AtomicU16::new(0) }; LENGTH],
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
        }
    }

    /// Whether there is no room.
    pub(crate) fn is_full(&self) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        written.wrapping_sub(self.read.load(Ordering::Acquire)) >= LENGTH
    }

    /// Adds a word if there is room. Called by one side alone.
    pub(crate) fn put(&self, word: u16) {
        if !self.is_full() {
            let written = self.written.load(Ordering::Relaxed);
            self.words[written % LENGTH].store(word, Ordering::Relaxed);
            self.written
                .store(written.wrapping_add(1), Ordering::Release);
        }
    }

    /// The oldest word. Called by the other side alone.
    pub(crate) fn take(&self) -> Option<u16> {
        let read = self.read.load(Ordering::Relaxed);
        if read == self.written.load(Ordering::Acquire) {
            return None;
        }
        let word = self.words[read % LENGTH].load(Ordering::Relaxed);
        self.read.store(read.wrapping_add(1), Ordering::Release);
        Some(word)
    }
}
