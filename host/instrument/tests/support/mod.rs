//! A host for instrumented modules that watches every announcement.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeSet;

use abi::runtime;
use instrument::{Instrumented, ValueType};
use wasmtime::{
    Caller, Config, Engine, Extern, Global, Instance, Linker, Memory, Module, Store, Trap, Val,
};

const PAGE: usize = 4096;

/// What the host saw.
#[derive(Default)]
pub(crate) struct Watch {
    /// Memory before the run; pages beyond its end were zero.
    before: Vec<u8>,
    announced: BTreeSet<usize>,
    /// Calls of `write`.
    pub(crate) writes: Vec<(u32, u32)>,
    /// Calls of `write_range`.
    pub(crate) write_ranges: Vec<(u32, u32)>,
    /// Calls of `read_range`.
    pub(crate) read_ranges: Vec<(u32, u32)>,
    /// The answer to `grow`.
    pub(crate) refuse_grow: bool,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Values(Vec<u64>),
    Trap(Trap),
}

/// An instance of a module, plain or instrumented.
pub(crate) struct Machine {
    pub(crate) store: Store<Watch>,
    pub(crate) instance: Instance,
    pub(crate) memory: Memory,
    table: Option<Memory>,
}

pub(crate) fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_branch_hinting(true);
    Engine::new(&config).unwrap()
}

/// Announces the pages of a range that lie within memory, as the real host does.
fn announce(caller: &mut Caller<'_, Watch>, address: u32, size: u32) {
    if size == 0 {
        return;
    }
    let memory = exported(caller, runtime::MEMORY);
    let table = exported(caller, runtime::BARRIER_TABLE);
    let end = (u64::from(address) + u64::from(size)).min(memory.data_size(&*caller) as u64);
    let first = address as usize / PAGE;
    for page in first..usize::try_from(end).unwrap().div_ceil(PAGE) {
        let now = memory.data(&*caller)[page * PAGE..][..PAGE].to_vec();
        if caller.data_mut().announced.insert(page) {
            let before = page_of(&caller.data().before, page);
            assert!(
                now == before,
                "page {page:#x} was changed before it was announced"
            );
        }
        table.data_mut(&mut *caller)[page] = 0;
    }
}

fn exported(caller: &mut Caller<'_, Watch>, name: &str) -> Memory {
    caller
        .get_export(name)
        .and_then(Extern::into_memory)
        .unwrap()
}

fn page_of(memory: &[u8], page: usize) -> Vec<u8> {
    match memory.get(page * PAGE..(page + 1) * PAGE) {
        Some(bytes) => bytes.to_vec(),
        None => vec![0; PAGE],
    }
}

fn linker(engine: &Engine) -> Linker<Watch> {
    let mut linker = Linker::new(engine);
    linker
        .func_wrap(
            runtime::MODULE,
            runtime::WRITE,
            |mut caller: Caller<'_, Watch>, a: u32, n| {
                caller.data_mut().writes.push((a, n));
                announce(&mut caller, a, n);
            },
        )
        .unwrap();
    linker
        .func_wrap(
            runtime::MODULE,
            runtime::WRITE_RANGE,
            |mut caller: Caller<'_, Watch>, a: u32, n| {
                caller.data_mut().write_ranges.push((a, n));
                announce(&mut caller, a, n);
            },
        )
        .unwrap();
    linker
        .func_wrap(
            runtime::MODULE,
            runtime::READ_RANGE,
            |mut caller: Caller<'_, Watch>, a: u32, n: u32| {
                caller.data_mut().read_ranges.push((a, n));
            },
        )
        .unwrap();
    linker
        .func_wrap(
            runtime::MODULE,
            runtime::GROW,
            |caller: Caller<'_, Watch>, _: u32| i32::from(caller.data().refuse_grow),
        )
        .unwrap();
    linker.func_wrap(abi::MODULE, "worker", || 7i64).unwrap();
    linker
}

impl Machine {
    /// The module as its author wrote it.
    pub(crate) fn plain(engine: &Engine, wasm: &[u8]) -> Self {
        let module = Module::new(engine, wasm).unwrap();
        let mut store = Store::new(engine, Watch::default());
        let instance = linker(engine).instantiate(&mut store, &module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self {
            store,
            instance,
            memory,
            table: None,
        }
    }

    /// The instrumented module, with every page protected.
    pub(crate) fn instrumented(engine: &Engine, module: &Instrumented) -> Self {
        let compiled = Module::new(engine, &module.wasm).unwrap();
        let mut store = Store::new(engine, Watch::default());
        let instance = linker(engine).instantiate(&mut store, &compiled).unwrap();
        let memory = instance.get_memory(&mut store, runtime::MEMORY).unwrap();
        for segment in &module.image {
            memory
                .write(&mut store, segment.offset as usize, &segment.bytes)
                .unwrap();
        }
        let table = instance.get_memory(&mut store, runtime::BARRIER_TABLE);
        let mut machine = Self {
            store,
            instance,
            memory,
            table,
        };
        if module.info.has_start {
            machine.protect();
            machine.call(runtime::START, &[]);
            machine.check_announced();
        }
        machine.protect();
        machine
    }

    /// Begins a step: all pages protected, memory as it is.
    pub(crate) fn protect(&mut self) {
        let before = self.memory.data(&self.store).to_vec();
        let watch = self.store.data_mut();
        watch.before = before;
        watch.announced.clear();
        self.table.unwrap().data_mut(&mut self.store).fill(1);
    }

    pub(crate) fn call(&mut self, name: &str, arguments: &[Val]) -> Outcome {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let count = function.ty(&self.store).results().len();
        let mut results = vec![Val::I32(0); count];
        match function.call(&mut self.store, arguments, &mut results) {
            Ok(()) => Outcome::Values(results.iter().map(bits).collect()),
            Err(error) => Outcome::Trap(*error.downcast_ref::<Trap>().expect("only traps")),
        }
    }

    /// Every page whose bytes changed was announced, and announced before the change.
    pub(crate) fn check_announced(&self) {
        let now = self.memory.data(&self.store);
        let watch = self.store.data();
        for page in 0..now.len() / PAGE {
            let changed = now[page * PAGE..][..PAGE] != page_of(&watch.before, page);
            assert!(
                !changed || watch.announced.contains(&page),
                "page {page:#x} was changed without an announcement"
            );
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    pub(crate) fn global(&mut self, index: u32) -> Global {
        let name = format!("{}{index}", runtime::GLOBAL_PREFIX);
        self.instance.get_global(&mut self.store, &name).unwrap()
    }

    pub(crate) fn global_bits(&mut self, index: u32) -> u64 {
        let global = self.global(index);
        bits(&global.get(&mut self.store))
    }
}

fn bits(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(value.cast_unsigned()),
        Val::I64(value) => value.cast_unsigned(),
        Val::F32(value) => u64::from(*value),
        Val::F64(value) => *value,
        other => panic!("{other:?} is not used in tests"),
    }
}

/// Assembles text and instruments it.
pub(crate) fn instrumented(text: &str) -> Instrumented {
    instrument::instrument(&wat::parse_str(text).unwrap()).unwrap()
}

/// A signature in short.
pub(crate) fn short(types: &[ValueType]) -> String {
    types
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
