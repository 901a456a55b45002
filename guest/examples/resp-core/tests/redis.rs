//! Answers are those of Redis: `corpus.txt` was recorded from redis-server 7.0.15.

mod support;

use resp_core::{Database, Next, Session};
use support::{HERE, Wire};

/// The bytes that a text with escapes stands for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = match byte {
            b'\\' => rest.next().expect("something is escaped"),
            plain => {
                bytes.push(plain);
                continue;
            }
        };
        bytes.push(match escaped {
            b'r' => b'\r',
            b'n' => b'\n',
            b'x' => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.expect("two digits"));
                let digits = std::str::from_utf8(&digits).expect("digits are text");
                u8::from_str_radix(digits, 16).expect("digits are hexadecimal")
            }
            other => other,
        });
    }
    bytes
}

/// Sends a section's input in pieces of so many bytes and compares the answers.
fn replay(name: &str, lines: &[&str], piece: usize) {
    let mut database = Database::new([7; 16], HERE);
    let mut session = Session::default();
    let mut wire = Wire::default();
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        let input = match line.split_at_checked(2) {
            Some(("> ", text)) => [text.as_bytes(), b"\r\n"].concat(),
            Some(("! ", text)) => unescaped(text),
            _ => continue,
        };
        let mut expected = Vec::new();
        let mut is_closed = false;
        while let Some(answer) = lines.next_if(|line| line.starts_with('<')) {
            match &answer[2..] {
                "(closed)" => is_closed = true,
                text => expected.extend([&unescaped(text)[..], b"\r\n"].concat()),
            }
        }
        let mut next = Next::Wait;
        for part in input.chunks(piece) {
            wire.input.extend(part);
            while next != Next::Close {
                next = session.step(&mut wire, &mut database, HERE);
                if next == Next::Wait {
                    break;
                }
            }
        }
        let answers = wire.output.split_off(0);
        assert_eq!(
            (answers.escape_ascii().to_string(), next == Next::Close),
            (expected.escape_ascii().to_string(), is_closed),
            "section `{name}`, `{line}`, in pieces of {piece}"
        );
        if is_closed {
            return;
        }
    }
}

#[test]
fn answers_are_those_of_redis() {
    let corpus = include_str!("corpus.txt");
    let lines: Vec<&str> = corpus.lines().collect();
    let mut sections = lines.split(|line| line.starts_with("== "));
    let names = lines.iter().filter_map(|line| line.strip_prefix("== "));
    sections.next().expect("the corpus has a header");
    for (name, lines) in names.zip(sections) {
        for piece in [usize::MAX, 1, 3] {
            replay(name, lines, piece);
        }
    }
}
