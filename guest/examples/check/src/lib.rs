//! Runs modules without a cluster: one memory, one step after the other.
//!
//! It shows what a program computes when no step ever loses a conflict, which is what it
//! computes in a cluster, too. The nodes that steps run on and the order of the workers are
//! drawn from a seed, so that a program that depends on them is found out. The test holds the
//! other ends of its connections.
#![forbid(unsafe_code)]

mod calls;
mod channels;

use std::collections::VecDeque;

use wasmi::{Engine, Error, Linker, Memory, Module, Store};

use self::channels::Channels;
pub use self::channels::{Client, ClientState};

/// What came with the program.
#[derive(Clone, Default, Debug)]
pub struct Setup {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its input blobs.
    pub inputs: Vec<Vec<u8>>,
    /// How many nodes it sees.
    pub nodes: u32,
    /// Decides where and in which order steps run.
    pub seed: u64,
}

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// All workers have ended; the value of the first.
    Done(i64),
    /// It called `exit`.
    Exited(i32),
    /// A step failed.
    Fault(String),
    /// Nobody signals what the remaining workers wait for: unless somebody sends something.
    Stuck,
}

struct Worker {
    id: i64,
    entry: String,
    argument: i64,
}

/// The host's side of a program.
struct Host {
    setup: Setup,
    memory: Option<Memory>,
    node: u32,
    worker: i64,
    workers: i64,
    ready: VecDeque<Worker>,
    waiting: Vec<(i64, Worker)>,
    output: String,
    errors: String,
    result: Vec<u8>,
    progress: (i64, i64),
    channels: Channels,
}

/// A program and its memory.
pub struct Program {
    store: Store<Host>,
    instance: wasmi::Instance,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Program").finish_non_exhaustive()
    }
}

impl Program {
    /// Loads a module; its first worker is ready.
    ///
    /// # Errors
    /// If the module is invalid or imports what is not offered.
    pub fn new(module: &[u8], setup: Setup) -> Result<Self, Error> {
        let engine = Engine::default();
        let module = Module::new(&engine, module)?;
        let main = Worker {
            id: 1,
            entry: abi::ENTRY_MAIN.to_owned(),
            argument: 0,
        };
        let host = Host {
            setup,
            memory: None,
            node: 0,
            worker: 0,
            workers: 1,
            ready: [main].into(),
            waiting: Vec::new(),
            output: String::new(),
            errors: String::new(),
            result: Vec::new(),
            progress: (0, 0),
            channels: Channels::default(),
        };
        let mut store = Store::new(&engine, host);
        let mut linker = Linker::new(&engine);
        calls::define(&mut linker)?;
        let instance = linker.instantiate_and_start(&mut store, &module)?;
        store.data_mut().memory = instance.get_memory(&store, "memory");
        Ok(Self { store, instance })
    }

    /// Runs steps until the program ends.
    pub fn run(&mut self) -> End {
        let mut value = 0;
        loop {
            let host = self.store.data_mut();
            if host.below(2) == 0 {
                host.travel();
            }
            let Some(worker) = host.next_worker() else {
                if host.travel() {
                    continue;
                }
                return if host.waiting.is_empty() {
                    End::Done(value)
                } else {
                    End::Stuck
                };
            };
            let step = match self.step(&worker) {
                Ok(step) => step,
                Err(error) => {
                    return match error.i32_exit_status() {
                        Some(code) => End::Exited(code),
                        None => End::Fault(error.to_string()),
                    };
                }
            };
            let host = self.store.data_mut();
            let payload = step >> abi::step::TAG_BITS;
            match step & abi::step::TAG_MASK {
                abi::step::AGAIN => host.ready.push_back(worker),
                abi::step::WAIT => host.waiting.push((payload, worker)),
                abi::step::DONE if worker.id == 1 => value = payload,
                abi::step::DONE => {}
                _ => return End::Fault(format!("unknown step {step}")),
            }
        }
    }

    fn step(&mut self, worker: &Worker) -> Result<i64, Error> {
        let entry = self
            .instance
            .get_typed_func::<i64, i64>(&self.store, &worker.entry)?;
        entry.call(&mut self.store, worker.argument)
    }

    /// Calls an exported function, as `plurix call` does.
    ///
    /// # Errors
    /// If there is none of this name, or it fails.
    pub fn call(&mut self, name: &str, arguments: &[i64]) -> Result<i64, Error> {
        let host = self.store.data_mut();
        host.worker = 0;
        let function = self
            .instance
            .get_func(&self.store, name)
            .ok_or_else(|| Error::new(format!("no function `{name}`")))?;
        let arguments: Vec<wasmi::Val> = arguments.iter().copied().map(wasmi::Val::I64).collect();
        let mut results = [wasmi::Val::I64(0)];
        function.call(&mut self.store, &arguments, &mut results)?;
        results[0]
            .i64()
            .ok_or_else(|| Error::new("the result is no i64"))
    }

    /// The program's standard output.
    pub fn output(&self) -> &str {
        &self.store.data().output
    }

    /// The program's standard error.
    pub fn errors(&self) -> &str {
        &self.store.data().errors
    }

    /// The program's result.
    pub fn result(&self) -> &[u8] {
        &self.store.data().result
    }

    /// Empties it, as each call has a reply of its own.
    pub fn clear_result(&mut self) {
        self.store.data_mut().result.clear();
    }

    /// The latest progress: done, total.
    pub fn progress(&self) -> (i64, i64) {
        self.store.data().progress
    }

    /// Bytes of memory.
    pub fn memory_bytes(&self) -> usize {
        self.store
            .data()
            .memory
            .map_or(0, |memory| memory.data_size(&self.store))
    }
}

impl Host {
    /// Makes those ready who wait for an event.
    fn signal(&mut self, event: i64) {
        let waiting = self.waiting.drain(..);
        let (ready, waiting): (Vec<_>, Vec<_>) = waiting.partition(|(it, _)| *it == event);
        self.waiting = waiting;
        self.ready
            .extend(ready.into_iter().map(|(_, worker)| worker));
    }

    fn next_worker(&mut self) -> Option<Worker> {
        let index = self.below(self.ready.len().max(1) as u64) as usize;
        let worker = self.ready.swap_remove_back(index)?;
        self.node = self.below(u64::from(self.setup.nodes.max(1))) as u32;
        self.worker = worker.id;
        Some(worker)
    }

    fn below(&mut self, limit: u64) -> u64 {
        let seed = &mut self.setup.seed;
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % limit
    }
}
