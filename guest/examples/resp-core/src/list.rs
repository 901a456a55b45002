//! Lists: what a step does at an end touches the end.

use alloc::collections::VecDeque;

use crate::text::Text;

/// Elements per chunk: a page full of short ones.
const CHUNK: usize = 128;

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A list of texts. Invariant: no chunk is empty, and all but the first and the last are full.
#[derive(Default, Debug)]
pub(crate) struct List {
    chunks: VecDeque<VecDeque<Text>>,
    length: usize,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn push(&mut self, side: Side, element: Text) {
        let end = match side {
            Side::Left => self.chunks.front_mut(),
            Side::Right => self.chunks.back_mut(),
        };
        self.length += 1;
        match (end.filter(|chunk| chunk.len() < CHUNK), side) {
            (Some(chunk), Side::Left) => chunk.push_front(element),
            (Some(chunk), Side::Right) => chunk.push_back(element),
            (None, Side::Left) => self.chunks.push_front([element].into()),
            (None, Side::Right) => self.chunks.push_back([element].into()),
        }
    }

    pub(crate) fn pop(&mut self, side: Side) -> Option<Text> {
        let (chunk, element) = match side {
            Side::Left => {
                let chunk = self.chunks.front_mut()?;
                let element = chunk.pop_front();
                (chunk, element)
            }
            Side::Right => {
                let chunk = self.chunks.back_mut()?;
                let element = chunk.pop_back();
                (chunk, element)
            }
        };
        if chunk.is_empty() {
            match side {
                Side::Left => self.chunks.pop_front(),
                Side::Right => self.chunks.pop_back(),
            };
        }
        self.length -= 1;
        element
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Text> {
        let (chunk, at) = self.locate(index)?;
        self.chunks.get(chunk)?.get(at)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Text> {
        let (chunk, at) = self.locate(index)?;
        self.chunks.get_mut(chunk)?.get_mut(at)
    }

    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        let first = self.chunks.front()?.len();
        Some(match index.checked_sub(first) {
            None => (0, index),
            Some(behind) => (1 + behind / CHUNK, behind % CHUNK),
        })
    }

    /// The elements from `first` to `last`, both included.
    pub(crate) fn range(&self, first: usize, last: usize) -> impl Iterator<Item = &Text> {
        (first..=last).map_while(|index| self.get(index))
    }

    /// Drops some elements; whether there are any left.
    pub(crate) fn drop_some(&mut self) -> bool {
        if let Some(chunk) = self.chunks.pop_back() {
            self.length -= chunk.len();
        }
        self.length > 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{List, Side};
    use crate::testing::Random;
    use crate::text::Text;

    #[test]
    fn a_list_is_what_a_plain_queue_is() {
        let mut random = Random::new(1);
        for round in 0..20 {
            let mut list = List::default();
            let mut model: VecDeque<Text> = VecDeque::new();
            for number in 0..2000u32 {
                let text = Text::from(&number.to_le_bytes()[..]);
                match random.below(if round % 2 == 0 { 5 } else { 8 }) {
                    0 | 4 => {
                        list.push(Side::Left, text.clone());
                        model.push_front(text);
                    }
                    1 | 5.. => {
                        list.push(Side::Right, text.clone());
                        model.push_back(text);
                    }
                    2 => assert_eq!(list.pop(Side::Left), model.pop_front()),
                    _ => assert_eq!(list.pop(Side::Right), model.pop_back()),
                }
                assert_eq!(list.len(), model.len());
                let index = random.below(model.len() + 2);
                assert_eq!(list.get(index), model.get(index));
            }
            assert!(list.range(0, usize::MAX - 1).eq(model.iter()));
        }
    }
}
