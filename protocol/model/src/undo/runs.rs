//! Which configurations of the undo model are run.
use crate::undo::config::{Config, Fate, Plant, Txn, aborted, txn};

const BASE: Config = Config {
    name: "",
    txns: &[],
    ticks: 1,
    crashes: &[Fate::Lost],
    plant: None,
};

/// A writes x; B reads x and writes y; C reads y.
const CHAIN: &[Txn] = &[txn(0, &[], &[0]), txn(1, &[0], &[1]), txn(2, &[1], &[])];
/// A and B write x in turn.
const TURNS: &[Txn] = &[txn(0, &[], &[0]), txn(1, &[], &[0]), txn(0, &[], &[0])];
/// A writes x; the others fetch it or become its only holder, and are rolled back.
const ABORTS: &[Txn] = &[
    txn(0, &[], &[0]),
    aborted(1, &[], &[0]),
    aborted(2, &[0], &[]),
];
/// A writes x, reads y only, then reads x and writes y.
const GAP: &[Txn] = &[txn(0, &[], &[0]), txn(0, &[1], &[]), txn(0, &[0], &[1])];
/// A writes x; B writes y twice, the second time after reading x; C reads y.
const CUT: &[Txn] = &[
    txn(0, &[], &[0]),
    txn(1, &[], &[1]),
    txn(1, &[0], &[1]),
    txn(2, &[1], &[]),
];
/// A writes x; B reads x and writes y, then y alone.
const AGAIN: &[Txn] = &[txn(0, &[], &[0]), txn(1, &[0], &[1]), txn(1, &[], &[1])];

/// Small enough for every test run.
pub const SMALL: &[Config] = &[
    Config {
        name: "chain",
        txns: CHAIN,
        ticks: 2,
        ..BASE
    },
    Config {
        name: "chain, crash in the recovery",
        txns: CHAIN,
        crashes: &[Fate::Lost, Fate::Kept],
        ..BASE
    },
    Config {
        name: "turns",
        txns: TURNS,
        ticks: 2,
        ..BASE
    },
    Config {
        name: "aborts",
        txns: ABORTS,
        ticks: 2,
        ..BASE
    },
    Config {
        name: "gap",
        txns: GAP,
        ticks: 2,
        ..BASE
    },
    Config {
        name: "cut",
        txns: CUT,
        ..BASE
    },
    Config {
        name: "turns, disk returns, second crash",
        txns: TURNS,
        crashes: &[Fate::Returns, Fate::Kept],
        ..BASE
    },
    Config {
        name: "aborts, two disks lost, one after the other",
        txns: ABORTS,
        crashes: &[Fate::Lost, Fate::Lost],
        ..BASE
    },
    Config {
        name: "again, second crash",
        txns: AGAIN,
        ticks: 0,
        crashes: &[Fate::Lost, Fate::Kept],
        ..BASE
    },
];

/// Some minutes each.
pub const LARGE: &[Config] = &[
    Config {
        name: "chain, two crashes, disk lost",
        txns: CHAIN,
        ticks: 2,
        crashes: &[Fate::Lost, Fate::Kept],
        ..BASE
    },
    Config {
        name: "turns, two disks lost, one after the other",
        txns: TURNS,
        ticks: 2,
        crashes: &[Fate::Lost, Fate::Lost],
        ..BASE
    },
    Config {
        name: "cut, two epochs",
        txns: CUT,
        ticks: 2,
        ..BASE
    },
    Config {
        name: "turns, two epochs, disk returns, second crash",
        txns: TURNS,
        ticks: 2,
        crashes: &[Fate::Returns, Fate::Kept],
        ..BASE
    },
    Config {
        name: "cut, disk returns, second crash",
        txns: CUT,
        crashes: &[Fate::Returns, Fate::Kept],
        ..BASE
    },
];

const fn planted(plant: Plant, config: Config) -> Config {
    Config {
        plant: Some(plant),
        ..config
    }
}

const SOMEWHERE: &str = "every current version is somewhere";
const SERVED: &str = "only current versions are served";
const ORPHANS: &str = "only orphans fall back";

/// Planted bugs, and the property that each breaks.
pub const PLANTS: &[(Config, &str)] = &[
    (planted(Plant::TrustedBeforeImages, SMALL[2]), SERVED),
    (planted(Plant::MovedHomesOnly, SMALL[3]), SOMEWHERE),
    (planted(Plant::UndonePagesKept, SMALL[3]), SERVED),
    (planted(Plant::NamesReused, SMALL[8]), ORPHANS),
    (planted(Plant::StoresNotPurged, SMALL[2]), SOMEWHERE),
    (planted(Plant::DecisionsForgotten, SMALL[6]), SOMEWHERE),
    (planted(Plant::DecisionNotDurable, SMALL[1]), SERVED),
    (planted(Plant::PartsWithoutPrevious, SMALL[4]), SOMEWHERE),
    (
        planted(Plant::NotKeptAtHandOver, SMALL[3]),
        "what is stable is stored",
    ),
    (
        planted(Plant::NotReplicated, SMALL[7]),
        "what is stable is stored",
    ),
    (
        planted(Plant::OneCopyIsStable, SMALL[2]),
        "what is stable is stored",
    ),
    (
        planted(Plant::StableIsJudged, SMALL[2]),
        "nothing stable is undone",
    ),
    (
        planted(Plant::NoClosure, SMALL[0]),
        "nothing kept depends on lost work",
    ),
    (planted(Plant::NoCut, SMALL[5]), ORPHANS),
];
