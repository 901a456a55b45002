//! Old snapshots are dropped, and the packs that none needs any more.
//!
//! Two exports into one copy may run at the same time; neither may delete packs that the
//! other counts on. So each leaves a mark before it looks at what is there, and a pack is
//! deleted only after manifests are and when there is no mark of another: one that sets its
//! mark later finds neither the manifest nor, when it looks for its packs at its end, what
//! was deleted meanwhile. A mark that was not renewed for an hour is of a dead export.
use std::cell::Cell;
use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use types::Epoch;

use crate::error::ArchiveError;
use crate::export::Exported;
use crate::far::{Far, PACKS, pack_object};
use crate::hash::Hash;

const MARKS: &str = "exports";
const RENEWAL: Duration = Duration::from_secs(600);
const MARK_LIFE: Duration = Duration::from_secs(3600);

/// Says that somebody writes into the copy.
#[derive(Debug)]
pub(crate) struct Mark {
    name: String,
    set: Cell<Instant>,
}

impl Mark {
    /// Leaves one.
    pub(crate) fn set(far: &Far) -> Result<Self, ArchiveError> {
        let random = RandomState::new().build_hasher().finish();
        let mark = Self {
            name: format!("{random:016x}"),
            set: Cell::new(Instant::now()),
        };
        mark.put(far)?;
        Ok(mark)
    }

    /// Leaves it anew if that is due.
    pub(crate) fn renew(&self, far: &Far) -> Result<(), ArchiveError> {
        if self.set.get().elapsed() < RENEWAL {
            return Ok(());
        }
        self.put(far)
    }

    fn put(&self, far: &Far) -> Result<(), ArchiveError> {
        self.set.set(Instant::now());
        let text = b"somebody exports\n".to_vec();
        far.runtime.block_on(far.place.put(&self.object(), text))
    }

    pub(crate) fn remove(self, far: &Far) -> Result<(), ArchiveError> {
        far.runtime.block_on(far.place.delete(&self.object()))
    }

    fn object(&self) -> String {
        format!("{MARKS}/{}", self.name)
    }
}

impl Far {
    /// Drops all snapshots but the newest ones and the one just exported, and deletes the
    /// packs that none of these needs.
    pub(crate) fn prune(
        &self,
        keep: usize,
        mark: &Mark,
        exported: &mut Exported,
    ) -> Result<(), ArchiveError> {
        let listed = self.listed()?;
        let epochs: BTreeSet<Epoch> = listed.iter().map(|one| one.epoch).collect();
        let mut kept: BTreeSet<Epoch> = epochs.into_iter().rev().take(keep).collect();
        kept.insert(exported.epoch);
        let (kept, old): (Vec<_>, Vec<_>) =
            listed.iter().partition(|one| kept.contains(&one.epoch));
        // Before anything is dropped it must be known what the others need.
        let mut needed = BTreeSet::new();
        for one in kept {
            match self.manifest(one) {
                Ok(manifest) => needed.extend(manifest.packs.iter().map(|pack| pack.hash)),
                Err(error @ ArchiveError::BadManifest { .. }) => {
                    let note = format!("{error}; so nothing old was dropped");
                    exported.notes.push(note);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        for one in old {
            self.runtime.block_on(self.place.delete(&one.object()))?;
            exported.dropped += 1;
        }
        if self.is_another_there(mark)? {
            let note = "another export runs, or was interrupted within the hour: packs that \
                        nothing needs stay until later";
            exported.notes.push(note.into());
            return Ok(());
        }
        self.delete_packs(&needed, exported)
    }

    fn delete_packs(
        &self,
        needed: &BTreeSet<Hash>,
        exported: &mut Exported,
    ) -> Result<(), ArchiveError> {
        let objects = self.runtime.block_on(self.place.list(PACKS))?;
        let packs = objects.iter().filter_map(|one| Hash::parse(&one.name));
        for pack in packs.filter(|pack| !needed.contains(pack)) {
            let object = pack_object(pack);
            self.runtime.block_on(self.place.delete(&object))?;
            exported.deleted += 1;
        }
        Ok(())
    }

    /// Whether there is a mark of an export that may live. Those of dead ones go. All times
    /// are the store's.
    fn is_another_there(&self, mark: &Mark) -> Result<bool, ArchiveError> {
        mark.put(self)?;
        let marks = self.runtime.block_on(self.place.list(MARKS))?;
        let own = marks.iter().find(|one| one.name == mark.name);
        let Some(now) = own.map(|own| own.written) else {
            return Ok(true);
        };
        let mut is_any = false;
        for other in marks.iter().filter(|one| one.name != mark.name) {
            let age = now.duration_since(other.written).unwrap_or_default();
            if age < MARK_LIFE {
                is_any = true;
            } else {
                let object = format!("{MARKS}/{}", other.name);
                self.runtime.block_on(self.place.delete(&object))?;
            }
        }
        Ok(is_any)
    }
}
