//! Scenes and their pictures.
//!
//! [`parse`] turns the text of a scene into a [`Scene`]; [`Scene::render`] computes any
//! range of its pixels. A pixel depends on the scene and its own number only, and all
//! arithmetic is `+ - * /` on `f64`, which IEEE 754 defines to the last bit: a picture
//! has the same bytes on every machine, in one piece or rendered by many.
//!
//! The picture is made by following rays from the camera: where a ray meets a surface, the
//! light that arrives there comes from the lamps (with soft shadows, since lamps are
//! spheres), from the sky, and by reflection or refraction from other surfaces.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod image;
mod parse;
mod random;
mod scene;
mod shape;
mod trace;
mod vector;

pub use image::{BLOB_HEADER_BYTES, blob_header, blob_size};
pub use parse::{SceneError, parse};
pub use scene::Scene;
