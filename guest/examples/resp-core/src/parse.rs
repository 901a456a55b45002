//! Requests, as they come: in pieces.
//!
//! A request is an array of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\na\r\n`) or a line of words
//! (`GET a\r\n`). The parser remembers how far it has come in an unfinished one, so that much
//! input in small pieces is not looked at over and over. It accepts and refuses what Redis does.

use alloc::vec::Vec;

use crate::inline;
use crate::number;

/// The longest line.
const LINE_BYTES_MAX: usize = 64 << 10;
/// The longest bulk string.
pub(crate) const BULK_BYTES_MAX: usize = 8 << 20;
/// As many arguments are kept where they cost nothing.
const FEW: usize = 16;

/// How a request breaks the protocol. There is no knowing where the next one begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Violation {
    ArrayLength,
    ArrayLengthTooLong,
    BulkLength,
    BulkLengthTooLong,
    InlineTooLong,
    NoBulk(u8),
    Quotes,
    RequestTooLong,
}

impl Violation {
    /// Redis's words, as far as Redis has any.
    pub(crate) fn text(self) -> Vec<u8> {
        let text: &[u8] = match self {
            Self::ArrayLength => b"invalid multibulk length",
            Self::ArrayLengthTooLong => b"too big mbulk count string",
            Self::BulkLength => b"invalid bulk length",
            Self::BulkLengthTooLong => b"too big bulk count string",
            Self::InlineTooLong => b"too big inline request",
            Self::NoBulk(_) => b"expected '$', got '",
            Self::Quotes => b"unbalanced quotes in request",
            Self::RequestTooLong => b"too big request",
        };
        let mut whole = [b"ERR Protocol error: ", text].concat();
        if let Self::NoBulk(found) = self {
            whole.extend_from_slice(&[found, b'\'']);
        }
        whole
    }
}

/// What the beginning of the input is.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// The beginning of a request.
    Part,
    /// A request; how many bytes it takes.
    Whole(Request<'a>, usize),
}

/// A request. Without arguments it is none, and is not answered.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    /// Bulk strings, which are known to be whole.
    Array { bulks: &'a [u8], count: usize },
    /// Words of a line.
    Inline(Vec<Vec<u8>>),
}

impl<'a> Request<'a> {
    /// Calls with the arguments.
    pub(crate) fn with_arguments<T>(&self, use_them: impl FnOnce(&[&[u8]]) -> T) -> T {
        match self {
            Self::Inline(words) => use_them(&words.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            Self::Array { bulks, count } if *count <= FEW => {
                let mut few: [&[u8]; FEW] = [&[]; FEW];
                Bulks(bulks)
                    .zip(&mut few)
                    .for_each(|(bulk, place)| *place = bulk);
                use_them(&few[..*count])
            }
            Self::Array { bulks, .. } => use_them(&Bulks(bulks).collect::<Vec<_>>()),
        }
    }
}

/// The strings in a row of whole bulk strings.
struct Bulks<'a>(&'a [u8]);

impl<'a> Iterator for Bulks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, start) = match line(self.0, 0) {
            Line::Whole(digits, start) => (bulk_length(digits).ok()?, start),
            _ => return None,
        };
        let bulk = &self.0[start..start + length];
        self.0 = &self.0[start + length + 2..];
        Some(bulk)
    }
}

/// How far the request has come that the input begins with.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Parser {
    /// Where the first bulk string begins; 0: the array's length is not known yet.
    bulks: usize,
    count: usize,
    /// How many bulk strings are still missing, and where the next one begins.
    left: usize,
    at: usize,
    /// Without so many bytes nothing new is known.
    needed: usize,
}

enum Line<'a> {
    /// What is before the end of the line, and where the next line begins.
    Whole(&'a [u8], usize),
    Part,
    TooLong,
}

/// The line at a position, which ends with a carriage return and one byte more.
fn line(bytes: &[u8], at: usize) -> Line<'_> {
    let rest = &bytes[at..];
    let looked_at = &rest[..rest.len().min(LINE_BYTES_MAX + 1)];
    match looked_at.iter().position(|&byte| byte == b'\r') {
        Some(end) if end + 2 <= rest.len() => Line::Whole(&rest[..end], at + end + 2),
        Some(_) => Line::Part,
        None if rest.len() > LINE_BYTES_MAX => Line::TooLong,
        None => Line::Part,
    }
}

fn bulk_length(line: &[u8]) -> Result<usize, Violation> {
    let digits = match line {
        [b'$', digits @ ..] => digits,
        // What ends the line is seen as a space in the answer.
        other => return Err(Violation::NoBulk(other.first().copied().unwrap_or(b' '))),
    };
    let length = number::parse(digits).and_then(|length| usize::try_from(length).ok());
    length
        .filter(|&length| length <= BULK_BYTES_MAX)
        .ok_or(Violation::BulkLength)
}

impl Parser {
    /// Parses the request that the bytes begin with. For as long as it is not whole they must
    /// begin with the same bytes again, and some more.
    pub(crate) fn parse<'a>(&mut self, bytes: &'a [u8]) -> Result<Parsed<'a>, Violation> {
        if bytes.len() < self.needed.max(1) {
            return Ok(Parsed::Part);
        }
        if self.bulks == 0 {
            if bytes[0] != b'*' {
                return inline(bytes);
            }
            let (digits, start) = match line(bytes, 0) {
                Line::Whole(line, start) => (&line[1..], start),
                Line::Part => return Ok(Parsed::Part),
                Line::TooLong => return Err(Violation::ArrayLengthTooLong),
            };
            let count = number::parse(digits).and_then(|count| i32::try_from(count).ok());
            let count = count.ok_or(Violation::ArrayLength)?.max(0) as usize;
            (self.bulks, self.at, self.count, self.left) = (start, start, count, count);
        }
        while self.left > 0 {
            let (length, start) = match line(bytes, self.at) {
                Line::Whole(line, start) => (bulk_length(line)?, start),
                Line::Part => return Ok(Parsed::Part),
                Line::TooLong => return Err(Violation::BulkLengthTooLong),
            };
            self.needed = start + length + 2;
            if bytes.len() < self.needed {
                return Ok(Parsed::Part);
            }
            self.at = self.needed;
            self.left -= 1;
        }
        let request = Request::Array {
            bulks: &bytes[self.bulks..self.at],
            count: self.count,
        };
        Ok(Parsed::Whole(request, self.at))
    }
}

fn inline(bytes: &[u8]) -> Result<Parsed<'_>, Violation> {
    let looked_at = &bytes[..bytes.len().min(LINE_BYTES_MAX + 1)];
    let Some(end) = looked_at.iter().position(|&byte| byte == b'\n') else {
        return match bytes.len() > LINE_BYTES_MAX {
            true => Err(Violation::InlineTooLong),
            false => Ok(Parsed::Part),
        };
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let words = inline::words(line).ok_or(Violation::Quotes)?;
    Ok(Parsed::Whole(Request::Inline(words), end + 1))
}

/// Adds a request as an array of bulk strings.
pub(crate) fn write(arguments: &[&[u8]], target: &mut Vec<u8>) {
    let line = |target: &mut Vec<u8>, kind: u8, length: usize| {
        target.push(kind);
        target.extend_from_slice(number::Decimal::new(length as i64).as_bytes());
        target.extend_from_slice(b"\r\n");
    };
    line(target, b'*', arguments.len());
    for argument in arguments {
        line(target, b'$', argument.len());
        target.extend_from_slice(argument);
        target.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::{Parsed, Parser, Violation, write};
    use crate::testing::Random;

    type Requests = Vec<Vec<Vec<u8>>>;

    /// What comes of a stream that arrives in pieces which end at these places.
    fn parse(
        stream: &[u8],
        cuts: impl IntoIterator<Item = usize>,
    ) -> (Requests, Option<Violation>) {
        let (mut requests, mut done, mut parser) = (Vec::new(), 0, Parser::default());
        for cut in cuts.into_iter().chain([stream.len()]) {
            loop {
                match parser.parse(&stream[done..cut.max(done)]) {
                    Err(violation) => return (requests, Some(violation)),
                    Ok(Parsed::Part) => break,
                    Ok(Parsed::Whole(request, length)) => {
                        requests.push(request.with_arguments(|arguments| {
                            arguments.iter().map(|argument| argument.to_vec()).collect()
                        }));
                        done += length;
                        parser = Parser::default();
                    }
                }
            }
        }
        assert!(done <= stream.len());
        (requests, None)
    }

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let stream = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*0\r\n*-1\r\n\r\n*1\r\n$0\r\n\r\n\
            set a \"b c\"\n*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$5\r\n*1\r\n$\r\nGET x\r\n";
        let expected: Requests = [
            words("GET a"),
            words("PING"),
            Vec::new(),
            Vec::new(),
            Vec::new(),
            words(""),
            [words("set a"), [b"b c".to_vec()].into()].concat(),
            ["SET", "\r\n", "*1\r\n$"]
                .map(|word| word.as_bytes().to_vec())
                .into(),
            words("GET x"),
        ]
        .into();
        for first in 0..stream.len() {
            for second in first..stream.len() {
                assert_eq!(parse(stream, [first, second]), (expected.clone(), None));
            }
        }
        assert_eq!(parse(stream, 0..stream.len()), (expected, None));
    }

    #[test]
    fn requests_of_any_bytes_come_through() {
        let mut random = Random::new(1);
        for _ in 0..300 {
            let mut requests = Requests::new();
            let mut stream = Vec::new();
            for _ in 0..random.below(10) {
                let mut bytes = |limit| {
                    (0..random.below(limit))
                        .map(|_| random.below(256) as u8)
                        .collect()
                };
                let request: Vec<Vec<u8>> = (0..40)
                    .map(|_| bytes(60))
                    .take_while(|it: &Vec<u8>| it.len() > 3)
                    .collect();
                let arguments: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
                write(&arguments, &mut stream);
                requests.push(request);
            }
            let mut cuts: Vec<usize> = (0..20).map(|_| random.below(stream.len() + 1)).collect();
            cuts.sort_unstable();
            assert_eq!(parse(&stream, cuts), (requests, None));
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        let long = |first: u8| [&[first][..], &[b'1'; 70_000]].concat();
        let cases: [(&[u8], Violation); 14] = [
            (b"*a\r\n", Violation::ArrayLength),
            (b"*2147483648\r\n", Violation::ArrayLength),
            (b"*\r\n", Violation::ArrayLength),
            (b"*1\r\n%3\r\n", Violation::NoBulk(b'%')),
            (b"*1\r\n\r\n", Violation::NoBulk(b' ')),
            (b"*1\r\n$-1\r\n", Violation::BulkLength),
            (b"*1\r\n$04\r\nPING\r\n", Violation::BulkLength),
            (b"*1\r\n$8388609\r\n", Violation::BulkLength),
            (b"*1\r\n$99999999999999999999\r\n", Violation::BulkLength),
            (b"PING \"a\r\n", Violation::Quotes),
            (b"PING 'a'b\r\n", Violation::Quotes),
            (&long(b'*'), Violation::ArrayLengthTooLong),
            (&long(b'x'), Violation::InlineTooLong),
            (
                &[b"*1\r\n", &long(b'$')[..]].concat(),
                Violation::BulkLengthTooLong,
            ),
        ];
        for (stream, violation) in cases {
            assert_eq!(parse(stream, []), (Vec::new(), Some(violation)));
            let cuts = 0..stream.len().min(100);
            assert_eq!(parse(stream, cuts), (Vec::new(), Some(violation)));
        }
    }

    #[test]
    fn noise_is_parsed_the_same_in_pieces() {
        let mut random = Random::new(2);
        let alphabet = b"*$01239-\r\n\r\n\r\nGET \"'\\x";
        for _ in 0..20_000 {
            let stream: Vec<u8> = (0..random.below(60))
                .map(|_| alphabet[random.below(alphabet.len())])
                .collect();
            assert_eq!(parse(&stream, 0..stream.len()), parse(&stream, []));
        }
    }
}
