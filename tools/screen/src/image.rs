//! Pixels.

/// Bytes of a pixel: red, green, blue, and how opaque it is, which is always wholly.
pub const PIXEL_BYTES: usize = 4;

/// A picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    width: usize,
    height: usize,
    rgba: Vec<u8>,
}

/// A part of a picture, in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rectangle {
    /// From the left.
    pub x: usize,
    /// From the top.
    pub y: usize,
    /// From its left to its right.
    pub width: usize,
    /// From its top to its bottom.
    pub height: usize,
}

impl Image {
    /// A picture of these pixels (red, green, blue), row by row.
    ///
    /// # Panics
    /// If there are not as many as it has.
    pub(crate) fn new(width: usize, height: usize, pixels: impl Iterator<Item = [u8; 3]>) -> Self {
        let mut rgba = Vec::with_capacity(width * height * PIXEL_BYTES);
        for [red, green, blue] in pixels {
            rgba.extend([red, green, blue, u8::MAX]);
        }
        assert_eq!(rgba.len(), width * height * PIXEL_BYTES);
        Self {
            width,
            height,
            rgba,
        }
    }

    /// Pixels of a row.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Its pixels, row by row, [`PIXEL_BYTES`] each.
    #[must_use]
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }

    /// The pixels of a row from one column to another.
    fn row(&self, y: usize, x: usize, width: usize) -> &[u8] {
        &self.rgba[(y * self.width + x) * PIXEL_BYTES..][..width * PIXEL_BYTES]
    }

    /// The pixels of a part, row by row, put behind what is there.
    ///
    /// # Panics
    /// If the picture has no such part.
    pub fn cut(&self, part: Rectangle, out: &mut Vec<u8>) {
        for y in part.y..part.y + part.height {
            out.extend(self.row(y, part.x, part.width));
        }
    }

    /// Parts in which it differs from an earlier picture, from the top: one for rows that
    /// follow one another, no wider than need be. All of it, if the other has another size.
    #[must_use]
    pub fn changes(&self, earlier: &Self) -> Vec<Rectangle> {
        if (self.width, self.height) != (earlier.width, earlier.height) {
            return vec![self.whole()];
        }
        let mut parts: Vec<Rectangle> = Vec::new();
        for y in 0..self.height {
            let Some((left, right)) = self.change_of_row(earlier, y) else {
                continue;
            };
            match parts.last_mut().filter(|last| last.y + last.height == y) {
                Some(last) => {
                    let right = right.max(last.x + last.width);
                    last.x = last.x.min(left);
                    last.width = right - last.x;
                    last.height += 1;
                }
                None => parts.push(Rectangle {
                    x: left,
                    y,
                    width: right - left,
                    height: 1,
                }),
            }
        }
        parts
    }

    /// All of it.
    #[must_use]
    pub const fn whole(&self) -> Rectangle {
        Rectangle {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    /// The first column that differs and the one behind the last.
    fn change_of_row(&self, earlier: &Self, y: usize) -> Option<(usize, usize)> {
        let rows = [self, earlier].map(|image| image.row(y, 0, self.width));
        // The usual case, and fast.
        if rows[0] == rows[1] {
            return None;
        }
        let [(ours, _), (theirs, _)] = rows.map(|row| row.as_chunks::<PIXEL_BYTES>());
        let mut pairs = ours.iter().zip(theirs);
        let left = pairs.clone().position(|(one, other)| one != other)?;
        let right = pairs.rposition(|(one, other)| one != other)?;
        Some((left, right + 1))
    }

    /// As a file of the format PNG.
    #[must_use]
    pub fn to_png(&self) -> Vec<u8> {
        let size = |pixels| u32::try_from(pixels).expect("no display is as large");
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size(self.width), size(self.height));
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&self.rgba)?;
            writer.finish()
        });
        written.expect("a vector takes everything");
        file
    }
}
