//! A module over a view: runs steps, calls and starts.
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use platform::GuestSpace;
use wasmtime::{Store, TypedFunc, Val, WasmBacktrace};

use crate::globals::{Globals, Kept};
use crate::handout::{Handout, hand_out};
use crate::header::Header;
use crate::memory::ViewPart;
use crate::module::Module;
use crate::state::{Context, PAGE_64K, StepState};
use crate::{GuestFault, StepHost, StepReturn, Stop, Value};

/// What a step may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Interrupts by the platform, about one per millisecond, after which guest code ends.
    pub ticks_max: u32,
    /// Size to which memory may grow, in units of 64 KiB.
    pub memory_64k_max: u32,
}

impl Default for Limits {
    /// Ten seconds and 4 GiB.
    fn default() -> Self {
        Self {
            ticks_max: 10_000,
            memory_64k_max: 1 << 16,
        }
    }
}

/// A module over a view, at one node. All state is in pages: dropping an instance and
/// making another loses nothing but a microsecond.
pub struct Instance {
    module: Module,
    state: Context,
    header: Header,
    live: Option<Live>,
}

/// What the runtime keeps of an instance. Dropped whenever the guest was stopped in the
/// middle, and when memory has another size than it believes.
struct Live {
    store: Store<Context>,
    instance: wasmtime::Instance,
    globals: Globals,
    /// Step functions that were called before: looking one up takes longer than a call.
    entries: Vec<(String, TypedFunc<i64, i64>)>,
}

impl Instance {
    /// The module over the view that `space` belongs to.
    #[must_use]
    pub fn new(module: Module, space: Arc<dyn GuestSpace>) -> Self {
        let state = Rc::new(StepState::new(space, module.memory().max_64k));
        let header = Header::new(module.globals().len());
        Self {
            module,
            state,
            header,
            live: None,
        }
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Runs one step of a worker: the exported function `entry`, `(i64) -> i64`.
    ///
    /// # Errors
    /// Why the step was stopped; except for [`Stop::Exit`], its effects must be undone.
    pub fn step(
        &mut self,
        host: &mut dyn StepHost,
        entry: &str,
        argument: i64,
        limits: Limits,
    ) -> Result<StepReturn, Stop> {
        let value = self.run(host, limits, |live| {
            let function = live.entry(entry)?;
            function.call(&mut live.store, argument)
        })?;
        StepReturn::decode(value).ok_or_else(|| {
            GuestFault::refused(&format!(
                "`{entry}` returned {value}, which is no step's result"
            ))
            .into()
        })
    }

    /// Runs an exported function `() -> ()`: `abi::runtime::START`, `abi::ENTRY_WASI`.
    ///
    /// # Errors
    /// As [`Instance::step`].
    pub fn start(
        &mut self,
        host: &mut dyn StepHost,
        function: &str,
        limits: Limits,
    ) -> Result<(), Stop> {
        self.run(host, limits, |live| {
            let function = live
                .instance
                .get_typed_func::<(), ()>(&mut live.store, function)?;
            function.call(&mut live.store, ())
        })
    }

    /// Runs any exported function with these arguments.
    ///
    /// # Errors
    /// As [`Instance::step`]; a [`Stop::Guest`] also if there is no such function or the
    /// arguments are not what it takes.
    pub fn call(
        &mut self,
        host: &mut dyn StepHost,
        function: &str,
        arguments: &[Value],
        limits: Limits,
    ) -> Result<Vec<Value>, Stop> {
        let signature = self.module.signature(function).ok_or_else(|| {
            GuestFault::refused(&format!("there is no function `{function}` to be called"))
        })?;
        let given: Vec<_> = arguments.iter().map(|value| value.value_type()).collect();
        if given != signature.params {
            let why = format!("`{function}` is {signature}; the arguments do not match");
            return Err(GuestFault::refused(&why).into());
        }
        let arguments: Vec<Val> = arguments.iter().map(|value| value.to_wasm()).collect();
        let mut results = vec![Val::I32(0); signature.results.len()];
        self.run(host, limits, |live| {
            let function = live.instance.get_func(&mut live.store, function);
            let function = function.expect("its signature was found above");
            function.call(&mut live.store, &arguments, &mut results)
        })?;
        let results = results.iter().map(Value::of_wasm).collect::<Option<_>>();
        Ok(results.expect("the signature has values of these types only"))
    }

    /// Brings the instance to the state in the header, runs `body` in it, and writes
    /// back what has changed.
    fn run<R>(
        &mut self,
        host: &mut dyn StepHost,
        limits: Limits,
        body: impl FnOnce(&mut Live) -> wasmtime::Result<R>,
    ) -> Result<R, Stop> {
        self.prepare(host, limits)?;
        let state = &*self.state;
        let live = self.live.as_mut().expect("made by `prepare`");
        let mut body = Some(body);
        let mut result = None;
        // SAFETY: `host` outlives this function and is not used before `end`. (If the
        // host panics, nothing uses the pointer before the next `begin`.)
        unsafe { state.begin(host, limits) };
        state.space.run(self.module.code(), state, &mut || {
            let body = body.take().expect("the platform calls this once");
            result = Some(body(live));
        });
        state.end();
        let result = match result.expect("the platform has called the body") {
            Ok(value) => live
                .globals
                .save(&mut live.store, &self.header, host)
                .map(|()| value),
            Err(error) => Err(state.reason(&error)),
        };
        if result.is_err() {
            self.live = None;
        }
        result
    }

    /// Makes the runtime's instance agree with the header.
    fn prepare(&mut self, host: &mut dyn StepHost, limits: Limits) -> Result<(), Stop> {
        if self.module.has_header() {
            self.header.load(host)?;
        }
        let size_64k = self.header.size_64k().map_or(0, u64::from);
        let size_64k = size_64k.max(self.module.memory().min_64k);
        if size_64k > u64::from(limits.memory_64k_max) {
            return Err(Stop::MemoryLimit);
        }
        if self.live.is_none() || self.state.memory_bytes.get() != size_64k * PAGE_64K {
            self.state.memory_bytes.set(size_64k * PAGE_64K);
            let live = Live::new(&self.module, &self.state);
            self.live = Some(live.map_err(|error| GuestFault::of_error(&error))?);
        }
        let live = self.live.as_mut().expect("made above");
        live.globals.load(&mut live.store, &self.header);
        Ok(())
    }
}

impl Live {
    fn new(module: &Module, state: &Context) -> wasmtime::Result<Self> {
        let memory_bytes = usize::try_from(state.memory_bytes.get())?;
        let _turn = hand_out(Handout {
            linear: (module.memory().max_64k > 0)
                .then(|| ViewPart::linear(state.space.clone(), memory_bytes)),
            barriers: (module.barriers_bytes() > 0)
                .then(|| ViewPart::barriers(state.space.clone(), module.barriers_bytes())),
        });
        let pre = module.pre();
        let mut store = Store::new(pre.module().engine(), state.clone());
        let stopped = wasmtime::Error::msg("stopped by the host");
        state.set_silent_error(stopped.context(WasmBacktrace::capture(&store)));
        let instance = pre.instantiate(&mut store)?;
        let stack = module
            .stack()
            .map(|(export, initial)| (global(&mut store, instance, export), *initial));
        let mut kept = Vec::with_capacity(module.globals().len());
        for export in module.globals() {
            let global = global(&mut store, instance, export);
            kept.push(Kept::new(&mut store, global));
        }
        let globals = Globals { stack, kept };
        Ok(Self {
            store,
            instance,
            globals,
            entries: Vec::new(),
        })
    }

    /// The step function of this name.
    fn entry(&mut self, name: &str) -> wasmtime::Result<TypedFunc<i64, i64>> {
        if let Some((_, function)) = self.entries.iter().find(|(known, _)| known == name) {
            return Ok(function.clone());
        }
        let function = self.instance.get_typed_func(&mut self.store, name)?;
        self.entries.push((name.to_string(), function.clone()));
        Ok(function)
    }
}

fn global(
    store: &mut Store<Context>,
    instance: wasmtime::Instance,
    export: &wasmtime::ModuleExport,
) -> wasmtime::Global {
    let export = instance.get_module_export(store, export);
    export
        .and_then(wasmtime::Extern::into_global)
        .expect("checked when the module was loaded")
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}
