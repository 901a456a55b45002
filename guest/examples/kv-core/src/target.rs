//! What a request is about: the path and query of its first line.
//!
//! A key is any bytes. In paths, queries and listings it is percent-encoded: everything but
//! letters, digits and `-._~` may be, and in listings is, written as `%` with two hexadecimal
//! digits. So a name never has a `/` of its own, and a line of a listing can be put into a path
//! as it is.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use crate::limits::{LISTED_MAX, NAME_BYTES_MAX};
use crate::refusal::{Refusal, Status, shown};

/// Names that a listing has if nobody says how many.
const LISTED: usize = 100;

/// A key as it is kept.
pub(crate) type Name = Box<[u8]>;

/// Which names are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listing {
    pub(crate) prefix: Vec<u8>,
    /// Only those behind this one.
    pub(crate) after: Option<Vec<u8>>,
    pub(crate) limit: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Resource {
    Help,
    Names(Listing),
    Key(Name),
    /// Where numbers are added to a key.
    Sum(Name),
}

impl Resource {
    pub(crate) fn of(target: &[u8]) -> Result<Self, Refusal> {
        let target = without_authority(target);
        if !target.starts_with(b"/") {
            return Err(Refusal::bad(format!(
                "expected a target that begins with `/`; found {}",
                shown(target)
            )));
        }
        let (path, query) = cut(target, b'?');
        let mut segments = path[1..].split(|byte| *byte == b'/');
        let mut next = || segments.next();
        let resource = match (next(), next(), next(), next()) {
            (Some(b""), None, ..) => Self::Help,
            (Some(b"keys"), None, ..) => return Listing::of(query).map(Self::Names),
            (Some(b"keys"), Some(text), None, _) => Self::Key(name(text)?),
            (Some(b"keys"), Some(text), Some(b"add"), None) => Self::Sum(name(text)?),
            _ => {
                return Err(Refusal::new(
                    Status::NOT_FOUND,
                    format!(
                        "expected `/`, `/keys`, `/keys/NAME` or `/keys/NAME/add` (a `/` in NAME is \
                         written `%2F`); found {}",
                        shown(path)
                    ),
                ));
            }
        };
        match query {
            None => Ok(resource),
            Some(query) => Err(Refusal::bad(format!(
                "expected no parameters, which are for `/keys`; found {} (a `?` in NAME is written \
                 `%3F`)",
                shown(query)
            ))),
        }
    }

    /// The methods that it knows.
    pub(crate) fn allow(&self) -> &'static str {
        match self {
            Self::Help | Self::Names(_) => "GET, HEAD",
            Self::Key(_) => "GET, HEAD, PUT, DELETE",
            Self::Sum(_) => "POST",
        }
    }
}

impl Listing {
    fn of(query: Option<&[u8]>) -> Result<Self, Refusal> {
        let mut listing = Self {
            prefix: Vec::new(),
            after: None,
            limit: LISTED,
        };
        let parameters = query.unwrap_or_default().split(|byte| *byte == b'&');
        for parameter in parameters.filter(|parameter| !parameter.is_empty()) {
            match cut(parameter, b'=') {
                (b"prefix", Some(text)) => listing.prefix = decode(text)?,
                (b"after", Some(text)) => listing.after = Some(decode(text)?),
                (b"limit", Some(text)) => listing.limit = limit(text)?,
                _ => {
                    return Err(Refusal::bad(format!(
                        "expected the parameters `prefix=`, `after=` and `limit=`; found {}",
                        shown(parameter)
                    )));
                }
            }
        }
        Ok(listing)
    }
}

/// What is behind `http://host`, if a target has that: proxies are asked so.
fn without_authority(target: &[u8]) -> &[u8] {
    for scheme in [&b"http://"[..], b"https://"] {
        if let Some((found, rest)) = target.split_at_checked(scheme.len())
            && found.eq_ignore_ascii_case(scheme)
        {
            let path = rest.iter().position(|byte| *byte == b'/');
            return path.map_or(b"/", |start| &rest[start..]);
        }
    }
    target
}

/// What is before and behind the first such byte.
fn cut(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == at) {
        Some(position) => (&bytes[..position], Some(&bytes[position + 1..])),
        None => (bytes, None),
    }
}

fn name(text: &[u8]) -> Result<Name, Refusal> {
    let name = decode(text)?;
    match name.len() {
        0 => Err(Refusal::bad(
            "expected the name of a key behind `/keys/`; found nothing",
        )),
        1..=NAME_BYTES_MAX => Ok(name.into()),
        length => Err(Refusal::new(
            Status::URI_TOO_LONG,
            format!("expected a key of at most {NAME_BYTES_MAX} bytes; found {length}"),
        )),
    }
}

fn limit(text: &[u8]) -> Result<usize, Refusal> {
    let number = core::str::from_utf8(text)
        .ok()
        .and_then(|it| it.parse().ok());
    number
        .filter(|limit| (1..=LISTED_MAX).contains(limit))
        .ok_or_else(|| {
            Refusal::bad(format!(
                "limit: expected a number from 1 to {LISTED_MAX}; found {}",
                shown(text)
            ))
        })
}

fn decode(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        match rest {
            [] => return Ok(decoded),
            [b'%', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                decoded.push(digit(*high) << 4 | digit(*low));
                rest = behind;
            }
            [b'%', ..] => {
                return Err(Refusal::bad(format!(
                    "expected two hexadecimal digits behind `%`; found {}",
                    shown(&rest[..rest.len().min(3)])
                )));
            }
            [byte, behind @ ..] => {
                decoded.push(*byte);
                rest = behind;
            }
        }
    }
}

/// The value of a hexadecimal digit.
fn digit(text: u8) -> u8 {
    match text {
        b'0'..=b'9' => text - b'0',
        _ => (text | 0x20) - b'a' + 10,
    }
}

/// Adds a name as it is written in paths.
pub(crate) fn encode(name: &[u8], text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(*byte),
            _ => text.extend([
                b'%',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::{Resource, decode, encode};
    use crate::refusal::Status;

    fn key(target: &str) -> Option<Vec<u8>> {
        match Resource::of(target.as_bytes()) {
            Ok(Resource::Key(name)) => Some(name.into_vec()),
            _ => None,
        }
    }

    fn status(target: &str) -> Option<Status> {
        Resource::of(target.as_bytes()).err().map(|it| it.status)
    }

    #[test]
    fn a_name_is_one_segment_decoded() {
        assert_eq!(key("/keys/a").unwrap(), b"a");
        assert_eq!(key("/keys/a%2fb%2Fc").unwrap(), b"a/b/c");
        assert_eq!(key("/keys/%00%ff+").unwrap(), b"\0\xff+");
        assert_eq!(key("HTTP://example.org:80/keys/a").unwrap(), b"a");
        assert!(matches!(Resource::of(b"/keys/a/add"), Ok(Resource::Sum(_))));
        assert!(matches!(Resource::of(b"http://x"), Ok(Resource::Help)));
    }

    #[test]
    fn a_listing_says_what_it_wants() {
        let Ok(Resource::Names(listing)) = Resource::of(b"/keys?prefix=a%26&limit=7&after=%20")
        else {
            panic!("it is a listing")
        };
        assert_eq!((&*listing.prefix, listing.limit), (&b"a&"[..], 7));
        assert_eq!(listing.after.as_deref(), Some(&b" "[..]));
    }

    #[test]
    fn what_is_nowhere_or_malformed_is_refused() {
        let long = String::from("/keys/") + &"%41".repeat(1025);
        for (target, expected) in [
            ("/x", Status::NOT_FOUND),
            ("//", Status::NOT_FOUND),
            ("/keys/a/b", Status::NOT_FOUND),
            ("/keys/a/add/", Status::NOT_FOUND),
            ("*", Status::BAD_REQUEST),
            ("/keys/", Status::BAD_REQUEST),
            ("/keys/%", Status::BAD_REQUEST),
            ("/keys/%4", Status::BAD_REQUEST),
            ("/keys/%+4", Status::BAD_REQUEST),
            ("/keys/a?x=1", Status::BAD_REQUEST),
            ("/keys?x=1", Status::BAD_REQUEST),
            ("/keys?prefix", Status::BAD_REQUEST),
            ("/keys?limit=0", Status::BAD_REQUEST),
            ("/keys?limit=1001", Status::BAD_REQUEST),
            ("/keys?limit=-1", Status::BAD_REQUEST),
            (&long, Status::URI_TOO_LONG),
        ] {
            assert_eq!(status(target), Some(expected), "{target}");
        }
    }

    #[test]
    fn every_byte_survives_its_encoding() {
        let name: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        encode(&name, &mut text);
        assert!(text.is_ascii() && !text.contains(&b'/') && !text.contains(&b'\n'));
        assert_eq!(decode(&text).unwrap(), name);
    }
}
