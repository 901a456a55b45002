//! What a scene consists of.

use alloc::vec::Vec;

use crate::shape::{Shape, Shaped};
use crate::vector::{Vector, vector};

/// A scene: everything that a picture depends on.
#[derive(Clone, PartialEq, Debug)]
pub struct Scene {
    /// Pixels per row.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// Rays from the camera per pixel.
    pub(crate) samples: u32,
    /// Surfaces that a ray may meet one after the other.
    pub(crate) depth: u32,
    pub(crate) camera: Camera,
    pub(crate) sky: Sky,
    pub(crate) lights: Vec<Light>,
    pub(crate) materials: Vec<Material>,
    pub(crate) shapes: Vec<Shaped>,
}

impl Scene {
    /// Pixels per row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows of pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Pixels in all. Pixels are numbered row by row from the upper left one.
    pub fn pixels(&self) -> u32 {
        self.width * self.height
    }
}

/// Where the picture is taken from.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Camera {
    pub(crate) from: Vector,
    pub(crate) at: Vector,
    /// Focal length in mm on film of 36 mm by 24 mm.
    pub(crate) lens: f64,
    /// Radius of the opening; 0 = everything is sharp.
    pub(crate) aperture: f64,
    /// Distance that is sharp; 0 = that of `at`.
    pub(crate) focus: f64,
}

/// Light that comes from infinitely far, and the haze in between.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sky {
    pub(crate) zenith: Vector,
    pub(crate) horizon: Vector,
    /// Distance at which half of what one sees is haze; 0 = clear.
    pub(crate) haze: f64,
}

impl Sky {
    /// Colour of the sky in a direction of length one.
    pub(crate) fn color(&self, direction: Vector) -> Vector {
        let height = direction.y.max(0.0);
        let low = 1.0 - height;
        let square = low * low;
        self.zenith.blend(self.horizon, square * square * low)
    }
}

/// A lamp: a shining sphere, not itself visible.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Light {
    pub(crate) at: Vector,
    pub(crate) radius: f64,
    /// Colour times power.
    pub(crate) power: Vector,
}

/// What a surface does with light.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Material {
    pub(crate) color: Vector,
    /// Second colour and edge length of a checked pattern.
    pub(crate) checker: Option<(Vector, f64)>,
    /// Share of light that is mirrored when it comes from straight ahead.
    pub(crate) mirror: f64,
    /// How much mirrored light is scattered; 0 = a perfect mirror.
    pub(crate) rough: f64,
    /// Whether the mirror has the surface's colour, as metals do.
    pub(crate) metal: bool,
    /// Refractive index; 0 = opaque.
    pub(crate) glass: f64,
    /// Light that the surface gives off itself.
    pub(crate) glow: f64,
}

impl Material {
    /// Colour at a point.
    pub(crate) fn color_at(&self, point: Vector) -> Vector {
        let Some((second, edge)) = self.checker else {
            return self.color;
        };
        let cell = |coordinate: f64| crate::vector::floor(coordinate / edge + 1e-6) as i64;
        let odd = (cell(point.x) + cell(point.y) + cell(point.z)) & 1 == 1;
        if odd { second } else { self.color }
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            width: 320,
            height: 200,
            samples: 9,
            depth: 5,
            camera: Camera {
                from: vector(0.0, 2.0, -8.0),
                at: vector(0.0, 1.0, 0.0),
                lens: 35.0,
                aperture: 0.0,
                focus: 0.0,
            },
            sky: Sky {
                zenith: vector(0.25, 0.45, 0.85),
                horizon: vector(0.85, 0.9, 0.95),
                haze: 0.0,
            },
            lights: Vec::new(),
            materials: Vec::new(),
            shapes: Vec::new(),
        }
    }
}

impl Default for Material {
    fn default() -> Self {
        Self {
            color: vector(0.7, 0.7, 0.7),
            checker: None,
            mirror: 0.0,
            rough: 0.0,
            metal: false,
            glass: 0.0,
            glow: 0.0,
        }
    }
}

impl Shaped {
    pub(crate) fn new(shape: Shape, material: usize) -> Self {
        Self { shape, material }
    }
}
