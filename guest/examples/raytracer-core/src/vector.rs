//! Points, directions and colours: three numbers.

use core::ops::{Add, Mul, Neg, Sub};

/// Three numbers; colours are linear red, green, blue.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Vector {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) z: f64,
}

pub(crate) const fn vector(x: f64, y: f64, z: f64) -> Vector {
    Vector { x, y, z }
}

impl Vector {
    pub(crate) const ZERO: Self = vector(0.0, 0.0, 0.0);
    pub(crate) const ONE: Self = vector(1.0, 1.0, 1.0);

    pub(crate) fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(crate) fn cross(self, other: Self) -> Self {
        vector(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    /// Product per colour.
    pub(crate) fn tint(self, other: Self) -> Self {
        vector(self.x * other.x, self.y * other.y, self.z * other.z)
    }

    pub(crate) fn length(self) -> f64 {
        square_root(self.dot(self))
    }

    /// The same direction with length one.
    pub(crate) fn unit(self) -> Self {
        self * inverse_square_root(self.dot(self))
    }

    /// Two directions that make a right-angled system with this unit vector.
    pub(crate) fn frame(self) -> (Self, Self) {
        let other = if self.x * self.x < 0.5 {
            vector(1.0, 0.0, 0.0)
        } else {
            vector(0.0, 1.0, 0.0)
        };
        let u = self.cross(other).unit();
        (u, self.cross(u))
    }

    /// Mirrors this direction at a surface.
    pub(crate) fn mirror(self, normal: Self) -> Self {
        self - normal * (2.0 * self.dot(normal))
    }

    /// From this (0) to the other (1).
    pub(crate) fn blend(self, other: Self, share: f64) -> Self {
        self * (1.0 - share) + other * share
    }

    pub(crate) fn largest(self) -> f64 {
        self.x.max(self.y).max(self.z)
    }
}

impl Add for Vector {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        vector(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vector {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        vector(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f64> for Vector {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        vector(self.x * factor, self.y * factor, self.z * factor)
    }
}

impl Neg for Vector {
    type Output = Self;
    fn neg(self) -> Self {
        vector(-self.x, -self.y, -self.z)
    }
}

/// `1 / sqrt(value)` for normal positive values, by Newton's method from a guess that
/// halves the exponent. Accurate to about the last bit, and the same bits everywhere.
pub(crate) fn inverse_square_root(value: f64) -> f64 {
    let half = 0.5 * value;
    let mut root = f64::from_bits(0x5FE6_EB50_C7B5_37A9 - (value.to_bits() >> 1));
    for _ in 0..4 {
        root = root * (1.5 - half * root * root);
    }
    root
}

/// Square root; 0 for what is not a normal positive number.
pub(crate) fn square_root(value: f64) -> f64 {
    if value < f64::MIN_POSITIVE {
        0.0
    } else {
        value * inverse_square_root(value)
    }
}

/// Largest whole number that is not above the value; for values of moderate size.
pub(crate) fn floor(value: f64) -> f64 {
    let whole = value as i64 as f64;
    if whole > value { whole - 1.0 } else { whole }
}

#[cfg(test)]
mod tests {
    use super::{floor, square_root, vector};

    #[test]
    fn roots_are_accurate() {
        let mut value = 1e-9;
        while value < 1e12 {
            let error = (square_root(value) - f64::sqrt(value)).abs() / f64::sqrt(value);
            assert!(error < 1e-15, "{value}: off by {error}");
            value *= 1.0137;
        }
        assert_eq!(square_root(0.0).to_bits(), 0);
        assert_eq!(square_root(-1.0).to_bits(), 0);
    }

    #[test]
    fn floors_go_down() {
        for (value, whole) in [
            (1.5, 1.0),
            (-1.5, -2.0),
            (2.0, 2.0),
            (-2.0, -2.0),
            (0.0, 0.0),
        ] {
            assert!((floor(value) - whole).abs() < 1e-12);
        }
    }

    #[test]
    fn frames_are_right_angled() {
        for normal in [
            vector(0.0, 1.0, 0.0),
            vector(1.0, 0.0, 0.0),
            vector(1.0, 2.0, -3.0).unit(),
        ] {
            let (u, v) = normal.frame();
            for product in [u.dot(v), u.dot(normal), v.dot(normal), u.length() - 1.0] {
                assert!(product.abs() < 1e-12);
            }
        }
    }
}
