//! Spheres and planes, and where a ray meets them.

use crate::scene::Scene;
use crate::vector::{Vector, square_root};

/// Rays start and end this far from surfaces, so that they do not meet their own.
const GAP: f64 = 1e-4;

/// A line that begins somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ray {
    pub(crate) from: Vector,
    /// Of length one.
    pub(crate) direction: Vector,
}

impl Ray {
    pub(crate) fn at(&self, distance: f64) -> Vector {
        self.from + self.direction * distance
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Shape {
    Sphere {
        at: Vector,
        radius: f64,
    },
    /// The normal has length one; `offset` is the distance from the origin along it.
    Plane {
        normal: Vector,
        offset: f64,
    },
}

impl Shape {
    /// Distance along the ray to the nearest point in front of its beginning.
    pub(crate) fn meet(&self, ray: &Ray) -> Option<f64> {
        match self {
            Self::Sphere { at, radius } => meet_sphere(*at, *radius, ray),
            Self::Plane { normal, offset } => {
                let slope = normal.dot(ray.direction);
                if slope * slope < 1e-12 {
                    return None;
                }
                let distance = (offset - normal.dot(ray.from)) / slope;
                (distance > GAP).then_some(distance)
            }
        }
    }

    /// Direction away from the surface at a point of it.
    pub(crate) fn normal(&self, point: Vector) -> Vector {
        match self {
            Self::Sphere { at, radius } => (point - *at) * (1.0 / radius),
            Self::Plane { normal, .. } => *normal,
        }
    }
}

fn meet_sphere(at: Vector, radius: f64, ray: &Ray) -> Option<f64> {
    let to_center = at - ray.from;
    let along = to_center.dot(ray.direction);
    let inside = radius * radius - (to_center.dot(to_center) - along * along);
    if inside <= 0.0 {
        return None;
    }
    let half = square_root(inside);
    let (near, far) = (along - half, along + half);
    if near > GAP {
        Some(near)
    } else {
        (far > GAP).then_some(far)
    }
}

/// A shape and the number of its material.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Shaped {
    pub(crate) shape: Shape,
    pub(crate) material: usize,
}

impl Scene {
    /// The first surface on the ray and its distance.
    pub(crate) fn first(&self, ray: &Ray) -> Option<(&Shaped, f64)> {
        let mut nearest: Option<(&Shaped, f64)> = None;
        for shaped in &self.shapes {
            if let Some(distance) = shaped.shape.meet(ray)
                && nearest.is_none_or(|(_, other)| distance < other)
            {
                nearest = Some((shaped, distance));
            }
        }
        nearest
    }

    /// Share of light that passes along the ray up to a distance: glass lets most through.
    pub(crate) fn passage(&self, ray: &Ray, distance: f64) -> Vector {
        let mut passed = Vector::ONE;
        for shaped in &self.shapes {
            if shaped.shape.meet(ray).is_none_or(|at| at > distance - GAP) {
                continue;
            }
            let material = &self.materials[shaped.material];
            if material.glass == 0.0 {
                return Vector::ZERO;
            }
            passed = passed.tint(material.color) * 0.8;
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::{Ray, Shape};
    use crate::vector::vector;

    #[test]
    fn rays_meet_what_is_in_front() {
        let ray = Ray {
            from: vector(0.0, 1.0, -5.0),
            direction: vector(0.0, 0.0, 1.0),
        };
        let ball = |z| Shape::Sphere {
            at: vector(0.0, 1.0, z),
            radius: 1.0,
        };
        assert!((ball(0.0).meet(&ray).expect("it is in front") - 4.0).abs() < 1e-9);
        assert!((ball(-5.0).meet(&ray).expect("from inside") - 1.0).abs() < 1e-9);
        assert_eq!(ball(-9.0).meet(&ray), None);
        let floor = Shape::Plane {
            normal: vector(0.0, 1.0, 0.0),
            offset: 0.0,
        };
        assert_eq!(floor.meet(&ray), None);
        let down = Ray {
            direction: vector(0.0, -1.0, 0.0),
            ..ray
        };
        assert!((floor.meet(&down).expect("straight down") - 1.0).abs() < 1e-9);
    }
}
