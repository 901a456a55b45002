//! The WebAssembly runtime on this machine: guests that compute, and guests that do not end well.
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use engine::{
    Engine, FaultKind, HostCall, Instance, Limits, Module, ModuleInfo, StepHost, StepReturn, Stop,
    header,
};
use hal::view::View;
use platform::ViewMemory;
use types::{PAGE_SIZE, PageIndex};

use crate::Machine;
use crate::views::new_view;

const LIMITS: Limits = Limits {
    ticks_max: 100_000,
    memory_64k_max: 1 << 16,
};
/// Where the guest's memory ends.
const MEMORY_END: i64 = 40 << 16;
/// Its functions that never end.
const ENDLESS: [&str; 7] = [
    "empty",
    "storing",
    "recursive",
    "calling",
    "calling_long",
    "filling",
    "tail_calling",
];

/// A node in miniature: pages are zero at first and stay.
struct Host {
    view: View,
    header: Vec<u8>,
    reads: u32,
    writes: u32,
    interrupts: u32,
    /// What a read of an absent page comes to.
    at_read: Result<(), Stop>,
}

impl Host {
    fn new(module: &Module) -> (Self, Instance) {
        let view = new_view();
        let instance = Instance::new(module.clone(), view.space());
        let host = Self {
            view,
            header: vec![0; header::PAGES_MAX as usize * PAGE_SIZE],
            reads: 0,
            writes: 0,
            interrupts: 0,
            at_read: Ok(()),
        };
        (host, instance)
    }

    fn make_present(&mut self, page: PageIndex) {
        if !self.view.is_present(page) {
            self.view.map(page, &[0; PAGE_SIZE]);
        }
    }

    /// What a step gives that ends well.
    fn value(&mut self, instance: &mut Instance, function: &str, argument: i64) -> i64 {
        match instance.step(self, function, argument, LIMITS) {
            Ok(StepReturn::Done(value)) => value,
            other => panic!("{function}: {other:?}"),
        }
    }

    fn fault(&mut self, instance: &mut Instance, function: &str, argument: i64) -> FaultKind {
        match instance.step(self, function, argument, LIMITS) {
            Err(Stop::Guest(fault)) => fault.kind,
            other => panic!("{function}: {other:?}"),
        }
    }
}

impl StepHost for Host {
    fn read_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.reads += 1;
        self.at_read.clone()?;
        self.make_present(page);
        Ok(())
    }

    fn write_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.writes += 1;
        self.make_present(page);
        self.view.unprotect(page);
        Ok(())
    }

    fn header_read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Stop> {
        let at = offset as usize;
        bytes.copy_from_slice(&self.header[at..at + bytes.len()]);
        Ok(())
    }

    fn header_write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Stop> {
        let at = offset as usize;
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn interrupt(&mut self) -> Result<(), Stop> {
        self.interrupts += 1;
        Ok(())
    }

    fn call(&mut self, call: HostCall<'_>) -> Result<i64, Stop> {
        match call {
            HostCall::Worker => Ok(77),
            HostCall::Random { buffer } => {
                buffer.fill(0x5a);
                Ok(0)
            }
            other => panic!("the guest does not call {other:?}"),
        }
    }
}

fn load(machine: &Machine) -> Module {
    let artefact = machine
        .boot
        .modules
        .first()
        .expect("machine code for a first file");
    let engine = Engine::new().expect("a runtime");
    let module = engine.load(artefact, &ModuleInfo::default());
    module.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn computes(machine: &mut Machine) {
    let (mut host, mut instance) = Host::new(&load(machine));
    assert_eq!(host.value(&mut instance, "fibonacci", 20), 6_765);
    assert_eq!(
        host.value(&mut instance, "worker", 0),
        77,
        "what the host has answered"
    );
}

pub(crate) fn pages(machine: &mut Machine) {
    let (mut host, mut instance) = Host::new(&load(machine));
    let mut contents = [0; PAGE_SIZE];
    contents[0] = 3;
    host.view.map(PageIndex(5), &contents);
    assert_eq!(host.value(&mut instance, "walk", 100), 3);
    assert_eq!(
        (host.reads, host.writes),
        (99, 100),
        "each page that was not there, once"
    );
    assert_eq!(host.view.bytes(PageIndex(4))[8..16], 0_u64.to_le_bytes());
    assert_eq!(host.view.bytes(PageIndex(99))[8..16], 3_u64.to_le_bytes());
    assert_eq!(host.value(&mut instance, "walk", 100), 3);
    assert_eq!(
        (host.reads, host.writes),
        (99, 100),
        "none is asked for again"
    );
    assert!(!host.view.is_present(PageIndex(100)));
}

pub(crate) fn faults(machine: &mut Machine) {
    let (mut host, mut instance) = Host::new(&load(machine));
    for _ in 0..20 {
        for (function, argument, kind) in [
            ("panic", 0, FaultKind::Unreachable),
            ("divide", 0, FaultKind::DivisionByZero),
            ("jump", 0, FaultKind::BadCall),
            ("jump", 1_000, FaultKind::BadCall),
            ("load", MEMORY_END - 7, FaultKind::OutOfBounds),
            ("load", MEMORY_END, FaultKind::OutOfBounds),
            ("store", MEMORY_END, FaultKind::OutOfBounds),
            ("store", 0xffff_fff0, FaultKind::OutOfBounds),
            ("far", 0xffff_fff0, FaultKind::OutOfBounds),
            ("copy", MEMORY_END - 99, FaultKind::OutOfBounds),
            ("recurse", 0, FaultKind::StackOverflow),
        ] {
            assert_eq!(
                host.fault(&mut instance, function, argument),
                kind,
                "{function}"
            );
            assert_eq!(
                host.value(&mut instance, "fibonacci", 5),
                5,
                "it is usable still"
            );
        }
    }
    let Err(Stop::Guest(fault)) = instance.step(&mut host, "panic", 0, LIMITS) else {
        panic!("a fault");
    };
    let report = fault.report.to_string();
    assert!(
        report.contains("in inner_part\n  in outer_part"),
        "{report}"
    );
}

pub(crate) fn stopped_at_page(machine: &mut Machine) {
    let (mut host, mut instance) = Host::new(&load(machine));
    for (turn, reason) in (1..).zip([Stop::Conflict, Stop::Fallback, Stop::Lost("it".into())]) {
        host.at_read = Err(reason.clone());
        assert_eq!(instance.step(&mut host, "walk", 10, LIMITS), Err(reason));
        assert_eq!(host.reads, turn, "nothing is asked after that");
    }
    host.at_read = Ok(());
    assert_eq!(host.value(&mut instance, "walk", 10), 0);
}

pub(crate) fn endless(machine: &mut Machine) {
    let module = load(machine);
    let limits = Limits {
        ticks_max: 20,
        ..LIMITS
    };
    for function in ENDLESS {
        let (mut host, mut instance) = Host::new(&module);
        let stop = instance.step(&mut host, function, 0, limits);
        assert_eq!(stop, Err(Stop::TimeLimit), "{function}");
        assert_eq!(
            host.value(&mut instance, "fibonacci", 5),
            5,
            "it is usable still"
        );
    }
}

pub(crate) fn interrupted(machine: &mut Machine) {
    let (mut host, mut instance) = Host::new(&load(machine));
    let first = host.value(&mut instance, "compute", 200_000);
    let memory = *host.view.bytes(PageIndex(0));
    host.interrupts = 0;
    while host.interrupts < 50 {
        assert_eq!(host.value(&mut instance, "compute", 200_000), first);
        assert_eq!(*host.view.bytes(PageIndex(0)), memory);
    }
}

pub(crate) fn no_leak(machine: &mut Machine) {
    let round = || {
        let module = load(machine);
        let (mut host, mut instance) = Host::new(&module);
        assert_eq!(host.value(&mut instance, "walk", 20), 0);
        for function in ["panic", "divide", "recurse"] {
            let _ = host.fault(&mut instance, function, 0);
        }
    };
    let frames_and_bytes = || (hal::frames_in_use(), hal::heap_usage().0);
    // Page tables stay, and the runtime keeps some of what it has made.
    for _ in 0..3 {
        round();
    }
    let before = frames_and_bytes();
    for _ in 0..30 {
        round();
    }
    assert_eq!(frames_and_bytes(), before, "as much as before");
}
