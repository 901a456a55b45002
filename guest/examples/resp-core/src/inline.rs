//! Requests that a person types: words, quoted or not.

use alloc::vec::Vec;

/// The words of a line; `None`: a quote is not closed, or not followed by a space.
///
/// `"…"` knows the escapes `\n \r \t \b \a \xHH` and takes any other escaped byte as it is;
/// `'…'` knows `\'` only.
pub(crate) fn words(mut line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    loop {
        line = line.trim_ascii_start();
        // As in C, where a text ends with a zero.
        if line.is_empty() || line[0] == 0 {
            return Some(words);
        }
        let mut word = Vec::new();
        line = take_word(line, &mut word)?;
        words.push(word);
    }
}

/// Takes a word from the beginning of the line; returns the rest.
fn take_word<'a>(mut line: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match line {
            [] | [b' ' | b'\n' | b'\r' | b'\t' | 0, ..] => return Some(line),
            [b'"', rest @ ..] => return ended(double_quoted(rest, word)?),
            [b'\'', rest @ ..] => return ended(single_quoted(rest, word)?),
            [byte, rest @ ..] => {
                word.push(*byte);
                line = rest;
            }
        }
    }
}

/// What is behind a closing quote, which must be a space or nothing.
fn ended(rest: &[u8]) -> Option<&[u8]> {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    rest.first().is_none_or(is_end).then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'x', high, low, rest @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(digit(*high) << 4 | digit(*low));
                rest
            }
            [b'\\', escaped, rest @ ..] if *escaped != 0 => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest
            }
            [byte, rest @ ..] => {
                word.push(*byte);
                rest
            }
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [b'\'', rest @ ..] => return Some(rest),
            [b'\\', b'\'', rest @ ..] => {
                word.push(b'\'');
                rest
            }
            [byte, rest @ ..] => {
                word.push(*byte);
                rest
            }
        }
    }
}

fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        other => other.to_ascii_lowercase() - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_what_redis_makes_of_them() {
        let cases: [(&[u8], &[&[u8]]); 9] = [
            (b"", &[]),
            (b"  PING  ", &[b"PING"]),
            (b"set a\tb", &[b"set", b"a", b"b"]),
            (b"set \"a b\" 'c d'", &[b"set", b"a b", b"c d"]),
            (b"\"\\x41\\n\\t\\q\\\"\"", &[b"A\n\tq\""]),
            (b"'it\\'s' '\\n'", &[b"it's", b"\\n"]),
            (b"\"\" x", &[b"", b"x"]),
            (b"a\"b c\"", &[b"ab c"]),
            (b"\"\\x4\"", &[b"x4"]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line).expect("it is right"), expected);
        }
        for line in [&b"\"a"[..], b"'a", b"\"a\"b", b"'a'b", b"a\"", b"\"\\"] {
            assert_eq!(words(line), None);
        }
    }
}
