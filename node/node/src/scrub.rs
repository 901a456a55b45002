//! Scrubbing: everything in the store is read again, a little at a time, so that what a
//! device has lost is noticed while others still have it; and, when a tool asks for it, at
//! once, at all members.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use admin::{LostInfo, NodeScrub};
use platform::Disk;
use types::{Duration, Epoch, Instant, NodeId};
use wire::{Envelope, Message, ScrubReport};

use crate::Platform;
use crate::core::Core;

/// Versions read at a time: some microseconds each, or a tenth of a millisecond if the
/// device is asked.
const VERSIONS_AT_ONCE: usize = 4;
/// Not more often than this: some 0.6 MB a second, a GiB in half an hour.
const EVERY: Duration = Duration::from_millis(25);
/// While the store is written to: a GiB in five hours.
const EVERY_IF_BUSY: Duration = Duration::from_millis(250);
/// Between rounds.
const REST: Duration = Duration::from_millis(600_000);

/// If somebody waits for it: some 60 MB a second.
const VERSIONS_IN_HASTE: usize = 16;
const EVERY_IN_HASTE: Duration = Duration::from_millis(1);
/// How often who waits is told how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Lost versions that are named.
const NAMED_MAX: usize = 100;

/// Where scrubbing is.
#[derive(Debug)]
pub(crate) struct Scrub {
    next: Instant,
    /// Frames that had been written at the last step.
    frames: u64,
    /// The round that members wait for.
    round: Option<Round>,
    /// What they have told a tool's sake this node, if it has asked them.
    told: BTreeMap<NodeId, ScrubReport>,
}

/// A round for which somebody waits.
#[derive(Debug)]
struct Round {
    askers: BTreeSet<NodeId>,
    versions: u64,
    is_read: bool,
    next_report: Instant,
}

impl Scrub {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            next: now + EVERY,
            frames: 0,
            round: None,
            told: BTreeMap::new(),
        }
    }

    /// When there is something to read next.
    pub(crate) fn next_deadline(&self) -> Instant {
        self.next
    }

    fn is_waited_for(&self) -> bool {
        self.told.values().any(|report| !report.is_done)
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// Reads some more, if it is time to.
    pub(crate) fn on_scrub_time(&mut self) {
        if self.scrub.next > self.now {
            return;
        }
        match self.scrub.round.take() {
            Some(round) => self.go_on(round),
            None => self.scrub_some(),
        }
    }

    fn scrub_some(&mut self) {
        let frames = self.store.stats().frames_written;
        let is_idle = core::mem::replace(&mut self.scrub.frames, frames) == frames;
        let (_, is_round) = self.read_again(VERSIONS_AT_ONCE);
        let pause = match (is_round, is_idle) {
            (true, _) => REST,
            (false, true) => EVERY,
            (false, false) => EVERY_IF_BUSY,
        };
        self.scrub.next = self.now + pause;
    }

    /// How many versions were read, and whether they were the last.
    fn read_again(&mut self, versions_max: usize) -> (u64, bool) {
        match self.store.scrub_step(versions_max) {
            Ok(scrubbed) => {
                for damage in &scrubbed.damage {
                    (self.config.note)(&format!("the store: {damage}"));
                }
                (scrubbed.versions as u64, scrubbed.is_round)
            }
            Err(error) => {
                self.store_failed(&error);
                (0, true)
            }
        }
    }

    fn go_on(&mut self, mut round: Round) {
        if !round.is_read {
            let (versions, is_round) = self.read_again(VERSIONS_IN_HASTE);
            round.versions += versions;
            round.is_read = is_round;
            // What it has found is asked for before anybody may think that there is nothing.
            self.on_mending_time();
        }
        let is_done = round.is_read && self.mending.is_settled();
        if is_done || round.next_report <= self.now {
            round.next_report = self.now + REPORT_EVERY;
            let report = self.scrub_report(round.versions, is_done);
            for &asker in &round.askers {
                self.say(asker, Message::Scrubbed(report.clone()));
            }
        }
        if is_done {
            self.scrub.next = self.now + REST;
        } else {
            self.scrub.next = self.now + EVERY_IN_HASTE;
            self.scrub.round = Some(round);
        }
    }

    fn scrub_report(&mut self, versions: u64, is_done: bool) -> ScrubReport {
        let mut report = ScrubReport {
            versions,
            total: self.store.stats().versions,
            damaged: self.mending.damaged,
            mended: self.mending.mended,
            lost: self.count_lost(),
            is_done,
            ..ScrubReport::default()
        };
        if is_done {
            report.named = self.name_lost(NAMED_MAX);
            report.epochs = self.store.kept_epochs();
        }
        report
    }

    /// What members say to each other about a round that a tool waits for.
    pub(crate) fn on_scrub_message(&mut self, envelope: Envelope) {
        let from = envelope.from;
        match envelope.message {
            Message::Scrub => {
                let now = self.now;
                let round = self.scrub.round.get_or_insert_with(|| {
                    self.store.scrub_anew();
                    Round {
                        askers: BTreeSet::new(),
                        versions: 0,
                        is_read: false,
                        next_report: now,
                    }
                });
                round.askers.insert(from);
                self.scrub.next = now;
            }
            Message::Scrubbed(report) => {
                if let Some(told) = self.scrub.told.get_mut(&from) {
                    *told = report;
                }
            }
            other => unreachable!("{other:?} is not about scrubbing"),
        }
    }

    /// A tool wants everything to be read now. If that is under way, it goes on.
    pub(crate) fn begin_scrub(&mut self) {
        if !self.scrub.is_waited_for() {
            self.scrub.told.clear();
            self.ask_for_scrub();
        }
    }

    /// Asks the members that have not done it.
    fn ask_for_scrub(&mut self) {
        let view = self.dtm.view().expect("requests are served in a view");
        let members: Vec<NodeId> = view.nodes().collect();
        self.scrub.told.retain(|node, _| members.contains(node));
        for node in members {
            if !self.scrub.told.entry(node).or_default().is_done {
                self.say(node, Message::Scrub);
            }
        }
    }

    /// A view has begun: what was said in the last one may be lost.
    pub(crate) fn scrub_in_view(&mut self) {
        self.mending.begin();
        let view = self.dtm.view().expect("just entered");
        if let Some(round) = &mut self.scrub.round {
            round.askers.retain(|node| view.member(*node).is_some());
        }
        if self.scrub.is_waited_for() {
            self.ask_for_scrub();
        }
    }

    /// How far the members are with what a tool has asked for.
    pub(crate) fn scrubbed(&self) -> Vec<NodeScrub> {
        let numbers = |epochs: &[Epoch]| epochs.iter().map(|epoch| epoch.0).collect();
        let told = self.scrub.told.iter();
        let told = told.map(|(node, report)| NodeScrub {
            node: node.0,
            versions: report.versions,
            total: report.total,
            damaged: report.damaged,
            mended: report.mended,
            lost: report.lost,
            named: report
                .named
                .iter()
                .map(|lost| LostInfo {
                    region: lost.page.region.0,
                    page: lost.page.index.0,
                    version: lost.version.0,
                    epoch: lost.epoch.0,
                    needed_by: numbers(&lost.needed_by),
                })
                .collect(),
            epochs: numbers(&report.epochs),
            is_done: report.is_done,
        });
        told.collect()
    }
}
