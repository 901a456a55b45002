//! Following a ray: how much light comes from where it goes.

use crate::random::Draws;
use crate::scene::{Light, Material, Scene};
use crate::shape::{Ray, Shape};
use crate::vector::{Vector, square_root};

/// Where a ray meets a surface, seen from the ray's side.
struct Hit<'a> {
    point: Vector,
    /// Away from the surface, towards the ray.
    normal: Vector,
    material: &'a Material,
    /// Whether the ray comes from inside of the shape.
    inside: bool,
    color: Vector,
}

/// A ray on its way, and the share of its light that reaches the camera.
struct Path {
    ray: Ray,
    share: Vector,
    /// Surfaces that it may still meet.
    depth: u32,
    origin: Origin,
}

/// What a ray comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The camera. Where it meets a surface that mirrors in part, both parts are followed;
    /// later one of them is, by chance.
    Camera,
    /// A mirror or glass.
    Surface,
    /// A dull surface: what it sees only tints the picture.
    Dull,
}

impl Path {
    /// How it goes on from a surface, with a part of its share.
    fn turn(&self, hit: &Hit<'_>, direction: Vector, part: Vector, origin: Origin) -> Self {
        let ray = Ray {
            from: hit.point,
            direction,
        };
        // Behind a dull surface everything only tints.
        let origin = match self.origin {
            Origin::Dull => Origin::Dull,
            _ => origin,
        };
        Self {
            ray,
            share: self.share.tint(part),
            depth: self.depth - 1,
            origin,
        }
    }
}

impl Scene {
    /// Light that arrives at the ray's beginning.
    pub(crate) fn trace(&self, ray: Ray, draws: &mut Draws) -> Vector {
        let mut light = Vector::ZERO;
        let path = Path {
            ray,
            share: Vector::ONE,
            depth: self.depth,
            origin: Origin::Camera,
        };
        self.follow(path, draws, &mut light);
        light
    }

    /// Adds the light that arrives along the path.
    fn follow(&self, mut path: Path, draws: &mut Draws, light: &mut Vector) {
        while path.depth > 0 && path.share.largest() > 0.004 {
            let Some((shaped, distance)) = self.first(&path.ray) else {
                *light = *light + path.share.tint(self.sky.color(path.ray.direction));
                return;
            };
            let clear = self.clearness(distance);
            *light = *light + path.share.tint(self.sky.horizon) * (1.0 - clear);
            path.share = path.share * clear;

            let point = path.ray.at(distance);
            let outward = shaped.shape.normal(point);
            let inside = outward.dot(path.ray.direction) > 0.0;
            let normal = if inside { -outward } else { outward };
            let material = &self.materials[shaped.material];
            let hit = Hit {
                point,
                normal,
                material,
                inside,
                color: material.color_at(point),
            };
            *light = *light + path.share.tint(hit.color) * material.glow;
            match self.bounce(&hit, &path, draws, light) {
                Some(next) => path = next,
                None => return,
            }
        }
    }

    /// Goes on from a surface: adds what comes from the lamps and returns the way that is
    /// left to follow.
    fn bounce(
        &self,
        hit: &Hit<'_>,
        path: &Path,
        draws: &mut Draws,
        light: &mut Vector,
    ) -> Option<Path> {
        let bent = hit.refract(path.ray.direction);
        let mirrored = match bent {
            Some((_, mirrored)) => mirrored,
            None => mirror_share(hit.material.mirror, -path.ray.direction.dot(hit.normal)),
        };
        let (choice, _) = draws.square();
        let (mirror, rest) = if hit.material.metal {
            (mirrored, 0.0)
        } else if path.origin == Origin::Camera && path.depth > 1 {
            (mirrored, 1.0 - mirrored)
        } else if choice < mirrored {
            (1.0, 0.0)
        } else {
            (0.0, 1.0)
        };
        if mirror > 0.0 {
            let next = self.mirror(hit, path, mirror, draws, light);
            if rest == 0.0 {
                return Some(next);
            }
            self.follow(next, draws, light);
        }
        let part = hit.color * rest;
        match bent {
            Some((direction, _)) => Some(path.turn(hit, direction, part, Origin::Surface)),
            None => self.dull(hit, path, part, draws, light),
        }
    }

    /// The part of the path that is mirrored.
    fn mirror(
        &self,
        hit: &Hit<'_>,
        path: &Path,
        part: f64,
        draws: &mut Draws,
        light: &mut Vector,
    ) -> Path {
        let tint = if hit.material.metal {
            hit.color
        } else {
            Vector::ONE
        };
        let direction = scatter(path.ray.direction.mirror(hit.normal), hit, draws);
        let next = path.turn(hit, direction, tint * part, Origin::Surface);
        if path.origin != Origin::Dull && !hit.inside {
            *light = *light + next.share.tint(self.highlights(&next.ray));
        }
        next
    }

    /// The part of the path that a dull surface scatters.
    fn dull(
        &self,
        hit: &Hit<'_>,
        path: &Path,
        part: Vector,
        draws: &mut Draws,
        light: &mut Vector,
    ) -> Option<Path> {
        let share = path.share.tint(part);
        *light = *light + share.tint(self.lamp_light(hit, draws));
        if path.origin == Origin::Dull {
            // Light that was scattered twice is faint: some of the sky's will do.
            let up = 0.5 + 0.5 * hit.normal.y;
            let around = self.sky.horizon.blend(self.sky.zenith, 0.5) * (0.35 * up);
            *light = *light + share.tint(around);
            return None;
        }
        let (x, y) = draws.disk();
        let (u, v) = hit.normal.frame();
        let height = square_root((1.0 - x * x - y * y).max(0.0));
        let direction = (u * x + v * y + hit.normal * height).unit();
        Some(path.turn(hit, direction, part, Origin::Dull))
    }

    /// Light of all lamps that a dull surface gives on, per unit of its colour.
    fn lamp_light(&self, hit: &Hit<'_>, draws: &mut Draws) -> Vector {
        let mut sum = Vector::ZERO;
        for lamp in &self.lights {
            let offset = draws.disk();
            let (ray, distance) = ray_to_lamp(lamp, hit.point, offset);
            let facing = ray.direction.dot(hit.normal);
            if facing > 0.0 {
                let passed = self.passage(&ray, distance);
                sum = sum + lamp.power.tint(passed) * (facing / (distance * distance));
            }
        }
        sum
    }

    /// The lamps as a mirror shows them: bright where the mirrored ray meets one.
    fn highlights(&self, ray: &Ray) -> Vector {
        let mut sum = Vector::ZERO;
        for lamp in &self.lights {
            let ball = Shape::Sphere {
                at: lamp.at,
                radius: lamp.radius,
            };
            if let Some(distance) = ball.meet(ray) {
                let area = core::f64::consts::PI * lamp.radius * lamp.radius;
                sum = sum + lamp.power.tint(self.passage(ray, distance)) * (1.0 / area);
            }
        }
        sum
    }

    /// Share of light that comes through the haze from a distance.
    fn clearness(&self, distance: f64) -> f64 {
        if self.sky.haze == 0.0 {
            return 1.0;
        }
        let ratio = distance / self.sky.haze;
        1.0 / (1.0 + ratio * ratio)
    }
}

impl Hit<'_> {
    /// Where glass sends the part of light that it does not mirror, and the share that it
    /// does; `None` for other materials. Where all is mirrored, the direction does not matter.
    fn refract(&self, incoming: Vector) -> Option<(Vector, f64)> {
        let index = self.material.glass;
        if index == 0.0 {
            return None;
        }
        let ratio = if self.inside { index } else { 1.0 / index };
        let cosine = -incoming.dot(self.normal);
        let inner = 1.0 - ratio * ratio * (1.0 - cosine * cosine);
        if inner <= 0.0 {
            return Some((incoming, 1.0));
        }
        let inner = square_root(inner);
        let direction = (incoming * ratio + self.normal * (ratio * cosine - inner)).unit();
        let head_on = (index - 1.0) / (index + 1.0);
        let outer = if self.inside { inner } else { cosine };
        Some((direction, mirror_share(head_on * head_on, outer)))
    }
}

/// A ray from a point to a point of the lamp's disk, and its length.
fn ray_to_lamp(lamp: &Light, from: Vector, offset: (f64, f64)) -> (Ray, f64) {
    let towards = (lamp.at - from).unit();
    let (u, v) = towards.frame();
    let target = lamp.at + (u * offset.0 + v * offset.1) * lamp.radius;
    let way = target - from;
    let distance = way.length();
    (
        Ray {
            from,
            direction: way * (1.0 / distance),
        },
        distance,
    )
}

/// Share of light that a surface mirrors: more the flatter it arrives (Schlick).
fn mirror_share(head_on: f64, cosine: f64) -> f64 {
    if head_on == 0.0 {
        return 0.0;
    }
    let flat = (1.0 - cosine).max(0.0);
    let square = flat * flat;
    head_on + (1.0 - head_on) * square * square * flat
}

/// Turns a mirrored direction a little, as far as the surface is rough.
fn scatter(direction: Vector, hit: &Hit<'_>, draws: &mut Draws) -> Vector {
    if hit.material.rough == 0.0 {
        return direction;
    }
    let (x, y) = draws.disk();
    let (u, v) = direction.frame();
    let turned = direction + (u * x + v * y) * hit.material.rough;
    if turned.dot(hit.normal) > 0.0 {
        turned.unit()
    } else {
        direction
    }
}
