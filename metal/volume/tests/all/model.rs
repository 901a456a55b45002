//! Random operations against files in memory, with crashes at any time.
//!
//! Each operation makes a state. What a crash leaves is one of these states, with all of its
//! bytes, and none from before the last sync that was reported.
use std::collections::{BTreeMap, VecDeque};

use platform::{Disk, DiskError, SegmentNumber, SyncToken};
use types::Prng;
use volume::{Volume, VolumeId};

use crate::device::TestDevice;

type Files = BTreeMap<SegmentNumber, Vec<u8>>;

const BLOCK_BYTES: u32 = 4096;
const SECTORS: u64 = 256 + 2 * 640 + 300;

struct Model {
    /// Since the last sync that was reported, that one first.
    states: VecDeque<Files>,
    /// How many states came before these.
    forgotten: u64,
    /// Which state each sync is of.
    syncs: VecDeque<(SyncToken, u64)>,
    token: u64,
    next: u32,
}

impl Model {
    fn new() -> Self {
        Self {
            states: [Files::new()].into(),
            forgotten: 0,
            syncs: VecDeque::new(),
            token: 0,
            next: 1,
        }
    }

    fn files(&self) -> &Files {
        self.states.back().unwrap()
    }

    fn any(&self, prng: &mut Prng) -> Option<SegmentNumber> {
        let files = self.files();
        let at = prng.below(files.len().max(1) as u64);
        files.keys().nth(usize::try_from(at).unwrap()).copied()
    }

    /// Forgets all states before this one.
    fn forget(&mut self, state: u64) {
        while self.forgotten < state {
            self.states.pop_front();
            self.forgotten += 1;
        }
    }

    fn newest(&self) -> u64 {
        self.forgotten + self.states.len() as u64 - 1
    }

    fn step(&mut self, volume: &mut Volume<TestDevice>, prng: &mut Prng) -> Result<(), DiskError> {
        let mut files = self.files().clone();
        let Some(segment) = self.any(prng) else {
            return self.create(volume, files);
        };
        let file = files.get_mut(&segment).unwrap();
        match prng.below(100) {
            0..10 => return self.create(volume, files),
            10..45 => {
                let most = [40, 600, 3000, 20_000][usize::try_from(prng.below(4)).unwrap()];
                let length = usize::try_from(prng.below(most)).unwrap();
                let fill = prng.next_u64().to_le_bytes();
                let bytes: Vec<u8> = fill.iter().copied().cycle().take(length).collect();
                file.extend(&bytes);
                self.states.push_back(files);
                volume.append(segment, bytes)?;
            }
            45..53 => {
                files.remove(&segment);
                self.states.push_back(files);
                volume.delete(segment)?;
            }
            53..55 => {
                let length = prng.below(file.len() as u64 + 1);
                file.truncate(usize::try_from(length).unwrap());
                self.states.push_back(files);
                volume.truncate(segment, length)?;
                self.forget(self.newest());
            }
            55..75 => {
                self.token += 1;
                let token = SyncToken(self.token);
                self.syncs.push_back((token, self.newest()));
                volume.sync(token)?;
            }
            75..90 => self.poll(volume)?,
            _ => {
                let from = prng.below(file.len() as u64 + 1);
                let length = prng.below(file.len() as u64 - from + 1);
                let (from, length) = (usize::try_from(from).unwrap(), length);
                let mut bytes = vec![0xEE; usize::try_from(length).unwrap()];
                volume.read(segment, from as u64, &mut bytes)?;
                assert!(bytes == file[from..from + bytes.len()], "{segment}");
            }
        }
        Ok(())
    }

    fn create(
        &mut self,
        volume: &mut Volume<TestDevice>,
        mut files: Files,
    ) -> Result<(), DiskError> {
        let segment = SegmentNumber(self.next);
        // Numbers come again, too.
        self.next = if self.next == 12 { 1 } else { self.next + 1 };
        if files.insert(segment, vec![]).is_some() {
            return Ok(());
        }
        self.states.push_back(files);
        volume.create(segment)
    }

    fn poll(&mut self, volume: &mut Volume<TestDevice>) -> Result<(), DiskError> {
        while let Some(token) = volume.poll_completions()? {
            let (expected, state) = self.syncs.pop_front().unwrap();
            assert_eq!(token, expected);
            // Truncating syncs as well.
            self.forget(state);
        }
        Ok(())
    }

    /// What a crash left is one of the states. It goes on from there.
    fn restart(&mut self, device: TestDevice) -> Volume<TestDevice> {
        let mut volume = Volume::open(device).unwrap_or_else(|error| panic!("{error}"));
        let found = contents(&mut volume);
        let mut states = self.states.iter();
        assert!(
            states.any(|state| *state == found),
            "{:?} is none of {:?}",
            lengths(&found),
            self.states.iter().map(lengths).collect::<Vec<_>>()
        );
        self.states = [found].into();
        self.forgotten = 0;
        self.syncs.clear();
        volume
    }
}

fn lengths(files: &Files) -> Vec<(SegmentNumber, usize)> {
    let lengths = files.iter().map(|(segment, bytes)| (*segment, bytes.len()));
    lengths.collect()
}

pub(crate) fn contents(volume: &mut Volume<TestDevice>) -> Files {
    let mut files = Files::new();
    for segment in volume.segments().unwrap() {
        let length = volume.length(segment).unwrap();
        let mut bytes = vec![0xEE; usize::try_from(length).unwrap()];
        volume.read(segment, 0, &mut bytes).unwrap();
        files.insert(segment, bytes);
    }
    files
}

fn volume(seed: u64) -> Volume<TestDevice> {
    let mut device = TestDevice::new(SECTORS, seed);
    Volume::format_with(&mut device, VolumeId(seed), BLOCK_BYTES).unwrap();
    Volume::open(device).unwrap()
}

#[test]
fn a_crash_leaves_one_of_the_states_since_the_last_sync() {
    let (mut full, mut crashes) = (0, 0);
    for seed in 0..200 {
        let mut prng = Prng::new(seed);
        let (mut volume, mut model) = (volume(seed), Model::new());
        for _ in 0..12 {
            let result = (0..prng.below(150)).try_for_each(|_| model.step(&mut volume, &mut prng));
            if let Err(error) = result {
                assert_eq!(error, DiskError::Poisoned, "seed {seed}");
                let failure = std::iter::repeat_with(|| volume.poll_completions());
                let failure = failure.take(10).find(|polled| polled.is_err()).unwrap();
                assert_eq!(failure, Err(DiskError::NoSpace), "seed {seed}");
                full += 1;
            }
            let device = volume.into_device().crash(&mut prng);
            volume = model.restart(device);
            crashes += 1;
        }
    }
    assert!(full > 20 && crashes == 2400, "{full} were full");
}

/// Crashes where one log is full and the other begins.
#[test]
fn a_crash_leaves_one_of_the_states_also_when_the_log_is_full() {
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let (mut volume, mut model) = (volume(seed), Model::new());
        for _ in 0..3 {
            let segment = SegmentNumber(100);
            let mut files = model.files().clone();
            if files.insert(segment, vec![]).is_none() {
                volume.create(segment).unwrap();
            } else {
                volume.truncate(segment, 0).unwrap();
            }
            // A log has somewhat more sectors than 512, and one is the checkpoint's.
            for count in 0..500 + prng.below(40) {
                files.get_mut(&segment).unwrap().push(1);
                volume.append(segment, vec![1]).unwrap();
                model.token += 1;
                volume.sync(SyncToken(model.token)).unwrap();
                while volume.poll_completions() == Ok(None) {
                    assert!(count < 600);
                }
            }
            (model.states, model.forgotten) = ([files].into(), 0);
            model.syncs.clear();
            let count = prng.below(120);
            // A full device is another test's.
            let _ = (0..count).try_for_each(|_| model.step(&mut volume, &mut prng));
            let device = volume.into_device().crash(&mut prng);
            volume = model.restart(device);
        }
    }
}

/// It fails at its first request, its second, and so on.
#[test]
fn a_device_that_fails_poisons_and_loses_nothing_that_was_synced() {
    let mut failures = 0;
    for seed in 0..12 {
        for failing in 0..60 {
            let mut prng = Prng::new(seed);
            let (mut volume, mut model) = (volume(seed), Model::new());
            volume.device_mut().fail_after(failing);
            let result = (0..150).try_for_each(|_| model.step(&mut volume, &mut prng));
            if result.is_ok() {
                continue;
            }
            failures += 1;
            assert_eq!(volume.segments(), Err(DiskError::Poisoned));
            assert_eq!(volume.sync(SyncToken(1)), Err(DiskError::Poisoned));
            for tail in 0..3 {
                let mut prng = Prng::new(tail ^ failing << 8 ^ seed << 16);
                let device = volume.device_mut().crash(&mut prng);
                let states = model.states.clone();
                let syncs = model.syncs.clone();
                let forgotten = model.forgotten;
                drop(model.restart(device));
                (model.states, model.syncs, model.forgotten) = (states, syncs, forgotten);
            }
        }
    }
    assert!(failures > 500, "{failures} failures");
}
