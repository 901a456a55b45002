//! The head of a request: what is to be done, and how long its content is.

use alloc::boxed::Box;
use alloc::format;

use httparse::{EMPTY_HEADER, Error, Header, Status as Parsed};

use crate::answer::{Manner, Persistence};
use crate::condition::{Conditions, Kind};
use crate::limits::{
    CONTENT_TYPE_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, LINE_BYTES_MAX, VALUE_BYTES_MAX,
};
use crate::refusal::{Refusal, Status, shown};
use crate::target::{Listing, Name, Resource};

const SHAPE: &str = "expected a line `METHOD /path HTTP/1.1`, headers `name: value` and an empty \
                     line";
/// Methods that there are elsewhere.
const OTHER_METHODS: [&str; 4] = ["CONNECT", "OPTIONS", "PATCH", "TRACE"];
const DEFAULT_CONTENT_TYPE: &[u8] = b"application/octet-stream";

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Help,
    List(Listing),
    Get(Name),
    Put(Name, Box<[u8]>),
    Delete(Name),
    Add(Name),
    /// Nothing that there is: its content is read, and the connection goes on.
    Refuse(Refusal),
}

/// How the content's end is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    Length(usize),
    Chunks,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) action: Action,
    pub(crate) conditions: Conditions,
    pub(crate) framing: Framing,
    /// Whether the client waits for leave to send the content.
    pub(crate) awaits_leave: bool,
    pub(crate) manner: Manner,
}

/// Reads a head; `None`: it is not whole yet. With it comes its length. What is refused is
/// refused for the same reason in whatever pieces it comes.
///
/// # Errors
/// After which nothing that follows is understood.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
    let line = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let (limit, too_long) = if line.contains(&b'\n') {
        (HEAD_BYTES_MAX, Status::HEAD_TOO_LARGE)
    } else {
        (LINE_BYTES_MAX, Status::URI_TOO_LONG)
    };
    let window = &bytes[..bytes.len().min(limit)];
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let error = match request.parse(window) {
        Ok(Parsed::Complete(length)) => return Ok(Some((head(&request)?, length))),
        Ok(Parsed::Partial) => None,
        // What it is shows when the line is whole.
        Err(Error::Version) if limit == LINE_BYTES_MAX => None,
        Err(error) => Some(error),
    };
    match error {
        None if bytes.len() < limit => Ok(None),
        None => Err(Refusal::new(
            too_long,
            match too_long {
                Status::URI_TOO_LONG => {
                    format!("expected a first line of less than {limit} bytes; found a longer one")
                }
                _ => format!("expected a head of less than {limit} bytes; found a longer one"),
            },
        )),
        Some(Error::Version) => Err(wrong_version(line)),
        Some(Error::TooManyHeaders) => Err(Refusal::new(
            Status::HEAD_TOO_LARGE,
            format!("expected at most {HEADERS_MAX} headers; found more"),
        )),
        Some(error) => Err(Refusal::bad(format!("{SHAPE}; found: {error}"))),
    }
}

/// What is said to a first line without a version that is spoken here.
fn wrong_version(line: &[u8]) -> Refusal {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let version = line.trim_ascii().rsplit(|byte| *byte == b' ').next();
    let version = version.unwrap_or_default();
    let is_version = version
        .strip_prefix(b"HTTP/")
        .and_then(|number| number.first())
        .is_some_and(u8::is_ascii_digit);
    if is_version {
        Refusal::new(
            Status::VERSION_NOT_SUPPORTED,
            format!("expected HTTP/1.1 or HTTP/1.0; found {}", shown(version)),
        )
    } else {
        Refusal::bad(format!(
            "{SHAPE}; found a line that ends with {}",
            shown(version)
        ))
    }
}

fn head(request: &httparse::Request<'_, '_>) -> Result<Head, Refusal> {
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        unreachable!("a whole request has a first line");
    };
    let fields = Fields::of(request.headers)?;
    if minor > 0 && fields.hosts != 1 {
        return Err(Refusal::bad(format!(
            "expected one header `Host`; found {}",
            fields.hosts
        )));
    }
    let framing = fields.framing(minor)?;
    let action = fields.action(method, target.as_bytes(), framing.is_some())?;
    let persistence = match minor {
        _ if fields.closes => Persistence::Close,
        0 if fields.keeps_alive => Persistence::KeepAndSay,
        0 => Persistence::Close,
        _ => Persistence::Keep,
    };
    let framing = framing.unwrap_or(Framing::Length(0));
    Ok(Head {
        action,
        framing,
        // Who speaks HTTP/1.0 waits for nothing.
        awaits_leave: fields.awaits_leave && minor > 0 && framing != Framing::Length(0),
        conditions: fields.conditions,
        manner: Manner {
            persistence,
            is_head: method == "HEAD",
        },
    })
}

/// What the headers say that means anything here.
#[derive(Default)]
struct Fields<'a> {
    hosts: usize,
    length: Option<&'a [u8]>,
    encoding: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    conditions: Conditions,
    awaits_leave: bool,
    closes: bool,
    keeps_alive: bool,
}

impl<'a> Fields<'a> {
    fn of(headers: &[Header<'a>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for header in headers {
            fields.add(header.name, header.value.trim_ascii())?;
        }
        Ok(fields)
    }

    fn add(&mut self, name: &str, value: &'a [u8]) -> Result<(), Refusal> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("host") {
            self.hosts += 1;
        } else if is("content-length") {
            once(&mut self.length, "Content-Length", value)?;
        } else if is("transfer-encoding") {
            once(&mut self.encoding, "Transfer-Encoding", value)?;
        } else if is("content-type") {
            once(&mut self.content_type, "Content-Type", value)?;
            if value.len() > CONTENT_TYPE_BYTES_MAX {
                return Err(Refusal::bad(format!(
                    "expected a Content-Type of at most {CONTENT_TYPE_BYTES_MAX} bytes; found {}",
                    value.len()
                )));
            }
        } else if is("if-match") {
            self.conditions.add(Kind::Match, value)?;
        } else if is("if-none-match") {
            self.conditions.add(Kind::NoneMatch, value)?;
        } else if is("connection") {
            for word in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.closes |= word.eq_ignore_ascii_case(b"close");
                self.keeps_alive |= word.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Refusal::new(
                    Status::EXPECTATION_FAILED,
                    format!("Expect: expected `100-continue`; found {}", shown(value)),
                ));
            }
            self.awaits_leave = true;
        } else if is("content-encoding") && !value.eq_ignore_ascii_case(b"identity") {
            return Err(Refusal::new(
                Status::UNSUPPORTED_CONTENT,
                format!(
                    "expected content without Content-Encoding, which is not kept; found {}",
                    shown(value)
                ),
            ));
        } else if is("content-range") {
            return Err(Refusal::bad(
                "expected a whole value; found a part of one: Content-Range",
            ));
        }
        Ok(())
    }

    /// How the content's end is found, if there is any content.
    fn framing(&self, minor: u8) -> Result<Option<Framing>, Refusal> {
        match (self.length, self.encoding) {
            (Some(_), Some(_)) => Err(Refusal::bad(
                "expected Content-Length or Transfer-Encoding; found both",
            )),
            (None, None) => Ok(None),
            (None, Some(_)) if minor == 0 => Err(Refusal::bad(
                "expected Content-Length, as HTTP/1.0 has no other; found Transfer-Encoding",
            )),
            (None, Some(encoding)) if encoding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Some(Framing::Chunks))
            }
            (None, Some(encoding)) => Err(Refusal::new(
                Status::NOT_IMPLEMENTED,
                format!(
                    "Transfer-Encoding: expected `chunked`; found {}",
                    shown(encoding)
                ),
            )),
            (Some(text), None) => length(text).map(Some),
        }
    }

    fn action(&self, method: &str, target: &[u8], has_content: bool) -> Result<Action, Refusal> {
        let is_known = ["GET", "HEAD", "PUT", "POST", "DELETE"].contains(&method);
        if !is_known && !OTHER_METHODS.contains(&method) {
            return Err(Refusal::new(
                Status::NOT_IMPLEMENTED,
                format!(
                    "expected GET, HEAD, PUT, POST or DELETE; found {}",
                    shown(method.as_bytes())
                ),
            ));
        }
        if matches!(method, "PUT" | "POST") && !has_content {
            return Err(Refusal::new(
                Status::LENGTH_REQUIRED,
                format!("{method}: expected Content-Length or chunks; found neither"),
            ));
        }
        let resource = match Resource::of(target) {
            Ok(resource) => resource,
            Err(refusal) if refusal.status == Status::NOT_FOUND => {
                return Ok(Action::Refuse(refusal));
            }
            Err(refusal) => return Err(refusal),
        };
        let allow = resource.allow();
        Ok(match (method, resource) {
            ("GET" | "HEAD", Resource::Help) => Action::Help,
            ("GET" | "HEAD", Resource::Names(listing)) => Action::List(listing),
            ("GET" | "HEAD", Resource::Key(name)) => Action::Get(name),
            ("PUT", Resource::Key(name)) => {
                let content_type = self.content_type.filter(|it| !it.is_empty());
                Action::Put(name, content_type.unwrap_or(DEFAULT_CONTENT_TYPE).into())
            }
            ("DELETE", Resource::Key(name)) => Action::Delete(name),
            ("POST", Resource::Sum(name)) => Action::Add(name),
            _ => Action::Refuse(Refusal {
                allow: Some(allow),
                ..Refusal::new(
                    Status::METHOD_NOT_ALLOWED,
                    format!("expected one of {allow}; found {method}"),
                )
            }),
        })
    }
}

/// Notes what a header says that is to come once.
fn once<'a>(noted: &mut Option<&'a [u8]>, name: &str, value: &'a [u8]) -> Result<(), Refusal> {
    match noted.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::bad(format!(
            "expected one header `{name}`; found more"
        ))),
    }
}

fn length(text: &[u8]) -> Result<Framing, Refusal> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::bad(format!(
            "Content-Length: expected a number of bytes; found {}",
            shown(text)
        )));
    }
    // What is no number by now is too large for one.
    let length = core::str::from_utf8(text)
        .ok()
        .and_then(|it| it.parse().ok());
    match length.filter(|length| *length <= VALUE_BYTES_MAX) {
        Some(length) => Ok(Framing::Length(length)),
        None => Err(Refusal::new(
            Status::CONTENT_TOO_LARGE,
            format!(
                "expected content of at most {VALUE_BYTES_MAX} bytes; found {}",
                shown(text)
            ),
        )),
    }
}
