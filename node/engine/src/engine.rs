//! The runtime and its settings: compiling and loading of modules.
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
#[cfg(feature = "compiler")]
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroUsize;

use platform::{GUARD_BYTES, VIEW_BYTES};
use spin::Once;
use wasmtime::{Config, Linker, WasmBacktraceDetails};

use crate::memory::ViewMemories;
use crate::module::Module;
use crate::state::Context;
use crate::{ModuleInfo, barrier, calls, wasi};

/// Stack that guest code may use, of the thread's own.
const STACK_BYTES_MAX: usize = 512 << 10;
/// Functions that a report names.
const REPORT_FRAMES_MAX: usize = 20;

/// The runtime: one per process, shared by its nodes.
#[derive(Clone)]
pub struct Engine {
    runtime: wasmtime::Engine,
    /// Made for the first module: a node that has just started has other things to do.
    linker: Arc<Once<Linker<Context>>>,
}

/// A module that cannot be compiled; says why.
#[cfg(feature = "compiler")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompileError(String);

/// An artefact that cannot be loaded; says why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadError(pub(crate) String);

impl Engine {
    /// A runtime with the settings that all nodes of a cluster share.
    ///
    /// # Errors
    /// If the processor lacks what the runtime needs.
    pub fn new() -> Result<Self, LoadError> {
        let runtime = wasmtime::Engine::new(&config()).map_err(|error| load_error(&error))?;
        Ok(Self {
            runtime,
            linker: Arc::new(Once::new()),
        })
    }

    /// Compiles an instrumented module to machine code.
    ///
    /// # Errors
    /// If the module is invalid or uses features that are switched off.
    #[cfg(feature = "compiler")]
    pub fn compile(&self, instrumented: &[u8]) -> Result<Vec<u8>, CompileError> {
        self.runtime
            .precompile_module(instrumented)
            .map_err(|error| CompileError(format!("{error:#}")))
    }

    /// Makes machine code that [`Engine::compile`] gave ready to run.
    ///
    /// The bytes are trusted: who can choose them can do with this process as they
    /// like. They come from the memory of the cluster, in which only nodes, which hold
    /// its key, put what they have compiled from a module; so whoever could forge them
    /// is a node of the cluster already.
    ///
    /// # Errors
    /// If they are of another version of the runtime or for another processor, or if
    /// the module imports what does not exist.
    pub fn load(&self, artefact: &[u8], info: &ModuleInfo) -> Result<Module, LoadError> {
        // SAFETY: the bytes were made by `compile`; see above for why we believe it.
        let module = unsafe { wasmtime::Module::deserialize(&self.runtime, artefact) }
            .map_err(|error| load_error(&error))?;
        let linker = self.linker_for(&module)?;
        let pre = linker
            .instantiate_pre(&module)
            .map_err(|error| load_error(&error))?;
        Module::new(pre, info)
    }

    /// The linker with whatever else of WASI the module imports.
    fn linker_for(&self, module: &wasmtime::Module) -> Result<Linker<Context>, LoadError> {
        let known = self.linker.try_call_once(|| linker(&self.runtime));
        let mut linker = known?.clone();
        let wasi = module
            .imports()
            .filter(|import| import.module() == abi::WASI_MODULE);
        for import in wasi.filter(|import| !wasi::SUPPORTED.contains(&import.name())) {
            wasi::define_unsupported(&mut linker, import.name(), &import.ty())
                .map_err(|error| LoadError(format!("import of {}: {error}", import.name())))?;
        }
        Ok(linker)
    }
}

/// What every module may import.
fn linker(runtime: &wasmtime::Engine) -> Result<Linker<Context>, LoadError> {
    let mut linker = Linker::new(runtime);
    barrier::define(&mut linker)
        .and_then(|()| calls::define(&mut linker))
        .and_then(|()| wasi::define(&mut linker))
        .map_err(|error| load_error(&error))?;
    Ok(linker)
}

fn config() -> Config {
    let mut config = Config::new();
    // Memory: reservations are complete, so that guest code needs no bounds checks.
    config
        .with_host_memory(Arc::new(ViewMemories))
        .memory_reservation(VIEW_BYTES as u64)
        .memory_guard_size(GUARD_BYTES as u64)
        .guard_before_linear_memory(false)
        .memory_may_move(false)
        .memory_init_cow(false);
    // Language: what makes guests differ between machines, or hides state, is off.
    config
        .wasm_multi_memory(true)
        .wasm_simd(true)
        .wasm_bulk_memory(true)
        .wasm_branch_hinting(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false);
    // Code: small artefacts, fast code, reports with names of functions.
    config
        .max_wasm_stack(STACK_BYTES_MAX)
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(REPORT_FRAMES_MAX));
    machine(&mut config);
    config
}

/// What code may use of the processor beyond its first level.
#[cfg(feature = "compiler")]
const PROCESSOR_FEATURES: [&str; 5] = ["sse3", "ssse3", "sse41", "sse42", "popcnt"];

/// One form of machine code for all nodes of a cluster, whatever each of their processors can
/// do beyond: an x86-64 with the instructions of its second level (SSE4.2 and POPCNT), which is
/// all that WebAssembly has use for but a few.
fn machine(config: &mut Config) {
    #[cfg(feature = "compiler")]
    {
        config
            .target("x86_64-unknown-linux-gnu")
            .expect("a machine that the compiler knows");
        config.cranelift_opt_level(wasmtime::OptLevel::Speed);
        for feature in PROCESSOR_FEATURES {
            // SAFETY: code is run only where `has_feature` has found all that it needs.
            unsafe { config.cranelift_flag_enable(&format!("has_{feature}")) };
        }
    }
    #[cfg(not(feature = "std"))]
    // SAFETY: it asks the processor.
    unsafe {
        config.detect_host_feature(crate::processor::has_feature)
    };
}

fn load_error(error: &wasmtime::Error) -> LoadError {
    LoadError(format!("{error:#}"))
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

#[cfg(feature = "compiler")]
impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot compile the module: ")?;
        f.write_str(&self.0)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot load the module: ")?;
        f.write_str(&self.0)
    }
}

#[cfg(feature = "compiler")]
impl core::error::Error for CompileError {}
impl core::error::Error for LoadError {}
