//! The epoch model: the commit model with epochs that begin while transactions run.
//!
//! Every message carries its sender's epoch, and its receiver advances to it first (rule
//! 18). A committed transaction belongs to the epoch of its node. The property *epochs are
//! prefixes*: a transaction's epoch is at least that of the writer of every version that it
//! read or overwrote, and of every committed reader of a version that it overwrote. So no
//! dependency points to a later epoch, and all transactions up to an epoch are a prefix of
//! the commit order.
//!
//! Planted: the epoch is not taken from one kind of message. Of read copies, of pages that
//! come whole and of acknowledgements each is needed: a page that comes whole stands for
//! the acknowledgement, too, as its holder's last reader sends none any more. Where the
//! epoch begins matters: if the leader writes, its epoch is ahead anyway.
use crate::commit::config::{
    BASE, Config, Guess, LOOK_WRITE_A, Mode, Plant, Program, READ_A, READ_A_WRITE_B,
    READ_B_WRITE_A, READ_BOTH, Start, WRITE_A, WRITE_BOTH,
};

const WRITER_READER: &[&[Program]] = &[&[WRITE_A], &[READ_A]];

/// Small enough for every test run.
pub const SMALL: &[Config] = &[
    Config {
        name: "2: writer and reader, shared at the start",
        programs: WRITER_READER,
        start: Start::Shared,
        advances: 2,
        leaders: &[0, 1],
        ..BASE
    },
    Config {
        name: "2: writer and reader, one has the page",
        programs: WRITER_READER,
        start: Start::Modified,
        advances: 2,
        leaders: &[0, 1],
        ..BASE
    },
    Config {
        name: "2: two each, calm, any guess",
        programs: &[&[WRITE_BOTH, READ_BOTH], &[READ_A_WRITE_B, WRITE_A]],
        homes: [0, 1],
        mode: Mode::Calm,
        guess: Guess::Any,
        advances: 2,
        leaders: &[1],
        ..BASE
    },
    Config {
        name: "3: one page, node 1 ahead",
        programs: &[&[WRITE_A], &[READ_A], &[LOOK_WRITE_A]],
        advances: 1,
        leaders: &[1],
        ..BASE
    },
];

/// Some minutes each.
pub const LARGE: &[Config] = &[
    Config {
        name: "3: one page, two epochs, any guess",
        programs: &[&[WRITE_A], &[LOOK_WRITE_A], &[READ_A]],
        guess: Guess::Any,
        advances: 2,
        leaders: &[0, 1, 2],
        ..BASE
    },
    Config {
        name: "3: crossing and reader, split, node 2 ahead",
        programs: &[&[READ_A_WRITE_B], &[READ_B_WRITE_A], &[READ_BOTH]],
        homes: [1, 2],
        guess: Guess::Any,
        advances: 1,
        leaders: &[2],
        ..BASE
    },
    Config {
        name: "3: write both, reader, write A, node 1 ahead",
        programs: &[&[WRITE_BOTH], &[READ_BOTH], &[WRITE_A]],
        homes: [0, 1],
        advances: 2,
        leaders: &[1],
        ..BASE
    },
];

const fn planted(plant: Plant, config: Config) -> Config {
    Config {
        plant: Some(plant),
        ..config
    }
}

const PREFIXES: &str = "epochs are prefixes";

/// Planted bugs, and the property that each breaks.
pub const PLANTS: &[(Config, &str)] = &[
    (planted(Plant::NoEpochOfCopy, SMALL[1]), PREFIXES),
    (planted(Plant::NoEpochOfAck, SMALL[0]), PREFIXES),
    (planted(Plant::NoEpochOfWhole, SMALL[1]), PREFIXES),
];
