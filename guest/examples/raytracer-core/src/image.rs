//! From light to pixels.

use alloc::vec::Vec;
use core::ops::Range;

use crate::random::Draws;
use crate::scene::Scene;
use crate::shape::Ray;
use crate::vector::{Vector, square_root, vector};

/// A picture as a blob: `PLXI`, width and height (u32, little-endian), then three bytes per
/// pixel, row by row.
pub const BLOB_HEADER_BYTES: usize = 12;

/// The most light that one ray brings: a blinding one would show as a speck.
const LIGHT_MAX: f64 = 5.0;

/// Factor from light to film.
const EXPOSURE: f64 = 0.68;

/// The beginning of the scene's picture as a blob.
pub fn blob_header(scene: &Scene) -> [u8; BLOB_HEADER_BYTES] {
    let mut header = *b"PLXI\0\0\0\0\0\0\0\0";
    header[4..8].copy_from_slice(&scene.width.to_le_bytes());
    header[8..].copy_from_slice(&scene.height.to_le_bytes());
    header
}

/// Width and height of the picture in a blob; `None` if it is no whole picture.
pub fn blob_size(blob: &[u8]) -> Option<(u32, u32)> {
    let (magic, rest) = blob.split_first_chunk::<4>()?;
    let (width, rest) = rest.split_first_chunk::<4>()?;
    let (height, rgb) = rest.split_first_chunk::<4>()?;
    let (width, height) = (u32::from_le_bytes(*width), u32::from_le_bytes(*height));
    let bytes = u64::from(width) * u64::from(height) * 3;
    (magic == b"PLXI" && rgb.len() as u64 == bytes).then_some((width, height))
}

impl Scene {
    /// Red, green and blue of a range of pixels.
    ///
    /// # Panics
    /// If the range goes beyond [`Scene::pixels`].
    pub fn render(&self, pixels: Range<u32>) -> Vec<u8> {
        assert!(
            pixels.end <= self.pixels(),
            "the picture has {} pixels",
            self.pixels()
        );
        let view = View::new(self);
        pixels.flat_map(|pixel| to_rgb(view.light(pixel))).collect()
    }

    /// Red, green and blue of a row of pixels.
    pub fn render_row(&self, row: u32) -> Vec<u8> {
        self.render(row * self.width..(row + 1) * self.width)
    }
}

/// The camera, ready for use.
struct View<'a> {
    scene: &'a Scene,
    /// From the centre of the lens to that of the picture in focus.
    forward: Vector,
    /// Half of the picture's width and height in focus.
    right: Vector,
    down: Vector,
    lens_right: Vector,
    lens_down: Vector,
}

impl<'a> View<'a> {
    fn new(scene: &'a Scene) -> Self {
        let camera = &scene.camera;
        let way = camera.at - camera.from;
        let focus = if camera.focus > 0.0 {
            camera.focus
        } else {
            way.length()
        };
        let ahead = way.unit();
        let right = vector(0.0, 1.0, 0.0).cross(ahead).unit();
        let down = right.cross(ahead);
        // Film of 36 mm by 24 mm: the picture fills its width.
        let half_width = 18.0 / camera.lens * focus;
        let half_height = half_width * f64::from(scene.height) / f64::from(scene.width);
        Self {
            scene,
            forward: ahead * focus,
            right: right * half_width,
            down: down * half_height,
            lens_right: right * camera.aperture,
            lens_down: down * camera.aperture,
        }
    }

    /// Light that falls on a pixel.
    fn light(&self, pixel: u32) -> Vector {
        let (column, row) = (pixel % self.scene.width, pixel / self.scene.width);
        let mut sum = Vector::ZERO;
        for sample in 0..self.scene.samples {
            let mut draws = Draws::new(pixel, sample, self.scene.samples);
            let ray = self.ray(column, row, &mut draws);
            let light = self.scene.trace(ray, &mut draws);
            let limit = LIGHT_MAX / light.largest().max(LIGHT_MAX);
            sum = sum + light * limit;
        }
        sum * (1.0 / f64::from(self.scene.samples))
    }

    fn ray(&self, column: u32, row: u32, draws: &mut Draws) -> Ray {
        let (u, v) = draws.square();
        let (lens_x, lens_y) = draws.disk();
        let x = 2.0 * (f64::from(column) + u) / f64::from(self.scene.width) - 1.0;
        let y = 2.0 * (f64::from(row) + v) / f64::from(self.scene.height) - 1.0;
        let lens = self.lens_right * lens_x + self.lens_down * lens_y;
        let target = self.forward + self.right * x + self.down * y;
        Ray {
            from: self.scene.camera.from + lens,
            direction: (target - lens).unit(),
        }
    }
}

/// Compresses highlights as film does and encodes for a screen.
fn to_rgb(light: Vector) -> [u8; 3] {
    [light.x, light.y, light.z].map(|channel| {
        let shown = film(channel * EXPOSURE);
        (screen(shown) * 255.0 + 0.5) as u8
    })
}

/// A film's response: a curve with a toe and a shoulder (Narkowicz's fit of ACES).
fn film(light: f64) -> f64 {
    let response = (light * (2.51 * light + 0.03)) / (light * (2.43 * light + 0.59) + 0.14);
    response.clamp(0.0, 1.0)
}

/// The sRGB curve, approximated by roots (Hable).
fn screen(light: f64) -> f64 {
    let second = square_root(light);
    let fourth = square_root(second);
    let eighth = square_root(fourth);
    (0.662_002_687 * second + 0.684_122_060 * fourth
        - 0.323_583_601 * eighth
        - 0.022_541_147 * light)
        .clamp(0.0, 1.0)
}
