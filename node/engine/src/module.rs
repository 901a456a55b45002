//! A module ready to run, and what its exports tell about it.
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use abi::runtime;
use platform::GuestCode;
use wasmtime::{ExternType, FuncType, InstancePre, ModuleExport, Mutability, ValType};

use crate::code;
use crate::engine::LoadError;
use crate::header::GLOBALS_MAX;
use crate::info::ModuleInfo;
use crate::state::Context;
use crate::value::ValueType;

/// Largest size of a memory, in units of 64 KiB.
const MEMORY_64K_MAX: u64 = 1 << 16;

/// A module ready to run. Cheap to clone; shared by the nodes of a process.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    pre: InstancePre<Context>,
    memory: MemorySize,
    /// Bytes of the barrier table; 0 when the module has none.
    barriers_bytes: usize,
    stack: Option<(ModuleExport, i32)>,
    /// Every other mutable global, ascending by index.
    globals: Vec<ModuleExport>,
    has_growth: bool,
    /// Where the machine code of `pre` lies.
    code: GuestCode,
}

/// Sizes that the module allows, in units of 64 KiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MemorySize {
    pub(crate) min_64k: u64,
    pub(crate) max_64k: u64,
}

/// Parameters and results of a function that people can call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// Types of the parameters.
    pub params: Vec<ValueType>,
    /// Types of the results.
    pub results: Vec<ValueType>,
}

impl Module {
    pub(crate) fn new(pre: InstancePre<Context>, info: &ModuleInfo) -> Result<Self, LoadError> {
        let module = pre.module();
        let memory = memory_size(module, runtime::MEMORY);
        let barriers = memory_size(module, runtime::BARRIER_TABLE);
        let mut globals = mutable_globals(module)?;
        let stack = info.stack.as_ref().and_then(|stack| {
            let at = globals
                .iter()
                .position(|(index, _)| *index == stack.global)?;
            Some((globals.remove(at).1, stack.initial.cast_signed()))
        });
        if globals.len() > GLOBALS_MAX {
            return Err(LoadError(format!(
                "the module has more than {GLOBALS_MAX} globals"
            )));
        }
        let has_growth = module
            .imports()
            .any(|import| import.module() == runtime::MODULE && import.name() == runtime::GROW);
        let barriers_bytes = barriers.map_or(0, |size| size.min_64k << 16);
        let inner = Inner {
            memory: memory.unwrap_or(MemorySize {
                min_64k: 0,
                max_64k: 0,
            }),
            barriers_bytes: usize::try_from(barriers_bytes).expect("at most 4 GiB"),
            stack,
            globals: globals.into_iter().map(|(_, export)| export).collect(),
            has_growth,
            code: code::locate(module)?,
            pre,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether the module exports a function of this name.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.function_type(name).is_some()
    }

    /// Type of an exported function; `None` if there is no such function, or if people
    /// cannot write down its values.
    #[must_use]
    pub fn signature(&self, function: &str) -> Option<Signature> {
        let function = self.function_type(function)?;
        let params = function
            .params()
            .map(|one| ValueType::of(&one))
            .collect::<Option<_>>()?;
        let results = function
            .results()
            .map(|one| ValueType::of(&one))
            .collect::<Option<_>>()?;
        Some(Signature { params, results })
    }

    /// Whether the function can be a worker's: `(i64) -> i64`.
    #[must_use]
    pub fn is_step(&self, function: &str) -> bool {
        let step = Signature {
            params: Vec::from([ValueType::I64]),
            results: Vec::from([ValueType::I64]),
        };
        self.signature(function) == Some(step)
    }

    fn function_type(&self, name: &str) -> Option<FuncType> {
        match self.inner.pre.module().get_export(name)? {
            ExternType::Func(function) => Some(function),
            _ => None,
        }
    }

    pub(crate) fn pre(&self) -> &InstancePre<Context> {
        &self.inner.pre
    }

    pub(crate) fn code(&self) -> &GuestCode {
        &self.inner.code
    }

    pub(crate) fn memory(&self) -> MemorySize {
        self.inner.memory
    }

    pub(crate) fn barriers_bytes(&self) -> usize {
        self.inner.barriers_bytes
    }

    pub(crate) fn stack(&self) -> Option<&(ModuleExport, i32)> {
        self.inner.stack.as_ref()
    }

    pub(crate) fn globals(&self) -> &[ModuleExport] {
        &self.inner.globals
    }

    /// Whether guests of this module have state in their header.
    pub(crate) fn has_header(&self) -> bool {
        self.inner.has_growth || !self.inner.globals.is_empty()
    }
}

fn memory_size(module: &wasmtime::Module, name: &str) -> Option<MemorySize> {
    match module.get_export(name)? {
        ExternType::Memory(memory) => Some(MemorySize {
            min_64k: memory.minimum(),
            max_64k: memory
                .maximum()
                .unwrap_or(MEMORY_64K_MAX)
                .min(MEMORY_64K_MAX),
        }),
        _ => None,
    }
}

/// The mutable globals that instrumentation has exported, ascending by index.
fn mutable_globals(module: &wasmtime::Module) -> Result<Vec<(u32, ModuleExport)>, LoadError> {
    let mut found = Vec::new();
    for export in module.exports() {
        let Some(index) = export.name().strip_prefix(runtime::GLOBAL_PREFIX) else {
            continue;
        };
        let not_ours = || LoadError(format!("the export `{}` is reserved", export.name()));
        let index: u32 = index.parse().map_err(|_| not_ours())?;
        match export.ty() {
            ExternType::Global(global)
                if global.mutability() == Mutability::Var && is_number(global.content()) => {}
            _ => return Err(not_ours()),
        }
        let export = module
            .get_export_index(export.name())
            .expect("it was just listed");
        found.push((index, export));
    }
    found.sort_unstable_by_key(|(index, _)| *index);
    Ok(found)
}

fn is_number(ty: &ValType) -> bool {
    ty.is_num() || matches!(ty, ValType::V128)
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("memory", &self.inner.memory)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |types: &[ValueType]| {
            types
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        write!(f, "({}) -> ({})", list(&self.params), list(&self.results))
    }
}
