//! Patterns of keys: `*`, `?`, `[a-c]`, `[^a]`, `\` before any of them.

/// Whether a text is what a pattern describes. Takes time in proportion to both lengths.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Behind the last star, and the text from where it may be tried next.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            retry = Some((rest, text));
            continue;
        }
        let step = match text {
            [] if pattern.is_empty() => return true,
            [] => return false,
            [byte, _behind @ ..] => one(pattern, *byte),
        };
        match (step, retry) {
            (Some(rest), _) => (pattern, text) = (rest, &text[1..]),
            (None, Some((after_star, from))) => {
                (pattern, text) = (after_star, &from[1..]);
                retry = Some((pattern, text));
            }
            (None, None) => return false,
        }
    }
}

/// The rest of the pattern behind what describes one byte, if it describes this one.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte),
        [b'\\', escaped, rest @ ..] => (*escaped == byte).then_some(rest),
        [plain, rest @ ..] => (*plain == byte).then_some(rest),
        [] => None,
    }
}

/// The same for a class of bytes, behind its bracket. One that is not closed ends with the
/// pattern, as in Redis.
fn class(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b']', behind @ ..] => {
                rest = behind;
                break;
            }
            [b'\\', escaped, behind @ ..] => {
                found |= *escaped == byte;
                behind
            }
            [first, b'-', last, behind @ ..] => {
                let (low, high) = (first.min(last), first.max(last));
                found |= (low..=high).contains(&&byte);
                behind
            }
            [plain, behind @ ..] => {
                found |= *plain == byte;
                behind
            }
        };
    }
    (found != negated).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_describe_what_they_do_in_redis() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a*b*c", "aXbXbXc", true),
            ("**a", "bba", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hxllo", false),
            ("a[b", "ab", true),
            ("key:*[0-9]", "key:name7", true),
            ("a*", "a\nb", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_longer() {
        let (pattern, text) = (
            [b"a*".repeat(1000), b"b".to_vec()].concat(),
            b"a".repeat(20_000),
        );
        assert!(!matches(&pattern, &text));
    }
}
