//! Small hand-made histories, good and bad, for each checker.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is tests")]
use oracle::{
    Abort, Attempt, AttemptId, DependencyKind, History, Limits, Moment, Outcome, Period, Property,
    Read, StableNotice, Token, TxnId, Violation, Write, check,
};
use types::{Epoch, Fallback, Interval, NodeId, PageId, Stamp};

const A: PageId = PageId::new(1, 0);
const B: PageId = PageId::new(1, 1);
const C: PageId = PageId::new(1, 2);
const LIMITS: Limits = Limits { losses_max: 3 };

/// A history under construction; every transaction has one attempt unless told.
#[derive(Default)]
struct Script {
    history: History,
}

/// One attempt as the tests write it down.
struct Line {
    begin: u64,
    reads: Vec<(PageId, u64)>,
    writes: Vec<(PageId, u64)>,
    outcome: Outcome,
}

fn run(begin: u64, reads: &[(PageId, u64)], writes: &[(PageId, u64)], outcome: Outcome) -> Line {
    Line {
        begin,
        reads: reads.to_vec(),
        writes: writes.to_vec(),
        outcome,
    }
}

fn stamp(epoch: u64) -> Stamp {
    Stamp {
        node: NodeId(1),
        interval: Interval {
            epoch: Epoch(epoch),
            sub: 0,
        },
    }
}

/// Committed at a moment in epoch 1.
fn at(moment: u64) -> Outcome {
    in_epoch(1, moment)
}

fn in_epoch(epoch: u64, moment: u64) -> Outcome {
    Outcome::Committed {
        stamp: stamp(epoch),
        at: Moment(moment),
    }
}

const LOST: Outcome = Outcome::Aborted(Abort::Conflict);

impl Script {
    fn line(mut self, line: Line) -> Self {
        let txn = TxnId(self.history.attempts.len() as u64);
        self.push(txn, line);
        self
    }

    fn line_of(mut self, txn: u64, line: Line) -> Self {
        self.push(TxnId(txn), line);
        self
    }

    fn fallback(mut self, stable: u64, first_epoch: u64) -> Self {
        let nodes = (0..10).map(NodeId);
        let decision = Fallback::to_stable(Epoch(stable), Epoch(first_epoch), nodes);
        self.history.fallbacks.push(decision);
        self
    }

    fn stable(mut self, epoch: u64) -> Self {
        let period = Period(self.history.fallbacks.len());
        self.history.stable_notices.push(StableNotice {
            epoch: Epoch(epoch),
            period,
        });
        self
    }

    fn push(&mut self, txn: TxnId, line: Line) {
        let read = |&(page, token): &(PageId, u64)| Read {
            page,
            token: Token(token),
        };
        let write = |&(page, token): &(PageId, u64)| Write {
            page,
            token: Token(token),
        };
        self.history.attempts.push(Attempt {
            txn,
            node: match line.outcome {
                Outcome::Committed { stamp, .. } => stamp.node,
                Outcome::Running | Outcome::Aborted(_) => NodeId(1),
            },
            period: Period(self.history.fallbacks.len()),
            begin: Moment(line.begin),
            reads: line.reads.iter().map(read).collect(),
            writes: line.writes.iter().map(write).collect(),
            outcome: line.outcome,
        });
    }

    fn verdict(&self) -> Result<(), Violation> {
        check(&self.history, &LIMITS)
    }

    fn violation(&self) -> Violation {
        self.verdict().expect_err("the history is bad")
    }
}

#[test]
fn a_chain_of_writes_with_readers_in_between_is_good() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], at(2)))
        .line(run(3, &[(A, 10), (B, 0)], &[], at(6)))
        .line(run(4, &[(A, 10)], &[], LOST).aborted_txn())
        .line(run(7, &[(A, 10)], &[(A, 11)], at(8)))
        .line(run(9, &[(A, 11)], &[(B, 12)], at(10)).reading(B, 0));
    assert_eq!(script.verdict(), Ok(()));
}

impl Line {
    /// Ends its transaction with a crash, so that progress asks for no commit.
    fn aborted_txn(mut self) -> Self {
        self.outcome = Outcome::Aborted(Abort::Crash);
        self
    }

    fn reading(mut self, page: PageId, token: u64) -> Self {
        self.reads.push((page, token));
        self
    }
}

#[test]
fn single_writer_two_writers_of_one_version_are_a_fork() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], at(3)))
        .line(run(2, &[(A, 0)], &[(A, 11)], at(4)));
    let writers = [AttemptId(0), AttemptId(1)];
    assert_eq!(
        script.violation(),
        Violation::Fork {
            page: A,
            before: Token(0),
            writers
        }
    );
}

#[test]
fn single_writer_a_write_needs_a_predecessor() {
    let script = Script::default().line(run(1, &[], &[(A, 10)], at(3)));
    assert_eq!(
        script.violation(),
        Violation::NoPredecessor {
            writer: AttemptId(0),
            page: A
        }
    );
}

#[test]
fn single_writer_tokens_are_used_once() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], at(2)))
        .line(run(3, &[(A, 10)], &[(A, 10)], at(4)));
    assert!(matches!(
        script.violation(),
        Violation::TokenReused { page: A, .. }
    ));
}

#[test]
fn opacity_a_doomed_attempt_must_not_see_half_of_a_commit() {
    let script = Script::default()
        .line(run(1, &[(A, 0), (B, 0)], &[(A, 10), (B, 11)], at(5)))
        .line_of(7, run(2, &[(A, 0), (B, 11)], &[], LOST))
        .line_of(7, run(8, &[(A, 10), (B, 11)], &[], at(9)));
    let (older, newer) = ((A, Token(0)), (B, Token(11)));
    let reader = AttemptId(1);
    assert_eq!(
        script.violation(),
        Violation::NeverTogether {
            reader,
            older,
            newer
        }
    );
}

#[test]
fn opacity_a_doomed_attempt_may_see_the_state_of_its_doom() {
    let script = Script::default()
        .line(run(1, &[(A, 0), (B, 0)], &[(A, 10), (B, 11)], at(5)))
        .line_of(7, run(2, &[(A, 0), (B, 0)], &[], LOST))
        .line_of(7, run(8, &[(A, 10), (B, 11)], &[], at(9)));
    assert_eq!(script.verdict(), Ok(()));
}

#[test]
fn opacity_a_state_from_before_the_beginning_is_stale() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], at(2)))
        .line(run(3, &[(A, 0)], &[], LOST).aborted_txn());
    let (reader, overwriter) = (AttemptId(1), AttemptId(0));
    assert_eq!(
        script.violation(),
        Violation::StaleRead {
            reader,
            page: A,
            overwriter
        }
    );
}

#[test]
fn opacity_nobody_sees_what_was_not_committed() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], LOST).aborted_txn())
        .line(run(2, &[(A, 10)], &[], at(3)));
    let (reader, token) = (AttemptId(1), Token(10));
    assert_eq!(
        script.violation(),
        Violation::NeverCommitted {
            reader,
            page: A,
            token
        }
    );
}

#[test]
fn serialisability_write_skew_has_no_order() {
    let script = Script::default()
        .line(run(1, &[(A, 0), (B, 0)], &[(A, 10)], at(3)))
        .line(run(2, &[(A, 0), (B, 0)], &[(B, 11)], at(4)));
    let Violation::Cycle { edges } = script.violation() else {
        panic!("write skew is a cycle");
    };
    assert_eq!(edges.len(), 2);
    assert!(
        edges.iter().all(|edge| edge.kind == DependencyKind::Anti),
        "{edges:?}"
    );
}

#[test]
fn serialisability_real_time_counts() {
    let good = Script::default()
        .line(run(1, &[(A, 0)], &[], at(5)))
        .line(run(2, &[(A, 0)], &[(A, 10)], at(4)));
    assert_eq!(good.verdict(), Ok(()));
    let stale = oracle::Timeline::new(&good.history, Period(0));
    assert_eq!(oracle::serialisability::check(&stale), Ok(()));

    let bad = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], at(2)))
        .line(run(3, &[(A, 0)], &[], at(4)));
    let timeline = oracle::Timeline::new(&bad.history, Period(0));
    let Err(Violation::Cycle { edges }) = oracle::serialisability::check(&timeline) else {
        panic!("a reader after the writer must see its version");
    };
    assert!(
        edges
            .iter()
            .any(|edge| edge.kind == DependencyKind::RealTime),
        "{edges:?}"
    );
}

#[test]
fn epoch_cuts_dependencies_go_forward() {
    let good = Script::default()
        .line(run(1, &[(A, 0)], &[], in_epoch(2, 2)))
        .line(run(3, &[(A, 0)], &[(A, 10)], in_epoch(2, 4)));
    assert_eq!(good.verdict(), Ok(()));
    let overwritten_earlier = Script::default()
        .line(run(1, &[(A, 0)], &[], in_epoch(2, 2)))
        .line(run(3, &[(A, 0)], &[(A, 10)], in_epoch(1, 4)));
    let Violation::NoPrefix { edge, epochs } = overwritten_earlier.violation() else {
        panic!("the overwriter of what epoch 2 has read is not in epoch 1");
    };
    assert_eq!(
        (edge.kind, epochs),
        (DependencyKind::Anti, [Epoch(2), Epoch(1)])
    );
    let read_earlier = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], in_epoch(2, 2)))
        .line(run(3, &[(A, 10)], &[], in_epoch(1, 4)));
    assert_eq!(read_earlier.violation().property(), Property::EpochCuts);
}

#[test]
fn fallback_goes_on_from_the_stable_state() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], in_epoch(1, 2)))
        .stable(1)
        .line(run(3, &[(A, 10)], &[(A, 11)], in_epoch(2, 4)))
        .fallback(1, 5)
        .line(run(5, &[(A, 10)], &[(A, 12)], in_epoch(5, 6)))
        .line(run(7, &[(A, 12)], &[], in_epoch(5, 8)));
    assert_eq!(script.verdict(), Ok(()));
}

#[test]
fn fallback_leaves_no_trace_of_the_undone() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], in_epoch(2, 2)))
        .fallback(1, 5)
        .line(run(5, &[(A, 10)], &[], LOST).aborted_txn());
    let (reader, writer) = (AttemptId(1), AttemptId(0));
    assert_eq!(
        script.violation(),
        Violation::UndoneTrace {
            reader,
            writer,
            page: A
        }
    );
}

/// Committed in epoch 2 by this node.
fn by(node: u32, moment: u64) -> Outcome {
    let stamp = Stamp {
        node: NodeId(node),
        ..stamp(2)
    };
    let at = Moment(moment);
    Outcome::Committed { stamp, at }
}

/// Node 1 writes, node 2 reads that and writes, then something of its own; node 3 has
/// nothing to do with them. Then node 1 dies, and these go back to what is stable.
fn after_a_death(back: &[u32]) -> Script {
    let mut script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], by(1, 2)))
        .line(run(3, &[(A, 10), (B, 0)], &[(B, 11)], by(2, 4)))
        .line(run(5, &[(B, 11)], &[(B, 12)], by(2, 6)))
        .line(run(7, &[(C, 0)], &[(C, 13)], by(3, 8)));
    let nodes = back.iter().copied().map(NodeId);
    let decision = Fallback::to_stable(Epoch(1), Epoch(5), nodes);
    script.history.fallbacks.push(decision);
    script.history.deaths.push(vec![NodeId(1)]);
    script
}

fn judged(script: &Script) -> oracle::recovery::Judgement {
    let timeline = oracle::Timeline::new(&script.history, Period(0));
    oracle::recovery::judge(&timeline).expect("there is a fallback")
}

#[test]
fn recovery_whoever_depends_on_lost_work_goes_back() {
    let script = after_a_death(&[1]);
    let Violation::OrphanKept { edge, period } = script.violation() else {
        panic!("node 2 has read what was lost");
    };
    assert_eq!((edge.from, edge.to), (AttemptId(0), AttemptId(1)));
    assert_eq!(period, Period(0));
    assert_eq!(after_a_death(&[1, 2]).verdict(), Ok(()));
}

#[test]
fn recovery_is_judged_by_what_had_to_be_undone() {
    let just = judged(&after_a_death(&[1, 2]));
    assert_eq!((just.lost, just.undone_min, just.undone), (1, 2, 2));
    assert_eq!(just.needed, just.reset);
    let too_much = judged(&after_a_death(&[1, 2, 3]));
    assert_eq!((too_much.undone_min, too_much.undone), (2, 3));
    assert_eq!(too_much.needed, [NodeId(2)].into());
    assert_eq!(too_much.reset, [NodeId(2), NodeId(3)].into());
}

#[test]
fn fallback_keeps_the_stable() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], in_epoch(1, 2)))
        .fallback(1, 5)
        .line(run(5, &[(A, 0)], &[], LOST).aborted_txn());
    let (reader, lost) = (AttemptId(1), AttemptId(0));
    assert_eq!(
        script.violation(),
        Violation::StableLost {
            reader,
            page: A,
            lost
        }
    );
}

#[test]
fn fallback_keeps_its_promises() {
    let script = Script::default()
        .line(run(1, &[(A, 0)], &[(A, 10)], in_epoch(2, 2)))
        .stable(2)
        .fallback(1, 5);
    let violation = Violation::PromiseBroken {
        epoch: Epoch(2),
        period: Period(1),
    };
    assert_eq!(script.violation(), violation);
}

#[test]
fn fallback_separates_the_epochs_of_the_periods() {
    let late = Script::default()
        .line(run(1, &[(A, 0)], &[], in_epoch(5, 2)))
        .fallback(1, 5);
    let early = Script::default()
        .fallback(1, 5)
        .line(run(1, &[(A, 0)], &[], in_epoch(4, 2)));
    for script in [late, early] {
        assert!(matches!(script.violation(), Violation::ForeignEpoch { .. }));
    }
}

#[test]
fn progress_every_transaction_commits() {
    let script = Script::default()
        .line_of(3, run(1, &[], &[], LOST))
        .line_of(3, run(2, &[], &[], Outcome::Running));
    let violation = Violation::Unfinished {
        txn: TxnId(3),
        attempts: 2,
    };
    assert_eq!(script.violation(), violation);
}

#[test]
fn progress_losing_has_a_limit() {
    let lost = |losses: u64| {
        let script = (0..losses).fold(Script::default(), |script, begin| {
            script.line_of(3, run(begin, &[], &[], LOST))
        });
        script.line_of(3, run(losses, &[], &[], at(losses + 1)))
    };
    assert_eq!(lost(3).verdict(), Ok(()));
    assert_eq!(
        lost(4).violation(),
        Violation::Starved {
            txn: TxnId(3),
            losses: 4
        }
    );
}

#[test]
fn progress_a_fallback_is_no_loss() {
    let by_fallback = Outcome::Aborted(Abort::Fallback);
    let script = (0..9).fold(Script::default(), |script, begin| {
        script.line_of(3, run(begin, &[], &[], by_fallback))
    });
    let script = script.line_of(3, run(10, &[], &[], at(11)));
    assert_eq!(script.verdict(), Ok(()));
}
