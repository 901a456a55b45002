//! The text of a scene.
//!
//! A line is a statement: a word for what it is, then its properties in any order. `#`
//! begins a comment. Lengths and places are in any unit, `y` is up; colours are three
//! numbers from 0 to 1.
//!
//! ```text
//! image 640 400                    pixels per row, rows
//! samples 16                       rays per pixel
//! depth 5                          surfaces that a ray meets one after the other
//! camera from X Y Z at X Y Z       [lens MM] [aperture R] [focus DISTANCE]
//! sky                              [zenith R G B] [horizon R G B] [haze DISTANCE]
//! light at X Y Z                   [radius R] [color R G B] [power P]
//! material NAME                    [color R G B] [checker R G B] [size EDGE] [mirror 0..1]
//!                                  [rough 0..1] [metal] [glass INDEX] [glow P]
//! sphere at X Y Z material NAME    [radius R]
//! plane material NAME              [through X Y Z] [normal X Y Z]
//! ```

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use crate::scene::{Camera, Light, Material, Scene, Sky};
use crate::shape::{Shape, Shaped};
use crate::vector::{Vector, vector};

/// What is wrong with the text of a scene, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SceneError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What would have been right.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for SceneError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            expected,
            found,
        } = self;
        write!(
            formatter,
            "line {line}, column {column}: expected {expected}, found {found}"
        )
    }
}

impl core::error::Error for SceneError {}

/// Reads a scene.
///
/// # Errors
/// Where the text is not a scene.
pub fn parse(text: &str) -> Result<Scene, SceneError> {
    let mut scene = Scene::default();
    let mut names = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = Words::new(index + 1, line);
        while let Some(word) = words.next_any() {
            statement(&mut scene, &mut names, word, &mut words)?;
        }
    }
    Ok(scene)
}

const STATEMENTS: &str = "image, samples, depth, camera, sky, light, material, sphere or plane";

/// Reads one statement; leaves no word of the line unread.
fn statement<'a>(
    scene: &mut Scene,
    names: &mut Vec<&'a str>,
    word: Word<'a>,
    words: &mut Words<'a>,
) -> Result<(), SceneError> {
    match word.text {
        "image" => {
            scene.width = words.whole(1..=16384)?;
            scene.height = words.whole(1..=16384)?;
            words.end()
        }
        "samples" => {
            scene.samples = words.whole(1..=4096)?;
            words.end()
        }
        "depth" => {
            scene.depth = words.whole(1..=64)?;
            words.end()
        }
        "camera" => camera(&mut scene.camera, words),
        "sky" => sky(&mut scene.sky, words),
        "light" => {
            scene.lights.push(light(words)?);
            Ok(())
        }
        "material" => {
            let name = words.next("a name for the material")?;
            if names.contains(&name.text) {
                return Err(words.error(name, "a name that is not yet taken"));
            }
            scene.materials.push(material(words)?);
            names.push(name.text);
            Ok(())
        }
        "sphere" => {
            scene.shapes.push(sphere(names, words)?);
            Ok(())
        }
        "plane" => {
            scene.shapes.push(plane(names, words)?);
            Ok(())
        }
        _ => Err(words.error(word, STATEMENTS)),
    }
}

fn camera(camera: &mut Camera, words: &mut Words<'_>) -> Result<(), SceneError> {
    let mut last = None;
    while let Some(word) = words.next_any() {
        match word.text {
            "from" => camera.from = words.vector()?,
            "at" => camera.at = words.vector()?,
            "lens" => camera.lens = words.number(1.0..=2000.0)?,
            "aperture" => camera.aperture = words.number(0.0..=1e6)?,
            "focus" => camera.focus = words.number(0.0..=1e6)?,
            _ => return Err(words.error(word, "from, at, lens, aperture or focus")),
        }
        last = Some(word);
    }
    let way = camera.at - camera.from;
    let sideways = way.x * way.x + way.z * way.z;
    match last {
        Some(word) if sideways < 1e-9 => Err(words.error(
            word,
            "a camera that does not look straight up, down or at itself",
        )),
        _ => Ok(()),
    }
}

fn sky(sky: &mut Sky, words: &mut Words<'_>) -> Result<(), SceneError> {
    while let Some(word) = words.next_any() {
        match word.text {
            "zenith" => sky.zenith = words.color()?,
            "horizon" => sky.horizon = words.color()?,
            "haze" => sky.haze = words.number(0.0..=1e6)?,
            _ => return Err(words.error(word, "zenith, horizon or haze")),
        }
    }
    Ok(())
}

fn light(words: &mut Words<'_>) -> Result<Light, SceneError> {
    let (mut at, mut radius, mut color, mut power) = (None, 0.5, Vector::ONE, 30.0);
    while let Some(word) = words.next_any() {
        match word.text {
            "at" => at = Some(words.vector()?),
            "radius" => radius = words.number(0.001..=1e6)?,
            "color" => color = words.color()?,
            "power" => power = words.number(0.0..=1e9)?,
            _ => return Err(words.error(word, "at, radius, color or power")),
        }
    }
    let at = words.required(at, "at")?;
    Ok(Light {
        at,
        radius,
        power: color * power,
    })
}

fn material(words: &mut Words<'_>) -> Result<Material, SceneError> {
    let mut material = Material::default();
    let (mut second, mut size) = (None, 1.0);
    while let Some(word) = words.next_any() {
        match word.text {
            "color" => material.color = words.color()?,
            "checker" => second = Some(words.color()?),
            "size" => size = words.number(0.001..=1e6)?,
            "mirror" => material.mirror = words.number(0.0..=1.0)?,
            "rough" => material.rough = words.number(0.0..=1.0)?,
            "metal" => material.metal = true,
            "glass" => material.glass = words.number(1.0..=10.0)?,
            "glow" => material.glow = words.number(0.0..=1000.0)?,
            _ => {
                let expected = "color, checker, size, mirror, rough, metal, glass or glow";
                return Err(words.error(word, expected));
            }
        }
    }
    material.checker = second.map(|color| (color, size));
    Ok(material)
}

fn sphere<'a>(names: &[&'a str], words: &mut Words<'a>) -> Result<Shaped, SceneError> {
    let (mut at, mut radius, mut material) = (None, 1.0, None);
    while let Some(word) = words.next_any() {
        match word.text {
            "at" => at = Some(words.vector()?),
            "radius" => radius = words.number(0.001..=1e6)?,
            "material" => material = Some(words.material(names)?),
            _ => return Err(words.error(word, "at, radius or material")),
        }
    }
    let shape = Shape::Sphere {
        at: words.required(at, "at")?,
        radius,
    };
    Ok(Shaped::new(shape, words.required(material, "material")?))
}

fn plane<'a>(names: &[&'a str], words: &mut Words<'a>) -> Result<Shaped, SceneError> {
    let (mut through, mut normal) = (Vector::ZERO, vector(0.0, 1.0, 0.0));
    let mut material = None;
    while let Some(word) = words.next_any() {
        match word.text {
            "through" => through = words.vector()?,
            "normal" => {
                normal = words.vector()?;
                if normal.dot(normal) < 1e-9 {
                    return Err(words.error(word, "a normal that is not zero"));
                }
            }
            "material" => material = Some(words.material(names)?),
            _ => return Err(words.error(word, "through, normal or material")),
        }
    }
    let normal = normal.unit();
    let shape = Shape::Plane {
        normal,
        offset: normal.dot(through),
    };
    Ok(Shaped::new(shape, words.required(material, "material")?))
}

#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    /// In bytes from the line's start.
    offset: usize,
}

/// The words of a line, read one after the other.
struct Words<'a> {
    number: usize,
    /// Without its comment.
    line: &'a str,
    offset: usize,
}

impl<'a> Words<'a> {
    fn new(number: usize, line: &'a str) -> Self {
        let line = line
            .split('#')
            .next()
            .expect("a split has a first part")
            .trim_end();
        Self {
            number,
            line,
            offset: 0,
        }
    }

    fn next_any(&mut self) -> Option<Word<'a>> {
        let rest = &self.line[self.offset..];
        let offset = self.offset + (rest.len() - rest.trim_start().len());
        let text = self.line[offset..].split_whitespace().next()?;
        self.offset = offset + text.len();
        Some(Word { text, offset })
    }

    fn next(&mut self, expected: &str) -> Result<Word<'a>, SceneError> {
        self.next_any().ok_or_else(|| self.error_at_end(expected))
    }

    fn end(&mut self) -> Result<(), SceneError> {
        match self.next_any() {
            Some(word) => Err(self.error(word, "the end of the line")),
            None => Ok(()),
        }
    }

    fn whole(&mut self, range: RangeInclusive<u32>) -> Result<u32, SceneError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let word = self.next(&expected)?;
        let number = word
            .text
            .parse()
            .ok()
            .filter(|number| range.contains(number));
        number.ok_or_else(|| self.error(word, &expected))
    }

    fn number(&mut self, range: RangeInclusive<f64>) -> Result<f64, SceneError> {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let word = self.next(&expected)?;
        let number = word
            .text
            .parse()
            .ok()
            .filter(|number| range.contains(number));
        number.ok_or_else(|| self.error(word, &expected))
    }

    fn vector(&mut self) -> Result<Vector, SceneError> {
        self.three(-1e6..=1e6)
    }

    fn color(&mut self) -> Result<Vector, SceneError> {
        self.three(0.0..=1.0)
    }

    fn three(&mut self, range: RangeInclusive<f64>) -> Result<Vector, SceneError> {
        let (x, y) = (self.number(range.clone())?, self.number(range.clone())?);
        Ok(vector(x, y, self.number(range)?))
    }

    /// The number of a material that was defined before.
    fn material(&mut self, names: &[&str]) -> Result<usize, SceneError> {
        let word = self.next("the name of a material")?;
        names
            .iter()
            .position(|&name| name == word.text)
            .ok_or_else(|| self.error(word, "a material that is defined above"))
    }

    fn required<T>(&self, property: Option<T>, name: &str) -> Result<T, SceneError> {
        property.ok_or_else(|| self.error_at_end(name))
    }

    fn error(&self, word: Word<'_>, expected: &str) -> SceneError {
        self.error_found(word.offset, expected, format!("`{}`", word.text))
    }

    fn error_at_end(&self, expected: &str) -> SceneError {
        self.error_found(self.line.len(), expected, "the end of the line".to_string())
    }

    fn error_found(&self, offset: usize, expected: &str, found: String) -> SceneError {
        let column = self.line[..offset].chars().count() + 1;
        SceneError {
            line: self.number,
            column,
            expected: expected.to_string(),
            found,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::parse;

    fn error(text: &str) -> std::string::String {
        parse(text).expect_err("the scene is wrong").to_string()
    }

    #[test]
    fn statements_and_comments_are_read() {
        let scene = parse(
            "# all of it\nimage 3 2\n\nsamples 4 # few\ncamera lens 50 from 0 1 -5\n\
             material red color 1 0 0\nsphere radius 2 at 0 0 0 material red\n\
             plane material red\nlight at 1 2 3",
        )
        .expect("the scene is right");
        assert_eq!((scene.width(), scene.height(), scene.samples), (3, 2, 4));
        assert_eq!(
            (
                scene.shapes.len(),
                scene.lights.len(),
                scene.materials.len()
            ),
            (2, 1, 1)
        );
    }

    #[test]
    fn errors_name_the_place_and_what_is_expected() {
        assert_eq!(
            error("image 640 400\nsphere at 0 one 0"),
            "line 2, column 13: expected a number from -1000000 to 1000000, found `one`"
        );
        assert_eq!(
            error("image 640"),
            "line 1, column 10: expected a whole number from 1 to 16384, found the end of the line"
        );
        assert_eq!(
            error("  cube at 0 0 0"),
            "line 1, column 3: expected image, samples, depth, camera, sky, light, material, \
             sphere or plane, found `cube`"
        );
        assert_eq!(
            error("sphere at 0 0 0 material größe"),
            "line 1, column 26: expected a material that is defined above, found `größe`"
        );
        assert_eq!(
            error("material m\nsphere material m   # where?"),
            "line 2, column 18: expected at, found the end of the line"
        );
        assert_eq!(
            error("samples 0"),
            "line 1, column 9: expected a whole number from 1 to 4096, found `0`"
        );
        assert_eq!(
            error("depth 3 4"),
            "line 1, column 9: expected the end of the line, found `4`"
        );
        assert_eq!(
            error("sky haze nan"),
            "line 1, column 10: expected a number from 0 to 1000000, found `nan`"
        );
        assert_eq!(
            error("material a\nmaterial a"),
            "line 2, column 10: expected a name that is not yet taken, found `a`"
        );
        assert_eq!(
            error("camera from 0 0 0 at 0 9 0"),
            "line 1, column 19: expected a camera that does not look straight up, down or at \
             itself, found `at`"
        );
    }
}
