//! What instrumentation costs: kernels as a node runs them, with write barriers and
//! interrupts, against the same kernels as they were.
use abi::runtime;
use engine::{HostCall, Limits, ModuleInfo, StackPointer, StepHost, Stop, Value, header};
use linux::Ticker;
use platform::ViewMemory;
use types::{Duration, PAGE_SIZE, PageBytes, PageIndex};
use wasmtime::{Caller, Config, Engine, Extern, Linker, Memory, Module, Store, TypedFunc};

use crate::report::{Better, Goal, Outcome, Report};
use crate::rounds::{geometric_mean, interleaved, machine, median, ratio};
use crate::site::{Pages, unexpected};

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
    Barrier,
    Node,
}

const WAYS: [(Way, &str); 3] = [
    (Way::Plain, "plain"),
    (Way::Barrier, "barriers only"),
    (Way::Node, "barriers and interrupts"),
];

/// Pace at which a node looks for long steps.
const TICK: Duration = Duration::from_millis(1);

/// Runs all kernels in all ways.
///
/// # Panics
/// When a kernel does not run, or not with the same result in all ways.
#[must_use]
pub fn barrier() -> Report {
    let _ticker = Ticker::start(TICK).expect("the machine has a thread to give");
    let (mut results, mut interrupts) = (Vec::new(), 0);
    let mut ratios = vec![Vec::new(); WAYS.len()];
    for kernel in &KERNELS {
        let mut values = Vec::new();
        let mut instances: Vec<_> = WAYS.iter().map(|&(way, _)| ready(kernel, way)).collect();
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
        drop(ways);
        let millis = times[0].iter().map(|time| time.as_secs_f64() * 1e3);
        let plain = median(millis.collect());
        results.push(Outcome::new(
            &format!("{}, plain", kernel.name),
            plain,
            "ms",
        ));
        interrupts += instances.iter().map(|one| one.interrupts()).sum::<u32>();
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
    assert!(interrupts > 0, "steps of milliseconds are interrupted");
    results.push(Outcome::new("interrupts", f64::from(interrupts), ""));
    for (way, (_, name)) in WAYS.iter().enumerate().skip(1) {
        let mean = geometric_mean(&ratios[way]);
        results.push(Outcome::new(
            &format!("geometric mean, {name}"),
            mean,
            "ratio",
        ));
    }
    let product = &ratios[WAYS.len() - 1];
    let worst = product.iter().copied().fold(0.0, f64::max);
    let goals = vec![
        Goal::new(
            "geometric mean",
            geometric_mean(product),
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
        notes: Vec::new(),
    }
}

/// A kernel that is ready to run.
trait Ready {
    /// One step: every page is protected when it begins.
    fn run(&mut self, amount: u32) -> u32;
    /// How often it was interrupted.
    fn interrupts(&self) -> u32;
}

fn ready(kernel: &Kernel, way: Way) -> Box<dyn Ready> {
    match way {
        Way::Plain | Way::Barrier => Box::new(Instance::new(kernel, way)),
        Way::Node => Box::new(InNode::new(kernel)),
    }
}

/// A kernel in the runtime alone.
struct Instance {
    store: Store<()>,
    run: TypedFunc<u32, u32>,
    table: Option<Memory>,
}

impl Instance {
    fn new(kernel: &Kernel, way: Way) -> Self {
        let mut config = Config::new();
        config.wasm_branch_hinting(true);
        let engine = Engine::new(&config).expect("the configuration is valid");
        let barriers = way == Way::Barrier;
        let instrumented = instrument::instrument(kernel.wasm).expect("kernels are accepted");
        let wasm = if barriers {
            &instrumented.wasm
        } else {
            kernel.wasm
        };
        let module = Module::new(&engine, wasm).expect("kernels are valid");
        let mut store = Store::new(&engine, ());
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
}

impl Ready for Instance {
    fn run(&mut self, amount: u32) -> u32 {
        if let Some(table) = self.table {
            table.data_mut(&mut self.store).fill(1);
        }
        self.run
            .call(&mut self.store, amount)
            .expect("kernels do not trap")
    }

    fn interrupts(&self) -> u32 {
        0
    }
}

/// A kernel in the engine of a node, over a view.
struct InNode {
    instance: engine::Instance,
    host: Host,
}

/// Keeps before-images and the header, and nothing else.
struct Host {
    pages: Pages,
    images: Vec<Box<PageBytes>>,
    dirty: Vec<PageIndex>,
    header: Vec<u8>,
    interrupts: u32,
}

impl InNode {
    fn new(kernel: &Kernel) -> Self {
        let instrumented = instrument::instrument(kernel.wasm).expect("kernels are accepted");
        let stack = instrumented.info.stack.map(|stack| StackPointer {
            global: stack.global,
            initial: stack.initial,
            private_pages: stack.private_pages,
        });
        let engine = engine::Engine::new().expect("the processor can run guests");
        let artefact = engine.compile(&instrumented.wasm);
        let artefact = artefact.expect("an instrumented module is valid");
        let module = engine.load(
            &artefact,
            &ModuleInfo {
                stack,
                ..ModuleInfo::default()
            },
        );
        let mut host = Host {
            pages: Pages::new(),
            images: Vec::new(),
            dirty: Vec::new(),
            header: vec![0; header::PAGES_MAX as usize * PAGE_SIZE],
            interrupts: 0,
        };
        for segment in &instrumented.image {
            host.write(segment.offset as usize, &segment.bytes);
        }
        let module = module.expect("its imports exist");
        let instance = engine::Instance::new(module, host.pages.space());
        let mut ready = Self { instance, host };
        ready.call("setup", &[]);
        ready
    }

    fn call(&mut self, function: &str, arguments: &[Value]) -> Vec<Value> {
        let Self { instance, host } = self;
        let results = instance.call(host, function, arguments, Limits::default());
        for page in host.dirty.drain(..) {
            host.pages.view().protect(page);
        }
        results.expect("kernels do not trap")
    }
}

impl Ready for InNode {
    fn run(&mut self, amount: u32) -> u32 {
        match self.call("run", &[Value::I32(amount.cast_signed())])[..] {
            [Value::I32(value)] => value.cast_unsigned(),
            ref other => panic!("a kernel gives a number, not {other:?}"),
        }
    }

    fn interrupts(&self) -> u32 {
        self.host.interrupts
    }
}

impl Host {
    /// Sets first contents.
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        for (address, byte) in (offset..).zip(bytes) {
            let page = u32::try_from(address / PAGE_SIZE).expect("below 4 GiB");
            let view = self.pages.view();
            if !view.is_present(PageIndex(page)) {
                view.map(PageIndex(page), &[0; PAGE_SIZE]);
            }
            let mut contents = *view.bytes(PageIndex(page));
            contents[address % PAGE_SIZE] = *byte;
            view.restore(PageIndex(page), &contents);
        }
    }
}

impl StepHost for Host {
    fn read_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.pages.view().map(page, &[0; PAGE_SIZE]);
        Ok(())
    }

    fn write_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        let view = self.pages.view();
        if !view.is_present(page) {
            view.map(page, &[0; PAGE_SIZE]);
        }
        let at = self.dirty.len();
        if at == self.images.len() {
            self.images.push(Box::new([0; PAGE_SIZE]));
        }
        *self.images[at] = *view.bytes(page);
        view.unprotect(page);
        self.dirty.push(page);
        Ok(())
    }

    fn header_read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Stop> {
        bytes.copy_from_slice(&self.header[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn header_write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Stop> {
        self.header[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn interrupt(&mut self) -> Result<(), Stop> {
        self.interrupts += 1;
        Ok(())
    }

    fn call(&mut self, _call: HostCall<'_>) -> Result<i64, Stop> {
        Err(unexpected())
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
