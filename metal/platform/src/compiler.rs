//! There is no compiler here: machine code comes from who has one, and the cluster's key.
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use platform::{CompileJob, CompiledModule, Compiler, NO_COMPILER, SIGNED_MODULE};
use seal::Key;

/// Takes modules that were compiled elsewhere.
#[derive(Debug)]
pub(crate) struct NoCompiler {
    key: Option<Key>,
    finished: VecDeque<(CompileJob, Result<CompiledModule, String>)>,
}

impl NoCompiler {
    pub(crate) fn new(key: Option<Key>) -> Self {
        Self {
            key,
            finished: VecDeque::new(),
        }
    }

    fn take(&self, bytes: &[u8]) -> Result<CompiledModule, String> {
        let key = self.key.as_ref().ok_or(NO_COMPILER)?;
        let module = seal::signed(key, SIGNED_MODULE, bytes);
        let module = module.map_err(|_| "the module was not signed with the cluster's key")?;
        postcard::from_bytes(module.ok_or(NO_COMPILER)?).map_err(|error| error.to_string())
    }
}

impl Compiler for NoCompiler {
    fn compile(&mut self, job: CompileJob, module: Vec<u8>) {
        let taken = self.take(&module);
        self.finished.push_back((job, taken));
    }

    fn finished(&mut self) -> Option<(CompileJob, Result<CompiledModule, String>)> {
        self.finished.pop_front()
    }
}
