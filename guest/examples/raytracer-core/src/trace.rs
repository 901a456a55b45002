//! Following a ray: how much light comes from where it goes.

use crate::random::Draws;
use crate::scene::{Light, Material, Scene};
use crate::shape::Ray;
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
    /// Whether lamps show in what it meets, as highlights.
    scattered: bool,
}

impl Scene {
    /// Light that arrives at the ray's beginning.
    pub(crate) fn trace(&self, ray: Ray, draws: &mut Draws) -> Vector {
        let mut light = Vector::ZERO;
        let mut path = Path {
            ray,
            share: Vector::ONE,
            scattered: false,
        };
        for _ in 0..self.depth {
            let Some((shaped, distance)) = self.first(&path.ray) else {
                return light + path.share.tint(self.sky_light(&path));
            };
            let clear = self.clearness(distance);
            let haze = self.sky.horizon * (1.0 - clear);
            light = light + path.share.tint(haze);
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
            light = light + path.share.tint(hit.color * material.glow);
            let Some(next) = self.bounce(&hit, &path, draws, &mut light) else {
                return light;
            };
            path = next;
            if path.share.largest() < 0.004 {
                return light;
            }
        }
        light
    }

    /// Decides where the light at a surface comes from, adds what comes from the lamps, and
    /// returns the way of the rest.
    fn bounce(
        &self,
        hit: &Hit<'_>,
        path: &Path,
        draws: &mut Draws,
        light: &mut Vector,
    ) -> Option<Path> {
        let (choice, _) = draws.square();
        let incoming = path.ray.direction;
        if hit.material.glass > 0.0 {
            return Some(self.through_glass(hit, path, choice));
        }
        let mirrored = mirror_share(hit.material.mirror, -incoming.dot(hit.normal));
        if choice < mirrored {
            let tint = if hit.material.metal {
                hit.color
            } else {
                Vector::ONE
            };
            let direction = scatter(incoming.mirror(hit.normal), hit, draws);
            let share = path.share.tint(tint);
            *light = *light + share.tint(self.highlights(hit, direction));
            return Some(Path {
                ray: Ray {
                    from: hit.point,
                    direction,
                },
                share,
                scattered: false,
            });
        }
        if hit.material.metal {
            return None;
        }
        let share = path.share.tint(hit.color);
        *light = *light + share.tint(self.lamp_light(hit, draws));
        if path.scattered {
            // Light that was scattered twice is faint: take the sky's.
            let up = 0.5 + 0.5 * hit.normal.y;
            let around = self.sky.horizon.blend(self.sky.zenith, 0.5) * (0.35 * up);
            *light = *light + share.tint(around);
            return None;
        }
        let (x, y) = draws.disk();
        let (u, v) = hit.normal.frame();
        let height = square_root((1.0 - x * x - y * y).max(0.0));
        let direction = (u * x + v * y + hit.normal * height).unit();
        Some(Path {
            ray: Ray {
                from: hit.point,
                direction,
            },
            share,
            scattered: true,
        })
    }

    fn through_glass(&self, hit: &Hit<'_>, path: &Path, choice: f64) -> Path {
        let incoming = path.ray.direction;
        let index = hit.material.glass;
        let ratio = if hit.inside { index } else { 1.0 / index };
        let cosine = -incoming.dot(hit.normal);
        let inner = 1.0 - ratio * ratio * (1.0 - cosine * cosine);
        let head_on = (index - 1.0) / (index + 1.0);
        let mirrored = if inner <= 0.0 {
            1.0
        } else {
            let outer = if hit.inside {
                square_root(inner)
            } else {
                cosine
            };
            mirror_share(head_on * head_on, outer)
        };
        let (direction, tint) = if choice < mirrored {
            (incoming.mirror(hit.normal), Vector::ONE)
        } else {
            let bent = incoming * ratio + hit.normal * (ratio * cosine - square_root(inner));
            (bent.unit(), hit.color)
        };
        let ray = Ray {
            from: hit.point,
            direction,
        };
        Path {
            ray,
            share: path.share.tint(tint),
            scattered: path.scattered,
        }
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
    fn highlights(&self, hit: &Hit<'_>, direction: Vector) -> Vector {
        let ray = Ray {
            from: hit.point,
            direction,
        };
        let mut sum = Vector::ZERO;
        for lamp in &self.lights {
            let ball = crate::shape::Shape::Sphere {
                at: lamp.at,
                radius: lamp.radius,
            };
            if let Some(distance) = ball.meet(&ray) {
                let area = core::f64::consts::PI * lamp.radius * lamp.radius;
                sum = sum + lamp.power.tint(self.passage(&ray, distance)) * (1.0 / area);
            }
        }
        sum
    }

    fn sky_light(&self, path: &Path) -> Vector {
        self.sky.color(path.ray.direction)
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
