//! Sample positions that look random, cover evenly, and depend on the pixel only.

/// Draws for one ray from the camera: the `sample`-th of `samples` of a pixel.
///
/// Each draw is a point of a sequence that fills the unit square evenly over the samples
/// of the pixel (an additive recurrence with the inverse powers of the plastic number),
/// shifted at random per pixel and purpose. The sequence's index is shuffled per
/// purpose, so that draws for different purposes are not related.
pub(crate) struct Draws {
    pixel: u32,
    sample: u32,
    samples: u32,
    purpose: u32,
}

const STEP_U: f64 = 0.754_877_666_246_692_7;
const STEP_V: f64 = 0.569_840_290_998_053_2;

impl Draws {
    pub(crate) fn new(pixel: u32, sample: u32, samples: u32) -> Self {
        Self {
            pixel,
            sample,
            samples,
            purpose: 0,
        }
    }

    /// The next point of the unit square.
    pub(crate) fn square(&mut self) -> (f64, f64) {
        self.purpose += 1;
        let seed = scramble(self.pixel ^ scramble(self.purpose));
        let index = f64::from(shuffle(self.sample, self.samples, seed));
        let (shift_u, shift_v) = (fraction(scramble(seed ^ 1)), fraction(scramble(seed ^ 2)));
        (
            wrap(shift_u + index * STEP_U),
            wrap(shift_v + index * STEP_V),
        )
    }

    /// A point of the disk of radius one.
    pub(crate) fn disk(&mut self) -> (f64, f64) {
        let (u, v) = self.square();
        square_to_disk(2.0 * u - 1.0, 2.0 * v - 1.0)
    }
}

/// Maps the square from -1 to 1 onto the disk, areas to equal areas.
fn square_to_disk(x: f64, y: f64) -> (f64, f64) {
    if x == 0.0 && y == 0.0 {
        return (0.0, 0.0);
    }
    if x * x > y * y {
        let (sine, cosine) = turn_of_quarter(y / x);
        (x * cosine, x * sine)
    } else {
        let (sine, cosine) = turn_of_quarter(x / y);
        (y * sine, y * cosine)
    }
}

/// Sine and cosine of `share` times 45 degrees, for shares from -1 to 1, by their series.
fn turn_of_quarter(share: f64) -> (f64, f64) {
    let angle = share * core::f64::consts::FRAC_PI_4;
    let square = angle * angle;
    let sine = angle * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0)));
    let cosine = 1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0));
    (sine, cosine)
}

fn wrap(value: f64) -> f64 {
    value - f64::from(value as u32)
}

fn fraction(bits: u32) -> f64 {
    f64::from(bits) / 4_294_967_296.0
}

/// A number that looks unrelated to its input.
fn scramble(input: u32) -> u32 {
    let mut bits = input.wrapping_add(0x9E37_79B9);
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x21F0_AAAD);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x735A_2D97);
    bits ^ (bits >> 15)
}

/// Position of `index` in a shuffled `0..count`: a bijection on the next power of two,
/// repeated until the result is in range.
fn shuffle(index: u32, count: u32, seed: u32) -> u32 {
    let mask = count.next_power_of_two() - 1;
    let mut at = index;
    loop {
        at ^= seed;
        at = at.wrapping_mul(0xE170_893D) & mask;
        at ^= (seed >> 16) & mask;
        at ^= at >> 2;
        at = at.wrapping_mul(0x0929_EB3F | 1) & mask;
        at ^= at >> 3;
        at = at.wrapping_add(seed >> 8) & mask;
        if at < count {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Draws, shuffle};

    #[test]
    fn shuffles_are_bijections() {
        for count in 1..70 {
            for seed in [0, 1, 0xDEAD_BEEF, 0x1234_5678] {
                let all: BTreeSet<u32> = (0..count)
                    .map(|index| shuffle(index, count, seed))
                    .collect();
                assert_eq!(all, (0..count).collect());
            }
        }
    }

    #[test]
    fn draws_cover_square_and_disk() {
        let (mut sum_u, mut sum_v, mut area) = (0.0, 0.0, 0);
        for sample in 0..1000 {
            let mut draws = Draws::new(7, sample, 1000);
            let (u, v) = draws.square();
            assert!((0.0..1.0).contains(&u) && (0.0..1.0).contains(&v));
            (sum_u, sum_v) = (sum_u + u, sum_v + v);
            let (x, y) = draws.disk();
            assert!(x * x + y * y < 1.000_1);
            area += u32::from(x * x + y * y < 0.5);
        }
        assert!((sum_u - 500.0).abs() < 5.0 && (sum_v - 500.0).abs() < 5.0);
        assert!(
            area.abs_diff(500) < 10,
            "half of the area holds half of the points: {area}"
        );
    }
}
