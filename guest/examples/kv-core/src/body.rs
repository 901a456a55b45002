//! The content of a request that comes piece by piece.

use alloc::format;
use alloc::vec::Vec;

use httparse::{EMPTY_HEADER, Status as Parsed};

use crate::head::Framing;
use crate::limits::{CHUNK_LINE_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, VALUE_BYTES_MAX};
use crate::refusal::{Refusal, Status, shown};

/// Memory is made for at least so many bytes.
const BYTES_MIN: usize = 1 << 10;

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// So many bytes, the last.
    Rest(usize),
    /// A line that says how long the next chunk is.
    ChunkLine,
    /// So many bytes of a chunk.
    Chunk(usize),
    /// The end of the line after a chunk.
    ChunkEnd,
    /// Headers after the last chunk, which nobody looks at, and an empty line.
    Trailers,
    Nothing,
}

/// Content, as far as it has come.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    due: Due,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        Self {
            bytes: Vec::new(),
            due: match framing {
                Framing::Length(length) => Due::Rest(length),
                Framing::Chunks => Due::ChunkLine,
            },
        }
    }

    /// The bytes so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.due == Due::Nothing
    }

    /// Takes what belongs to the content; returns how much that was. What is left and does not
    /// belong to something else is to be given again, with more behind it.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut taken = 0;
        while self.due != Due::Nothing {
            let rest = &bytes[taken..];
            let count = match self.due {
                Due::Rest(length) => self.keep(rest, length, Due::Rest, Due::Nothing)?,
                Due::Chunk(length) => self.keep(rest, length, Due::Chunk, Due::ChunkEnd)?,
                Due::ChunkLine => self.chunk_line(rest)?,
                Due::ChunkEnd => self.chunk_end(rest)?,
                Due::Trailers => self.trailers(rest)?,
                Due::Nothing => 0,
            };
            taken += count;
            if count == 0 && self.due != Due::Nothing {
                break;
            }
        }
        Ok(taken)
    }

    /// Keeps bytes of so many that are due.
    fn keep(
        &mut self,
        bytes: &[u8],
        length: usize,
        due: impl Fn(usize) -> Due,
        then: Due,
    ) -> Result<usize, Refusal> {
        let count = bytes.len().min(length);
        let needed = self.bytes.len() + count;
        if needed > self.bytes.capacity() {
            // In few sizes, so that what one session has given back fits the next.
            let capacity = needed.next_power_of_two().max(BYTES_MIN);
            let more = capacity - self.bytes.len();
            self.bytes.try_reserve_exact(more).map_err(|_| no_room())?;
        }
        self.bytes.extend_from_slice(&bytes[..count]);
        self.due = match length - count {
            0 => then,
            left => due(left),
        };
        Ok(count)
    }

    fn chunk_line(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let window = &bytes[..bytes.len().min(CHUNK_LINE_BYTES_MAX)];
        let malformed = || {
            Refusal::bad(format!(
                "expected a line with the length of a chunk, in hexadecimal digits and of less \
                 than {CHUNK_LINE_BYTES_MAX} bytes; found one that begins with {}",
                shown(&window[..1])
            ))
        };
        let Some(first) = window.first() else {
            return Ok(0);
        };
        if !first.is_ascii_hexdigit() {
            return Err(malformed());
        }
        match httparse::parse_chunk_size(window) {
            Ok(Parsed::Partial) if window.len() < CHUNK_LINE_BYTES_MAX => Ok(0),
            Ok(Parsed::Partial) | Err(_) => Err(malformed()),
            Ok(Parsed::Complete((count, 0))) => {
                self.due = Due::Trailers;
                Ok(count)
            }
            Ok(Parsed::Complete((count, length))) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > VALUE_BYTES_MAX - self.bytes.len() {
                    return Err(Refusal::new(
                        Status::CONTENT_TOO_LARGE,
                        format!(
                            "expected content of at most {VALUE_BYTES_MAX} bytes; found a chunk of \
                             {length} bytes after {}",
                            self.bytes.len()
                        ),
                    ));
                }
                self.due = Due::Chunk(length);
                Ok(count)
            }
        }
    }

    fn chunk_end(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match bytes {
            [] | [b'\r'] => Ok(0),
            [b'\r', b'\n', ..] => {
                self.due = Due::ChunkLine;
                Ok(2)
            }
            _ => Err(Refusal::bad(
                "expected the end of a line after a chunk; found something else",
            )),
        }
    }

    fn trailers(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let window = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        match httparse::parse_headers(window, &mut headers) {
            Ok(Parsed::Complete((count, _))) => {
                self.due = Due::Nothing;
                Ok(count)
            }
            Ok(Parsed::Partial) if window.len() < HEAD_BYTES_MAX => Ok(0),
            Ok(Parsed::Partial) | Err(httparse::Error::TooManyHeaders) => Err(Refusal::new(
                Status::HEAD_TOO_LARGE,
                format!(
                    "expected at most {HEADERS_MAX} headers and less than {HEAD_BYTES_MAX} bytes \
                     after the last chunk; found more"
                ),
            )),
            Err(error) => Err(Refusal::bad(format!(
                "expected headers or an empty line after the last chunk; found: {error}"
            ))),
        }
    }
}

/// What is said when content finds no room to wait in.
pub(crate) fn no_room() -> Refusal {
    Refusal::new(
        Status::UNAVAILABLE,
        "expected room for a large content; found too many on their way: try again",
    )
}
