//! What a seed means: the cluster, its network and disks, its clients, and what goes wrong.
use types::{Durability, Duration, Prng};

use crate::cue::{Cue, Hit, Waiting};
use crate::fault::{Death, Fault, FaultKind, Who};
use crate::machine::Syncs;
use crate::network::Delays;
use crate::options::Options;

/// Within a member's lease, or not.
const SHORT_MS: [u64; 2] = [20, 400];
/// Longer than anybody is waited for.
const LONG_MS: [u64; 2] = [600, 6_000];
/// The second of two is killed while the first is being dealt with.
const GAP_MS: [u64; 2] = [0, 1_500];
/// One fault at a time: all is well again meanwhile.
const LATER_MS: [u64; 2] = [7_000, 9_000];
/// Into the recovery from the one before.
const SOON_MS: [u64; 2] = [50, 1_500];
/// How long a flapping path is cut, and works, each time.
const FLAP_MS: [u64; 2] = [10, 300];

/// Where a page takes a tenth of a second to come nobody types: a driver that begins on another
/// node touches a hundred, and his node does nothing else meanwhile.
const SLOW_US: u64 = 10_000;

/// Kinds of faults, as often as they are drawn.
const KINDS: [FaultKind; 24] = [
    FaultKind::Kill,
    FaultKind::Kill,
    FaultKind::Kill,
    FaultKind::KillTwo,
    FaultKind::Blackout,
    FaultKind::Pause,
    FaultKind::Pause,
    FaultKind::Isolate,
    FaultKind::Isolate,
    FaultKind::OneWay,
    FaultKind::OneWay,
    FaultKind::Split,
    FaultKind::Flap,
    FaultKind::Flap,
    FaultKind::SlowDisk,
    FaultKind::LoseDisks,
    FaultKind::Rot,
    FaultKind::LoseTail,
    FaultKind::Join,
    FaultKind::Drain,
    FaultKind::Cue,
    FaultKind::Cue,
    FaultKind::Cue,
    FaultKind::Cue,
];

/// A run before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    /// Callers from outside.
    pub(crate) callers: usize,
    /// They are answered at commit: what they are told counts if their connection lasts.
    pub(crate) answers_at_commit: bool,
    /// Somebody types.
    pub(crate) typist: Option<Typing>,
    pub(crate) epoch_length: Duration,
    /// After so long an epoch ends that somebody waits for.
    pub(crate) epoch_min: Duration,
    pub(crate) delays: Delays,
    pub(crate) syncs: Syncs,
    /// Clocks run so much too fast or slow at most.
    pub(crate) drift_ppm: u64,
    /// Now and then processes do not get a processor for so long at most.
    pub(crate) stutter: Option<Duration>,
    /// What is told when.
    pub(crate) durability: Durability,
    /// When, from the first call on.
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// In the end the memory goes back to a snapshot.
    pub(crate) detour: Option<Detour>,
}

/// How somebody types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Typing {
    pub(crate) seed: u64,
    /// He changes the mode of the display now and then.
    pub(crate) switches: bool,
}

impl Typing {
    /// Draws apart from everything else, which is as it would be without him.
    fn draw(prng: &Prng, is_wanted: bool) -> Option<Self> {
        let mut prng = Prng::new(!prng.clone().next_u64());
        let is_there = prng.chance(1, 3) || is_wanted;
        let switches = prng.chance(1, 2);
        let seed = prng.next_u64();
        is_there.then_some(Self { seed, switches })
    }
}

/// What is done after a snapshot was taken, and undone by going back to it.
#[derive(Clone, Debug)]
pub(crate) struct Detour {
    /// Meanwhile, from the first call on.
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// When somebody has begun to want to go back.
    pub(crate) last: (Duration, Fault),
}

/// How faults follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pace {
    Alone,
    Overlapping,
}

impl Scenario {
    pub(crate) fn draw(prng: &mut Prng, options: &Options) -> Self {
        let drawn = [1, 2, 2, 3, 3, 3, 3, 4, 5, 5][index_below(10, prng)];
        let nodes = options.nodes.unwrap_or(drawn);
        let base_min = [20, 20, 100, 2_000, 10_000][index_below(5, prng)];
        let mut scenario = Self {
            nodes,
            clients: 2 + index_below(4, prng),
            callers: [0, 1, 2, 5][index_below(4, prng)],
            answers_at_commit: prng.chance(1, 4),
            typist: Typing::draw(prng, options.types).filter(|_| base_min < SLOW_US),
            epoch_length: ms(prng, [20, 100]),
            epoch_min: epoch_min(prng),
            delays: Delays {
                base_min: Duration::from_micros(base_min),
                base_more: Duration::from_micros(prng.below(2 * base_min)),
                jitter: Duration::from_micros(prng.below(base_min)),
            },
            syncs: Syncs {
                min: Duration::from_micros(100),
                more: ms(prng, [1, 15]),
            },
            drift_ppm: [100, 1_000, 100_000][index_below(3, prng)],
            stutter: prng.chance(1, 3).then(|| ms(prng, [2, 80])),
            durability: Durability::Disk,
            faults: Vec::new(),
            detour: None,
        };
        let pace = match prng.chance(1, 2) {
            true => Pace::Alone,
            false => Pace::Overlapping,
        };
        let count = 1 + prng.below(4) * if pace == Pace::Alone { 1 } else { 3 };
        let mut after = ms(prng, [100, 2_000]);
        for _ in 0..count {
            let mut fault = scenario.fault(prng, options.faults);
            let loses = matches!(fault.kind(), FaultKind::Rot | FaultKind::LoseTail);
            if loses && pace == Pace::Overlapping && options.faults.is_none() {
                // The other copy must not be away before this one is mended.
                fault = scenario.fault(prng, Some(FaultKind::Kill));
            }
            scenario.faults.push((after, fault));
            let pause = match pace {
                Pace::Alone => LATER_MS,
                Pace::Overlapping => SOON_MS,
            };
            after = after + ms(prng, pause);
        }
        let are_single = |(_, fault): &(Duration, Fault)| is_loss_of_one(fault.kind());
        let is_single = pace == Pace::Alone && scenario.faults.iter().all(are_single);
        if is_single && nodes > 2 && scenario.stutter.is_none() {
            scenario.durability = [Durability::Disk, Durability::Memory][index_below(2, prng)];
        }
        if prng.chance(1, 3) {
            scenario.detour = Some(scenario.detour(prng));
        }
        scenario
    }

    fn detour(&self, prng: &mut Prng) -> Detour {
        let kinds: &[FaultKind] = match (self.durability, self.nodes) {
            (Durability::Memory, _) => &[FaultKind::Kill, FaultKind::Pause],
            (_, 1) => &[FaultKind::Kill, FaultKind::Blackout],
            _ => &[
                FaultKind::Kill,
                FaultKind::KillTwo,
                FaultKind::Blackout,
                FaultKind::Isolate,
                FaultKind::Pause,
            ],
        };
        let mut fault = |times| {
            let after = ms(prng, times);
            let kind = kinds[index_below(kinds.len(), prng)];
            (after, self.fault(prng, Some(kind)))
        };
        Detour {
            faults: vec![fault([100, 2_000])],
            // Before the decision, or after it.
            last: fault([0, 150]),
        }
    }

    fn fault(&self, prng: &mut Prng, only: Option<FaultKind>) -> Fault {
        let drawn = KINDS[index_below(KINDS.len(), prng)];
        let kind = match (only, self.nodes) {
            (Some(only), _) => only,
            // Nobody is there from whom it could be cut off, or who could stay.
            (None, 1) if !is_for_one(drawn) => FaultKind::Kill,
            (None, _) => drawn,
        };
        let number = index_below(self.nodes, prng);
        let who = match prng.chance(1, 3) {
            true => Who::Leader { or: number },
            false => Who::Node(number),
        };
        let other = index_below(self.nodes, prng);
        let either = if prng.chance(1, 2) { SHORT_MS } else { LONG_MS };
        let time = ms(prng, either);
        match kind {
            FaultKind::Kill => Fault::Kill {
                who,
                death: [Death::Seen, Death::Abrupt, Death::Silent][index_below(3, prng)],
                away: time,
            },
            FaultKind::KillTwo => Fault::KillTwo {
                first: who,
                second: other,
                gap: ms(prng, GAP_MS),
                away: time,
            },
            FaultKind::Blackout => Fault::Blackout { away: time },
            FaultKind::Pause => Fault::Pause { who, time },
            FaultKind::Isolate => Fault::Isolate { who, time },
            FaultKind::OneWay => Fault::OneWay {
                from: who,
                to: other,
                time,
            },
            FaultKind::Split => Fault::Split {
                one: who,
                other,
                time,
            },
            FaultKind::Flap => Fault::Flap {
                one: who,
                other,
                each: ms(prng, FLAP_MS),
                times: 2 + u32::try_from(prng.below(6)).expect("few"),
            },
            FaultKind::SlowDisk => Fault::SlowDisk {
                who,
                sync: ms(prng, [50, 1_500]),
                time: time.doubled(),
            },
            FaultKind::LoseDisks => Fault::LoseDisks { who, away: time },
            FaultKind::Rot => Fault::Rot { who },
            FaultKind::LoseTail => Fault::LoseTail { who, away: time },
            FaultKind::Join => Fault::Join,
            FaultKind::Drain => Fault::Drain { who },
            FaultKind::Cue => Fault::Cue(waiting(prng, time)),
        }
    }
}

fn waiting(prng: &mut Prng, time: Duration) -> Waiting {
    let hits = [
        Hit::Kill(Death::Seen),
        Hit::Kill(Death::Abrupt),
        Hit::Kill(Death::Silent),
        Hit::Pause,
        Hit::Isolate,
    ];
    Waiting {
        number: prng.next_u64(),
        cue: Cue::ALL[index_below(Cue::ALL.len(), prng)],
        before: u32::try_from(prng.below(6)).expect("few"),
        hit: hits[index_below(hits.len(), prng)],
        time,
    }
}

/// Whether one node is lost at a time, at most: work that is safe in memories survives that.
fn is_loss_of_one(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Kill
            | FaultKind::Pause
            | FaultKind::Isolate
            | FaultKind::SlowDisk
            | FaultKind::Join
    )
}

fn is_for_one(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Kill
            | FaultKind::Blackout
            | FaultKind::Pause
            | FaultKind::SlowDisk
            | FaultKind::Join
            | FaultKind::Cue
    )
}

fn ms(prng: &mut Prng, [least, most]: [u64; 2]) -> Duration {
    Duration::from_micros(1_000 * least + prng.below(1_000 * (most - least)))
}

/// Draws apart from everything else. In one run of four nothing but time ends epochs.
fn epoch_min(prng: &Prng) -> Duration {
    let mut prng = Prng::new(prng.clone().next_u64().rotate_left(32));
    match prng.chance(1, 4) {
        true => Duration::from_millis(1_000),
        false => ms(&mut prng, [1, 10]),
    }
}

fn index_below(bound: usize, prng: &mut Prng) -> usize {
    usize::try_from(prng.below(bound as u64)).expect("below a usize")
}
