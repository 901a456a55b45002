//! The small configurations: complete, with just so many states, and everything holds;
//! every planted bug is found. A change of a figure is a change of the model.
#![expect(clippy::tests_outside_test_module, reason = "the whole file is tests")]
use model::check::{Run, Set, runs};

fn of_model(model: &'static str) -> impl Iterator<Item = Run> {
    runs(Set::Small).filter(move |run| run.name().starts_with(model) && !run.is_planted())
}

/// Each run holds in as many states as listed, and each is listed.
fn assert_holds(model: &'static str, expected: &[(&str, usize)]) {
    let mut found = Vec::new();
    for run in of_model(model) {
        let report = run.check();
        assert!(report.holds(), "{}: {report:?}", run.name());
        found.push((run.name(), report.states));
    }
    let expected: Vec<_> = expected
        .iter()
        .map(|&(name, states)| (format!("{model} {name}"), states))
        .collect();
    assert_eq!(found, expected, "names and numbers of states");
}

#[test]
fn commits() {
    assert_holds(
        "commit",
        &[
            ("2: crossing", 2_091),
            ("progress 2: crossing", 2_091),
            ("2: write both", 31_844),
            ("progress 2: write both", 31_844),
            ("2: write both, K=2", 40_730),
            ("progress 2: write both, K=2", 40_730),
            ("2: two each, homes split", 5_452),
            ("progress 2: two each, homes split", 5_452),
            ("2: two each, calm, any guess", 5_132),
            ("progress 2: two each, calm, any guess", 5_132),
            ("2: silent store and query", 4_382),
            ("progress 2: silent store and query", 4_382),
            ("3: crossing and reader, on nodes", 58_976),
            ("progress 3: crossing and reader, on nodes", 58_976),
            ("3: one page, any guess", 25_330),
            ("progress 3: one page, any guess", 25_330),
            ("3: one page, shared at the start", 8_193),
            ("progress 3: one page, shared at the start", 8_193),
            ("loop: reader, endless writer", 4_258),
            ("progress loop: reader, endless writer", 4_258),
            ("loop: writer, endless reader", 2_197),
            ("progress loop: writer, endless reader", 2_197),
            ("loop: two endless writers, any guess", 245_618),
            ("progress loop: two endless writers, any guess", 245_618),
            ("2: new view, one page", 1_551),
            ("progress 2: new view, one page", 1_551),
            ("2: new view, crossing, split", 37_059),
            ("progress 2: new view, crossing, split", 37_059),
        ],
    );
}

#[test]
fn epochs() {
    assert_holds(
        "epoch",
        &[
            ("2: writer and reader, shared at the start", 1_241),
            ("2: writer and reader, one has the page", 3_182),
            ("2: two each, calm, any guess", 54_306),
            ("3: one page, node 1 ahead", 40_956),
        ],
    );
}

#[test]
fn undo() {
    assert_holds(
        "undo",
        &[
            ("chain", 76_277),
            ("chain, crash in the recovery", 212_483),
            ("turns", 55_598),
            ("aborts", 14_423),
            ("gap", 76_926),
            ("cut", 81_641),
            ("turns, disk returns, second crash", 402_306),
            ("aborts, two disks lost, one after the other", 19_599),
            ("again, second crash", 17_577),
        ],
    );
}

#[test]
fn planted_bugs_are_found() {
    let planted: Vec<Run> = runs(Set::Small).filter(Run::is_planted).collect();
    assert_eq!(planted.len(), 31, "planted bugs");
    for run in planted {
        let report = run.check();
        assert!(run.is_expected(&report), "{}: {report:?}", run.name());
    }
}
