//! Which configurations of the commit model are run.
use crate::check::FAIR;
use crate::commit::config::{
    APART, BASE, Config, Guess, LOOK_WRITE_A, Mode, Plant, QUERY_BOTH, READ_A, READ_A_SILENT_B,
    READ_A_WRITE_B, READ_B_A, READ_B_WRITE_A, READ_BOTH, SEPARATE, Start, WRITE_A, WRITE_BOTH,
};

const SPLIT: [u8; 2] = [0, 1];

/// Small enough for every test run. Safety and progress are checked.
pub const SMALL: &[Config] = &[
    Config {
        name: "2: crossing",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A]],
        ..BASE
    },
    Config {
        name: "2: write both",
        programs: &[&[WRITE_BOTH], &[WRITE_BOTH]],
        ..BASE
    },
    Config {
        name: "2: write both, K=2",
        programs: &[&[WRITE_BOTH], &[WRITE_BOTH]],
        ageing_losses: 2,
        ..BASE
    },
    Config {
        name: "2: two each, homes split",
        programs: &[&[WRITE_BOTH, READ_BOTH], &[WRITE_BOTH, READ_A_WRITE_B]],
        homes: SPLIT,
        ..BASE
    },
    Config {
        name: "2: two each, calm, any guess",
        programs: &[&[READ_A_WRITE_B, READ_BOTH], &[READ_B_WRITE_A, READ_BOTH]],
        homes: SPLIT,
        mode: Mode::Calm,
        guess: Guess::Any,
        ..BASE
    },
    Config {
        name: "2: silent store and query",
        programs: &[&[WRITE_BOTH, READ_A_SILENT_B], &[QUERY_BOTH, WRITE_BOTH]],
        homes: SPLIT,
        guess: Guess::Any,
        ..BASE
    },
    Config {
        name: "3: crossing and reader, on nodes",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A], &[READ_BOTH]],
        homes: [2, 2],
        ..BASE
    },
    Config {
        name: "3: one page, any guess",
        programs: &[&[LOOK_WRITE_A], &[LOOK_WRITE_A], &[READ_A]],
        guess: Guess::Any,
        ..BASE
    },
    Config {
        name: "3: one page, shared at the start",
        programs: &[&[READ_A], &[WRITE_A], &[WRITE_A]],
        start: Start::Shared,
        ..BASE
    },
    Config {
        name: "loop: reader, endless writer",
        programs: &[&[READ_BOTH], &[WRITE_BOTH]],
        repeats: &[1],
        ..BASE
    },
    Config {
        name: "loop: writer, endless reader",
        programs: &[&[WRITE_BOTH], &[READ_B_A]],
        repeats: &[1],
        mode: Mode::Calm,
        ..BASE
    },
    Config {
        name: "loop: two endless writers, any guess",
        programs: &[&[LOOK_WRITE_A], &[LOOK_WRITE_A], &[LOOK_WRITE_A]],
        repeats: &[1, 2],
        guess: Guess::Any,
        ..BASE
    },
    Config {
        name: "2: new view, one page",
        programs: &[&[LOOK_WRITE_A], &[WRITE_A]],
        homes: [0, 0],
        views: 1,
        ..BASE
    },
    Config {
        name: "2: new view, crossing, split",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A]],
        homes: SPLIT,
        views: 1,
        advances: 1,
        leaders: &[1],
        ..BASE
    },
];

/// Safety only, some minutes each.
pub const LARGE: &[Config] = &[
    Config {
        name: "3: crossing and write both, homes on node 0",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A], &[WRITE_BOTH]],
        homes: [0, 0],
        ..BASE
    },
    Config {
        name: "3: crossing and write both, split",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A], &[WRITE_BOTH]],
        homes: SPLIT,
        ..BASE
    },
    Config {
        name: "3: crossing and write both, apart",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A], &[WRITE_BOTH]],
        homes: APART,
        ..BASE
    },
    Config {
        name: "3: crossing and reader, calm, any guess",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A], &[READ_BOTH]],
        homes: SPLIT,
        mode: Mode::Calm,
        guess: Guess::Any,
        ..BASE
    },
    Config {
        name: "3: all shared at the start",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A], &[WRITE_BOTH]],
        homes: SPLIT,
        start: Start::Shared,
        ..BASE
    },
    Config {
        name: "3: both, both, reader, any guess",
        programs: &[&[WRITE_BOTH], &[WRITE_BOTH], &[READ_BOTH]],
        homes: SPLIT,
        guess: Guess::Any,
        ..BASE
    },
    Config {
        name: "3: look and write, both, crossing, any guess, K=2",
        programs: &[&[LOOK_WRITE_A], &[WRITE_BOTH], &[READ_B_WRITE_A]],
        homes: SPLIT,
        guess: Guess::Any,
        ageing_losses: 2,
        ..BASE
    },
    Config {
        name: "2: write both twice each, apart",
        programs: &[&[WRITE_BOTH, WRITE_BOTH], &[WRITE_BOTH, WRITE_BOTH]],
        ..BASE
    },
    Config {
        name: "3: new view, one page, writers and reader",
        programs: &[&[LOOK_WRITE_A], &[WRITE_A], &[READ_A]],
        homes: [0, 0],
        views: 1,
        ..BASE
    },
    Config {
        name: "3: new view, read and write A, read A, write both, split",
        programs: &[&[LOOK_WRITE_A], &[READ_A], &[WRITE_BOTH]],
        homes: SPLIT,
        views: 1,
        ..BASE
    },
    Config {
        name: "2: two new views, write both, split",
        programs: &[&[WRITE_BOTH], &[WRITE_BOTH]],
        homes: SPLIT,
        views: 2,
        ..BASE
    },
    Config {
        name: "3: owner away, silent store, query",
        programs: &[&[WRITE_BOTH], &[QUERY_BOTH], &[READ_A_SILENT_B]],
        homes: [SEPARATE, 0],
        start: Start::Modified,
        guess: Guess::Any,
        ..BASE
    },
];

/// Progress, too: the whole graph is kept.
pub const LIVE: &[Config] = &[
    Config {
        name: "loop: reader, two endless writers",
        programs: &[&[READ_BOTH], &[WRITE_BOTH], &[WRITE_A]],
        repeats: &[1, 2],
        homes: SPLIT,
        ..BASE
    },
    Config {
        name: "loop: writer, endless writers",
        programs: &[&[READ_A_WRITE_B], &[WRITE_A], &[READ_B_WRITE_A]],
        repeats: &[1, 2],
        homes: SPLIT,
        ..BASE
    },
    Config {
        name: "loop: look and write, endless writers, any guess, K=2",
        programs: &[&[LOOK_WRITE_A, READ_BOTH], &[WRITE_BOTH], &[LOOK_WRITE_A]],
        repeats: &[1, 2],
        homes: SPLIT,
        guess: Guess::Any,
        ageing_losses: 2,
        ..BASE
    },
    LARGE[0],
];

const fn planted(plant: Plant, config: Config) -> Config {
    Config {
        plant: Some(plant),
        ..config
    }
}

/// Planted bugs, and the property that each breaks first.
pub const PLANTS: &[(Config, &str)] = &[
    (
        planted(Plant::SkippedAck, SMALL[8]),
        "modified excludes every other copy",
    ),
    (
        planted(Plant::FailureForgotten, SMALL[8]),
        "directories are right",
    ),
    (
        planted(
            Plant::MarkedMapping,
            Config {
                name: "2: reader",
                programs: &[&[WRITE_BOTH], &[READ_B_A]],
                ..BASE
            },
        ),
        "a marked view is of one time",
    ),
    (
        planted(Plant::HandOverTouched, SMALL[7]),
        "an unmarked view is current",
    ),
    (
        planted(Plant::HandOverShared, SMALL[7]),
        "modified excludes every other copy",
    ),
    (
        planted(Plant::UnconfirmedReads, SMALL[6]),
        "directories are right",
    ),
    (planted(Plant::NoStale, SMALL[1]), "directories are right"),
    (
        planted(Plant::DeadUnconfirmed, SMALL[0]),
        "nothing is stuck",
    ),
    (
        planted(Plant::AgedUndefended, SMALL[9]),
        "the oldest aged is never marked",
    ),
    (planted(Plant::NoGate, SMALL[12]), "every copy is current"),
    (
        planted(Plant::OldViewCounts, SMALL[12]),
        "directories are right",
    ),
    (planted(Plant::NoAgeing, SMALL[9]), FAIR),
    (planted(Plant::CommitterServesAll, SMALL[10]), FAIR),
    (planted(Plant::TouchedLate, SMALL[9]), FAIR),
];
