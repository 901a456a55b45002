//! The machine's own screen, as the node's display adapter would have it, and the pointer of the
//! machine's mouse over it.
mod pointer;

use alloc::vec;
use alloc::vec::Vec;

use adapter::display::{Colour, Cursor, Mode};
use hal::screen;
use platform::ScreenState;

use self::pointer::{Arrow, Ink, Place};

/// What the screen was told.
#[derive(Debug, Default)]
pub(crate) struct OwnScreen {
    told: Option<ScreenState>,
    /// The characters that it has, in text, as far as they are known: to write one takes much
    /// longer than to look here.
    cells: Vec<Option<u16>>,
    /// Where the pointer is, once the mouse was moved.
    pointer: Option<Place>,
    /// The pointer as it is seen on pixels.
    arrow: Option<Arrow>,
}

impl OwnScreen {
    /// Puts it into this state, if it can be: a screen without pixels shows what the machine
    /// has said instead of them.
    pub(crate) fn set(&mut self, state: &ScreenState) {
        if state.mode != Mode::Text && !screen::has_pixels() {
            return self.release();
        }
        let told = self.told.take();
        let is_other = told.as_ref().is_none_or(|told| told.mode != state.mode);
        if is_other {
            self.arrow = None;
            screen::set_mode(mode_of(state.mode));
            self.cells = vec![None; screen::COLUMNS * screen::ROWS];
        }
        let colours = told.filter(|_| !is_other).map(|told| told.palette);
        for (index, &colour) in (0..=u8::MAX).zip(&state.palette.0) {
            let known = colours.as_ref().map(|known| known.0[usize::from(index)]);
            if known != Some(colour) {
                screen::set_colour(index, colour);
            }
        }
        screen::set_cursor(cursor_of(state.cursor));
        self.told = Some(state.clone());
        match &self.arrow {
            // Its colours may be others now.
            Some(arrow) => arrow.show(Ink::of(state.mode, &state.palette)),
            None => self.show_pointer(),
        }
    }

    /// The mouse points there.
    pub(crate) fn point(&mut self, place: Place) {
        self.hide_pointer();
        self.pointer = Some(place);
        self.show_pointer();
    }

    fn hide_pointer(&mut self) {
        if let Some(arrow) = self.arrow.take() {
            arrow.wipe();
        }
        if let Some((place, cell)) = self.pointed_cell() {
            screen::write_cell(place, cell);
        }
    }

    fn show_pointer(&mut self) {
        if let Some((place, cell)) = self.pointed_cell() {
            screen::write_cell(place, pointer::inverted(cell));
        }
        let told = self.told.as_ref().filter(|told| told.mode != Mode::Text);
        if let (Some(told), Some(place)) = (told, self.pointer) {
            let ink = Ink::of(told.mode, &told.palette);
            self.arrow = Some(Arrow::draw(told.mode, place, ink));
        }
    }

    /// The cell of text with the pointer, if it is known what the display has there.
    fn pointed_cell(&self) -> Option<(usize, u16)> {
        let told = self.told.as_ref()?;
        let place = pointer::cell_at(self.pointer.filter(|_| told.mode == Mode::Text)?);
        Some((place, self.cells[place]?))
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let Some(told) = &self.told else {
            return;
        };
        if told.mode == Mode::Text {
            let pointed = self.pointer.map(pointer::cell_at);
            let (cells, _) = bytes.as_chunks();
            let known = self.cells[offset / 2..].iter_mut();
            for (place, (known, &cell)) in (offset / 2..).zip(known.zip(cells)) {
                let cell = u16::from_le_bytes(cell);
                if known.replace(cell) != Some(cell) {
                    let is_pointed = pointed == Some(place);
                    let seen = if is_pointed {
                        pointer::inverted(cell)
                    } else {
                        cell
                    };
                    screen::write_cell(place, seen);
                }
            }
            return;
        }
        screen::write_pixels(offset, bytes);
        if let Some(arrow) = &mut self.arrow {
            arrow.cover(offset, bytes, Ink::of(told.mode, &told.palette));
        }
    }

    /// What it is in. Bits of colours that it does not have are taken to be as they were told.
    pub(crate) fn ask(&self) -> Option<ScreenState> {
        let told = self.told.as_ref()?;
        let mode = Mode::ALL
            .into_iter()
            .find(|&mode| mode_of(mode) == screen::mode());
        let found = screen::cursor();
        let (columns, place) = (screen::COLUMNS, usize::from(found.place));
        let part = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
        let mut palette = told.palette.clone();
        for (index, told) in (0..=u8::MAX).zip(&mut palette.0) {
            *told = seen(*told, screen::colour(index));
        }
        Some(ScreenState {
            // In a mode that nobody has set here it is not in the one that it was told.
            mode: mode.unwrap_or_else(|| other_than(told.mode)),
            cursor: Cursor {
                is_visible: found.is_visible,
                column: part(place % columns),
                row: part(place / columns),
            },
            palette,
        })
    }

    pub(crate) fn release(&mut self) {
        if self.told.take().is_some() {
            self.arrow = None;
            screen::release();
        }
    }
}

fn mode_of(mode: Mode) -> screen::Mode {
    let geometry = mode.geometry();
    let number = |value: usize| u16::try_from(value).expect("screens are smaller");
    match mode {
        Mode::Text => screen::Mode::Text,
        _ => screen::Mode::Pixels {
            width: number(geometry.width),
            height: number(geometry.height),
            bits: number(8 * geometry.bytes_each),
        },
    }
}

fn other_than(mode: Mode) -> Mode {
    match mode {
        Mode::Text => Mode::Low,
        _ => Mode::Text,
    }
}

fn cursor_of(cursor: Cursor) -> screen::Cursor {
    let columns = u16::try_from(screen::COLUMNS).expect("few");
    screen::Cursor {
        is_visible: cursor.is_visible,
        place: u16::from(cursor.row) * columns + u16::from(cursor.column),
    }
}

/// A colour that was told and found again, perhaps without its last bits.
fn seen(told: Colour, found: Colour) -> Colour {
    let is_told = told
        .iter()
        .zip(found)
        .all(|(told, found)| told & !3 == found & !3);
    if is_told { told } else { found }
}
