//! The shapes of the characters of code page 437, each of 8 x 8 pixels, doubled in height as
//! text modes with few lines show them.
use std::sync::LazyLock;

use ibm437::framebuffer::FbFont;

/// Pixels of a character from left to right.
pub(crate) const WIDTH: usize = 8;
/// Pixels of a character from top to bottom.
pub(crate) const HEIGHT: usize = 16;

/// Rows from the top, in each the leftmost pixel in the highest bit.
pub(crate) type Glyph = [u8; HEIGHT];

/// The characters by their numbers. Number 0 shows nothing.
const CODE_PAGE: &str = concat!(
    " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼",
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_",
    "`abcdefghijklmnopqrstuvwxyz{|}~⌂",
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»",
    "░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
);

/// All shapes.
pub(crate) static GLYPHS: LazyLock<[Glyph; 256]> = LazyLock::new(|| {
    let font = FbFont::regular_8x8();
    let mut glyphs = [[0; HEIGHT]; 256];
    for (glyph, character) in glyphs.iter_mut().zip(CODE_PAGE.chars()) {
        let mut pixels = [0; WIDTH * WIDTH];
        font.draw_char(&mut pixels, WIDTH, 0, 0, character, 1, None);
        let (rows, _) = pixels.as_chunks::<WIDTH>();
        let bits = |row: &[u32; WIDTH]| {
            row.iter()
                .fold(0, |bits, &ink| bits << 1 | u8::from(ink == 1))
        };
        let rows = rows.iter().flat_map(|row| [bits(row); HEIGHT / WIDTH]);
        glyph
            .iter_mut()
            .zip(rows)
            .for_each(|(into, row)| *into = row);
    }
    glyphs
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_a_shape_of_its_own() {
        assert_eq!(CODE_PAGE.chars().count(), 256);
        let blank = [0, usize::from(b' '), 255];
        for (number, glyph) in GLYPHS.iter().enumerate() {
            let is_blank = *glyph == [0; HEIGHT];
            assert_eq!(is_blank, blank.contains(&number), "character {number}");
            let like = GLYPHS.iter().filter(|one| *one == glyph).count();
            assert!(is_blank || like == 1, "character {number} has a double");
        }
        assert_eq!(GLYPHS[0xDB], [0xFF; HEIGHT], "the full block");
        assert_eq!(GLYPHS[0xDD], [0xF0; HEIGHT], "the left half block");
    }
}
