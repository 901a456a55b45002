//! The contents of a page, said as shortly as they can be said cheaply.
//!
//! Pages are mostly zeroes: a counter, a few records, the end of a heap. A *sparse* image
//! lists the words that are not zero; finding them takes less time than copying the page
//! does. An image is what travels between nodes, waits for the stores and lies on disks.
//!
//! ```text
//! nothing                       zeroes
//! 4096 bytes                    the page as it is
//! 8 bytes: which 64-byte lines have words that are not zero (bit n: line n), then for
//!     each of them 1 byte: which of its 8 words (bit n: word n), then these words
//! ```
//!
//! Numbers are little-endian. Whoever makes an image makes the shortest.
use alloc::sync::Arc;
use core::fmt;

use types::{Frame, PAGE_SIZE, PageBytes};

const LINE: usize = 64;
const WORD: usize = 8;
const MAP: usize = 8;
/// A longer sparse image is not worth the trouble.
const SPARSE_MAX: usize = PAGE_SIZE / 2;

const _: () = assert!(PAGE_SIZE == LINE * 64 && LINE == WORD * 8, "a bit for each");

/// The contents of a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Image(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Zero,
    /// Encoded, valid, at most [`SPARSE_MAX`] bytes.
    Sparse(Arc<[u8]>),
    Whole(Frame),
}

/// Bytes that are no image of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoImage {
    /// How many bytes were found.
    pub length: usize,
}

impl Image {
    /// Zeroes: the contents of every page that nobody has written.
    pub const ZERO: Self = Self(Form::Zero);

    /// The image of these contents.
    #[must_use]
    pub fn of(bytes: &PageBytes) -> Self {
        Self(shorten(bytes).unwrap_or_else(|| Form::Whole(Arc::new(*bytes))))
    }

    /// The image of a frame, and the frame back if the image does not need it.
    #[must_use]
    pub fn of_frame(frame: Frame) -> (Self, Option<Frame>) {
        match shorten(&frame) {
            Some(form) => (Self(form), Some(frame)),
            None => (Self(Form::Whole(frame)), None),
        }
    }

    /// The page as it is, if the image is no shorter than that.
    #[must_use]
    pub fn whole(&self) -> Option<&Frame> {
        match &self.0 {
            Form::Whole(frame) => Some(frame),
            Form::Zero | Form::Sparse(_) => None,
        }
    }

    /// Makes `page` the contents.
    pub fn write_to(&self, page: &mut PageBytes) {
        match &self.0 {
            Form::Zero => page.fill(0),
            Form::Sparse(encoded) => {
                let is_valid = expand(encoded, page).is_some();
                assert!(is_valid, "sparse images are checked when they are made");
            }
            Form::Whole(frame) => *page = **frame,
        }
    }

    /// As bytes: none, 4096, or fewer.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        match &self.0 {
            Form::Zero => &[],
            Form::Sparse(encoded) => encoded,
            Form::Whole(frame) => &frame[..],
        }
    }

    /// The image that these bytes are.
    ///
    /// # Errors
    /// If they are none, or not the shortest of its contents.
    pub fn decode(encoded: &[u8]) -> Result<Self, NoImage> {
        let length = encoded.len();
        if encoded.is_empty() {
            return Ok(Self::ZERO);
        }
        if let Ok(page) = <&PageBytes>::try_from(encoded) {
            return Ok(Self(Form::Whole(Arc::new(*page))));
        }
        let mut page = [0; PAGE_SIZE];
        expand(encoded, &mut page).ok_or(NoImage { length })?;
        match shorten(&page) {
            Some(Form::Sparse(canonical)) if *canonical == *encoded => {
                Ok(Self(Form::Sparse(canonical)))
            }
            _ => Err(NoImage { length }),
        }
    }
}

/// Something shorter than the page, if there is.
fn shorten(page: &PageBytes) -> Option<Form> {
    let (lines, _) = page.as_chunks::<LINE>();
    let mut map = 0_u64;
    for (at, line) in lines.iter().enumerate() {
        map |= u64::from(!is_zero(line)) << at;
    }
    if map == 0 {
        return Some(Form::Zero);
    }
    let mut encoded = [0; SPARSE_MAX];
    encoded[..MAP].copy_from_slice(&map.to_le_bytes());
    let mut length = MAP;
    while map != 0 {
        let line = &lines[map.trailing_zeros() as usize];
        map &= map - 1;
        // A line needs a byte and at most itself.
        if length + 1 + LINE > SPARSE_MAX {
            return None;
        }
        length += put_line(line, &mut encoded[length..]);
    }
    Some(Form::Sparse(Arc::from(&encoded[..length])))
}

fn is_zero(line: &[u8; LINE]) -> bool {
    let (words, _) = line.as_chunks::<WORD>();
    words
        .iter()
        .fold(0, |any, word| any | u64::from_le_bytes(*word))
        == 0
}

/// How many bytes it took.
fn put_line(line: &[u8; LINE], encoded: &mut [u8]) -> usize {
    let (words, _) = line.as_chunks::<WORD>();
    let (mut map, mut length) = (0, 1);
    for (at, word) in words.iter().enumerate() {
        if *word != [0; WORD] {
            map |= 1 << at;
            encoded[length..length + WORD].copy_from_slice(word);
            length += WORD;
        }
    }
    encoded[0] = map;
    length
}

/// `None` if the bytes end too early or too late.
fn expand(encoded: &[u8], page: &mut PageBytes) -> Option<()> {
    page.fill(0);
    let (lines, _) = page.as_chunks_mut::<LINE>();
    let (map, mut rest) = encoded.split_first_chunk::<MAP>()?;
    let mut map = u64::from_le_bytes(*map);
    while map != 0 {
        let (words, _) = lines[map.trailing_zeros() as usize].as_chunks_mut::<WORD>();
        map &= map - 1;
        let (&line_map, after) = rest.split_first()?;
        rest = after;
        for (at, word) in words.iter_mut().enumerate() {
            if line_map & 1 << at != 0 {
                let (value, after) = rest.split_first_chunk::<WORD>()?;
                *word = *value;
                rest = after;
            }
        }
    }
    rest.is_empty().then_some(())
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Zero => f.write_str("zero"),
            Form::Sparse(encoded) => write!(f, "sparse {}", encoded.len()),
            Form::Whole(_) => f.write_str("whole"),
        }
    }
}

impl fmt::Display for NoImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length } = self;
        write!(f, "{length} bytes that are no image of a page")
    }
}

impl core::error::Error for NoImage {}

/// In a message: the bytes, as many as there are.
pub(crate) mod in_message {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Image;

    pub(crate) fn serialize<S: Serializer>(
        image: &Image,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(image.encoded())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Image, D::Error> {
        let encoded: &[u8] = Deserialize::deserialize(deserializer)?;
        Image::decode(encoded).map_err(D::Error::custom)
    }
}

impl serde::Serialize for Image {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        in_message::serialize(self, serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Image {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        in_message::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use types::Prng;

    fn page_of(words: &[(usize, u64)]) -> PageBytes {
        let mut page = [0; PAGE_SIZE];
        for (word, value) in words {
            page[word * WORD..][..WORD].copy_from_slice(&value.to_le_bytes());
        }
        page
    }

    fn survives(page: &PageBytes) -> usize {
        let image = Image::of(page);
        let again = Image::decode(image.encoded()).unwrap();
        assert_eq!(image, again);
        let mut copy = [7; PAGE_SIZE];
        again.write_to(&mut copy);
        assert!(*page == copy);
        let (of_frame, left) = Image::of_frame(Arc::new(*page));
        assert_eq!(of_frame, image);
        assert_eq!(left.is_none(), image.whole().is_some());
        image.encoded().len()
    }

    #[test]
    fn what_is_not_zero_is_kept() {
        assert_eq!(survives(&[0; PAGE_SIZE]), 0);
        assert_eq!(survives(&page_of(&[(0, 1)])), MAP + 1 + WORD);
        assert_eq!(survives(&page_of(&[(511, 1 << 63)])), MAP + 1 + WORD);
        let neighbours = page_of(&[(8, 1), (15, 2), (16, 3)]);
        assert_eq!(survives(&neighbours), MAP + 2 + 3 * WORD);
        assert_eq!(survives(&[0xA5; PAGE_SIZE]), PAGE_SIZE);
    }

    #[test]
    fn pages_of_every_density_survive() {
        let mut prng = Prng::new(1);
        for words in 0..=512 {
            let words: Vec<_> = (0..words)
                .map(|_| (usize::try_from(prng.below(512)).unwrap(), prng.next_u64()))
                .collect();
            let length = survives(&page_of(&words));
            assert!(length <= SPARSE_MAX || length == PAGE_SIZE);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = Image::of(&page_of(&[(3, 1), (100, 2)]));
        let good = good.encoded();
        let mut zero_word = good.to_vec();
        zero_word[MAP + 1] = 0;
        let mut no_line = good.to_vec();
        no_line[..MAP].fill(0);
        let empty_line = [1, 0, 0, 0, 0, 0, 0, 0, 0];
        let longer = [good, &[0]].concat();
        let bad: [&[u8]; 6] = [
            &good[..good.len() - 1],
            &longer,
            &zero_word,
            &no_line,
            &empty_line,
            &[0; PAGE_SIZE + 1],
        ];
        for bytes in bad {
            let length = bytes.len();
            assert_eq!(Image::decode(bytes), Err(NoImage { length }));
        }
    }
}
