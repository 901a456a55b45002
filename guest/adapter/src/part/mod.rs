//! Parts of a machine that are set and asked as a whole: its [`Network`], its [`Disk`], its
//! [`Clock`] and its [`Power`].
//!
//! Whoever drives a part says `set SETTINGS` or `ask`; the part answers each with `is SETTINGS`,
//! as it then is, or with `cannot WHY`. Programs say the same to the driver, and hear the same.
//! All of these are lines of text, in order.
mod calendar;
mod clock;
mod disk;
mod network;
mod power;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::Malformed;

pub use calendar::{Date, days_since_1970};
pub use clock::{Clock, Setting};
pub use disk::{Cache, DEPTH_MAX, Disk};
pub use network::{ADDRESSES_MAX, Network, Prefix, Protocol, RULES_MAX, Rule, Verdict};
pub use power::{Power, State};

/// Bytes of a line at most.
pub const LINE_BYTES_MAX: usize = 4096;

/// What a part can be like. As text it is words with spaces between them.
pub trait Settings: Clone + PartialEq + fmt::Debug + fmt::Display + FromStr<Err = Unclear> {
    /// The name of the part.
    const DEVICE: &'static str;
    /// The driver looks so often what the part is like, in nanoseconds, if it changes by itself.
    const LOOK_EVERY_NS: Option<u64> = None;

    /// What a part that was found so is told when somebody wishes this.
    #[must_use]
    fn order(self, found: &Self) -> Self {
        let _ = found;
        self
    }

    /// Whether a part that is found so is what it was told to be.
    fn is_met_by(&self, found: &Self) -> bool {
        self == found
    }

    /// What the next part is to be told that takes the place of one that is found so, and was
    /// told `order`, if it was told anything.
    fn keep(order: Option<Self>, found: &Self) -> Option<Self> {
        let _ = found;
        order
    }
}

/// What is said to a part, or to its driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command<S> {
    /// It is to be like this.
    Set(S),
    /// What is it like?
    Ask,
}

/// What a part, or its driver, says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer<S> {
    /// It is like this.
    Is(S),
    /// It cannot be like that.
    Cannot(String),
}

/// Words that say nothing of a part: what was expected, and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unclear {
    /// What was expected.
    pub expected: &'static str,
    /// What was found.
    pub found: String,
}

impl Unclear {
    pub(crate) fn new(expected: &'static str, found: &str) -> Self {
        Self {
            expected,
            found: found.into(),
        }
    }
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found `{}`", self.expected, self.found)
    }
}

impl core::error::Error for Unclear {}

impl<S: Settings> Command<S> {
    /// Puts it behind what is there.
    pub fn encode(&self, out: &mut impl Extend<u8>) {
        match self {
            Self::Set(settings) => say(out, "set", settings),
            Self::Ask => out.extend(*b"ask\n"),
        }
    }
}

impl<S: Settings> FromStr for Command<S> {
    type Err = Unclear;

    fn from_str(line: &str) -> Result<Self, Unclear> {
        match verb(line) {
            ("set", settings) => Ok(Self::Set(settings.parse()?)),
            ("ask", "") => Ok(Self::Ask),
            _ => Err(Unclear::new("`set SETTINGS` or `ask`", line)),
        }
    }
}

impl<S: Settings> Answer<S> {
    /// Puts it behind what is there.
    pub fn encode(&self, out: &mut impl Extend<u8>) {
        match self {
            Self::Is(settings) => say(out, "is", settings),
            Self::Cannot(why) => say(out, "cannot", why),
        }
    }
}

impl<S: Settings> FromStr for Answer<S> {
    type Err = Unclear;

    fn from_str(line: &str) -> Result<Self, Unclear> {
        match verb(line) {
            ("is", settings) => Ok(Self::Is(settings.parse()?)),
            ("cannot", why) => Ok(Self::Cannot(why.into())),
            _ => Err(Unclear::new("`is SETTINGS` or `cannot WHY`", line)),
        }
    }
}

fn verb(line: &str) -> (&str, &str) {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    (verb, rest.trim())
}

fn say(out: &mut impl Extend<u8>, verb: &str, rest: &impl ToString) {
    out.extend(verb.bytes().chain([b' ']));
    out.extend(rest.to_string().bytes().chain([b'\n']));
}

/// Takes the first line off the front, without its end; `None` if there is not all of it.
///
/// # Errors
/// If it is too long, or no text.
pub fn take_line(bytes: &mut Vec<u8>) -> Result<Option<String>, Malformed> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return match bytes.len() > LINE_BYTES_MAX {
            true => Err(Malformed),
            false => Ok(None),
        };
    };
    let mut line: Vec<u8> = bytes.drain(..=end).collect();
    line.pop();
    match String::from_utf8(line) {
        Ok(line) if line.len() <= LINE_BYTES_MAX => Ok(Some(line)),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn lines_are_taken_whole() {
        let mut bytes = b"ask\nset no".to_vec();
        assert_eq!(take_line(&mut bytes), Ok(Some("ask".into())));
        assert_eq!(take_line(&mut bytes), Ok(None));
        bytes.extend(b"ne\n");
        assert_eq!(take_line(&mut bytes), Ok(Some("set none".into())));
        assert_eq!(take_line(&mut vec![0xFF, b'\n']), Err(Malformed));
        assert_eq!(
            take_line(&mut vec![b'x'; LINE_BYTES_MAX + 1]),
            Err(Malformed)
        );
    }

    #[test]
    fn commands_and_answers_come_back() {
        let settings: Network = "address=10.0.2.77/24 deny=tcp:80".parse().unwrap();
        for command in [Command::Set(settings.clone()), Command::Ask] {
            let mut bytes = vec![];
            command.encode(&mut bytes);
            let line = take_line(&mut bytes).unwrap().unwrap();
            assert_eq!(line.parse(), Ok(command));
        }
        let answers = [Answer::Is(settings), Answer::Cannot("it is on fire".into())];
        for answer in answers {
            let mut bytes = vec![];
            answer.encode(&mut bytes);
            let line = take_line(&mut bytes).unwrap().unwrap();
            assert_eq!(line.parse(), Ok(answer));
        }
        assert!("sing".parse::<Command<Disk>>().is_err());
        assert!("ask me".parse::<Command<Disk>>().is_err());
        assert!("is loud".parse::<Answer<Disk>>().is_err());
    }
}
