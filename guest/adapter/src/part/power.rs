//! The switch of a machine.
use core::fmt;
use core::str::FromStr;

use super::{Settings, Unclear};

const WORDS: &str =
    "on, off or reset, perhaps with the number of the start that is meant behind it";

/// What a machine is in, or is to be brought to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Power {
    /// That.
    pub state: State,
    /// The start that is meant: a machine has another number each time that it starts, and does
    /// nothing that another one was to do. So nothing is done twice. 0 in what is wished.
    pub start: u64,
}

/// What a machine can be in, or be brought to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs.
    On,
    /// It is off, until somebody switches it on.
    Off,
    /// It begins again.
    Reset,
}

impl Settings for Power {
    const DEVICE: &'static str = crate::POWER;

    /// What is wished is meant for the machine that is there.
    fn order(self, found: &Self) -> Self {
        Self {
            state: self.state,
            start: found.start,
        }
    }

    /// Who finds another start finds that the one that was meant is over.
    fn is_met_by(&self, found: &Self) -> bool {
        self.state == State::On || self.start != found.start
    }

    fn keep(order: Option<Self>, found: &Self) -> Option<Self> {
        order.filter(|order| !order.is_met_by(found))
    }
}

impl FromStr for Power {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let unclear = || Unclear::new(WORDS, text);
        let (state, start) = match text.split_once(' ') {
            Some((state, start)) => {
                let start = u64::from_str_radix(start, 16).map_err(|_| unclear())?;
                (state, start)
            }
            None => (text, 0),
        };
        let state = match state {
            "on" => State::On,
            "off" => State::Off,
            "reset" => State::Reset,
            _ => return Err(unclear()),
        };
        Ok(Self { state, start })
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::On => "on",
            State::Off => "off",
            State::Reset => "reset",
        };
        match self.start {
            0 => f.write_str(state),
            start => write!(f, "{state} {start:016x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_read_is_shown_again() {
        for text in ["on", "off", "reset 00000000deadbeef"] {
            assert_eq!(text.parse::<Power>().unwrap().to_string(), text);
        }
        for text in ["", "up", "off now", "on 1 2"] {
            assert!(text.parse::<Power>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_order_is_kept_until_another_start_is_found() {
        let (one, other): (Power, Power) = ("on 7".parse().unwrap(), "on 8".parse().unwrap());
        let order = "reset".parse::<Power>().unwrap().order(&one);
        assert_eq!(order.to_string(), "reset 0000000000000007");
        assert!(!order.is_met_by(&one));
        assert_eq!(Power::keep(Some(order), &one), Some(order));
        assert!(order.is_met_by(&other));
        assert_eq!(Power::keep(Some(order), &other), None);
    }
}
