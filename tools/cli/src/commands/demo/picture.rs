//! The picture without any cluster, and as a file.
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use raytracer_core::{BLOB_HEADER_BYTES, Scene, blob_header, blob_size, parse};

use crate::error::Error;
use crate::interrupt;

/// A picture to be made.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    scene: Scene,
}

impl Picture {
    pub(crate) fn of(text: &str) -> Result<Self, Error> {
        let scene = parse(text).map_err(|error| Error::user(format!("the scene, {error}")))?;
        Ok(Self { scene })
    }

    /// The picture as a blob, rendered here and now.
    pub(crate) fn render(&self) -> Result<Vec<u8>, Error> {
        let mut blob = blob_header(&self.scene).to_vec();
        for row in 0..self.scene.height() {
            interrupt::check()?;
            blob.extend(self.scene.render_row(row));
        }
        Ok(blob)
    }
}

/// Writes a picture for people.
pub(crate) fn write_png(path: &Path, blob: &[u8]) -> Result<(), Error> {
    let (width, height) = blob_size(blob).ok_or_else(|| {
        Error::internal(format!(
            "expected a picture as the result, found {} bytes",
            blob.len()
        ))
    })?;
    let cannot = |error: &dyn std::fmt::Display| {
        Error::config(format!("write the picture to {}: {error}", path.display()))
            .hint("choose another file with --out")
    };
    let file = File::create(path).map_err(|error| cannot(&error))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| cannot(&error))?;
    writer
        .write_image_data(&blob[BLOB_HEADER_BYTES..])
        .map_err(|error| cannot(&error))?;
    writer.finish().map_err(|error| cannot(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "image 8 4\nsamples 1\n";

    fn small() -> Picture {
        let scene: String = crate::examples::DEMO_SCENE
            .lines()
            .filter(|line| !line.starts_with("image") && !line.starts_with("samples"))
            .map(|line| format!("{line}\n"))
            .collect();
        Picture::of(&(SMALL.to_owned() + &scene)).unwrap()
    }

    #[test]
    fn a_picture_becomes_a_png_and_comes_back() {
        let blob = small().render().unwrap();
        assert_eq!(blob_size(&blob), Some((8, 4)));
        let path = std::env::temp_dir().join(format!("plurix-png-{}.png", std::process::id()));
        write_png(&path, &blob).unwrap();
        let file = std::io::BufReader::new(File::open(&path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; 8 * 4 * 3];
        reader.next_frame(&mut pixels).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(pixels, blob[BLOB_HEADER_BYTES..]);
    }

    #[test]
    fn what_is_no_picture_is_not_written() {
        let error = write_png(Path::new("/nowhere"), b"PLXI").unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a picture as the result, found 4 bytes"
        );
    }

    #[test]
    fn a_bad_scene_is_the_users() {
        let error = Picture::of("image big\n").unwrap_err();
        assert_eq!(error.exit_code(), 1);
    }
}
