//! What a seed means: all choices of a run, so that every run tries other ones.
use std::ops::Range;

use dtm::Config;
use types::limits::FIRST_APPLICATION_REGION;
use types::{Durability, Duration, Instant, PageId, Prng};

use crate::network::Delays;
use crate::sharing::Sharing;
use crate::workload::{ALL_KINDS, Kind, Layout, index_below};
use crate::{FaultKind, Options, Plant};

/// Until a crash in a rack is noticed: the connections are closed.
pub(crate) const NOTICED_AFTER: Duration = Duration::from_millis(1);

/// All choices of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Scenario {
    /// Nodes at the start.
    pub(crate) nodes: usize,
    pub(crate) layout: Layout,
    /// What the nodes run.
    pub(crate) kinds: Vec<Kind>,
    /// Instead of all that: each node has pages of its own, and some that it shares.
    pub(crate) sharing: Option<Sharing>,
    /// Transactions that each node runs at least.
    pub(crate) quota: u32,
    /// One node runs long transactions; the others run short ones until it is done.
    pub(crate) hunt: bool,
    pub(crate) delays: Delays,
    /// Of a hundred announcements of an epoch, how many are not forgotten.
    pub(crate) heartbeats_percent: u64,
    pub(crate) epoch_length: Duration,
    /// Epochs end before their time now and then, when the one before is stable.
    pub(crate) ends_early: bool,
    /// Between the steps of a program.
    pub(crate) think_max: Duration,
    /// Until a waiting program notices that something has happened.
    pub(crate) wake_max: Duration,
    /// Until a store has synced a part.
    pub(crate) sync_max: Duration,
    /// Between two slices of a node's work on closed epochs.
    pub(crate) slice_after_max: Duration,
    /// What makes work safe.
    pub(crate) durability: Durability,
    /// Silence after which a member is given up.
    pub(crate) patience: Duration,
    /// Until a decision is taken.
    pub(crate) decision: Duration,
    /// Until a decided view reaches a member.
    pub(crate) view_delay_max: Duration,
    /// Of an inventory.
    pub(crate) extents_per_message: usize,
    /// Steps that a doomed transaction may still take.
    pub(crate) zombie_steps_max: u64,
    /// By which the clocks of the nodes differ.
    pub(crate) clock_skew_max: Duration,
    pub(crate) config: Config,
    /// In time order; the last one happens before `heal_at`.
    pub(crate) faults: Vec<(Instant, Fault)>,
    /// End of the chaos.
    pub(crate) heal_at: Instant,
}

/// What may happen to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Nodes crash; which ones is drawn when it happens.
    Crash {
        /// How many at once.
        victims: usize,
        /// Until the others notice.
        noticed_after: Duration,
        disks: Disks,
    },
    /// A new node with an empty disk joins.
    Join,
    /// A member is told to leave for good; which one is drawn when it happens.
    Drain,
    /// A node stands still, and goes on as if nothing had been; which one is drawn when it
    /// happens, as below.
    Pause { lasts: Duration },
    /// What one node says to another does not arrive, the other way round it does.
    Hold { lasts: Duration, end: HoldEnd },
    /// A link breaks, and is up again when both ends know and this time has passed.
    Reset { down: Duration },
    /// A store takes long for each sync.
    SlowDisk { lasts: Duration, sync_max: Duration },
}

/// What becomes of messages that were held up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HoldEnd {
    /// They arrive, all at once.
    Arrive,
    /// The link breaks, and is up again after a while.
    Break(Duration),
}

/// What becomes of the disks of crashed nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disks {
    /// Gone for ever.
    Lost,
    /// Each comes back with a new node after a while.
    Return(Duration),
}

impl Scenario {
    /// The choices of a seed.
    pub(crate) fn draw(prng: &mut Prng, options: &Options) -> Self {
        let drawn = 2 + index_below(5, prng);
        let nodes = options.nodes.unwrap_or(drawn);
        let heal_at = Instant::from_nanos(0) + micros(prng, 10_000, 60_000);
        let kinds = draw_kinds(prng);
        let mut config = draw_config(prng);
        if kinds.contains(&Kind::Sweep) {
            // They write so much that commits would wait for slow disks most of the time.
            config.frames_max = config.frames_max.max(1 << 10);
        }
        let mut scenario = Self {
            nodes,
            layout: draw_layout(&kinds, prng),
            kinds,
            sharing: None,
            quota: 5 + u32::try_from(prng.below(20)).expect("small"),
            hunt: prng.chance(1, 6),
            delays: Delays {
                base_min: Duration::ZERO,
                base_max: pick(prng, &[0, 20, 100, 400]),
                jitter_max: pick(prng, &[0, 10, 100, 1000]),
            },
            heartbeats_percent: pick_number(prng, &[100, 80, 30, 2]),
            epoch_length: pick(prng, &[100, 300, 1000, 5000, 20_000]),
            // Drawn apart from everything else.
            ends_early: Prng::new(!prng.clone().next_u64()).chance(1, 2),
            think_max: pick(prng, &[0, 10, 100, 400]),
            wake_max: pick(prng, &[0, 20, 300]),
            sync_max: pick(prng, &[0, 300, 5000]),
            slice_after_max: Duration::ZERO,
            patience: Duration::from_millis(2),
            decision: Duration::ZERO,
            view_delay_max: pick(prng, &[0, 300, 3000]),
            // Few, so that inventories are cut.
            extents_per_message: 2,
            zombie_steps_max: pick_number(prng, &[0, 2, 8]),
            clock_skew_max: pick(prng, &[0, 1000, 1_000_000_000]),
            config,
            durability: Durability::Disk,
            faults: draw_faults(prng, heal_at),
            heal_at,
        };
        if let Some(plant) = options.plant {
            scenario.ends_early = false;
            plant.prepare(&mut scenario);
        } else {
            scenario.patience = pick(prng, &[500, 2000, 6000]);
            scenario.faults = match options.faults {
                None => draw_all_faults(prng, &scenario),
                Some(kind) => draw_faults_of(kind, prng, &scenario),
            };
            scenario.faults.sort_by_key(|&(at, _)| at);
        }
        scenario.slice_after_max = scenario.epoch_length;
        if prng.chance(1, 3) && options.plant.is_none() {
            scenario.durability = Durability::Memory;
        }
        scenario
    }
}

impl Scenario {
    /// A cluster in a rack, of which one node crashes.
    pub(crate) fn of_rack(prng: &mut Prng, sharing: Sharing) -> Self {
        let epoch_length = Duration::from_millis(100);
        // In the fourth epoch: three have become stable, or are about to.
        let crash_at = Instant::default() + micros(prng, 300_000, 400_000);
        let crash = Fault::Crash {
            victims: 1,
            noticed_after: NOTICED_AFTER,
            disks: Disks::Lost,
        };
        Self {
            nodes: sharing.nodes as usize,
            layout: Layout {
                counters: vec![],
                accounts: vec![],
                head: PageId::new(1, 0),
                slots: vec![],
                rows: vec![],
            },
            kinds: vec![],
            sharing: Some(sharing),
            quota: 0,
            hunt: false,
            delays: Delays {
                base_min: Duration::from_micros(50),
                base_max: Duration::ZERO,
                jitter_max: Duration::from_micros(10),
            },
            heartbeats_percent: 100,
            epoch_length,
            ends_early: false,
            think_max: Duration::ZERO,
            wake_max: Duration::ZERO,
            sync_max: Duration::from_millis(5),
            slice_after_max: Duration::from_millis(2),
            patience: Duration::from_millis(2),
            decision: Duration::from_millis(2),
            view_delay_max: Duration::from_micros(120),
            extents_per_message: 16 * 1024,
            zombie_steps_max: 0,
            clock_skew_max: Duration::ZERO,
            config: Config::default(),
            durability: Durability::Disk,
            faults: vec![(crash_at, crash)],
            heal_at: crash_at,
        }
    }
}

/// Behind all other pages, in several extents.
const ROWS: Range<u32> = 8180..8216;

fn draw_layout(kinds: &[Kind], prng: &mut Prng) -> Layout {
    let stride = [1, 64, 256][index_below(3, prng)];
    let linear_groups = pick_number(prng, &[0, 2, 4]);
    let mut next = 0;
    let mut group = |count: u32, prng: &mut Prng| -> Vec<PageId> {
        let is_linear = prng.chance(linear_groups, 4);
        let region = if is_linear {
            FIRST_APPLICATION_REGION
        } else {
            1
        };
        (0..count)
            .map(|_| {
                next += 1;
                PageId::new(region, (next - 1) * stride)
            })
            .collect()
    };
    let count = |min: u64, max: u64, prng: &mut Prng| {
        u32::try_from(min + prng.below(max - min + 1)).expect("a few pages")
    };
    let counters = group(count(1, 6, prng), prng);
    let accounts = group(count(2, 6, prng), prng);
    let head = group(1, prng)[0];
    let slots = group(count(1, 4, prng), prng);
    let rows = ROWS.map(|index| PageId::new(FIRST_APPLICATION_REGION, index));
    Layout {
        counters,
        accounts,
        head,
        slots,
        rows: match kinds.contains(&Kind::Sweep) {
            true => rows.collect(),
            false => vec![],
        },
    }
}

fn draw_kinds(prng: &mut Prng) -> Vec<Kind> {
    let kinds: Vec<Kind> = ALL_KINDS
        .into_iter()
        .filter(|_| prng.chance(2, 5))
        .collect();
    if kinds.is_empty() {
        vec![Kind::Bank]
    } else {
        kinds
    }
}

fn draw_config(prng: &mut Prng) -> Config {
    let small = |prng: &mut Prng, numbers: &[u64]| {
        u32::try_from(pick_number(prng, numbers)).expect("small numbers")
    };
    Config {
        seed: prng.next_u64(),
        ageing_losses: small(prng, &[0, 1, 2, 4, 8]),
        retry_after: pick(prng, &[10, 100, 500]),
        calm_after_epochs: small(prng, &[1, 3, 20]),
        contended_after: small(prng, &[1, 3, 1000]),
        frames_max: [16, 64, 1 << 16][index_below(3, prng)],
    }
}

fn draw_faults(prng: &mut Prng, heal_at: Instant) -> Vec<(Instant, Fault)> {
    let count = pick_number(prng, &[0, 1, 1, 2, 4]);
    let end = heal_at.as_nanos();
    let mut faults: Vec<(Instant, Fault)> = (0..count)
        .map(|_| {
            let disks = if prng.chance(1, 2) {
                Disks::Lost
            } else {
                Disks::Return(micros(prng, 100, 8000))
            };
            let victims = if prng.chance(1, 4) { 2 } else { 1 };
            let noticed_after = micros(prng, 0, 3000);
            let at = Instant::from_nanos(prng.below(end));
            if prng.chance(1, 6) {
                return (at, Fault::Join);
            }
            (
                at,
                Fault::Crash {
                    victims,
                    noticed_after,
                    disks,
                },
            )
        })
        .collect();
    faults.sort_by_key(|&(at, _)| at);
    faults
}

/// Crashes and newcomers of the seed, and sometimes somebody who leaves, or something that
/// kills nobody.
fn draw_all_faults(prng: &mut Prng, scenario: &Scenario) -> Vec<(Instant, Fault)> {
    let mut faults = scenario.faults.clone();
    if prng.chance(1, 3) {
        faults.push((draw_moment(prng, scenario), Fault::Drain));
    }
    let count = pick_number(prng, &[0, 0, 1, 2]);
    for _ in 0..count {
        let kinds = FaultKind::ALL;
        let kind = kinds[index_below(kinds.len(), prng)];
        faults.push((
            draw_moment(prng, scenario),
            draw_fault(kind, prng, scenario),
        ));
    }
    faults
}

fn draw_faults_of(kind: FaultKind, prng: &mut Prng, scenario: &Scenario) -> Vec<(Instant, Fault)> {
    // So many crashes that what one has left goes with the next.
    let count = if kind == FaultKind::Crash { 12 } else { 4 };
    let fault = |prng: &mut Prng| {
        (
            draw_moment(prng, scenario),
            draw_fault(kind, prng, scenario),
        )
    };
    (0..count).map(|_| fault(prng)).collect()
}

fn draw_moment(prng: &mut Prng, scenario: &Scenario) -> Instant {
    Instant::from_nanos(prng.below(scenario.heal_at.as_nanos()))
}

fn draw_fault(kind: FaultKind, prng: &mut Prng, scenario: &Scenario) -> Fault {
    // Half of the time longer than anybody is waited for.
    let lasts = micros(prng, 50, 2 * scenario.patience.as_micros());
    let down = micros(prng, 0, 1000);
    match kind {
        FaultKind::Crash => Fault::Crash {
            victims: 1,
            noticed_after: micros(prng, 0, 1000),
            disks: Disks::Return(micros(prng, 100, 4000)),
        },
        FaultKind::Pause => Fault::Pause { lasts },
        FaultKind::Hold => Fault::Hold {
            lasts,
            end: match prng.chance(1, 2) {
                true => HoldEnd::Arrive,
                false => HoldEnd::Break(down),
            },
        },
        FaultKind::Reset => Fault::Reset { down },
        FaultKind::SlowDisk => Fault::SlowDisk {
            lasts: micros(prng, 1000, 20_000),
            sync_max: pick(prng, &[20_000, 100_000, 300_000]),
        },
    }
}

fn micros(prng: &mut Prng, min: u64, max: u64) -> Duration {
    Duration::from_micros(min + prng.below(max - min + 1))
}

/// One of these spans, given in microseconds.
fn pick(prng: &mut Prng, micros: &[u64]) -> Duration {
    Duration::from_micros(pick_number(prng, micros))
}

fn pick_number(prng: &mut Prng, numbers: &[u64]) -> u64 {
    numbers[index_below(numbers.len(), prng)]
}

/// Planted faults change the choices so that the fault has an occasion to show.
impl Plant {
    pub(crate) fn prepare(self, scenario: &mut Scenario) {
        crate::plant::prepare(self, scenario);
    }
}
