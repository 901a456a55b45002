//! A process' view of a disk of its machine: written at once, synced after a while.
use std::sync::Arc;

use platform::{Disk, DiskError, SegmentNumber, SyncToken};

use crate::item::Item;
use crate::machine::Drive;
use crate::names::Pid;
use crate::sim_platform::enter;
use crate::stage::{Guard, Stage};

/// A disk as one process sees it.
#[derive(Debug)]
pub(crate) struct SimDisk {
    stage: Arc<Stage>,
    me: Pid,
    drive: Drive,
    /// Syncs that it has called done and that are not.
    lies: Vec<SyncToken>,
}

impl SimDisk {
    pub(crate) fn new(stage: Arc<Stage>, me: Pid, drive: Drive) -> Self {
        Self {
            stage,
            me,
            drive,
            lies: Vec::new(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut store::MemoryDisk) -> T) -> T {
        let mut world = enter(&self.stage, self.me);
        act(self.of(&mut world))
    }

    fn of<'a>(&self, world: &'a mut Guard<'_>) -> &'a mut store::MemoryDisk {
        &mut world.process_mut(self.me).drives[self.drive.index()]
    }
}

impl Disk for SimDisk {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>, DiskError> {
        self.with(|disk| disk.segments())
    }

    fn length(&mut self, segment: SegmentNumber) -> Result<u64, DiskError> {
        self.with(|disk| disk.length(segment))
    }

    fn create(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.with(|disk| disk.create(segment))
    }

    fn append(&mut self, segment: SegmentNumber, bytes: Vec<u8>) -> Result<(), DiskError> {
        self.with(|disk| disk.append(segment, bytes))
    }

    fn sync(&mut self, token: SyncToken) -> Result<(), DiskError> {
        let mut world = enter(&self.stage, self.me);
        self.of(&mut world).sync(token)?;
        let (process, drive) = (self.me, self.drive);
        let machine = world.process(process).machine;
        let syncs = world.machines[machine.0].syncs;
        let delay = syncs.draw(&mut world.process_mut(process).prng);
        let delay = world.planted.sync(drive, delay);
        let at = world.here(process) + delay;
        world.queue.push(at, Item::Synced { process, drive });
        if world.planted.lies(drive) {
            self.lies.push(token);
            world.process_mut(process).is_woken = true;
        }
        Ok(())
    }

    fn poll_completions(&mut self) -> Result<Option<SyncToken>, DiskError> {
        let mut world = enter(&self.stage, self.me);
        let is_liar = world.planted.lies(self.drive);
        let done = self.of(&mut world).poll_completions()?;
        match is_liar {
            // What is done now was called done before.
            true => Ok(self.lies.pop()),
            false => Ok(done),
        }
    }

    fn read(
        &mut self,
        segment: SegmentNumber,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), DiskError> {
        self.with(|disk| disk.read(segment, offset, buffer))
    }

    fn truncate(&mut self, segment: SegmentNumber, length: u64) -> Result<(), DiskError> {
        self.with(|disk| disk.truncate(segment, length))
    }

    fn delete(&mut self, segment: SegmentNumber) -> Result<(), DiskError> {
        self.with(|disk| disk.delete(segment))
    }
}
