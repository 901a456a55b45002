//! The picture in the fallback object, and what of it the adapter has still to be told.
use adapter::display::{Checksum, Mode, Palette, WRITE_BYTES_MAX};
use alloc::vec;
use alloc::vec::Vec;
use sdk::Object;
use services::display::Area;

use crate::object::PICTURE;

/// Bytes read or written in one go: on the stack, which costs no page of the memory.
const PIECE_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct Picture {
    mode: Mode,
    /// Which parts have changed that the adapter has not been told.
    changed: Vec<bool>,
    /// How many they are.
    count: usize,
    /// Where to look for the next one.
    next: usize,
}

impl Picture {
    pub(crate) fn new(mode: Mode) -> Self {
        let parts = mode.geometry().bytes().div_ceil(WRITE_BYTES_MAX);
        Self {
            mode,
            changed: vec![false; parts],
            count: 0,
            next: 0,
        }
    }

    pub(crate) fn all_changed(&mut self) {
        self.changed.fill(true);
        self.count = self.changed.len();
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.count > 0
    }

    /// A part that has changed: where it begins, and what is there now. It counts as told.
    pub(crate) fn take_changed(&mut self, object: Object) -> Option<(u32, Vec<u8>)> {
        if self.count == 0 {
            return None;
        }
        let parts = self.changed.len();
        let mut places = (0..parts).map(|step| (self.next + step) % parts);
        let part = places.find(|part| self.changed[*part])?;
        self.changed[part] = false;
        self.count -= 1;
        self.next = part + 1;
        let start = part * WRITE_BYTES_MAX;
        let end = self.mode.geometry().bytes().min(start + WRITE_BYTES_MAX);
        let mut bytes = vec![0; end - start];
        object.read(PICTURE + start as u64, &mut bytes);
        Some((start as u32, bytes))
    }

    /// Makes all of it 0, here, not at the adapter.
    pub(crate) fn clear(&mut self, object: Object) {
        let zeroes = [0; PIECE_BYTES];
        let bytes = self.mode.geometry().bytes();
        for start in (0..bytes).step_by(PIECE_BYTES) {
            let count = PIECE_BYTES.min(bytes - start);
            object.write(PICTURE + start as u64, &zeroes[..count]);
        }
    }

    /// Draws what is given row by row.
    pub(crate) fn draw(&mut self, object: Object, area: Area, bytes: &[u8]) {
        let each = self.mode.geometry().bytes_each;
        let width = usize::from(area.width) * each;
        if width > 0 {
            self.rows(object, area, |row, count| &bytes[row * width..][..count]);
        }
    }

    /// Draws the same everywhere.
    pub(crate) fn fill(&mut self, object: Object, area: Area, value: [u8; 4]) {
        let each = self.mode.geometry().bytes_each;
        let row = value[..each].repeat(usize::from(area.width).min(self.mode.geometry().width));
        self.rows(object, area, |_, count| &row[..count]);
    }

    /// Writes the rows of an area as far as they are within the picture. `row` gives the first
    /// so many bytes of a row, counted from the area's first.
    fn rows<'a>(&mut self, object: Object, area: Area, row: impl Fn(usize, usize) -> &'a [u8]) {
        let geometry = self.mode.geometry();
        let (x, y) = (usize::from(area.x), usize::from(area.y));
        let width = usize::from(area.width).min(geometry.width.saturating_sub(x));
        let height = usize::from(area.height).min(geometry.height.saturating_sub(y));
        if width == 0 {
            return;
        }
        for line in 0..height {
            let start = ((y + line) * geometry.width + x) * geometry.bytes_each;
            let bytes = row(line, width * geometry.bytes_each);
            object.write(PICTURE + start as u64, bytes);
            let parts = start / WRITE_BYTES_MAX..=(start + bytes.len() - 1) / WRITE_BYTES_MAX;
            for changed in &mut self.changed[parts] {
                self.count += usize::from(!*changed);
                *changed = true;
            }
        }
    }

    /// The checksum that the adapter has when it shows all this.
    pub(crate) fn checksum(&self, object: Object, palette: &Palette) -> u32 {
        let mut checksum = Checksum::of(palette);
        let mut buffer = [0; PIECE_BYTES];
        let length = self.mode.geometry().bytes();
        for start in (0..length).step_by(PIECE_BYTES) {
            let piece = &mut buffer[..PIECE_BYTES.min(length - start)];
            object.read(PICTURE + start as u64, piece);
            checksum.add(piece);
        }
        checksum.value()
    }
}
