//! What instrumentation costs: kernels with write barriers and epoch interruption,
//! against the same kernels as they were.
use abi::runtime;
use wasmtime::{Caller, Config, Engine, Extern, Linker, Memory, Module, Store, TypedFunc};

use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{geometric_mean, interleaved, machine, median, ratio};

/// Rounds that are measured.
const ROUNDS: u32 = 31;
/// Geometric mean of the kernels' ratios that is to be reached.
const MEAN_GOAL: f64 = 1.25;
/// Ratio that no kernel may exceed.
const WORST_GOAL: f64 = 1.6;

/// A kernel, and how much it does in a measured call (some milliseconds).
struct Kernel {
    name: &'static str,
    wasm: &'static [u8],
    amount: u32,
}

macro_rules! kernel {
    ($name:literal, $amount:literal) => {
        Kernel {
            name: $name,
            wasm: include_bytes!(concat!("../kernels/", $name, ".wasm")),
            amount: $amount,
        }
    };
}

const KERNELS: [Kernel; 6] = [
    kernel!("matrix", 2),
    kernel!("hash_map", 6),
    kernel!("sort", 1),
    kernel!("tree", 1),
    kernel!("sha256", 4),
    kernel!("ray_tracer", 1),
];

/// How a kernel is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Epoch,
    Barrier,
    Both,
}

const WAYS: [(Way, &str); 4] = [
    (Way::Plain, "plain"),
    (Way::Epoch, "epoch interruption only"),
    (Way::Barrier, "barriers only"),
    (Way::Both, "barriers and epoch interruption"),
];

/// Runs all kernels in all ways.
///
/// # Panics
/// When a kernel does not run, or not with the same result in all ways.
#[must_use]
pub fn barrier() -> Report {
    let mut results = Vec::new();
    let mut ratios = vec![Vec::new(); WAYS.len()];
    for kernel in &KERNELS {
        let mut values = Vec::new();
        let mut instances: Vec<_> = WAYS
            .iter()
            .map(|&(way, _)| Instance::new(kernel, way))
            .collect();
        for instance in &mut instances {
            values.push(instance.run(kernel.amount));
        }
        assert!(
            values.iter().all(|value| *value == values[0]),
            "{}: {values:?}",
            kernel.name
        );
        let mut ways: Vec<Box<dyn FnMut()>> = Vec::new();
        for instance in &mut instances {
            ways.push(Box::new(|| {
                instance.run(kernel.amount);
            }));
        }
        let times = interleaved(ROUNDS, &mut ways);
        let millis = times[0].iter().map(|time| time.as_secs_f64() * 1e3);
        let plain = median(millis.collect());
        results.push(Outcome::new(
            &format!("{}, plain", kernel.name),
            plain,
            "ms",
        ));
        for (way, (_, name)) in WAYS.iter().enumerate().skip(1) {
            let ratio = ratio(&times[way], &times[0]);
            ratios[way].push(ratio);
            results.push(Outcome::new(
                &format!("{}, {name}", kernel.name),
                ratio,
                "ratio",
            ));
        }
    }
    for (way, (_, name)) in WAYS.iter().enumerate().skip(1) {
        let mean = geometric_mean(&ratios[way]);
        results.push(Outcome::new(
            &format!("geometric mean, {name}"),
            mean,
            "ratio",
        ));
    }
    let both = &ratios[WAYS.len() - 1];
    let worst = both.iter().copied().fold(0.0, f64::max);
    let goals = vec![
        Goal::new(
            "geometric mean",
            geometric_mean(both),
            MEAN_GOAL,
            Better::Lower,
        ),
        Goal::new("worst kernel", worst, WORST_GOAL, Better::Lower),
    ];
    Report {
        bench: "barrier".to_owned(),
        machine: machine(),
        results,
        goals,
    }
}

/// A kernel that is ready to run.
struct Instance {
    store: Store<()>,
    run: TypedFunc<u32, u32>,
    table: Option<Memory>,
}

impl Instance {
    fn new(kernel: &Kernel, way: Way) -> Self {
        let mut config = Config::new();
        config.epoch_interruption(matches!(way, Way::Epoch | Way::Both));
        config.wasm_branch_hinting(true);
        let engine = Engine::new(&config).expect("the configuration is valid");
        let barriers = matches!(way, Way::Barrier | Way::Both);
        let instrumented = instrument::instrument(kernel.wasm).expect("kernels are accepted");
        let wasm = if barriers {
            &instrumented.wasm
        } else {
            kernel.wasm
        };
        let module = Module::new(&engine, wasm).expect("kernels are valid");
        let mut store = Store::new(&engine, ());
        if matches!(way, Way::Epoch | Way::Both) {
            store.set_epoch_deadline(1);
        }
        let instance = linker(&engine)
            .instantiate(&mut store, &module)
            .expect("imports are known");
        let mut table = None;
        if barriers {
            let memory = instance
                .get_memory(&mut store, runtime::MEMORY)
                .expect("exported");
            for segment in &instrumented.image {
                let offset = segment.offset as usize;
                memory
                    .write(&mut store, offset, &segment.bytes)
                    .expect("checked before");
            }
            table = instance.get_memory(&mut store, runtime::BARRIER_TABLE);
        }
        let setup = instance
            .get_typed_func::<(), ()>(&mut store, "setup")
            .expect("a kernel has it");
        setup.call(&mut store, ()).expect("setup does not trap");
        let run = instance
            .get_typed_func(&mut store, "run")
            .expect("a kernel has it");
        Self { store, run, table }
    }

    /// One step: every page is protected when it begins.
    fn run(&mut self, amount: u32) -> u32 {
        if let Some(table) = self.table {
            table.data_mut(&mut self.store).fill(1);
        }
        self.run
            .call(&mut self.store, amount)
            .expect("kernels do not trap")
    }
}

/// The barrier calls as a host has them, except for keeping before-images.
fn linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    for name in [runtime::WRITE, runtime::WRITE_RANGE] {
        linker
            .func_wrap(runtime::MODULE, name, announce)
            .expect("defined once");
    }
    linker
        .func_wrap(runtime::MODULE, runtime::READ_RANGE, |_: u32, _: u32| {})
        .expect("defined once");
    linker
        .func_wrap(runtime::MODULE, runtime::GROW, |_: u32| 0u32)
        .expect("defined once");
    linker
}

fn announce(mut caller: Caller<'_, ()>, address: u32, size: u32) {
    let table = caller
        .get_export(runtime::BARRIER_TABLE)
        .and_then(Extern::into_memory);
    let table = table
        .expect("instrumented modules export it")
        .data_mut(&mut caller);
    let last = u64::from(address) + u64::from(size.max(1)) - 1;
    for page in (u64::from(address) >> 12)..=(last >> 12) {
        if let Some(byte) = usize::try_from(page)
            .ok()
            .and_then(|page| table.get_mut(page))
        {
            *byte = 0;
        }
    }
}
