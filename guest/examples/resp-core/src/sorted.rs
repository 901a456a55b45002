//! Sorted sets: members with scores, in the order of their scores.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use core::cmp::Ordering;

use crate::text::Text;

/// A score, which is no NaN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score(f64);

impl Score {
    /// The number that a text says.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let number: f64 = core::str::from_utf8(text).ok()?.parse().ok()?;
        Self::new(number)
    }

    fn new(number: f64) -> Option<Self> {
        (!number.is_nan()).then_some(Self(number))
    }

    /// The sum; `None`: of two infinities there may be none.
    pub(crate) fn checked_add(self, other: Self) -> Option<Self> {
        Self::new(self.0 + other.0)
    }

    /// As C's `%.17g` writes it, which Redis uses.
    pub(crate) fn text(self) -> String {
        const DIGITS: i32 = 17;
        if self.0.is_infinite() {
            return String::from(if self.0 > 0.0 { "inf" } else { "-inf" });
        }
        let scientific = format!("{:.16e}", self.0);
        let (mantissa, exponent) = scientific.split_once('e').expect("it is in this notation");
        let exponent: i32 = exponent.parse().expect("an exponent is a number");
        let shortened = |text: &str| match text.contains('.') {
            true => String::from(text.trim_end_matches('0').trim_end_matches('.')),
            false => String::from(text),
        };
        if (-4..DIGITS).contains(&exponent) {
            let decimals = (DIGITS - 1 - exponent) as usize;
            return shortened(&format!("{:.decimals$}", self.0));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        format!(
            "{}e{sign}{:02}",
            shortened(mantissa),
            exponent.unsigned_abs()
        )
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

/// Members with scores. Invariant: both halves hold the same.
#[derive(Default, Debug)]
pub(crate) struct Sorted {
    scores: BTreeMap<Text, Score>,
    order: BTreeSet<(Score, Text)>,
}

/// Which end of the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Lowest,
    Highest,
}

impl Sorted {
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(crate) fn score(&self, member: &[u8]) -> Option<Score> {
        self.scores.get(member).copied()
    }

    /// Gives a member a score, whether it is there or not.
    pub(crate) fn set(&mut self, member: &[u8], score: Score) {
        match self.scores.get_mut(member) {
            Some(old) => {
                self.order.remove(&(*old, member.into()));
                *old = score;
            }
            None => {
                self.scores.insert(member.into(), score);
            }
        }
        self.order.insert((score, member.into()));
    }

    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let score = self.scores.remove(member);
        score.is_some_and(|score| self.order.remove(&(score, member.into())))
    }

    pub(crate) fn pop(&mut self, end: End) -> Option<(Score, Text)> {
        let popped = match end {
            End::Lowest => self.order.pop_first(),
            End::Highest => self.order.pop_last(),
        };
        let (score, member) = popped?;
        self.scores.remove(&*member);
        Some((score, member))
    }

    /// Members in the order of their scores, those of equal scores in that of their bytes.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Score, &Text)> {
        self.order.iter().map(|(score, member)| (*score, member))
    }
}

#[cfg(test)]
mod tests {
    use super::Score;

    #[test]
    fn scores_are_written_as_in_c() {
        for (text, expected) in [
            ("0", "0"),
            ("-0", "-0"),
            ("1", "1"),
            ("-1.50", "-1.5"),
            ("0.1", "0.10000000000000001"),
            ("3.14159", "3.1415899999999999"),
            ("100", "100"),
            ("1e5", "100000"),
            ("1e16", "10000000000000000"),
            ("1e17", "1e+17"),
            ("123456789012345678", "1.2345678901234568e+17"),
            ("0.0001", "0.0001"),
            ("0.00001", "1.0000000000000001e-05"),
            ("1e-300", "1e-300"),
            ("+5", "5"),
            ("inf", "inf"),
            ("-INFINITY", "-inf"),
        ] {
            let score = Score::parse(text.as_bytes()).expect("a number");
            assert_eq!(score.text(), expected, "{text}");
        }
        for text in ["", "nan", "x", "1x", " 1", "1e"] {
            assert_eq!(Score::parse(text.as_bytes()), None, "{text}");
        }
    }
}
