//! How long epochs are kept that nobody has named: densely at first, then ever more thinly.
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use types::limits::SNAPSHOTS_MAX;

/// Snapshots that rungs may keep together; the rest is for those with names.
const RUNGS_KEEP_MAX: u64 = SNAPSHOTS_MAX as u64 * 7 / 8;

/// One snapshot out of each stretch of time is kept for so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rung {
    /// Length of a stretch, in milliseconds; at least 1.
    pub every_ms: u64,
    /// For how long, in milliseconds.
    pub span_ms: u64,
}

/// Which epochs are kept although nobody has named them. None, if it has no rungs.
///
/// As text: rungs as `EVERY:FOR`, parted by commas, `10s:1m,1m:1h`; or `none`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ladder {
    rungs: Vec<Rung>,
}

/// Why a text is no ladder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoLadder(String);

impl Ladder {
    /// Keeps nothing.
    pub const NONE: Self = Self { rungs: Vec::new() };

    /// Whether an epoch of this time would be the first of its stretch on some rung, if this
    /// one was kept before it.
    pub(crate) fn wants(&self, wall_ms: u64, before_ms: Option<u64>) -> bool {
        self.rungs.iter().any(|rung| rung.wants(wall_ms, before_ms))
    }

    /// Whether one is still to be kept at `now_ms`; `before_ms`: the one kept before it.
    pub(crate) fn keeps(&self, wall_ms: u64, before_ms: Option<u64>, now_ms: u64) -> bool {
        let age = now_ms.saturating_sub(wall_ms);
        let is_kept = |rung: &Rung| age <= rung.span_ms && rung.wants(wall_ms, before_ms);
        self.rungs.iter().any(is_kept)
    }
}

impl Rung {
    /// Whether this time is the first of its stretch.
    fn wants(&self, wall_ms: u64, before_ms: Option<u64>) -> bool {
        let stretch = |ms| ms / self.every_ms;
        before_ms.is_none_or(|before| stretch(before) < stretch(wall_ms))
    }
}

impl Default for Ladder {
    /// Sixteen snapshots of the last ten minutes.
    fn default() -> Self {
        let rung = |every_ms, span_ms| Rung { every_ms, span_ms };
        let rungs = [rung(10_000, 60_000), rung(60_000, 600_000)];
        Self {
            rungs: rungs.into(),
        }
    }
}

impl FromStr for Ladder {
    type Err = NoLadder;

    fn from_str(text: &str) -> Result<Self, NoLadder> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let rungs = text.split(',').map(parse_rung);
        let rungs = rungs.collect::<Option<Vec<Rung>>>();
        let rungs = rungs.ok_or_else(|| NoLadder(text.to_string()))?;
        let keep = rungs.iter().map(|rung| rung.span_ms / rung.every_ms);
        if keep.fold(0_u64, u64::saturating_add) > RUNGS_KEEP_MAX {
            let found = alloc::format!("{text}, which keeps more than {RUNGS_KEEP_MAX}");
            return Err(NoLadder(found));
        }
        Ok(Self { rungs })
    }
}

fn parse_rung(text: &str) -> Option<Rung> {
    let (every, span) = text.split_once(':')?;
    let (every_ms, span_ms) = (parse_ms(every)?, parse_ms(span)?);
    (every_ms > 0 && span_ms >= every_ms).then_some(Rung { every_ms, span_ms })
}

/// Units of time, the longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

fn parse_ms(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show_ms(ms: u64) -> String {
    let is_whole = |(_, factor): &&(&str, u64)| ms.is_multiple_of(*factor);
    let (name, factor) = UNITS.iter().find(is_whole).expect("of milliseconds");
    alloc::format!("{}{name}", ms / factor)
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rungs.is_empty() {
            return f.write_str("none");
        }
        for (at, rung) in self.rungs.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let (every, span) = (show_ms(rung.every_ms), show_ms(rung.span_ms));
            write!(f, "{comma}{every}:{span}")?;
        }
        Ok(())
    }
}

impl fmt::Display for NoLadder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = "expected `none`, or how often a snapshot is kept and for how long, like";
        write!(f, "{expected} `10s:1m,1m:1h`, found {}", self.0)
    }
}

impl core::error::Error for NoLadder {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_are_read_as_they_are_shown() {
        for text in ["none", "10s:1m,1m:10m", "10ms:10s,1s:10m,1m:1d"] {
            assert_eq!(text.parse::<Ladder>().unwrap().to_string(), text);
        }
        assert_eq!(Ladder::default().to_string(), "10s:1m,1m:10m");
    }

    #[test]
    fn nonsense_is_refused() {
        let parse = |text: &str| text.parse::<Ladder>().map_err(|error| error.to_string());
        for text in ["", "10s", "0s:1m", "1m:10s", "10:60", "1x:2x", "10s:1m,"] {
            let error = parse(text).unwrap_err();
            assert!(error.ends_with(&alloc::format!("found {text}")), "{error}");
        }
        let error = parse("1ms:1d").unwrap_err();
        assert!(
            error.ends_with("found 1ms:1d, which keeps more than 3584"),
            "{error}"
        );
        assert!(parse("1h:365d").is_err());
        assert!(parse("99999999999999d:99999999999999d").is_err());
    }
}
