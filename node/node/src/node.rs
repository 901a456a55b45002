//! The loop.
use alloc::string::{String, ToString};

use engine::{Engine, Limits};
use kernel::blobs::Progress;
use kernel::queues::Backlog;
use kernel::{Slot, Station, reap, superblock};
use platform::{Disk, Wait};
use store::Store;
use types::limits::MEMBERS_MAX;
use types::{Duration, Instant, NodeId, ViewNumber};

use crate::apps::Apps;
use crate::channels::Channels;
use crate::core::Core;
use crate::requests::Desk;
use crate::transaction::NotDone;
use crate::voter::Voter;
use crate::worker::Ran;
use crate::{Config, FatalReason, Platform};

/// Shortest and longest pause of an idle node between two looks at others' queues.
const STEAL_AFTER_MIN: Duration = Duration::from_millis(1);
const STEAL_AFTER_MAX: Duration = Duration::from_millis(32);
/// Processes that have ended are kept for people to look at, so many of them.
const ENDED_KEPT: usize = 64;
/// Pages that are cleared at a time behind those that are not kept.
const REAPED_PAGES: u32 = 64;
const TIDY_EVERY: Duration = Duration::from_millis(500);
/// Steps are run for so long between two looks at what has happened.
const TURN: Duration = Duration::from_micros(50);
/// Pause between two looks of a node that leaves: its last work goes to the stores in slices.
const LEAVING_PAUSE: Duration = Duration::from_millis(1);
/// Longest sleep of a node that has nothing to do.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// A node.
pub struct Node<P: Platform, D: Disk> {
    pub(crate) core: Core<P, D>,
    pub(crate) engine: Engine,
    pub(crate) apps: Apps,
    pub(crate) desk: Desk,
    pub(crate) channels: Channels,
    pub(crate) limits: Limits,
    search: Search,
    /// How often the node had gone back when the kernel's tables were known to be there.
    formatted: Option<u64>,
    /// When to do next what is not urgent.
    next_tidying: Instant,
}

/// An idle node's search for work at other slots.
struct Search {
    /// Asked next.
    victim: u32,
    /// What was found at each slot.
    found: [Option<Backlog>; MEMBERS_MAX],
    /// Not before.
    next: Instant,
    pause: Duration,
    /// Slots without a node that have still to be emptied in this view.
    orphans: u32,
    view: ViewNumber,
}

impl<P: Platform, D: Disk> Node<P, D> {
    /// A node that has its store and its control log open and its platform ready. It
    /// asks the process at `seed` (`ip:port`) to be let in, if it does not lead itself;
    /// without one it waits to be called.
    pub fn new(
        config: Config,
        platform: P,
        store: Store<D>,
        engine: Engine,
        voter: Voter<D>,
        seed: Option<String>,
    ) -> Self {
        let limits = config.limits;
        let core = Core::new(config, platform, store, voter, seed);
        let now = core.now;
        let search = Search {
            victim: 0,
            found: [None; MEMBERS_MAX],
            next: core.now,
            pause: STEAL_AFTER_MIN,
            orphans: 0,
            view: ViewNumber(0),
        };
        Self {
            core,
            engine,
            apps: Apps::default(),
            desk: Desk::default(),
            channels: Channels::default(),
            limits,
            search,
            formatted: None,
            next_tidying: now,
        }
    }

    /// Runs the node until it ends; says why it did.
    pub fn run(&mut self) -> FatalReason {
        loop {
            self.core.pump(Wait::No);
            if let Some(reason) = self.core.fatal.take() {
                return reason;
            }
            if self.core.is_leaving() {
                self.serve_leaving();
                self.drop_channels();
                self.core.pump(self.core.within(LEAVING_PAUSE));
                continue;
            }
            if !self.core.may_commit() {
                self.core.pump(self.core.within(SLEEP_MAX));
                continue;
            }
            self.format();
            self.serve();
            let exchanged = self.serve_channels();
            self.tidy_up();
            let buried = self.bury();
            if self.run_some() == Ran::Nothing
                && self.look_elsewhere() == Ran::Nothing
                && buried == Ran::Nothing
                && exchanged == Ran::Nothing
                && self.serve_channels() == Ran::Nothing
                && !self.core.machine.has_question()
            {
                let until = self.search.next.min(self.core.now + SLEEP_MAX);
                let until = self.next_tick().map_or(until, |tick| until.min(tick));
                self.core.pump(Wait::Until(until));
            }
        }
    }

    /// Refers callers to other nodes for so long: some may have looked for one before they
    /// could know that this one has left.
    pub fn refer_callers(&mut self, span: Duration) {
        let until = self.core.now + span;
        while self.core.now < until {
            self.serve_leaving();
            self.core.pump(Wait::Until(until));
        }
    }

    /// Runs steps for a while: asking the platform for events takes longer than a short
    /// step.
    fn run_some(&mut self) -> Ran {
        let until = self.core.platform.now() + TURN;
        while self.run_next() == Ran::Something {
            if self.core.platform.now() >= until {
                return Ran::Something;
            }
        }
        Ran::Nothing
    }

    /// The leader makes the kernel's tables in a fresh memory, and refuses another's.
    fn format(&mut self) {
        let resets = self.core.resets;
        if self.formatted == Some(resets) || self.core.leadership.is_none() {
            return;
        }
        match self.core.transact(|pages| superblock::format(pages)) {
            Ok(_) => self.formatted = Some(resets),
            Err(NotDone::Refused(refusal)) => {
                self.core.fatal = Some(FatalReason::CannotLead(refusal.to_string()));
            }
            Err(NotDone::Undone | NotDone::Lost(..) | NotDone::Ending) => {}
        }
    }

    /// What is not urgent, a piece at a time.
    fn tidy_up(&mut self) {
        if self.core.now < self.next_tidying {
            return;
        }
        self.next_tidying = self.core.now + TIDY_EVERY;
        self.core.tell_steps();
        if self.core.leadership.is_some() {
            let reaped = self
                .core
                .transact(|pages| reap(pages, ENDED_KEPT, REAPED_PAGES));
            if let Ok((Progress::More, _)) = reaped {
                self.next_tidying = self.core.now;
            } else {
                self.give_up_revivals();
                self.core.tell_living();
            }
        }
    }

    /// Looks for work at another slot, if it is time to.
    fn look_elsewhere(&mut self) -> Ran {
        let view = self.core.view_number();
        if self.search.view != view {
            self.search.view = view;
            self.search.found = [None; MEMBERS_MAX];
            self.search.next = self.core.now;
            self.search.orphans = Slot::all().map(|slot| slot.index() + 1).max().unwrap_or(0);
        }
        let station = self.core.station();
        while self.search.orphans > u32::from(station.slots()) {
            let slot = Slot::new(self.search.orphans as usize - 1).expect("counted from all");
            if self.core.steal(slot, &mut None) == Ran::Something {
                // A theft takes half of a queue: what is left is taken next time.
                return Ran::Something;
            }
            self.search.orphans -= 1;
        }
        if self.core.now < self.search.next {
            return Ran::Nothing;
        }
        if station.slots() == 1 {
            // Nobody is there to be asked before the next view.
            self.search.next = self.core.now + SLEEP_MAX;
            return Ran::Nothing;
        }
        self.search.victim = (self.search.victim + 1) % u32::from(station.slots());
        let victim = Slot::new(self.search.victim as usize).expect("below the number of slots");
        let before = &mut self.search.found[self.search.victim as usize];
        let found = self.core.steal(victim, before);
        self.search.pause = match found {
            Ran::Something => STEAL_AFTER_MIN,
            Ran::Nothing => self.search.pause.doubled().min(STEAL_AFTER_MAX),
        };
        self.search.next = self.core.now + self.search.pause;
        found
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Who leads the view of this node.
    pub(crate) fn leader(&self) -> NodeId {
        self.dtm
            .view()
            .expect("a node without a view runs nothing")
            .leader
    }

    /// Where this node stands in its view.
    pub(crate) fn station(&self) -> Station {
        let view = self.dtm.view().expect("a node without a view runs nothing");
        Station::of(view, self.dtm.me()).expect("a node is a member of its view")
    }
}

impl<P: Platform, D: Disk> core::fmt::Debug for Node<P, D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.core.config.name)
            .finish_non_exhaustive()
    }
}
