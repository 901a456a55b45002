//! Mending: what is found to be damaged in the store, by whoever wanted to read it, is asked
//! of everybody and written again.
//!
//! Everybody looks into his store, then into his memory, this node too. Who has a later
//! version instead gives that: then nobody needs the damaged one but epochs that are retained,
//! and perhaps not even they. What nobody has is lost: it is named, never served, and
//! asked for again in the next view, in which another disk may be back.
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::vec::Vec;

use platform::Disk;
use store::{Broken, ReadError};
use types::{Instant, NodeId, PageId, Stamp, Version};
use wire::{Envelope, LostVersion, Message, PageVersion};

use crate::Platform;
use crate::core::Core;

/// Versions that are asked for at a time.
const ASKED_MAX: usize = 32;

/// What is damaged in this node's store, and what becomes of it.
#[derive(Debug, Default)]
pub(crate) struct Mending {
    todo: VecDeque<Broken>,
    asked: BTreeMap<Broken, Inquiry>,
    /// What nobody had. It may not be needed any more.
    lost: BTreeSet<Broken>,
    /// Versions that were found to be damaged.
    pub(crate) damaged: u64,
    /// Of these, those that were mended.
    pub(crate) mended: u64,
}

/// A version that members are being asked for.
#[derive(Debug)]
struct Inquiry {
    /// Who has not answered.
    waits_for: BTreeSet<NodeId>,
    /// The oldest later version that somebody had instead.
    next: Option<PageVersion>,
}

impl Mending {
    /// A view has begun: what was asked for in the last one, also in vain, is asked for again.
    pub(crate) fn begin(&mut self) {
        let asked = core::mem::take(&mut self.asked).into_keys();
        let lost = core::mem::take(&mut self.lost);
        self.todo.extend(asked.chain(lost));
    }

    /// Whether it is known of everything damaged what becomes of it.
    pub(crate) fn is_settled(&self) -> bool {
        self.todo.is_empty() && self.asked.is_empty()
    }

    /// Whether there is something to do at once.
    fn is_due(&self) -> bool {
        !self.todo.is_empty() && self.asked.len() < ASKED_MAX
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    /// When there is something to be asked for next: now, if ever.
    pub(crate) fn next_mending(&self) -> Option<Instant> {
        let is_due = self.mending.is_due() && self.dtm.view().is_some();
        is_due.then_some(self.now)
    }

    /// Asks for what was found to be damaged.
    pub(crate) fn on_mending_time(&mut self) {
        let broken = self.store.take_broken();
        self.mending.damaged += broken.len() as u64;
        self.mending.todo.extend(broken);
        let Some(view) = self.dtm.view().filter(|_| self.mending.is_due()) else {
            return;
        };
        let members: Vec<NodeId> = view.nodes().collect();
        while self.mending.is_due() {
            let broken = self.mending.todo.pop_front().expect("then there is one");
            if !self.store.is_broken(&broken) {
                continue;
            }
            let Broken {
                page,
                version,
                stamp,
            } = broken;
            for &node in &members {
                self.say(
                    node,
                    Message::GetVersion {
                        page,
                        version,
                        stamp,
                    },
                );
            }
            let inquiry = Inquiry {
                waits_for: members.iter().copied().collect(),
                next: None,
            };
            self.mending.asked.insert(broken, inquiry);
        }
    }

    /// What members say to each other about damaged versions.
    pub(crate) fn on_mending_message(&mut self, envelope: Envelope) {
        let from = envelope.from;
        match envelope.message {
            Message::GetVersion {
                page,
                version,
                stamp,
            } => {
                let content = self.find_version(page, version, stamp);
                self.say(
                    from,
                    Message::Version {
                        page,
                        version,
                        stamp,
                        content,
                    },
                );
            }
            Message::Version {
                page,
                version,
                stamp,
                content,
            } => {
                let broken = Broken {
                    page,
                    version,
                    stamp,
                };
                self.on_version(from, broken, content);
            }
            other => unreachable!("{other:?} is not about damaged versions"),
        }
    }

    /// This version of the page, or the oldest stable one that is newer.
    fn find_version(
        &mut self,
        page: PageId,
        version: Version,
        stamp: Stamp,
    ) -> Option<PageVersion> {
        let is_it = |one: &PageVersion| one.version == version && one.stamp == stamp;
        let stored = self.store.read_version(page, version, stamp);
        if let Some(found) = self.unless_damaged(stored) {
            return Some(found);
        }
        let offer = self.dtm.offer(page).filter(|one| is_it(one)).cloned();
        let copy = || self.dtm.copy(page, &self.memory).filter(is_it);
        if let Some(found) = offer.or_else(copy) {
            return Some(found);
        }
        let next = self.store.read_next(page, version);
        self.unless_damaged(next)
    }

    /// What was read, if it could be.
    fn unless_damaged(
        &mut self,
        read: Result<Option<PageVersion>, ReadError>,
    ) -> Option<PageVersion> {
        match read {
            Ok(found) => found,
            Err(ReadError::Damaged(_)) => None,
            Err(error) => {
                self.store_failed(&error);
                None
            }
        }
    }

    fn on_version(&mut self, from: NodeId, broken: Broken, content: Option<PageVersion>) {
        let Some(inquiry) = self.mending.asked.get_mut(&broken) else {
            return;
        };
        inquiry.waits_for.remove(&from);
        let is_it = |one: &PageVersion| one.version == broken.version && one.stamp == broken.stamp;
        if let Some(content) = content.as_ref().filter(|one| is_it(one)) {
            self.mending.asked.remove(&broken);
            return self.write_again(&broken, content);
        }
        let later = content.filter(|one| one.version > broken.version);
        let candidates = inquiry.next.take().into_iter().chain(later);
        inquiry.next = candidates.min_by_key(|one| one.version);
        if inquiry.waits_for.is_empty() {
            let inquiry = self.mending.asked.remove(&broken);
            let next = inquiry.and_then(|inquiry| inquiry.next);
            self.do_without(broken, next);
        }
    }

    fn write_again(&mut self, broken: &Broken, content: &PageVersion) {
        match self.store.replace(broken.page, content) {
            Ok(store::Replaced::Written) => self.mending.mended += 1,
            // It was superseded meanwhile.
            Ok(store::Replaced::NotKept) => {}
            Err(error) => self.store_failed(&error),
        }
    }

    /// Nobody has the version. If somebody has a later one, that may do.
    fn do_without(&mut self, broken: Broken, next: Option<PageVersion>) {
        if let Some(next) = next {
            if let Err(error) = self.store.put_frame(broken.page, &next) {
                return self.store_failed(&error);
            }
            if !self.store.is_broken(&broken) {
                self.mending.mended += 1;
                return;
            }
        }
        if self.store.is_broken(&broken) {
            let (page, version) = (broken.page, broken.version.0);
            (self.config.note)(&format!(
                "the store: version {version} of page {page} is damaged, and nobody has it any more"
            ));
            self.mending.lost.insert(broken);
        }
    }

    /// How many versions are lost and still kept.
    pub(crate) fn count_lost(&mut self) -> u64 {
        let store = &self.store;
        self.mending.lost.retain(|lost| store.is_broken(lost));
        self.mending.lost.len() as u64
    }

    /// The first of the lost, with the epochs that would need them.
    pub(crate) fn name_lost(&self, count: usize) -> Vec<LostVersion> {
        let lost = self.mending.lost.iter().take(count);
        let lost = lost.map(|broken| LostVersion {
            page: broken.page,
            version: broken.version,
            epoch: broken.stamp.epoch(),
            needed_by: self.store.epochs_of(broken),
        });
        lost.collect()
    }
}
