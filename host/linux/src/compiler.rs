//! Compiles modules in a thread of its own, one after the other.
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use engine::{Engine, ModuleInfo, StackPointer};
use platform::{CompileJob, CompiledModule, Compiler, NotCompiled};

use crate::Waker;

type Finished = (CompileJob, Result<CompiledModule, String>);

/// The compiler of one node.
#[derive(Debug)]
pub struct LinuxCompiler {
    jobs: Sender<(CompileJob, Vec<u8>)>,
    finished: Receiver<Finished>,
}

impl LinuxCompiler {
    /// A compiler for `engine`; it wakes the node when a job has ended.
    ///
    /// # Errors
    /// If the machine has no thread to give.
    pub fn start(engine: Engine, waker: Waker) -> std::io::Result<Self> {
        let (jobs, todo) = mpsc::channel::<(CompileJob, Vec<u8>)>();
        let (done, finished) = mpsc::channel();
        thread::Builder::new()
            .name("compiler".into())
            .spawn(move || {
                for (job, wasm) in todo {
                    // Nobody listens when the node has ended; then the thread ends, too.
                    if done.send((job, compile(&engine, &wasm))).is_err() {
                        return;
                    }
                    waker.wake();
                }
            })?;
        Ok(Self { jobs, finished })
    }
}

impl Compiler for LinuxCompiler {
    fn compile(&mut self, job: CompileJob, wasm: Vec<u8>) {
        self.jobs
            .send((job, wasm))
            .expect("the thread runs as long as we listen");
    }

    fn finished(&mut self) -> Option<(CompileJob, Result<CompiledModule, NotCompiled>)> {
        let (job, compiled) = self.finished.try_recv().ok()?;
        Some((job, compiled.map_err(NotCompiled::Refused)))
    }
}

/// Makes a module as its author made it ready to run.
///
/// # Errors
/// Why it is refused, for people.
pub fn compile(engine: &Engine, wasm: &[u8]) -> Result<CompiledModule, String> {
    let module = instrument::instrument(wasm).map_err(|refusal| refusal.to_string())?;
    let artefact = engine
        .compile(&module.wasm)
        .map_err(|error| error.to_string())?;
    let stack = module.info.stack.as_ref().map(|stack| StackPointer {
        global: stack.global,
        initial: stack.initial,
        private_pages: stack.private_pages.clone(),
    });
    let info = ModuleInfo {
        stack,
        devices: module.info.devices,
    };
    // A module that cannot be loaded here cannot be loaded by any node: say so now.
    engine
        .load(&artefact, &info)
        .map_err(|error| error.to_string())?;
    let image = module
        .image
        .into_iter()
        .map(|segment| (segment.offset, segment.bytes))
        .collect();
    Ok(CompiledModule {
        instrumented: module.wasm,
        artefact,
        info: info.encode(),
        image,
    })
}
