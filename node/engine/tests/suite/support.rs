//! A node in miniature: pages in a map, before-images, a header, scripted conflicts.
use std::collections::BTreeMap;
use std::ops::Range;

use engine::{
    DriverCall, Engine, GuestFault, HostCall, Instance, Limits, Module, ModuleInfo, StackPointer,
    StepHost, StepReturn, Stop, header,
};
use linux::{LinuxViews, Paging, View};
use platform::{ViewMemory, Views};
use types::{PAGE_SIZE, PageBytes, PageIndex};

/// Both ways to notice absent pages.
pub(crate) const PAGINGS: [Paging; 2] = [Paging::Userfault, Paging::Protection];

/// The limits of tests that are not about limits.
pub(crate) const LIMITS: Limits = Limits {
    ticks_max: 10_000,
    memory_64k_max: 1 << 16,
};

/// A module as it is deployed: machine code, what the engine must know, first contents.
pub(crate) struct Deployed {
    pub(crate) module: Module,
    info: ModuleInfo,
    image: Vec<(u32, Vec<u8>)>,
}

/// What the host was asked for, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    Read(u32),
    Write(u32),
    HeaderWrite(u32),
}

pub(crate) struct TestHost {
    pub(crate) view: View,
    /// Committed contents; pages that are not here are zero.
    committed: BTreeMap<u32, Box<PageBytes>>,
    before: BTreeMap<u32, Box<PageBytes>>,
    header: Vec<u8>,
    header_before: Option<Vec<u8>>,
    private: Range<u32>,
    pub(crate) asked: Vec<Asked>,
    /// Answers until a conflict is lost.
    pub(crate) conflict_after: Option<usize>,
    pub(crate) interrupts: u32,
    /// Answer to each interrupt.
    pub(crate) at_interrupt: Result<(), Stop>,
    pub(crate) calls: Vec<String>,
    pub(crate) output: Vec<u8>,
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) result: Vec<u8>,
}

pub(crate) fn deploy(engine: &Engine, wat: &str) -> Deployed {
    deploy_wasm(engine, &wat::parse_str(wat).unwrap())
}

pub(crate) fn deploy_wasm(engine: &Engine, wasm: &[u8]) -> Deployed {
    let instrumented = instrument::instrument(wasm).unwrap();
    let stack = instrumented.info.stack.map(|stack| StackPointer {
        global: stack.global,
        initial: stack.initial,
        private_pages: stack.private_pages,
    });
    let info = ModuleInfo {
        stack,
        ..ModuleInfo::default()
    };
    let info = ModuleInfo::decode(&info.encode()).unwrap();
    let artefact = engine.compile(&instrumented.wasm).unwrap();
    let module = engine.load(&artefact, &info).unwrap();
    let image = instrumented
        .image
        .into_iter()
        .map(|one| (one.offset, one.bytes))
        .collect();
    Deployed {
        module,
        info,
        image,
    }
}

impl TestHost {
    pub(crate) fn new(deployed: &Deployed, paging: Paging) -> (Self, Instance) {
        let mut host = Self {
            view: LinuxViews::with_paging(paging).create().unwrap(),
            committed: BTreeMap::new(),
            before: BTreeMap::new(),
            header: vec![0; header::PAGES_MAX as usize * PAGE_SIZE],
            header_before: None,
            private: 0..0,
            asked: Vec::new(),
            conflict_after: None,
            interrupts: 0,
            at_interrupt: Ok(()),
            calls: Vec::new(),
            output: Vec::new(),
            arguments: Vec::new(),
            result: Vec::new(),
        };
        if let Some(stack) = &deployed.info.stack {
            host.private = stack.private_pages.clone().unwrap_or(0..0);
        }
        for (offset, bytes) in &deployed.image {
            for (address, byte) in (*offset as usize..).zip(bytes) {
                host.page_mut(address)[address % PAGE_SIZE] = *byte;
            }
        }
        let instance = Instance::new(deployed.module.clone(), host.view.space());
        (host, instance)
    }

    fn page_mut(&mut self, address: usize) -> &mut PageBytes {
        let page = u32::try_from(address / PAGE_SIZE).unwrap();
        self.committed
            .entry(page)
            .or_insert_with(|| Box::new([0; PAGE_SIZE]))
    }

    /// Sets a committed word, as another node would.
    pub(crate) fn set_word(&mut self, address: usize, word: u32) {
        let at = address % PAGE_SIZE;
        self.page_mut(address)[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }

    /// A committed word.
    pub(crate) fn word(&mut self, address: usize) -> u32 {
        let at = address % PAGE_SIZE;
        u32::from_le_bytes(self.page_mut(address)[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn committed(&self) -> &BTreeMap<u32, Box<PageBytes>> {
        &self.committed
    }

    pub(crate) fn commit(&mut self) {
        for page in std::mem::take(&mut self.before).into_keys() {
            self.committed
                .insert(page, Box::new(*self.view.bytes(PageIndex(page))));
            self.view.protect(PageIndex(page));
        }
        self.header_before = None;
    }

    pub(crate) fn rollback(&mut self) {
        for (page, bytes) in std::mem::take(&mut self.before) {
            self.view.restore(PageIndex(page), &bytes);
            self.view.protect(PageIndex(page));
        }
        if let Some(header) = self.header_before.take() {
            self.header = header;
        }
    }

    /// One attempt at a step: committed if it returns, rolled back if not.
    pub(crate) fn attempt(
        &mut self,
        instance: &mut Instance,
        entry: &str,
        argument: i64,
    ) -> Result<StepReturn, Stop> {
        let result = instance.step(self, entry, argument, LIMITS);
        match &result {
            Ok(_) | Err(Stop::Exit(_)) => self.commit(),
            Err(_) => self.rollback(),
        }
        result
    }

    /// Runs a step that is expected to be done at once; gives its value.
    pub(crate) fn done(&mut self, instance: &mut Instance, entry: &str, argument: i64) -> i64 {
        match self.attempt(instance, entry, argument) {
            Ok(StepReturn::Done(value)) => value,
            other => panic!("expected a value, got {other:?}"),
        }
    }

    /// Runs a step that is expected to fail; gives the fault.
    pub(crate) fn fault(&mut self, instance: &mut Instance, entry: &str) -> GuestFault {
        match self.attempt(instance, entry, 0) {
            Err(Stop::Guest(fault)) => fault,
            other => panic!("expected a fault of the guest, got {other:?}"),
        }
    }

    fn answer(&mut self) -> Result<(), Stop> {
        match &mut self.conflict_after {
            Some(0) => {
                self.conflict_after = None;
                Err(Stop::Conflict)
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn fetch(&mut self, page: PageIndex) {
        if self.private.contains(&page.0) {
            self.view.map_private(page);
            return;
        }
        let bytes = self
            .committed
            .get(&page.0)
            .map_or([0; PAGE_SIZE], |bytes| **bytes);
        self.view.map(page, &bytes);
    }
}

impl StepHost for TestHost {
    fn read_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.answer()?;
        self.asked.push(Asked::Read(page.0));
        self.fetch(page);
        Ok(())
    }

    fn write_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.answer()?;
        self.asked.push(Asked::Write(page.0));
        if !self.view.is_present(page) {
            self.fetch(page);
        }
        if self.view.is_protected(page) {
            self.before.insert(page.0, Box::new(*self.view.bytes(page)));
            self.view.unprotect(page);
        }
        Ok(())
    }

    fn header_read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Stop> {
        let at = offset as usize;
        bytes.copy_from_slice(&self.header[at..at + bytes.len()]);
        Ok(())
    }

    fn header_write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Stop> {
        self.answer()?;
        self.asked.push(Asked::HeaderWrite(offset));
        self.header_before
            .get_or_insert_with(|| self.header.clone());
        let at = offset as usize;
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn interrupt(&mut self) -> Result<(), Stop> {
        self.interrupts += 1;
        self.at_interrupt.clone()
    }

    fn call(&mut self, call: HostCall<'_>) -> Result<i64, Stop> {
        self.answer()?;
        self.calls.push(format!("{call:?}"));
        let argument = |index: u32| {
            let argument = self.arguments.get(index as usize);
            argument.ok_or_else(|| GuestFault::refused("there is no such argument"))
        };
        Ok(match call {
            HostCall::Log { text, .. } => {
                self.output.extend_from_slice(text);
                0
            }
            HostCall::ArgumentCount => i64::try_from(self.arguments.len()).unwrap(),
            HostCall::ArgumentLength { index } => i64::try_from(argument(index)?.len()).unwrap(),
            HostCall::ArgumentRead { index, buffer } => {
                buffer.copy_from_slice(argument(index)?);
                0
            }
            HostCall::InputRead { buffer, .. }
            | HostCall::ChannelRead { buffer, .. }
            | HostCall::Driver(DriverCall::ObjectRead { buffer, .. })
            | HostCall::Random { buffer } => {
                buffer.fill(0x5A);
                i64::try_from(buffer.len()).unwrap()
            }
            HostCall::ResultWrite { offset, bytes } => {
                let offset = usize::try_from(offset).unwrap();
                self.result
                    .resize(self.result.len().max(offset + bytes.len()), 0);
                self.result[offset..offset + bytes.len()].copy_from_slice(bytes);
                0
            }
            HostCall::ClockNanos => 1_234_567_890,
            HostCall::Worker => 77,
            HostCall::Node => 1,
            HostCall::NodeCount => 3,
            HostCall::Spawn { .. } => 5,
            HostCall::InputLength { .. } => 1 << 40,
            HostCall::InputCount => 2,
            HostCall::Listen { .. } => 1 << 33,
            HostCall::Timer { .. } => 1 << 34,
            HostCall::Driver(DriverCall::Attach { .. }) => 1 << 35,
            HostCall::Driver(DriverCall::Serve { .. }) => 1 << 36,
            HostCall::Driver(DriverCall::Connect { .. }) => 1 << 37,
            HostCall::ChannelWrite { bytes, .. }
            | HostCall::Driver(DriverCall::ObjectWrite { bytes, .. }) => {
                i64::try_from(bytes.len()).unwrap()
            }
            HostCall::Signal { .. }
            | HostCall::Progress { .. }
            | HostCall::ChannelEvent { .. }
            | HostCall::ChannelClose { .. } => 0,
        })
    }
}
