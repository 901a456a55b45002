//! Whether a page that is fetched here will also be written here, judged by what was done
//! with it when it was here before.
//!
//! Transactions look before they write, so the access that misses a page tells little. But
//! pages that wander from writer to writer go on doing so ("migratory sharing": Cox and
//! Fowler 1993; Stenström, Brorsson and Sandberg 1993), and such a page is better fetched
//! whole: a copy would cost the writer a second exchange. The guess may be wrong, which
//! costs the other node one exchange at most; so writes count double.

/// What a node has done with a page in its last few stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Habit(u8);

/// How a stay of a page at this node has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stay {
    /// It was written here.
    Written,
    /// It was only looked at, if that.
    Read,
}

const WRITTEN_GAIN: u8 = 2;
const MAX: u8 = 3;

impl Habit {
    /// The page leaves the node.
    pub(crate) fn learn(&mut self, stay: Stay) {
        self.0 = match stay {
            Stay::Written => MAX.min(self.0 + WRITTEN_GAIN),
            Stay::Read => self.0.saturating_sub(1),
        };
    }

    /// Whether the page will be written if it comes back.
    pub(crate) fn expects_write(self) -> bool {
        self.0 > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_stay_with_a_write_is_enough() {
        let mut habit = Habit::default();
        assert!(!habit.expects_write());
        for _ in 0..4 {
            habit.learn(Stay::Written);
            assert!(habit.expects_write());
            habit.learn(Stay::Read);
            assert!(habit.expects_write());
        }
        (0..3).for_each(|_| habit.learn(Stay::Read));
        assert!(!habit.expects_write());
    }
}
