//! The programs: what transactions do with the pages, computed from what they see, and
//! what they may rely on if the memory keeps its promises.
use std::collections::BTreeMap;

use dtm::CommitMode;
use types::{PageId, Prng};

/// Kinds of programs; a run mixes some.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// Increments of contended counters.
    Counters,
    /// Transfers between accounts, and audits of their total.
    Bank,
    /// Appends to a ring of numbered slots.
    List,
    /// Many reads, seldom a write.
    ReadMostly,
    /// One transaction over many pages, with pauses.
    Long,
    /// Writes that change nothing.
    Silent,
    /// Reads of accounts and effects that are discarded.
    Query,
    /// Reads or writes of many pages in order.
    Sweep,
}

pub(crate) const ALL_KINDS: [Kind; 8] = [
    Kind::Counters,
    Kind::Bank,
    Kind::List,
    Kind::ReadMostly,
    Kind::Long,
    Kind::Silent,
    Kind::Query,
    Kind::Sweep,
];

/// Which pages are for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// Each counts the commits that incremented it.
    pub(crate) counters: Vec<PageId>,
    /// Their sum is always 0.
    pub(crate) accounts: Vec<PageId>,
    /// How often something was appended.
    pub(crate) head: PageId,
    /// Slot `n % len` holds `n + 1` after append number `n`.
    pub(crate) slots: Vec<PageId>,
    /// Linear memory, one page behind the other.
    pub(crate) rows: Vec<PageId>,
}

/// One program with its arguments. It has no state: what comes next follows from how
/// many steps it has taken and from what it has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Script {
    Increment {
        pages: Vec<PageId>,
    },
    Transfer {
        from: PageId,
        to: PageId,
    },
    Audit {
        accounts: Vec<PageId>,
        mode: CommitMode,
    },
    Append {
        head: PageId,
        slots: Vec<PageId>,
    },
    Browse {
        pages: Vec<PageId>,
        then: Option<PageId>,
    },
    Long {
        pages: Vec<PageId>,
        then: PageId,
    },
    Rewrite {
        pages: Vec<PageId>,
    },
    WhatIf {
        from: PageId,
        to: PageId,
        accounts: Vec<PageId>,
    },
    Sweep {
        pages: Vec<PageId>,
        writes: bool,
    },
}

/// What a program does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Read(PageId),
    Write(PageId, Update),
    Pause,
    End,
}

/// How a write computes the new number from the old one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Update {
    Add(i64),
    Set(i64),
    /// Writes the very bytes that are there.
    Same,
}

/// What an attempt has seen so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Seen {
    /// First look at each page, before an own write.
    pub(crate) first: BTreeMap<PageId, i64>,
    /// Own writes included.
    pub(crate) now: BTreeMap<PageId, i64>,
}

impl Layout {
    /// All pages.
    pub(crate) fn pages(&self) -> Vec<PageId> {
        let mut pages = self.hot_pages();
        pages.extend(&self.rows);
        pages
    }

    /// Those that many programs use.
    fn hot_pages(&self) -> Vec<PageId> {
        let mut pages = vec![self.head];
        pages.extend(&self.counters);
        pages.extend(&self.accounts);
        pages.extend(&self.slots);
        pages
    }
}

impl Update {
    pub(crate) fn apply(self, value: i64) -> i64 {
        match self {
            Self::Add(amount) => value + amount,
            Self::Set(value) => value,
            Self::Same => value,
        }
    }
}

impl Script {
    /// Draws a program of this kind.
    pub(crate) fn draw(kind: Kind, layout: &Layout, prng: &mut Prng) -> Self {
        match kind {
            Kind::Counters => Self::Increment {
                pages: some(&layout.counters, 2, prng),
            },
            Kind::Bank if prng.chance(1, 4) => Self::Audit {
                accounts: layout.accounts.clone(),
                mode: CommitMode::Apply,
            },
            Kind::Bank => {
                let (from, to) = two(&layout.accounts, prng);
                Self::Transfer { from, to }
            }
            Kind::List => Self::Append {
                head: layout.head,
                slots: layout.slots.clone(),
            },
            Kind::ReadMostly => {
                let then = prng.chance(1, 5).then(|| one(&layout.counters, prng));
                Self::Browse {
                    pages: some(&layout.hot_pages(), 5, prng),
                    then,
                }
            }
            Kind::Long => Self::Long {
                pages: layout.counters.clone(),
                then: one(&layout.counters, prng),
            },
            Kind::Silent => Self::Rewrite {
                pages: some(&layout.hot_pages(), 3, prng),
            },
            Kind::Sweep => {
                let stretches = layout.rows.chunks(STRETCH);
                let stretches: Vec<&[PageId]> = stretches.collect();
                Self::Sweep {
                    pages: stretches[index_below(stretches.len(), prng)].to_vec(),
                    writes: prng.chance(1, 2),
                }
            }
            Kind::Query if prng.chance(1, 2) => Self::Audit {
                accounts: layout.accounts.clone(),
                mode: CommitMode::Discard,
            },
            Kind::Query => {
                let (from, to) = two(&layout.accounts, prng);
                Self::WhatIf {
                    from,
                    to,
                    accounts: layout.accounts.clone(),
                }
            }
        }
    }

    /// What becomes of its effects.
    pub(crate) fn mode(&self) -> CommitMode {
        match self {
            Self::Audit { mode, .. } => *mode,
            Self::WhatIf { .. } => CommitMode::Discard,
            _ => CommitMode::Apply,
        }
    }

    /// What comes after `taken` steps.
    pub(crate) fn step(&self, taken: usize, seen: &Seen) -> Step {
        match self {
            Self::Increment { pages } => match pages.get(taken) {
                Some(&page) => Step::Write(page, Update::Add(1)),
                None => Step::End,
            },
            Self::Transfer { from, to } => transfer(taken, *from, *to, seen).unwrap_or(Step::End),
            Self::Audit { accounts, .. } => accounts
                .get(taken)
                .map_or(Step::End, |&page| Step::Read(page)),
            Self::Append { head, slots } => append(taken, *head, slots, seen),
            Self::Browse { pages, then } => browse(taken, pages, *then),
            Self::Long { pages, then } if taken.is_multiple_of(2) => {
                browse(taken / 2, pages, Some(*then))
            }
            Self::Long { .. } => Step::Pause,
            Self::Rewrite { pages } => match pages.get(taken) {
                Some(&page) => Step::Write(page, Update::Same),
                None => Step::End,
            },
            Self::Sweep { pages, writes } => match pages.get(taken) {
                Some(&page) if *writes => Step::Write(page, Update::Add(1)),
                Some(&page) => Step::Read(page),
                None => Step::End,
            },
            Self::WhatIf { from, to, accounts } => transfer(taken, *from, *to, seen)
                .or_else(|| {
                    accounts
                        .get(taken - TRANSFER_STEPS)
                        .map(|&page| Step::Read(page))
                })
                .unwrap_or(Step::End),
        }
    }

    /// Whether what the program has seen at its end is possible.
    ///
    /// # Errors
    /// What is impossible about it.
    pub(crate) fn verify(&self, seen: &Seen) -> Result<(), String> {
        match self {
            Self::Audit { accounts, .. } | Self::WhatIf { accounts, .. } => {
                let total: i64 = accounts.iter().map(|page| seen.now[page]).sum();
                if total == 0 {
                    Ok(())
                } else {
                    Err(format!("accounts add up to {total}"))
                }
            }
            Self::Append { head, slots } => {
                let (slot, number) = slot_of(*head, slots, seen);
                let rounds_before = number - as_number(slots.len());
                let expected = (rounds_before + 1).max(0);
                let found = seen.first[&slot];
                if found == expected {
                    return Ok(());
                }
                Err(format!(
                    "{slot} holds {found} before append {number}, expected {expected}"
                ))
            }
            _ => Ok(()),
        }
    }
}

const TRANSFER_STEPS: usize = 4;
/// Rows that are swept at a time.
const STRETCH: usize = 12;

fn transfer(taken: usize, from: PageId, to: PageId, seen: &Seen) -> Option<Step> {
    let amount = || 1 + (seen.first[&from] + seen.first[&to]).rem_euclid(7);
    match taken {
        0 => Some(Step::Read(from)),
        1 => Some(Step::Read(to)),
        2 => Some(Step::Write(from, Update::Add(-amount()))),
        3 => Some(Step::Write(to, Update::Add(amount()))),
        _ => None,
    }
}

fn append(taken: usize, head: PageId, slots: &[PageId], seen: &Seen) -> Step {
    match taken {
        0 => Step::Read(head),
        1 => {
            let (slot, number) = slot_of(head, slots, seen);
            Step::Write(slot, Update::Set(number + 1))
        }
        2 => Step::Write(head, Update::Add(1)),
        _ => Step::End,
    }
}

fn browse(taken: usize, pages: &[PageId], then: Option<PageId>) -> Step {
    match (pages.get(taken), then) {
        (Some(&page), _) => Step::Read(page),
        (None, Some(page)) if taken == pages.len() => Step::Write(page, Update::Add(1)),
        _ => Step::End,
    }
}

/// The slot of the next append, and its number.
fn slot_of(head: PageId, slots: &[PageId], seen: &Seen) -> (PageId, i64) {
    let number = seen.first[&head];
    let index = number.rem_euclid(as_number(slots.len()));
    (
        slots[usize::try_from(index).expect("a remainder is not negative")],
        number,
    )
}

fn as_number(length: usize) -> i64 {
    i64::try_from(length).expect("a few pages")
}

fn one(pages: &[PageId], prng: &mut Prng) -> PageId {
    pages[index_below(pages.len(), prng)]
}

fn two(pages: &[PageId], prng: &mut Prng) -> (PageId, PageId) {
    let first = index_below(pages.len(), prng);
    let second = (first + 1 + index_below(pages.len() - 1, prng)) % pages.len();
    (pages[first], pages[second])
}

/// One up to `max` different pages in random order.
fn some(pages: &[PageId], max: usize, prng: &mut Prng) -> Vec<PageId> {
    let mut rest = pages.to_vec();
    let count = 1 + index_below(max.min(rest.len()), prng);
    (0..count)
        .map(|_| rest.swap_remove(index_below(rest.len(), prng)))
        .collect()
}

pub(crate) fn index_below(bound: usize, prng: &mut Prng) -> usize {
    usize::try_from(prng.below(bound as u64)).expect("below a usize")
}
