//! What goes out: held back until it may leave, and remembered until it cannot be undone.
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use types::Epoch;

use crate::OutOfReach;

/// When what is collected may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// At once.
    AtCommit,
    /// When nothing can undo it.
    AtStable,
}

/// Something was undone that had left, and now something else is to go out in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contradiction;

/// Bytes that a program has written, and the end of them.
///
/// ```text
/// first         left, safe           taken
///   | gone, may be  | held back, to be |
///   | undone        | collected again  |
/// ```
/// After a rewind what had gone is *promised*: what is collected anew must begin with it.
#[derive(Clone, Debug)]
pub struct Outlet {
    rule: Rule,
    /// How many were forgotten: the position of the first of `bytes`.
    first: u64,
    /// Up to the farther of `taken` and `left`.
    bytes: VecDeque<u8>,
    /// What was collected in the present course of events.
    taken: u64,
    /// What of it cannot be undone.
    safe: u64,
    /// In which epochs the rest was collected, and up to where.
    takings: VecDeque<(Epoch, u64)>,
    /// What has left.
    left: u64,
    end: End,
}

/// Whether more is to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Open,
    /// Nothing more, since a transaction of this epoch.
    Closed(Epoch),
    /// The same, and it cannot be undone.
    Safe,
}

impl Outlet {
    /// Nothing was collected yet.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            first: 0,
            bytes: VecDeque::new(),
            taken: 0,
            safe: 0,
            takings: VecDeque::new(),
            left: 0,
            end: End::Open,
        }
    }

    /// Nothing is to be collected before this position: others have brought that out.
    #[must_use]
    pub fn starting_at(rule: Rule, first: u64) -> Self {
        Self {
            first,
            taken: first,
            safe: first,
            left: first,
            ..Self::new(rule)
        }
    }

    /// The position of what leaves next.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// From where on bytes are to be collected.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// What has left and cannot be undone any more.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.first
    }

    /// Whether everything has left, the program will write no more, and nothing of that can be
    /// undone.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.end == End::Safe && self.first == self.taken
    }

    /// Whether something waits to leave, its end included, or to be safe.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        match self.end {
            End::Open => self.first < self.taken,
            End::Closed(_) | End::Safe => !self.is_done(),
        }
    }

    /// The epoch that must be safe before all that was collected may leave, its end included;
    /// `None` if nothing waits for one.
    #[must_use]
    pub fn awaits(&self) -> Option<Epoch> {
        if self.rule == Rule::AtCommit {
            return None;
        }
        let taking = self.takings.back().map(|(epoch, _)| *epoch);
        let end = match self.end {
            End::Closed(since) => Some(since),
            End::Open | End::Safe => None,
        };
        taking.max(end)
    }

    /// Whether everything has left, and the end of it may be told.
    #[must_use]
    pub fn ends(&self) -> bool {
        match self.rule {
            Rule::AtCommit => self.end != End::Open && self.left == self.taken,
            Rule::AtStable => self.is_done(),
        }
    }

    /// Bytes were collected behind those before, in a transaction of this epoch.
    ///
    /// # Errors
    /// If others have left in their place. Nothing may leave any more then.
    pub fn take(&mut self, bytes: &[u8], epoch: Epoch) -> Result<(), Contradiction> {
        let at = self.index(self.taken);
        let promised = self.bytes.len() - at;
        let (again, new) = bytes.split_at(promised.min(bytes.len()));
        if !self.bytes.range(at..at + again.len()).eq(again) {
            return Err(Contradiction);
        }
        self.bytes.extend(new);
        self.taken += bytes.len() as u64;
        match self.takings.back_mut() {
            Some((last, end)) if *last == epoch => *end = self.taken,
            _ => self.takings.push_back((epoch, self.taken)),
        }
        Ok(())
    }

    /// The program writes no more, as seen in a transaction of this epoch: nothing comes behind
    /// what was collected.
    ///
    /// # Errors
    /// If something has left that is not to go out any more.
    pub fn close(&mut self, epoch: Epoch) -> Result<(), Contradiction> {
        if self.taken < self.left {
            return Err(Contradiction);
        }
        if self.end == End::Open {
            self.end = End::Closed(epoch);
        }
        Ok(())
    }

    /// What happened up to this epoch will not be undone.
    pub fn safe(&mut self, epoch: Epoch) {
        while let Some((_, end)) = self.takings.pop_front_if(|(in_, _)| *in_ <= epoch) {
            self.safe = end;
        }
        if matches!(self.end, End::Closed(since) if since <= epoch) {
            self.end = End::Safe;
        }
        self.forget();
    }

    /// What may leave now, so many bytes at most.
    pub fn leave(&mut self, room: usize) -> Vec<u8> {
        let until = match self.rule {
            Rule::AtCommit => self.taken,
            Rule::AtStable => self.safe,
        };
        // What is promised may go beyond what was collected again.
        let from = self.index(self.left);
        let count = self.index(until.max(self.left)) - from;
        let bytes: Vec<u8> = self
            .bytes
            .range(from..from + count.min(room))
            .copied()
            .collect();
        self.left += bytes.len() as u64;
        self.forget();
        bytes
    }

    /// Something may have been undone. The memory says how much was written. Everything that is
    /// not safe is to be collected again, from [`Outlet::taken`] on.
    ///
    /// # Errors
    /// If the memory does not know of what is safe and gone. Nothing has changed then.
    pub fn rewind(&mut self, written: u64) -> Result<(), OutOfReach> {
        if written < self.first {
            return Err(OutOfReach);
        }
        let promised = self.index(self.left);
        self.bytes.truncate(promised);
        (self.taken, self.safe) = (self.first, self.first);
        self.takings.clear();
        self.end = End::Open;
        Ok(())
    }

    /// Forgets what has left and is safe.
    fn forget(&mut self) {
        let count = self.index(self.left.min(self.safe).max(self.first));
        self.bytes.drain(..count);
        self.first += count as u64;
        if self.bytes.is_empty() {
            // An idle connection holds no memory.
            self.bytes = VecDeque::new();
        }
    }

    fn index(&self, position: u64) -> usize {
        usize::try_from(position - self.first).expect("held in memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const E: fn(u64) -> Epoch = Epoch;

    #[test]
    fn another_goes_on_where_one_has_come_to() {
        let mut outlet = Outlet::starting_at(Rule::AtStable, 7);
        assert!(!outlet.is_waiting());
        assert_eq!(outlet.taken(), 7);
        outlet.take(b"abc", E(1)).unwrap();
        outlet.safe(E(1));
        assert_eq!((outlet.left(), outlet.leave(2)), (7, b"ab".to_vec()));
        assert_eq!((outlet.left(), outlet.forgotten()), (9, 9));
    }

    #[test]
    fn at_stable_nothing_leaves_that_may_be_undone() {
        let mut outlet = Outlet::new(Rule::AtStable);
        assert_eq!(outlet.awaits(), None);
        outlet.take(b"abc", E(1)).unwrap();
        outlet.take(b"def", E(2)).unwrap();
        assert_eq!(outlet.leave(99), b"");
        outlet.safe(E(1));
        assert_eq!(outlet.leave(99), b"abc");
        assert_eq!(outlet.awaits(), Some(E(2)));
        outlet.rewind(4).unwrap();
        assert_eq!(outlet.taken(), 3);
        outlet.take(b"xy", E(3)).unwrap();
        outlet.close(E(3)).unwrap();
        outlet.safe(E(2));
        assert_eq!(outlet.leave(99), b"");
        outlet.safe(E(3));
        assert!(!outlet.is_done() && outlet.is_waiting());
        assert_eq!(outlet.leave(1), b"x");
        assert_eq!(outlet.leave(99), b"y");
        assert!(outlet.is_done() && !outlet.is_waiting());
    }

    #[test]
    fn an_end_alone_waits_to_be_safe() {
        let mut outlet = Outlet::new(Rule::AtStable);
        outlet.take(b"abc", E(1)).unwrap();
        outlet.safe(E(1));
        assert_eq!(outlet.leave(99), b"abc");
        assert!(!outlet.is_waiting());
        outlet.close(E(2)).unwrap();
        assert!(outlet.is_waiting() && !outlet.ends());
        assert_eq!(outlet.awaits(), Some(E(2)));
        outlet.safe(E(2));
        assert!(!outlet.is_waiting() && outlet.ends());
        assert_eq!(outlet.awaits(), None);
    }

    #[test]
    fn at_commit_what_has_left_must_be_written_again() {
        let mut outlet = Outlet::new(Rule::AtCommit);
        outlet.take(b"abcdef", E(1)).unwrap();
        assert_eq!(outlet.awaits(), None);
        assert_eq!(outlet.leave(99), b"abcdef");
        outlet.rewind(0).unwrap();
        let undone = outlet.clone();
        outlet.take(b"abc", E(2)).unwrap();
        assert_eq!(outlet.leave(99), b"");
        outlet.take(b"defgh", E(2)).unwrap();
        assert_eq!(outlet.leave(99), b"gh");
        outlet.safe(E(2));
        assert_eq!(outlet.forgotten(), 8);

        let mut other = undone.clone();
        other.take(b"abc", E(2)).unwrap();
        assert_eq!(other.take(b"x", E(2)), Err(Contradiction));
        let mut shorter = undone;
        shorter.take(b"abc", E(2)).unwrap();
        assert_eq!(shorter.close(E(2)), Err(Contradiction));
    }

    #[test]
    fn what_is_safe_and_gone_cannot_be_undone() {
        for rule in [Rule::AtCommit, Rule::AtStable] {
            let mut outlet = Outlet::new(rule);
            outlet.take(b"abc", E(1)).unwrap();
            outlet.safe(E(1));
            assert_eq!(outlet.leave(99), b"abc");
            assert_eq!(outlet.rewind(2), Err(OutOfReach));
            assert_eq!(outlet.rewind(3), Ok(()));
        }
    }
}
