//! Faults of the memory itself, planted by tampering with what lies around it: a
//! checker that has never caught anything proves nothing.
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use types::{Durability, Duration, Epoch, Instant, NodeId, PAGE_SIZE, PageId, Prng, View};
use wire::{Envelope, Message, Testimony};

use crate::memory::Cell;
use crate::scenario::{Disks, Fault, Scenario};
use crate::workload::Kind;

/// A fault to plant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plant {
    /// A writer does not wait for one holder: the line forges its answer, the holder
    /// never hears of the invalidation.
    SkippedAck,
    /// The epoch of a reader that is ahead does not reach the writer that overwrites
    /// what it read: the line lowers the epoch of every invalidation answer.
    AckEpoch,
    /// Data that arrives for a doomed transaction becomes visible to it.
    DoomedMapping,
    /// The owner's hand-over in a refused transition is forgotten.
    LostOwner,
    /// No transaction is ever aged.
    NoAgeing,
    /// Homes serve before they know what is in the others' stores.
    BlindHome,
    /// Stores keep and serve what a fallback has undone.
    UndoneStore,
    /// Epochs are called stable before they are stored.
    EarlyStable,
    /// A fallback goes behind an epoch that was called stable.
    ForgottenStable,
    /// Survivors do not say on what their work depends.
    ForgottenEdges,
    /// Nodes do not give what they kept for the stores to homes that look for it.
    WithheldOffers,
    /// Members do not tell homes what they hold.
    ForgottenHolders,
    /// Whoever enters a view hears of its newest decision only.
    ForgottenDecisions,
    /// Who was given up and goes on is a member again, with what it had.
    ReadmittedSleeper,
    /// A decision takes nothing back from a member that was given up and lives.
    UncutSleeper,
    /// Nobody is told that a link has broken.
    HiddenLoss,
    /// Members say more about pages over a link that has lost something.
    UnheardGap,
    /// Parts do not say on what they depend.
    LooseParts,
    /// Work is called safe before the stores have it.
    EarlySafe,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::SkippedAck,
        Self::AckEpoch,
        Self::DoomedMapping,
        Self::LostOwner,
        Self::NoAgeing,
        Self::BlindHome,
        Self::UndoneStore,
        Self::EarlyStable,
        Self::ForgottenStable,
        Self::ForgottenEdges,
        Self::WithheldOffers,
        Self::ForgottenHolders,
        Self::ForgottenDecisions,
        Self::ReadmittedSleeper,
        Self::UncutSleeper,
        Self::HiddenLoss,
        Self::UnheardGap,
        Self::LooseParts,
        Self::EarlySafe,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SkippedAck => "skipped-ack",
            Self::AckEpoch => "ack-epoch",
            Self::DoomedMapping => "doomed-mapping",
            Self::LostOwner => "lost-owner",
            Self::NoAgeing => "no-ageing",
            Self::BlindHome => "blind-home",
            Self::UndoneStore => "undone-store",
            Self::EarlyStable => "early-stable",
            Self::ForgottenStable => "forgotten-stable",
            Self::ForgottenEdges => "forgotten-edges",
            Self::WithheldOffers => "withheld-offers",
            Self::ForgottenHolders => "forgotten-holders",
            Self::ForgottenDecisions => "forgotten-decisions",
            Self::ReadmittedSleeper => "readmitted-sleeper",
            Self::UncutSleeper => "uncut-sleeper",
            Self::HiddenLoss => "hidden-loss",
            Self::UnheardGap => "unheard-gap",
            Self::LooseParts => "loose-parts",
            Self::EarlySafe => "early-safe",
        }
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|plant| plant.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|plant| plant.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// Changes the choices of a seed so that the fault has occasions to show.
pub(crate) fn prepare(plant: Plant, scenario: &mut Scenario) {
    match plant {
        Plant::SkippedAck | Plant::LostOwner => {
            scenario.faults.clear();
            scenario.kinds = vec![Kind::Counters, Kind::Bank];
            scenario.hunt = false;
        }
        Plant::AckEpoch => {
            scenario.faults.clear();
            scenario.kinds = vec![Kind::ReadMostly];
            scenario.hunt = false;
            // The leader reads its copies again and again and is epochs ahead of the
            // news that reaches the others.
            scenario.epoch_length = Duration::from_micros(50);
            scenario.heartbeats_percent = 2;
            scenario.delays.base_max = Duration::from_micros(400);
            scenario.think_max = Duration::from_micros(10);
        }
        Plant::DoomedMapping => {
            scenario.faults.clear();
            scenario.kinds = vec![Kind::Bank, Kind::ReadMostly];
            scenario.hunt = false;
            scenario.zombie_steps_max = 20;
            scenario.think_max = Duration::from_micros(100);
        }
        Plant::NoAgeing => {
            scenario.faults.clear();
            scenario.hunt = true;
            scenario.config.ageing_losses = u32::MAX;
        }
        Plant::ForgottenDecisions => {
            scenario.nodes = scenario.nodes.max(5);
            let away = Disks::Return(Duration::from_nanos(scenario.heal_at.as_nanos() / 4));
            // A disk is away while others are lost; it comes back with what was undone.
            scenario.faults = in_parts(scenario, at_once(away));
            with_parts_on_their_way(scenario);
        }
        Plant::ReadmittedSleeper | Plant::UncutSleeper => {
            scenario.hunt = false;
            scenario.epoch_length = Duration::from_micros(1000);
            let lasts = scenario.patience.doubled();
            scenario.faults = in_parts(scenario, Fault::Pause { lasts });
        }
        Plant::HiddenLoss | Plant::UnheardGap => {
            scenario.hunt = false;
            scenario.kinds = vec![Kind::Counters, Kind::Bank];
            scenario.epoch_length = Duration::from_micros(1000);
            scenario.delays.base_max = Duration::from_micros(400);
            scenario.delays.jitter_max = Duration::from_micros(1000);
            // Who has lost the leader is given up at once; the others go on for a while.
            scenario.nodes = scenario.nodes.max(5);
            scenario.patience = Duration::from_millis(20);
            let down = Duration::ZERO;
            scenario.faults = in_parts(scenario, Fault::Reset { down });
        }
        Plant::EarlySafe => {
            scenario.durability = Durability::Memory;
            prepare(Plant::LooseParts, scenario);
        }
        Plant::LooseParts => {
            let disks = Disks::Return(Duration::from_millis(1));
            scenario.faults = in_parts(scenario, at_once(disks));
            with_parts_on_their_way(scenario);
        }
        Plant::BlindHome
        | Plant::UndoneStore
        | Plant::EarlyStable
        | Plant::ForgottenStable
        | Plant::ForgottenEdges
        | Plant::WithheldOffers
        | Plant::ForgottenHolders => {
            scenario.hunt = false;
            scenario.epoch_length = Duration::from_micros(1000);
            scenario.sync_max = Duration::from_micros(300);
            let at = Instant::from_nanos(scenario.heal_at.as_nanos() / 2);
            let noticed_after = Duration::from_micros(300);
            let disks = Disks::Lost;
            scenario.faults = vec![(
                at,
                Fault::Crash {
                    victims: 1,
                    noticed_after,
                    disks,
                },
            )];
        }
    }
}

/// A node crashes, and everybody knows it at once.
fn at_once(disks: Disks) -> Fault {
    Fault::Crash {
        victims: 1,
        noticed_after: Duration::ZERO,
        disks,
    }
}

/// Parts are short, and come to some stores well before they come to others.
fn with_parts_on_their_way(scenario: &mut Scenario) {
    scenario.hunt = false;
    scenario.epoch_length = Duration::from_micros(300);
    scenario.delays.base_max = Duration::from_micros(400);
    scenario.delays.jitter_max = Duration::from_micros(200);
    scenario.sync_max = Duration::from_micros(5000);
    scenario.view_delay_max = Duration::ZERO;
    scenario.think_max = Duration::ZERO;
    scenario.kinds = vec![Kind::Counters, Kind::Bank];
}

/// The same fault again and again.
fn in_parts(scenario: &Scenario, fault: Fault) -> Vec<(Instant, Fault)> {
    let part = scenario.heal_at.as_nanos() / 8;
    let parts = (1..8).map(|number| Instant::from_nanos(part * number));
    parts.map(|at| (at, fault)).collect()
}

/// The planted fault of a run, if there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Planted(pub(crate) Option<Plant>);

impl Planted {
    /// What the line carries instead of `envelope` to `to`.
    pub(crate) fn tamper(
        self,
        to: NodeId,
        mut envelope: Envelope,
        prng: &mut Prng,
    ) -> (NodeId, Envelope) {
        match (self.0, &mut envelope.message) {
            (
                Some(Plant::SkippedAck),
                &mut Message::Invalidate {
                    page,
                    seq,
                    requester,
                    ..
                },
            ) if prng.chance(1, 4) => {
                let message = Message::InvalidateAck {
                    page,
                    seq,
                    was_owner: false,
                };
                return (
                    requester,
                    Envelope {
                        from: to,
                        message,
                        ..envelope
                    },
                );
            }
            (Some(Plant::AckEpoch), Message::InvalidateAck { .. }) => envelope.epoch = Epoch(1),
            (Some(Plant::LostOwner), Message::InvalidateAck { was_owner, .. }) => {
                *was_owner = false;
            }
            (Some(Plant::BlindHome), Message::Inventory { extents, .. }) => extents.clear(),
            (Some(Plant::EarlyStable), Message::EpochStored { epoch }) => epoch.0 += 2,
            (Some(Plant::EarlySafe), Message::EpochHeld { epoch }) => epoch.0 += 2,
            (Some(Plant::ForgottenHolders), Message::Holders { pages, .. }) => pages.clear(),
            _ => {}
        }
        (to, envelope)
    }

    /// Whether stores purge what a view undoes.
    pub(crate) fn keeps_undone(self) -> bool {
        self.0 == Some(Plant::UndoneStore)
    }

    /// What a survivor says of its work.
    pub(crate) fn testify(self, mut testimony: Testimony) -> Testimony {
        let manifests = testimony.parts.iter_mut().map(|part| &mut part.manifest);
        match self.0 {
            Some(Plant::ForgottenEdges) => {
                let intervals = testimony.intervals.iter_mut();
                intervals.for_each(|of| of.edges.clear());
            }
            Some(Plant::LooseParts) => manifests.for_each(|of| of.edges.clear()),
            _ => {}
        }
        testimony
    }

    /// Whether homes get what a node has kept for the stores.
    pub(crate) fn withholds_offers(self) -> bool {
        self.0 == Some(Plant::WithheldOffers)
    }

    /// The view as a member hears of it.
    pub(crate) fn announced(self, view: &View) -> View {
        let mut view = view.clone();
        if self.0 == Some(Plant::ForgottenDecisions) {
            let newest = view.fallbacks.len().saturating_sub(1);
            view.fallbacks.drain(..newest);
        }
        view
    }

    /// Whether who was given up may go on as the node that it was.
    pub(crate) fn readmits(self) -> bool {
        self.0 == Some(Plant::ReadmittedSleeper)
    }

    /// Whether nothing is taken back from members that were given up and live.
    pub(crate) fn spares_sleepers(self) -> bool {
        self.0 == Some(Plant::UncutSleeper)
    }

    /// Whether the ends of a broken link do not hear of it.
    pub(crate) fn hides_losses(self) -> bool {
        self.0 == Some(Plant::HiddenLoss)
    }

    /// Whether the ends of a broken link go on as if nothing had been lost.
    pub(crate) fn talks_on(self) -> bool {
        self.0 == Some(Plant::UnheardGap)
    }

    /// How many stable epochs the control plane forgets at a fallback.
    pub(crate) fn epochs_forgotten(self) -> u64 {
        if self.0 == Some(Plant::ForgottenStable) {
            2
        } else {
            0
        }
    }
}

/// Pages that a doomed transaction sees although the memory does not show them.
/// Empty without the planted fault.
#[derive(Debug, Default)]
pub(crate) struct Ghosts(BTreeMap<PageId, Cell>);

impl Ghosts {
    pub(crate) fn cell(&self, page: PageId) -> Option<Cell> {
        self.0.get(&page).copied()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// A message arrives at a node whose transaction is doomed.
    pub(crate) fn on_message(&mut self, planted: Planted, message: &Message) {
        if planted.0 != Some(Plant::DoomedMapping) {
            return;
        }
        if let Message::Data { page, content, .. } = message {
            let mut bytes = [0; PAGE_SIZE];
            content.image.write_to(&mut bytes);
            let cell = Cell::of(&bytes).expect("lines do not tear pages");
            self.0.insert(*page, cell);
        }
    }
}
