//! Counting words: the plain algorithm.
//!
//! A word is a run of letters, digits, apostrophes and bytes above ASCII (so that letters
//! of other scripts stay whole); ASCII letters count as small ones. A text may be counted
//! in chunks, cut anywhere: a word belongs to the chunk that it begins in.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// How often each word occurs.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Counts(BTreeMap<Box<[u8]>, u64>);

/// Whether a byte is part of a word.
pub fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'\'' || byte >= 0x80
}

impl Counts {
    /// Counts the words of a text.
    pub fn add_text(&mut self, text: &[u8]) {
        for word in text.split(|&byte| !is_word_byte(byte)) {
            if !word.is_empty() {
                self.add(word.to_ascii_lowercase().into(), 1);
            }
        }
    }

    /// Counts the words that begin in a chunk of a larger text. `before` is the byte before
    /// the chunk, if any; `after` is the text behind it, as far as the last word may reach.
    pub fn add_chunk(&mut self, before: Option<u8>, chunk: &[u8], after: &[u8]) {
        let start = match before {
            Some(byte) if is_word_byte(byte) => word_length(chunk),
            _ => 0,
        };
        let mut text = Vec::from(&chunk[start..]);
        if text.last().is_some_and(|&byte| is_word_byte(byte)) {
            text.extend_from_slice(&after[..word_length(after)]);
        }
        self.add_text(&text);
    }

    /// Adds the counts of another part of the text.
    pub fn merge(&mut self, other: &Self) {
        for (word, &count) in &other.0 {
            self.add(word.clone(), count);
        }
    }

    fn add(&mut self, word: Box<[u8]>, count: u64) {
        *self.0.entry(word).or_default() += count;
    }

    /// How many different words there are.
    pub fn words(&self) -> usize {
        self.0.len()
    }

    /// How many words there are in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// A line per word, `count word`: most frequent first, equals by their bytes.
    pub fn report(&self) -> Vec<u8> {
        let mut lines: Vec<(&[u8], u64)> = self
            .0
            .iter()
            .map(|(word, &count)| (&word[..], count))
            .collect();
        // Stable: words of the same count stay in the map's order.
        lines.sort_by_key(|&(_, count)| core::cmp::Reverse(count));
        let mut report = Vec::new();
        for (word, count) in lines {
            report.extend_from_slice(alloc::format!("{count} ").as_bytes());
            report.extend_from_slice(word);
            report.push(b'\n');
        }
        report
    }
}

/// Bytes of the word, or the rest of one, that the text begins with.
pub fn word_length(text: &[u8]) -> usize {
    text.iter()
        .position(|&byte| !is_word_byte(byte))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::Counts;

    const TEXT: &[u8] = "Don't panic: the Größe of the thing (and THE rest), don't!\n\
        a b a  thething"
        .as_bytes();

    fn whole(text: &[u8]) -> Counts {
        let mut counts = Counts::default();
        counts.add_text(text);
        counts
    }

    #[test]
    fn most_frequent_words_come_first() {
        let report = whole(TEXT).report();
        let text = core::str::from_utf8(&report).expect("words of text are text");
        let expected = "3 the\n2 a\n2 don't\n1 and\n1 b\n1 größe\n1 of\n1 panic\n1 rest\n\
            1 thething\n1 thing\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn cutting_anywhere_changes_nothing() {
        for size in 1..TEXT.len() + 1 {
            let mut counts = Counts::default();
            for start in (0..TEXT.len()).step_by(size) {
                let end = (start + size).min(TEXT.len());
                let before = start.checked_sub(1).map(|index| TEXT[index]);
                let mut part = Counts::default();
                part.add_chunk(before, &TEXT[start..end], &TEXT[end..]);
                counts.merge(&part);
            }
            assert_eq!(counts, whole(TEXT), "chunks of {size}");
        }
    }
}
