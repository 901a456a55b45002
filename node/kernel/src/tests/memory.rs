//! A memory for one: counts which pages a transaction touches, and stops it on demand.
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use types::{PAGE_SIZE, PageBytes, PageId};

use crate::{
    BlobId, EntryCall, Failure, ModuleId, Name, Pages, ProcessId, Refusal, Slot, Station, Stop,
    Worker, WorkerId, modules, processes, step, superblock,
};

/// When attempts of a transaction are stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stops {
    /// Never.
    Never,
    /// Attempt n at access n times this, as long as attempts get that far: with 1,
    /// every transaction is stopped at each of its accesses once.
    Every(usize),
}

pub(super) struct Memory {
    pages: BTreeMap<PageId, Box<PageBytes>>,
    before: BTreeMap<PageId, Box<PageBytes>>,
    stops: Stops,
    accesses_left: Option<usize>,
    /// Pages that the last transaction touched, and those of them it wrote.
    pub(super) touched: BTreeSet<PageId>,
    pub(super) written: BTreeSet<PageId>,
    pub(super) attempts: usize,
}

impl Memory {
    pub(super) fn new(stops: Stops) -> Self {
        Self {
            pages: BTreeMap::new(),
            before: BTreeMap::new(),
            stops,
            accesses_left: None,
            touched: BTreeSet::new(),
            written: BTreeSet::new(),
            attempts: 0,
        }
    }

    /// A formatted memory with a module that is ready.
    pub(super) fn with_module(stops: Stops) -> (Self, ModuleId) {
        let mut memory = Self::new(stops);
        memory.run(superblock::format).unwrap();
        let module = memory.deploy("demo");
        (memory, module)
    }

    pub(super) fn deploy(&mut self, text: &str) -> ModuleId {
        let (wasm_bytes, aot_bytes, info_bytes) = (10_000, 20_000, 100);
        let hash = [7; 32];
        let new = modules::NewModule {
            name: name(text),
            hash,
            wasm_bytes,
            aot_bytes,
            info_bytes,
        };
        let module = self.run(|pages| modules::begin(pages, &new)).unwrap();
        self.run(|pages| modules::publish(pages, module.id))
            .unwrap();
        module.id
    }

    /// A process whose first worker is in the queue of the station.
    pub(super) fn start(&mut self, station: Station, module: ModuleId) -> ProcessId {
        let id = self.create(station, module);
        self.run(|pages| processes::start(pages, station, id, call("main", 5)))
            .unwrap();
        id
    }

    pub(super) fn create(&mut self, station: Station, module: ModuleId) -> ProcessId {
        self.run(|pages| processes::create(pages, station, &name("demo"), module, &[b"one"]))
            .unwrap()
    }

    /// Runs a transaction until it is not stopped any more. What a refused one wrote
    /// is undone.
    pub(super) fn run<T, E: Into<Failure>>(
        &mut self,
        mut body: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<T, Refusal> {
        for attempt in 1.. {
            self.begin(attempt);
            let result = body(self).map_err(Into::into);
            self.attempts = attempt;
            match result {
                Ok(value) => return Ok(value),
                Err(Failure::Refused(refusal)) => {
                    self.undo();
                    return Err(refusal);
                }
                Err(Failure::Stop(_)) => self.undo(),
            }
        }
        unreachable!("attempts are numbers without end")
    }

    /// Runs one step; the body says how it ends.
    pub(super) fn step(
        &mut self,
        station: Station,
        mut body: impl FnMut(&mut Self, &mut step::Step) -> Result<step::StepEnd, Failure>,
    ) -> Result<Option<processes::ProcessState>, Refusal> {
        self.run(|pages| {
            loop {
                match step::take(pages, station)? {
                    step::Taken::Step(mut step) => {
                        let end = body(pages, &mut step)?;
                        return step.finish(pages, end);
                    }
                    step::Taken::Swept => {}
                    step::Taken::Nothing => return Ok(None),
                }
            }
        })
    }

    /// Pages that hold anything but zeroes.
    pub(super) fn used(&self) -> BTreeSet<PageId> {
        let used = self
            .pages
            .iter()
            .filter(|(_, bytes)| bytes.iter().any(|&byte| byte != 0));
        used.map(|(&page, _)| page).collect()
    }

    fn begin(&mut self, attempt: usize) {
        self.before.clear();
        self.touched.clear();
        self.written.clear();
        self.accesses_left = match self.stops {
            Stops::Never => None,
            Stops::Every(stride) => Some(attempt * stride - 1),
        };
    }

    fn undo(&mut self) {
        self.pages.append(&mut self.before);
    }

    fn access(&mut self, page: PageId) -> Result<&mut Box<PageBytes>, Stop> {
        if let Some(left) = &mut self.accesses_left {
            *left = left.checked_sub(1).ok_or(Stop)?;
        }
        self.touched.insert(page);
        Ok(self
            .pages
            .entry(page)
            .or_insert_with(|| Box::new([0; PAGE_SIZE])))
    }
}

impl Pages for Memory {
    fn read(&mut self, page: PageId) -> Result<&PageBytes, Stop> {
        Ok(self.access(page)?)
    }

    fn write(&mut self, page: PageId) -> Result<&mut PageBytes, Stop> {
        let before = self.access(page)?.clone();
        self.before.entry(page).or_insert(before);
        self.written.insert(page);
        Ok(self.pages.get_mut(&page).expect("accessed above"))
    }
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn call(entry: &str, argument: i64) -> EntryCall {
    EntryCall {
        entry: name(entry),
        argument,
    }
}

pub(super) fn slot(position: usize) -> Slot {
    Slot::new(position).unwrap()
}

/// The station at a position of a view of four.
pub(super) fn station(position: usize) -> Station {
    Station::new(slot(position), 4)
}

/// A worker of process 1 with this number.
pub(super) fn somebody(number: u64) -> Worker {
    worker_of(ProcessId(1), number)
}

pub(super) fn worker_of(process: ProcessId, number: u64) -> Worker {
    Worker {
        id: WorkerId(number),
        process,
        call: call("work", 0),
    }
}

pub(super) const NO_BLOB: BlobId = BlobId(0);
