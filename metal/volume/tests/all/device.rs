//! A device in memory: requests complete in any order, and a crash keeps any of the sectors
//! that no flush covers, each of them whole, torn or not at all.
use std::collections::BTreeMap;
use std::ops::Range;

use types::Prng;
use volume::{BlockDevice, Completion, DeviceError, Request, RequestToken, SECTOR_SIZE};

type Sector = [u8; SECTOR_SIZE];

/// Requests that it takes at a time.
const DEPTH: usize = 6;

#[derive(Clone)]
pub(crate) struct TestDevice {
    prng: Prng,
    sectors: u64,
    /// What no crash takes away. A sector that is missing is zero.
    durable: BTreeMap<u64, Sector>,
    /// Completed, and not flushed: what each sector was written to, and by the how manyth
    /// completion.
    unflushed: BTreeMap<u64, Vec<(u64, Sector)>>,
    completions: u64,
    /// On their way. A flush covers what had completed when it was submitted.
    flying: Vec<(RequestToken, Request, u64)>,
    /// Requests that still succeed; `None`: all.
    requests_left: Option<u64>,
    unreadable: Option<u64>,
    pub(crate) requests: u64,
    pub(crate) flushes: u64,
    pub(crate) sectors_written: u64,
}

impl TestDevice {
    pub(crate) fn new(sectors: u64, seed: u64) -> Self {
        Self {
            prng: Prng::new(seed),
            sectors,
            durable: BTreeMap::new(),
            unflushed: BTreeMap::new(),
            completions: 0,
            flying: vec![],
            requests_left: None,
            unreadable: None,
            requests: 0,
            flushes: 0,
            sectors_written: 0,
        }
    }

    /// Lets so many more requests succeed.
    pub(crate) fn fail_after(&mut self, requests: u64) {
        self.requests_left = Some(requests);
    }

    /// Has every read of this sector fail, or none any more.
    pub(crate) fn make_unreadable(&mut self, sector: Option<u64>) {
        self.unreadable = sector;
    }

    /// Changes what is on the device behind its back.
    pub(crate) fn put(&mut self, sector: u64, bytes: &[u8]) {
        for (sector, bytes) in (sector..).zip(bytes.chunks(SECTOR_SIZE)) {
            let mut whole = self.sector(sector);
            whole[..bytes.len()].copy_from_slice(bytes);
            self.unflushed.remove(&sector);
            self.durable.insert(sector, whole);
        }
    }

    pub(crate) fn sector(&self, sector: u64) -> Sector {
        let newest = self.unflushed.get(&sector).and_then(|all| all.last());
        let durable = || self.durable.get(&sector).copied();
        newest
            .map(|(_, bytes)| *bytes)
            .or_else(durable)
            .unwrap_or([0; SECTOR_SIZE])
    }

    /// Sectors in which there is anything.
    pub(crate) fn written(&self) -> Vec<u64> {
        self.durable.keys().copied().collect()
    }

    /// The device as it is found after a crash.
    pub(crate) fn crash(&self, prng: &mut Prng) -> Self {
        let mut left = Self::new(self.sectors, prng.next_u64());
        left.durable = self.durable.clone();
        let mut maybe = self.unflushed.clone();
        for (_, request, _) in &self.flying {
            for (sector, bytes) in sectors_of(request) {
                maybe.entry(sector).or_default().push((0, bytes));
            }
        }
        // Some crashes come late, some early.
        let lost = prng.below(5);
        for (sector, versions) in maybe {
            let before = left.durable.get(&sector).copied();
            let mut sectors = vec![before.unwrap_or([0; SECTOR_SIZE])];
            sectors.extend(versions.iter().map(|(_, bytes)| *bytes));
            let mut pick = || {
                if prng.chance(lost, 4) {
                    return sectors[usize::try_from(prng.below(sectors.len() as u64)).unwrap()];
                }
                *sectors.last().unwrap()
            };
            let (mut found, other) = (pick(), pick());
            if prng.chance(lost, 16) {
                let torn = usize::try_from(prng.below(SECTOR_SIZE as u64)).unwrap();
                found[torn..].copy_from_slice(&other[torn..]);
            }
            left.durable.insert(sector, found);
        }
        left
    }

    fn finish(&mut self, request: &Request, submitted: u64) {
        self.completions += 1;
        match request {
            Request::Write { .. } => {
                for (sector, bytes) in sectors_of(request) {
                    let versions = self.unflushed.entry(sector).or_default();
                    versions.push((self.completions, bytes));
                    self.sectors_written += 1;
                }
            }
            Request::Flush => {
                self.flushes += 1;
                for (sector, versions) in &mut self.unflushed {
                    let covered = versions.partition_point(|(at, _)| *at <= submitted);
                    if let Some((_, bytes)) = versions.drain(..covered).next_back() {
                        self.durable.insert(*sector, bytes);
                    }
                }
                self.unflushed.retain(|_, versions| !versions.is_empty());
            }
        }
    }
}

fn range_of(request: &Request) -> Range<u64> {
    match request {
        Request::Write { sector, bytes } => *sector..*sector + (bytes.len() / SECTOR_SIZE) as u64,
        Request::Flush => 0..0,
    }
}

fn sectors_of(request: &Request) -> Vec<(u64, Sector)> {
    let Request::Write { sector, bytes } = request else {
        return vec![];
    };
    let (sectors, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "whole sectors are written");
    (*sector..).zip(sectors.iter().copied()).collect()
}

impl BlockDevice for TestDevice {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn has_room(&self) -> bool {
        self.flying.len() < DEPTH
    }

    fn submit(&mut self, token: RequestToken, request: Request) {
        assert!(self.has_room());
        let range = range_of(&request);
        assert!(range.end <= self.sectors, "{range:?} are on the device");
        for (_, other, _) in &self.flying {
            let other = range_of(other);
            let is_apart = range.end <= other.start || other.end <= range.start;
            assert!(is_apart, "one write of {range:?} at a time");
        }
        self.requests += 1;
        self.flying.push((token, request, self.completions));
    }

    fn poll(&mut self) -> Option<Completion> {
        if self.flying.is_empty() || self.prng.chance(1, 3) {
            return None;
        }
        let at = self.prng.below(self.flying.len() as u64);
        let (token, request, submitted) = self.flying.remove(usize::try_from(at).unwrap());
        let result = match &mut self.requests_left {
            Some(0) => Err(DeviceError { code: 5 }),
            left => {
                left.iter_mut().for_each(|left| *left -= 1);
                self.finish(&request, submitted);
                Ok(())
            }
        };
        Some(Completion { token, result })
    }

    fn wait(&mut self) {
        assert!(!self.flying.is_empty(), "nothing to wait for");
    }

    fn read(&mut self, sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let (sectors, rest) = buffer.as_chunks_mut::<SECTOR_SIZE>();
        assert!(rest.is_empty(), "whole sectors are read");
        for (sector, bytes) in (sector..).zip(sectors) {
            assert!(sector < self.sectors, "sector {sector} is on the device");
            if self.unreadable == Some(sector) {
                return Err(DeviceError { code: 6 });
            }
            *bytes = self.sector(sector);
            let mut flying = self.flying.iter();
            let coming = flying.find(|(_, other, _)| range_of(other).contains(&sector));
            if let Some((
                _,
                Request::Write {
                    sector: first,
                    bytes: coming,
                },
                _,
            )) = coming
                && self.prng.chance(1, 2)
            {
                let at = usize::try_from(sector - first).unwrap() * SECTOR_SIZE;
                bytes.copy_from_slice(&coming[at..at + SECTOR_SIZE]);
            }
        }
        Ok(())
    }
}
