//! Days of the calendar.

/// A day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date {
    /// The year, from 1970 on.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
}

/// Days since the first of 1970, by Howard Hinnant's `days_from_civil`.
#[must_use]
pub fn days_since_1970(date: Date) -> u64 {
    let Date { year, month, day } = date;
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let of_era = year % 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + day_of_era - 719_468
}

impl Date {
    /// The day that lies so many days after the first of 1970, by Howard Hinnant's
    /// `civil_from_days`.
    #[must_use]
    pub const fn of_days(days: u64) -> Self {
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        Self {
            year: era * 400 + year + if month <= 2 { 1 } else { 0 },
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_some_centuries_comes_back_and_follows_the_one_before() {
        let mut before = None;
        for days in 0..200_000 {
            let date = Date::of_days(days);
            assert_eq!(days_since_1970(date), days);
            assert!(before < Some(date) && date.month <= 12 && date.day <= 31);
            before = Some(date);
        }
        let date = Date {
            year: 2000,
            month: 2,
            day: 29,
        };
        assert_eq!(Date::of_days(11_016), date);
    }
}
