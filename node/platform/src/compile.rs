//! Turning a module as its author made it into one that nodes can run.
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A compilation under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CompileJob(pub u64);

/// A module ready to run: everything that processes of it begin with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CompiledModule {
    /// The instrumented module, for nodes with another processor.
    pub instrumented: Vec<u8>,
    /// Machine code of the instrumented module, for the engine of this cluster.
    pub artefact: Vec<u8>,
    /// What the engine must know beside the code, in its own encoding.
    pub info: Vec<u8>,
    /// Initial contents of linear memory: offsets and bytes, in order of application.
    pub image: Vec<(u32, Vec<u8>)>,
}

/// Why a module was not made ready to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotCompiled {
    /// This machine has no compiler. It takes a module that was compiled elsewhere, as a
    /// [`CompiledModule`] that is signed with the cluster's key for this: machine code can do
    /// whatever the node can, so it must come from who could as well be a node.
    NoCompiler,
    /// The module was refused; says why, for people.
    Refused(String),
}

/// What a signed module is signed for.
pub const SIGNED_MODULE: &str = "a compiled module";

/// Compiles modules beside the node's loop. A finished job wakes the loop.
pub trait Compiler {
    /// Begins to validate, instrument and compile `wasm`.
    fn compile(&mut self, job: CompileJob, wasm: Vec<u8>);

    /// A job that has ended since.
    fn finished(&mut self) -> Option<(CompileJob, Result<CompiledModule, NotCompiled>)>;
}
