//! The clock of a machine that goes on when that is off.
use core::fmt;
use core::str::FromStr;

use super::calendar::{Date, days_since_1970};
use super::{Settings, Unclear};

const WORDS: &str = "YEAR-MONTH-DAYTHOUR:MINUTE:SECONDZ, perhaps with `since=` before it";
const DAY_SECONDS: u64 = 86_400;
/// A minute.
const LOOK_EVERY_NS: u64 = 60_000_000_000;
/// Clocks with batteries have two digits for the year.
const YEARS: core::ops::RangeInclusive<u64> = 2000..=2099;

/// What a clock says, or is to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Seconds since 1970, of this century.
    pub seconds: u64,
    /// How it is to be set.
    pub setting: Setting,
}

/// How a clock is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// It says this from now on.
    Exactly,
    /// It does so if it is behind; else it is right.
    AtLeast,
}

impl Settings for Clock {
    const DEVICE: &'static str = crate::CLOCK;
    const LOOK_EVERY_NS: Option<u64> = Some(LOOK_EVERY_NS);

    /// It goes on by itself.
    fn is_met_by(&self, found: &Self) -> bool {
        self.seconds <= found.seconds
    }

    /// A clock that takes its place must not be behind. Whether it is right is not known.
    fn keep(_: Option<Self>, found: &Self) -> Option<Self> {
        Some(Self {
            setting: Setting::AtLeast,
            ..*found
        })
    }
}

impl FromStr for Clock {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let (setting, time) = match text.strip_prefix("since=") {
            Some(time) => (Setting::AtLeast, time),
            None => (Setting::Exactly, text),
        };
        let seconds = seconds(time).ok_or_else(|| Unclear::new(WORDS, text))?;
        Ok(Self { seconds, setting })
    }
}

/// Seconds since 1970, if it is a time.
fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, between| -> Option<[u64; 3]> {
        let mut parts = text.split(between).map(|part| part.parse().ok());
        let all = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(all)
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let is_time = YEARS.contains(&year) && hour < 24 && minute < 60 && second < 60;
    if !is_time || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let date = Date { year, month, day };
    let days = days_since_1970(date);
    // The thirtieth of February is another day.
    (Date::of_days(days) == date)
        .then_some(days * DAY_SECONDS + hour * 3_600 + minute * 60 + second)
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.setting == Setting::AtLeast {
            f.write_str("since=")?;
        }
        let Date { year, month, day } = Date::of_days(self.seconds / DAY_SECONDS);
        let of_day = self.seconds % DAY_SECONDS;
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_read_is_shown_again() {
        for text in ["2026-11-27T15:04:05Z", "since=2000-02-29T23:59:59Z"] {
            assert_eq!(text.parse::<Clock>().unwrap().to_string(), text);
        }
        let noon: Clock = "2001-09-09T01:46:40Z".parse().unwrap();
        assert_eq!(noon.seconds, 1_000_000_000);
        for text in [
            "",
            "now",
            "2026-02-30T00:00:00Z",
            "1999-01-01T00:00:00Z",
            "2026-11-27T24:00:00Z",
            "2026-11-27-1T00:00:00Z",
            "2026-11-27T00:00:00",
        ] {
            assert!(text.parse::<Clock>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_next_clock_is_at_least_as_late() {
        let found: Clock = "2026-11-27T15:04:05Z".parse().unwrap();
        let kept = Clock::keep(None, &found).unwrap();
        assert_eq!(kept.to_string(), "since=2026-11-27T15:04:05Z");
        assert!(kept.is_met_by(&found));
    }
}
