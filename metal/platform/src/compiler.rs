//! There is no compiler here: machine code comes from who has one, and the cluster's key.
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::vec::Vec;

use platform::{CompileJob, CompiledModule, Compiler, NotCompiled, SIGNED_MODULE};
use seal::Key;

/// Takes modules that were compiled elsewhere.
#[derive(Debug)]
pub(crate) struct NoCompiler {
    key: Option<Key>,
    finished: VecDeque<(CompileJob, Result<CompiledModule, NotCompiled>)>,
}

impl NoCompiler {
    pub(crate) fn new(key: Option<Key>) -> Self {
        Self {
            key,
            finished: VecDeque::new(),
        }
    }

    fn take(&self, bytes: &[u8]) -> Result<CompiledModule, NotCompiled> {
        let key = self.key.as_ref().ok_or(NotCompiled::NoCompiler)?;
        let module = seal::signed(key, SIGNED_MODULE, bytes).map_err(|_| {
            NotCompiled::Refused("the module was not signed with the cluster's key".into())
        })?;
        let module = module.ok_or(NotCompiled::NoCompiler)?;
        postcard::from_bytes(module).map_err(|error| NotCompiled::Refused(error.to_string()))
    }
}

impl Compiler for NoCompiler {
    fn compile(&mut self, job: CompileJob, module: Vec<u8>) {
        let taken = self.take(&module);
        self.finished.push_back((job, taken));
    }

    fn finished(&mut self) -> Option<(CompileJob, Result<CompiledModule, NotCompiled>)> {
        self.finished.pop_front()
    }
}
