//! There is no compiler here: machine code comes from nodes that have one.
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use platform::{CompileJob, CompiledModule, Compiler};

/// Refuses modules.
#[derive(Debug, Default)]
pub struct NoCompiler {
    refused: VecDeque<CompileJob>,
}

impl Compiler for NoCompiler {
    fn compile(&mut self, job: CompileJob, _: Vec<u8>) {
        self.refused.push_back(job);
    }

    fn finished(&mut self) -> Option<(CompileJob, Result<CompiledModule, String>)> {
        let job = self.refused.pop_front()?;
        let why = "this node runs on bare metal and has no compiler; ask one that runs on Linux";
        Some((job, Err(why.into())))
    }
}
