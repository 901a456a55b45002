//! Histories of lists: small hand-made ones, good and bad, then many that a serial memory makes.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is tests")]
use oracle::lists::{Answer, Element, List, Operation, OperationId, Violation, check};
use oracle::{DependencyKind, Moment};
use types::Prng;

type Contents<'a> = &'a [(u64, &'a [u64])];

fn contents(lists: Contents<'_>) -> Vec<(List, Vec<Element>)> {
    let elements = |all: &[u64]| all.iter().copied().map(Element).collect();
    let lists = lists.iter();
    lists
        .map(|&(list, all)| (List(list), elements(all)))
        .collect()
}

fn operation(begin: u64, appends: &[(u64, u64)], answer: Answer) -> Operation {
    let appends = appends.iter();
    Operation {
        begin: Moment(begin),
        appends: appends
            .map(|&(list, element)| (List(list), Element(element)))
            .collect(),
        answer,
    }
}

/// Appends, and sees what was there before.
fn append(times: [u64; 2], appends: &[(u64, u64)], reads: Contents<'_>) -> Operation {
    let [begin, end] = times;
    let answer = Answer::Given {
        at: Moment(end),
        reads: contents(reads),
    };
    operation(begin, appends, answer)
}

fn read(times: [u64; 2], reads: Contents<'_>) -> Operation {
    append(times, &[], reads)
}

fn unanswered(begin: u64, appends: &[(u64, u64)]) -> Operation {
    operation(begin, appends, Answer::Missing)
}

fn refused(begin: u64, appends: &[(u64, u64)]) -> Operation {
    operation(begin, appends, Answer::Refused)
}

const FIRST: OperationId = OperationId(0);
const SECOND: OperationId = OperationId(1);
const THIRD: OperationId = OperationId(2);
const LIST: List = List(1);

#[test]
fn a_good_history_is_good() {
    let history = [
        append([1, 4], &[(1, 10)], &[(1, &[])]),
        append([2, 5], &[(1, 11), (2, 11)], &[(1, &[10]), (2, &[])]),
        // It overlaps with the one before and may come first.
        read([3, 6], &[(1, &[10]), (2, &[])]),
        append([7, 8], &[(2, 12)], &[(2, &[11]), (1, &[10, 11])]),
        read([9, 10], &[(1, &[10, 11]), (2, &[11, 12])]),
    ];
    assert_eq!(check(&history), Ok(()));
    assert_eq!(check(&[]), Ok(()));
}

#[test]
fn a_lost_append_is_found() {
    let history = [
        append([1, 2], &[(1, 10)], &[(1, &[])]),
        read([3, 4], &[(1, &[])]),
    ];
    let lost = Violation::Lost {
        list: LIST,
        element: Element(10),
        writer: FIRST,
        reader: SECOND,
    };
    assert_eq!(check(&history), Err(lost.clone()));
    // So is one whose place another has taken.
    let history = [
        append([1, 2], &[(1, 10)], &[(1, &[])]),
        append([3, 4], &[(1, 11)], &[(1, &[])]),
        append([5, 6], &[(1, 12)], &[(1, &[11])]),
    ];
    let Err(Violation::Lost { writer, reader, .. }) = check(&history) else {
        panic!("expected a lost append");
    };
    assert_eq!((writer, reader), (FIRST, THIRD));
    assert_eq!(
        lost.to_string(),
        "o0 appended 10 to list 1 and was answered, o1 does not see it, nor does anybody else"
    );
}

#[test]
fn a_stale_read_is_found() {
    let history = [
        append([1, 2], &[(1, 10)], &[(1, &[])]),
        read([3, 4], &[(1, &[])]),
        read([5, 6], &[(1, &[10])]),
    ];
    let stale = Violation::Stale {
        list: LIST,
        element: Element(10),
        writer: FIRST,
        reader: SECOND,
    };
    assert_eq!(check(&history), Err(stale));
}

#[test]
fn what_one_has_seen_the_next_sees_even_if_nobody_was_answered() {
    let history = [
        unanswered(1, &[(1, 10)]),
        read([3, 4], &[(1, &[10])]),
        read([5, 6], &[(1, &[])]),
    ];
    let Err(Violation::Cycle { edges }) = check(&history) else {
        panic!("expected a cycle");
    };
    let kinds: Vec<DependencyKind> = edges.iter().map(|edge| edge.kind).collect();
    assert!(kinds.contains(&DependencyKind::RealTime), "{edges:?}");
    assert!(kinds.contains(&DependencyKind::Anti), "{edges:?}");
}

#[test]
fn two_orders_are_found() {
    let history = [
        unanswered(1, &[(1, 10)]),
        unanswered(1, &[(1, 11)]),
        read([2, 3], &[(1, &[10, 11])]),
        read([2, 3], &[(1, &[11])]),
    ];
    let Err(Violation::Fork { elements, .. }) = check(&history) else {
        panic!("expected two orders");
    };
    assert_eq!(elements, [Element(11), Element(10)]);
    // Two appends at the same place: the lists diverge behind it.
    let history = [
        append([1, 9], &[(1, 10)], &[(1, &[])]),
        append([1, 9], &[(1, 11)], &[(1, &[])]),
        read([2, 9], &[(1, &[10])]),
        read([2, 9], &[(1, &[11])]),
    ];
    assert!(matches!(check(&history), Err(Violation::Fork { .. })));
}

#[test]
fn a_duplicated_append_is_found() {
    let twice = |reader| {
        Err(Violation::Twice {
            reader,
            list: LIST,
            element: Element(10),
        })
    };
    let history = [unanswered(1, &[(1, 10)]), read([3, 4], &[(1, &[10, 10])])];
    assert_eq!(check(&history), twice(SECOND));
    // The request ran again and saw what it had done itself.
    let history = [append([1, 2], &[(1, 10)], &[(1, &[10])])];
    assert_eq!(check(&history), twice(FIRST));
}

#[test]
fn what_nobody_had_appended_is_found() {
    let invented = Err(Violation::Invented {
        reader: SECOND,
        list: LIST,
        element: Element(10),
    });
    let reader = read([3, 4], &[(1, &[10])]);
    for other in [
        refused(1, &[(1, 10)]),
        unanswered(1, &[(2, 10)]),
        unanswered(5, &[(1, 10)]),
    ] {
        assert_eq!(check(&[other, reader.clone()]), invented);
    }
    let history = [unanswered(1, &[(1, 10)]), unanswered(2, &[(1, 10)])];
    assert!(matches!(check(&history), Err(Violation::Reused { .. })));
}

#[test]
fn lists_that_were_never_like_this_together_are_found() {
    // Two appends without order; two readers disagree about which came first.
    let history = [
        append([1, 9], &[(1, 10)], &[(1, &[])]),
        append([1, 9], &[(2, 11)], &[(2, &[])]),
        read([2, 9], &[(1, &[10]), (2, &[])]),
        read([2, 9], &[(1, &[]), (2, &[11])]),
    ];
    assert!(matches!(check(&history), Err(Violation::Cycle { .. })));
    // Each reads what the other writes, before it does.
    let history = [
        append([1, 9], &[(1, 10)], &[(1, &[]), (2, &[])]),
        append([1, 9], &[(2, 11)], &[(2, &[]), (1, &[])]),
    ];
    let error = check(&history).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("o1 appended to list 2, not seen by o0;"),
        "{text}"
    );
    assert!(
        text.contains("o0 appended to list 1, not seen by o1;"),
        "{text}"
    );
    assert_eq!(error.operations().len(), 2);
}

#[test]
fn an_append_to_two_lists_happens_as_a_whole() {
    for history in [
        [
            unanswered(1, &[(1, 10), (2, 10)]),
            read([2, 3], &[(1, &[10]), (2, &[])]),
        ],
        // Nobody has seen the other half, and an answer says that it is there.
        [
            append([1, 9], &[(1, 10), (2, 10)], &[(1, &[])]),
            read([2, 9], &[(1, &[10]), (2, &[])]),
        ],
    ] {
        assert!(matches!(check(&history), Err(Violation::Cycle { .. })));
    }
}

#[test]
fn without_an_answer_it_may_happen_at_any_time_or_never() {
    let history = [
        unanswered(1, &[(1, 10), (2, 10)]),
        unanswered(1, &[(1, 11)]),
        read([2, 3], &[(1, &[]), (2, &[])]),
        append([4, 5], &[(1, 12)], &[(1, &[])]),
        read([6, 7], &[(1, &[12, 10])]),
        read([8, 9], &[(2, &[10])]),
        refused(3, &[(1, 13)]),
    ];
    assert_eq!(check(&history), Ok(()));
}

const LISTS: u64 = 3;

/// What really happens: each operation at one moment between its ends, in the order of these.
fn serial_history(seed: u64, count: u64) -> Vec<Operation> {
    let mut prng = Prng::new(seed);
    let mut lists: Vec<Vec<u64>> = vec![Vec::new(); 3];
    let happening = (0..count).map(|element| {
        let moment = 100 + element * 10;
        let begin = moment - prng.below(60);
        let end = moment + prng.below(60);
        let (to, also) = (prng.below(LISTS), prng.below(LISTS));
        let mut shown = vec![to];
        shown.extend((also != to).then_some(also));
        let seen = shown.iter().map(|&list| {
            let elements = lists[usize::try_from(list).unwrap()].iter();
            (List(list), elements.copied().map(Element).collect())
        });
        let reads = seen.collect();
        let appended = match prng.below(4) {
            0 => &[][..],
            1 => &shown[..],
            _ => &shown[..1],
        };
        for &list in appended {
            lists[usize::try_from(list).unwrap()].push(element);
        }
        let appends: Vec<(u64, u64)> = appended.iter().map(|&list| (list, element)).collect();
        let at = Moment(end);
        let answer = match prng.below(10) {
            0 => Answer::Missing,
            _ => Answer::Given { at, reads },
        };
        operation(begin, &appends, answer)
    });
    let mut history: Vec<Operation> = happening.collect();
    history.push(refused(1, &[(0, count)]));
    let all = lists.iter().zip(0..);
    let last: Vec<(u64, &[u64])> = all.map(|(all, list)| (list, all.as_slice())).collect();
    history.push(read([100_000, 100_001], &last));
    history.sort_by_key(|operation| operation.begin);
    history
}

#[test]
fn what_a_serial_memory_does_is_good() {
    for seed in 0..200 {
        let history = serial_history(seed, 60);
        assert_eq!(check(&history), Ok(()), "seed {seed}");
    }
}

/// An answer with one list changed.
fn spoil(history: &mut [Operation], index: usize, change: impl FnOnce(&mut Vec<Element>)) -> bool {
    let Answer::Given { reads, .. } = &mut history[index].answer else {
        return false;
    };
    let Some((_, elements)) = reads.iter_mut().find(|(_, elements)| elements.len() > 1) else {
        return false;
    };
    change(elements);
    true
}

#[test]
fn one_wrong_answer_spoils_it() {
    let changes: [fn(&mut Vec<Element>); 4] = [
        |elements| {
            elements.remove(0);
        },
        |elements| elements.push(elements[0]),
        |elements| elements.swap(0, 1),
        |elements| elements.push(Element(999)),
    ];
    let mut spoilt = 0;
    for seed in 0..50 {
        let history = serial_history(seed, 60);
        for (change, index) in changes.iter().zip(Prng::new(seed).below(40)..) {
            let mut history = history.clone();
            let index = usize::try_from(index).unwrap();
            if spoil(&mut history, index, change) {
                spoilt += 1;
                assert!(check(&history).is_err(), "seed {seed}, operation {index}");
            }
        }
    }
    assert!(
        spoilt > 100,
        "only {spoilt} histories had an answer to spoil"
    );
}

/// Everybody but the last reader is answered; then what it does not see has been lost.
#[test]
fn the_end_of_a_list_may_not_go_missing() {
    for seed in 0..50 {
        let mut history = serial_history(seed, 60);
        let last = history.last_mut().unwrap();
        let Answer::Given { reads, .. } = &mut last.answer else {
            panic!("the last read has an answer");
        };
        let (list, elements) = &mut reads[0];
        let (list, gone) = (*list, elements.pop().unwrap());
        let is_known = history.iter().rev().skip(1).any(|operation| {
            let appends = operation.appends.contains(&(list, gone));
            let Answer::Given { reads, .. } = &operation.answer else {
                return false;
            };
            appends || reads.iter().any(|(_, elements)| elements.contains(&gone))
        });
        assert_eq!(check(&history).is_err(), is_known, "seed {seed}");
    }
}
