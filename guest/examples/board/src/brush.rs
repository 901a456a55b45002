//! Painting with pointers.
use adapter::display::{Colour, Geometry, Mode, Palette};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use services::display::{Area, Request};

/// Colours to pick from.
const COLOURS: u16 = 16;
/// The colour that everybody has at first: white.
const FIRST: u8 = 15;

/// Everybody's brush.
#[derive(Debug, Default)]
pub(crate) struct Brushes(BTreeMap<u8, Brush>);

/// A brush.
#[derive(Debug)]
pub(crate) struct Brush {
    colour: u8,
    /// Where it touches the board.
    at: Option<(i32, i32)>,
}

impl Brushes {
    pub(crate) fn of(&mut self, whose: u8) -> &mut Brush {
        self.0.entry(whose).or_insert(Brush {
            colour: FIRST,
            at: None,
        })
    }
}

impl Brush {
    /// It goes somewhere, in 65 535ths of the board, touching it or not.
    pub(crate) fn go(&mut self, out: &mut Vec<u8>, mode: Mode, to: (u16, u16), is_down: bool) {
        let Geometry { width, height, .. } = mode.geometry();
        let scale = |part: u16, whole: usize| i32::from(part) * (whole as i32 - 1) / 65535;
        let to = (scale(to.0, width), scale(to.1, height));
        if !is_down {
            self.at = None;
            return;
        }
        let place = place_of(mode, 0);
        if self.at.is_none() && to.1 < i32::from(place.height) {
            self.colour = (to.0 / i32::from(place.width)).min(i32::from(COLOURS) - 1) as u8;
            return;
        }
        let from = self.at.replace(to).unwrap_or(to);
        let (across, down) = (to.0 - from.0, to.1 - from.1);
        let steps = across.abs().max(down.abs()).max(1);
        for step in 0..=steps {
            let at = (from.0 + across * step / steps, from.1 + down * step / steps);
            self.dab(out, mode, at);
        }
    }

    fn dab(&self, out: &mut Vec<u8>, mode: Mode, (x, y): (i32, i32)) {
        // The colours at the top are not painted over.
        let top = i32::from(place_of(mode, 0).height);
        let (left, first) = ((x - 1).max(0), (y - 1).max(top));
        let area = Area {
            x: left as u16,
            y: first as u16,
            width: (x + 2 - left) as u16,
            height: (y + 2 - first).max(0) as u16,
        };
        let value = value_of(mode, self.colour);
        Request::Fill { mode, area, value }.encode(out);
    }
}

/// Draws the colours to pick from.
pub(crate) fn draw_colours(out: &mut Vec<u8>, mode: Mode) {
    for colour in 0..COLOURS {
        let area = place_of(mode, colour);
        let value = value_of(mode, colour as u8);
        Request::Fill { mode, area, value }.encode(out);
    }
}

/// Where a colour is picked.
fn place_of(mode: Mode, colour: u16) -> Area {
    let Geometry { width, height, .. } = mode.geometry();
    let width = width as u16 / COLOURS;
    Area {
        x: colour * width,
        y: 0,
        width,
        height: height as u16 / 20,
    }
}

/// A pixel of this colour of the palette.
fn value_of(mode: Mode, colour: u8) -> [u8; 4] {
    let [red, green, blue]: Colour = Palette::default().0[usize::from(colour)];
    match mode.geometry().bytes_each {
        1 => [colour, 0, 0, 0],
        _ => [blue, green, red, 0],
    }
}
