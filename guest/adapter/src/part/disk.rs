//! The disk of a machine: how its queue is used.
use core::fmt;
use core::str::FromStr;

use super::{Settings, Unclear};

/// Requests under way at the same time, at most.
pub const DEPTH_MAX: u16 = 21;

const WORDS: &str = "cache=back|through depth=1..21";

/// What a disk is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk {
    /// What it does with what is written.
    pub cache: Cache,
    /// Requests that it is given at the same time, 1 to [`DEPTH_MAX`].
    pub depth: u16,
}

/// What a disk does with what is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    /// It keeps it back until it is told to flush.
    Back,
    /// Each write is durable when it is done.
    Through,
}

impl Settings for Disk {
    const DEVICE: &'static str = crate::DISK;
}

impl FromStr for Disk {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let unclear = || Unclear::new(WORDS, text);
        let (mut cache, mut depth) = (None, None);
        for word in text.split_whitespace() {
            match word.split_once('=').ok_or_else(unclear)? {
                ("cache", "back") => cache = Some(Cache::Back),
                ("cache", "through") => cache = Some(Cache::Through),
                ("depth", number) => depth = Some(number.parse().map_err(|_| unclear())?),
                _ => return Err(unclear()),
            }
        }
        match (cache, depth) {
            (Some(cache), Some(depth @ 1..=DEPTH_MAX)) => Ok(Self { cache, depth }),
            _ => Err(unclear()),
        }
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cache = match self.cache {
            Cache::Back => "back",
            Cache::Through => "through",
        };
        write!(f, "cache={cache} depth={}", self.depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_read_is_shown_again() {
        for text in ["cache=back depth=21", "cache=through depth=1"] {
            assert_eq!(text.parse::<Disk>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "cache=back",
            "cache=off depth=1",
            "cache=back depth=0",
            "fast",
        ] {
            assert!(text.parse::<Disk>().is_err(), "{text}");
        }
    }
}
