//! What came in: kept until what was made of it cannot be undone.
use alloc::collections::VecDeque;
use types::Epoch;

use crate::OutOfReach;

/// Items that came in, in order: bytes, or connections.
///
/// ```text
/// first          delivered         end
///   | given, may be   | not given yet |
///   | undone          |               |
/// ```
#[derive(Clone, Debug)]
pub struct Intake<T> {
    /// How many were forgotten: the position of the first of `items`.
    first: u64,
    items: VecDeque<T>,
    delivered: u64,
    /// In which epochs they were delivered, and up to where.
    deliveries: VecDeque<(Epoch, u64)>,
}

impl<T> Default for Intake<T> {
    fn default() -> Self {
        Self {
            first: 0,
            items: VecDeque::new(),
            delivered: 0,
            deliveries: VecDeque::new(),
        }
    }
}

impl<T> Intake<T> {
    /// Nothing came yet but so many, which are forgotten.
    #[must_use]
    pub fn starting_at(first: u64) -> Self {
        Self {
            first,
            delivered: first,
            ..Self::default()
        }
    }

    /// All that ever came.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// All that was delivered.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// All that is forgotten.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.first
    }

    /// Something came.
    pub fn push(&mut self, items: impl IntoIterator<Item = T>) {
        self.items.extend(items);
    }

    /// What is to be delivered next: one stretch of it, empty if there is nothing.
    #[must_use]
    pub fn next(&self) -> &[T] {
        let at = usize::try_from(self.delivered - self.first).expect("held in memory");
        let (front, back) = self.items.as_slices();
        match front.get(at..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => &back[at - front.len()..],
        }
    }

    /// All that is to be delivered.
    pub fn undelivered(&self) -> impl Iterator<Item = &T> {
        let at = usize::try_from(self.delivered - self.first).expect("held in memory");
        self.items.range(at..)
    }

    /// Keeps only these of all that is to be delivered.
    pub fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        let at = usize::try_from(self.delivered - self.first).expect("held in memory");
        let mut rest = self.items.split_off(at);
        rest.retain(is_kept);
        self.items.append(&mut rest);
    }

    /// So many were delivered, in a transaction of this epoch.
    ///
    /// # Panics
    /// If there were not so many.
    pub fn deliver(&mut self, count: u64, epoch: Epoch) {
        self.delivered += count;
        assert!(self.delivered <= self.end(), "only what came is delivered");
        self.note(epoch);
    }

    fn note(&mut self, epoch: Epoch) {
        match self.deliveries.back_mut() {
            Some((last, end)) if *last == epoch => *end = self.delivered,
            _ => self.deliveries.push_back((epoch, self.delivered)),
        }
    }

    /// What happened up to this epoch will not be undone: forgets what was delivered by then.
    pub fn safe(&mut self, epoch: Epoch) {
        let mut until = self.first;
        while let Some((_, end)) = self.deliveries.pop_front_if(|(in_, _)| *in_ <= epoch) {
            until = end;
        }
        let count = usize::try_from(until - self.first).expect("held in memory");
        self.first = until;
        self.items.drain(..count);
        if self.items.is_empty() {
            // An idle connection holds no memory.
            self.items = VecDeque::new();
        }
    }

    /// Something may have been undone. The memory says in an epoch how much was delivered.
    ///
    /// # Errors
    /// If that is not among what is here. Nothing has changed then.
    pub fn rewind(&mut self, delivered: u64, epoch: Epoch) -> Result<(), OutOfReach> {
        if !(self.first..=self.end()).contains(&delivered) {
            return Err(OutOfReach);
        }
        self.delivered = delivered;
        self.deliveries.clear();
        self.note(epoch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn all_next(intake: &mut Intake<u8>, epoch: u64) -> Vec<u8> {
        let mut got = Vec::new();
        while !intake.next().is_empty() {
            let next = intake.next().to_vec();
            intake.deliver(next.len() as u64, Epoch(epoch));
            got.extend(next);
        }
        got
    }

    #[test]
    fn what_is_undone_is_given_again() {
        let mut intake = Intake::default();
        intake.push(*b"abc");
        assert_eq!(all_next(&mut intake, 1), b"abc");
        intake.push(*b"def");
        assert_eq!(all_next(&mut intake, 2), b"def");
        intake.safe(Epoch(1));
        assert_eq!(intake.forgotten(), 3);
        intake.rewind(4, Epoch(3)).unwrap();
        assert_eq!(all_next(&mut intake, 3), b"ef");
        intake.safe(Epoch(2));
        assert_eq!(intake.forgotten(), 3);
        intake.safe(Epoch(3));
        assert_eq!((intake.forgotten(), intake.end()), (6, 6));
    }

    #[test]
    fn what_is_forgotten_cannot_be_given_again() {
        let mut intake = Intake::default();
        intake.push(*b"abc");
        intake.deliver(2, Epoch(1));
        intake.safe(Epoch(1));
        assert_eq!(intake.rewind(1, Epoch(2)), Err(OutOfReach));
        assert_eq!(intake.rewind(4, Epoch(2)), Err(OutOfReach));
        assert_eq!(intake.next(), b"c");
        assert_eq!(intake.rewind(2, Epoch(2)), Ok(()));
    }

    #[test]
    fn what_is_empty_holds_no_memory() {
        let mut intake = Intake::default();
        intake.push([b'a'; 1000]);
        intake.deliver(1000, Epoch(1));
        intake.safe(Epoch(1));
        assert_eq!(intake.items.capacity(), 0);
    }

    #[test]
    fn what_is_not_kept_is_not_given_again() {
        let mut intake = Intake::default();
        intake.push(*b"abcd");
        assert_eq!(all_next(&mut intake, 1), b"abcd");
        intake.rewind(2, Epoch(2)).unwrap();
        intake.retain(|item| !b"bc".contains(item));
        intake.push(*b"e");
        assert_eq!(all_next(&mut intake, 2), b"de");
        intake.rewind(0, Epoch(3)).unwrap();
        assert_eq!(all_next(&mut intake, 3), b"abde");
    }

    #[test]
    fn stretches_follow_one_another_round_the_ring() {
        let mut intake = Intake::default();
        let (mut given, mut taken) = (0..=u8::MAX, Vec::new());
        for epoch in 0..64 {
            intake.push(given.by_ref().take(4));
            taken.extend(all_next(&mut intake, epoch));
            if epoch % 3 == 0 {
                intake.safe(Epoch(epoch));
            }
        }
        assert_eq!(taken, (0..=u8::MAX).collect::<Vec<_>>());
    }
}
