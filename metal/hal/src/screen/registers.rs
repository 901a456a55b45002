//! The registers of a VGA adapter, and those that Bochs' adapter has for pixels.
use super::{Cursor, Mode};
use crate::ports::HarmlessPort;

const ATTRIBUTES: u16 = 0x3c0;
const MISCELLANEOUS_READ: u16 = 0x3cc;
const MISCELLANEOUS: u16 = 0x3c2;
const SEQUENCER: u16 = 0x3c4;
const COLOUR_MASK: u16 = 0x3c6;
const COLOUR_READ: u16 = 0x3c7;
const COLOUR_WRITE: u16 = 0x3c8;
const COLOUR: u16 = 0x3c9;
const GRAPHICS: u16 = 0x3ce;
const CONTROLLER: u16 = 0x3d4;
/// Reading it has the next write to `ATTRIBUTES` choose a register.
const STATUS: u16 = 0x3da;

const CURSOR_START: u8 = 0x0a;
const CURSOR_PLACE: [u8; 2] = [0x0e, 0x0f];
const CURSOR_HIDDEN: u8 = 0x20;
/// Among the registers of the controller: locks the first ones.
const LOCK: u8 = 0x11;
const LOCKED: u8 = 0x80;
/// Among the registers of attributes: shows what is in the memory.
const SHOWN: u8 = 0x20;

/// 80 x 25 characters of 9 x 16 pixels: the adapter's third mode.
const TEXT_MISCELLANEOUS: u8 = 0x67;
const TEXT_SEQUENCER: [u8; 5] = [0x03, 0x00, 0x03, 0x00, 0x02];
const TEXT_CONTROLLER: [u8; 25] = [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00,
    0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
const TEXT_GRAPHICS: [u8; 9] = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff];
/// Each of sixteen colours is that of the palette, and nothing blinks: all sixteen are grounds,
/// too.
const TEXT_ATTRIBUTES: [u8; 21] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x04, 0x00, 0x0f, 0x08, 0x00,
];

const PIXEL_INDEX: u16 = 0x1ce;
const PIXEL_VALUE: u16 = 0x1cf;
const PIXEL_IDENTITY: u16 = 0;
const PIXEL_WIDTH: u16 = 1;
const PIXEL_HEIGHT: u16 = 2;
const PIXEL_BITS: u16 = 3;
const PIXEL_ENABLE: u16 = 4;
const PIXEL_FIRST_ROW: u16 = 9;
/// The first adapter with what is used here, and how many there may be.
const IDENTITIES: core::ops::RangeInclusive<u16> = 0xb0c2..=0xb0cf;
const ENABLED: u16 = 0x01;
const WIDE_COLOURS: u16 = 0x20;
const LINEAR: u16 = 0x40;
const KEEPS_MEMORY: u16 = 0x80;

/// The beginning of the memory is what text and its font lie in; pixels leave it alone.
const TEXT_BYTES: usize = 256 << 10;

/// The sixteen colours of PCs.
const PLAIN: [u32; 16] = [
    0x00_0000, 0x00_00aa, 0x00_aa00, 0x00_aaaa, 0xaa_0000, 0xaa_00aa, 0xaa_5500, 0xaa_aaaa,
    0x55_5555, 0x55_55ff, 0x55_ff55, 0x55_ffff, 0xff_5555, 0xff_55ff, 0xff_ff55, 0xff_ffff,
];

/// Whether there is such an adapter: then a register keeps what is written to it.
pub(super) fn are_there() -> bool {
    let keeps = |value: u8| {
        write_indexed(CONTROLLER, CURSOR_PLACE[1], value);
        read_indexed(CONTROLLER, CURSOR_PLACE[1]) == value
    };
    port(MISCELLANEOUS_READ).read() != 0xff && keeps(0x55) && keeps(0xaa)
}

/// Whether it is one with pixels.
pub(super) fn have_pixels() -> bool {
    IDENTITIES.contains(&read_pixel(PIXEL_IDENTITY))
}

pub(super) fn set_mode(mode: Mode) {
    match mode {
        Mode::Text => {
            if have_pixels() {
                write_pixel(PIXEL_ENABLE, 0);
            }
            set_text();
        }
        Mode::Pixels {
            width,
            height,
            bits,
        } => {
            write_pixel(PIXEL_ENABLE, 0);
            write_pixel(PIXEL_WIDTH, width);
            write_pixel(PIXEL_HEIGHT, height);
            write_pixel(PIXEL_BITS, bits);
            write_pixel(PIXEL_ENABLE, ENABLED | LINEAR | KEEPS_MEMORY | WIDE_COLOURS);
            write_pixel(PIXEL_FIRST_ROW, first_row(mode));
        }
    }
}

/// What the adapter is in.
pub(super) fn mode() -> Mode {
    if !have_pixels() || read_pixel(PIXEL_ENABLE) & ENABLED == 0 {
        return Mode::Text;
    }
    Mode::Pixels {
        width: read_pixel(PIXEL_WIDTH),
        height: read_pixel(PIXEL_HEIGHT),
        bits: read_pixel(PIXEL_BITS),
    }
}

/// Where in the memory a mode's first pixel lies.
pub(super) fn first_byte(mode: Mode) -> usize {
    usize::from(first_row(mode)) * row_bytes(mode)
}

fn first_row(mode: Mode) -> u16 {
    match mode {
        Mode::Text => 0,
        Mode::Pixels { .. } => {
            u16::try_from(TEXT_BYTES.div_ceil(row_bytes(mode))).expect("a row has many bytes")
        }
    }
}

fn row_bytes(mode: Mode) -> usize {
    match mode {
        Mode::Text => 160,
        Mode::Pixels { width, bits, .. } => usize::from(width) * usize::from(bits / 8),
    }
}

fn set_text() {
    port(MISCELLANEOUS).write(TEXT_MISCELLANEOUS);
    write_all(SEQUENCER, &TEXT_SEQUENCER);
    let unlocked = read_indexed(CONTROLLER, LOCK) & !LOCKED;
    write_indexed(CONTROLLER, LOCK, unlocked);
    write_all(CONTROLLER, &TEXT_CONTROLLER);
    write_all(GRAPHICS, &TEXT_GRAPHICS);
    for (index, value) in (0..).zip(TEXT_ATTRIBUTES) {
        let _ = port(STATUS).read();
        port(ATTRIBUTES).write(index);
        port(ATTRIBUTES).write(value);
    }
    let _ = port(STATUS).read();
    port(ATTRIBUTES).write(SHOWN);
    port(COLOUR_MASK).write(0xff);
}

pub(super) fn set_plain_colours() {
    for (index, rgb) in (0..).zip(PLAIN) {
        let [blue, green, red, _] = rgb.to_le_bytes();
        set_colour(index, [red, green, blue]);
    }
}

/// How many bits of a colour's parts the adapter leaves out.
fn missing_bits() -> u32 {
    match mode() {
        Mode::Text => 2,
        Mode::Pixels { .. } => 0,
    }
}

pub(super) fn set_colour(index: u8, colour: [u8; 3]) {
    let missing = missing_bits();
    port(COLOUR_WRITE).write(index);
    for part in colour {
        port(COLOUR).write(part >> missing);
    }
}

/// The highest bits of the parts that the adapter has; the others are 0.
pub(super) fn colour(index: u8) -> [u8; 3] {
    let missing = missing_bits();
    port(COLOUR_READ).write(index);
    [(); 3].map(|()| port(COLOUR).read() << missing)
}

pub(super) fn set_cursor(cursor: Cursor) {
    let shape = TEXT_CONTROLLER[usize::from(CURSOR_START)];
    let hidden = if cursor.is_visible { 0 } else { CURSOR_HIDDEN };
    write_indexed(CONTROLLER, CURSOR_START, shape | hidden);
    for (register, value) in CURSOR_PLACE.into_iter().zip(cursor.place.to_be_bytes()) {
        write_indexed(CONTROLLER, register, value);
    }
}

pub(super) fn cursor() -> Cursor {
    Cursor {
        is_visible: read_indexed(CONTROLLER, CURSOR_START) & CURSOR_HIDDEN == 0,
        place: u16::from_be_bytes(CURSOR_PLACE.map(|register| read_indexed(CONTROLLER, register))),
    }
}

fn write_all(first: u16, values: &[u8]) {
    for (index, &value) in (0..).zip(values) {
        write_indexed(first, index, value);
    }
}

fn write_indexed(first: u16, index: u8, value: u8) {
    port(first).write(index);
    port(first + 1).write(value);
}

fn read_indexed(first: u16, index: u8) -> u8 {
    port(first).write(index);
    port(first + 1).read()
}

fn write_pixel(index: u16, value: u16) {
    port(PIXEL_INDEX).write_wide(index);
    port(PIXEL_VALUE).write_wide(value);
}

fn read_pixel(index: u16) -> u16 {
    port(PIXEL_INDEX).write_wide(index);
    port(PIXEL_VALUE).read_wide()
}

fn port(number: u16) -> HarmlessPort {
    HarmlessPort::own(number)
}
