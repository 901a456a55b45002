//! `If-Match` and `If-None-Match`: whether a key is as the client thinks.

use alloc::vec::Vec;

use crate::refusal::{Refusal, shown};

/// Entity tags that a header names.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Tags {
    /// `*`: whatever there is.
    Any,
    /// Those of them that could be versions.
    Versions(Vec<u64>),
}

/// What a request wants to be so before it is done.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Conditions {
    matches: Option<Tags>,
    matches_none: Option<Tags>,
}

/// Which kind of header a list of tags comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Match,
    NoneMatch,
}

/// Which condition does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failed {
    Match,
    NoneMatch,
}

impl Conditions {
    /// Adds what a header says.
    pub(crate) fn add(&mut self, kind: Kind, text: &[u8]) -> Result<(), Refusal> {
        let (name, tags) = match kind {
            Kind::Match => ("If-Match", &mut self.matches),
            Kind::NoneMatch => ("If-None-Match", &mut self.matches_none),
        };
        let more = parse(text, kind).ok_or_else(|| {
            Refusal::bad(alloc::format!(
                "{name}: expected `*` or entity tags, such as \"3\" with its quotes; found {}",
                shown(text)
            ))
        })?;
        match (tags, more) {
            (Some(Tags::Versions(versions)), Tags::Versions(more)) => versions.extend(more),
            (tags, more) => *tags = Some(more),
        }
        Ok(())
    }

    /// Judges a key by its version; `None`: it is not there.
    pub(crate) fn judge(&self, version: Option<u64>) -> Result<(), Failed> {
        let is_met = |tags: &Tags| match (tags, version) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::Versions(versions), Some(version)) => versions.contains(&version),
        };
        if self.matches.as_ref().is_some_and(|tags| !is_met(tags)) {
            return Err(Failed::Match);
        }
        if self.matches_none.as_ref().is_some_and(is_met) {
            return Err(Failed::NoneMatch);
        }
        Ok(())
    }
}

/// Reads a list of entity tags. A weak tag matches nothing where bytes are to be the same.
fn parse(text: &[u8], kind: Kind) -> Option<Tags> {
    let mut rest = text.trim_ascii();
    if rest == b"*" {
        return Some(Tags::Any);
    }
    let mut versions = Vec::new();
    loop {
        let (is_weak, quoted) = match rest.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let quoted = quoted.strip_prefix(b"\"")?;
        let length = quoted.iter().position(|byte| *byte == b'"')?;
        if !(is_weak && kind == Kind::Match) {
            versions.extend(version(&quoted[..length]));
        }
        rest = quoted[length + 1..].trim_ascii_start();
        if rest.is_empty() {
            return Some(Tags::Versions(versions));
        }
        rest = rest.strip_prefix(b",")?.trim_ascii_start();
    }
}

/// The version that a tag's text is: as versions are written, and not otherwise.
fn version(text: &[u8]) -> Option<u64> {
    let is_plain = text.iter().all(u8::is_ascii_digit) && text.first() != Some(&b'0');
    let text = core::str::from_utf8(text).ok().filter(|_| is_plain)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Conditions, Failed, Kind};

    fn conditions(matches: &[&str], matches_none: &[&str]) -> Conditions {
        let mut conditions = Conditions::default();
        for text in matches {
            conditions.add(Kind::Match, text.as_bytes()).unwrap();
        }
        for text in matches_none {
            conditions.add(Kind::NoneMatch, text.as_bytes()).unwrap();
        }
        conditions
    }

    #[test]
    fn tags_are_versions_and_stars_are_what_is_there() {
        for (matches, matches_none, version, expected) in [
            (&[][..], &[][..], None, Ok(())),
            (&["*"], &[], Some(3), Ok(())),
            (&["*"], &[], None, Err(Failed::Match)),
            (&["\"3\""], &[], Some(3), Ok(())),
            (&[" \"3\" "], &[], Some(4), Err(Failed::Match)),
            (&["\"3\""], &[], None, Err(Failed::Match)),
            (&["\"1\", \"3\""], &[], Some(3), Ok(())),
            (&["\"1\"", "\"3\""], &[], Some(3), Ok(())),
            (&["W/\"3\""], &[], Some(3), Err(Failed::Match)),
            (&["\"03\", \"x,\", \"\""], &[], Some(3), Err(Failed::Match)),
            (&[], &["*"], Some(3), Err(Failed::NoneMatch)),
            (&[], &["*"], None, Ok(())),
            (&[], &["W/\"3\""], Some(3), Err(Failed::NoneMatch)),
            (&[], &["\"4\""], Some(3), Ok(())),
            (&["\"3\""], &["\"3\""], Some(3), Err(Failed::NoneMatch)),
        ] {
            let judged = conditions(matches, matches_none).judge(version);
            assert_eq!(judged, expected, "{matches:?} {matches_none:?} {version:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for text in [
            "",
            "3",
            "\"3",
            "\"3\" \"4\"",
            "\"3\",",
            "*, \"3\"",
            "w/\"3\"",
        ] {
            let refused = Conditions::default().add(Kind::Match, text.as_bytes());
            assert!(refused.is_err(), "{text}");
        }
    }
}
