//! Applications on this node: the code of processes, loaded from the memory of the
//! cluster, over views of their regions.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use engine::{Engine, Instance, Module, ModuleInfo};
use kernel::{BlobId, ModuleId, ProcessId, blobs, modules};
use platform::{Disk, ViewMemory};
use types::PageIndex;

use crate::Platform;
use crate::core::Core;
use crate::deploy::{Beginning, Image};
use crate::transaction::{NotDone, Transaction, loss};

/// What can be made again from the memory of the cluster at any time.
#[derive(Default)]
pub(crate) struct Apps {
    instances: BTreeMap<ProcessId, Instance>,
    /// Pages of open processes that hold nothing but stack: they belong to no memory but a
    /// node's own.
    private: BTreeMap<ProcessId, Range<u32>>,
    modules: BTreeMap<ModuleId, Module>,
    /// How often the node had gone back when these were made.
    resets: u64,
}

/// Why a process cannot run here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum OpenError {
    /// Its transaction did not happen.
    NotDone(NotDone),
    /// Its code cannot be loaded, or its memory not be reserved.
    Unusable(String),
}

impl From<NotDone> for OpenError {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Lost(page, version) => Self::Unusable(loss(page, version)),
            other => Self::NotDone(other),
        }
    }
}

impl Apps {
    /// The instance of a process, if it is open.
    pub(crate) fn get(&mut self, process: ProcessId) -> Option<&mut Instance> {
        self.instances.get_mut(&process)
    }

    /// Whether the page of an open process is private to each node.
    pub(crate) fn is_private(&self, process: ProcessId, index: u32) -> bool {
        let pages = self.private.get(&process);
        pages.is_some_and(|pages| pages.contains(&index))
    }

    /// Drops what may be wrong after this node went back: there may be other modules and
    /// processes of the same numbers soon. To be called between transactions.
    pub(crate) fn follow_resets<P: Platform, D: Disk>(&mut self, core: &mut Core<P, D>) {
        if self.resets != core.resets {
            self.resets = core.resets;
            self.instances.clear();
            self.private.clear();
            self.modules.clear();
            let used = core.dtm.mapped_regions();
            core.memory.keep_views(|region| used.contains(&region));
        }
    }

    /// Closes these processes. To be called between transactions.
    pub(crate) fn close(&mut self, is_closed: impl Fn(ProcessId) -> bool) {
        self.instances.retain(|process, _| !is_closed(*process));
        self.private.retain(|process, _| !is_closed(*process));
    }

    /// Makes the instance of a process, with transactions of its own; gives the initial
    /// contents of its memory, for the one who starts it.
    pub(crate) fn open<P: Platform, D: Disk>(
        &mut self,
        core: &mut Core<P, D>,
        engine: &Engine,
        process: ProcessId,
        module: ModuleId,
    ) -> Result<Image, OpenError> {
        let (loaded, beginning) = self.module(core, engine, module)?;
        let info = description(&beginning)?;
        let region = process.region();
        let stack = info.stack.and_then(|stack| stack.private_pages);
        if !core.memory.has_view(region) {
            let view = core.platform.create();
            let mut view = view.map_err(|error| OpenError::Unusable(error.to_string()))?;
            for page in stack.clone().into_iter().flatten() {
                view.map_private(PageIndex(page));
            }
            core.memory.add_view(region, view);
        }
        self.private.extend(stack.map(|pages| (process, pages)));
        let space = core.memory.view(region).space();
        self.instances.insert(process, Instance::new(loaded, space));
        Ok(beginning.image)
    }

    fn module<P: Platform, D: Disk>(
        &mut self,
        core: &mut Core<P, D>,
        engine: &Engine,
        id: ModuleId,
    ) -> Result<(Module, Beginning), OpenError> {
        let found = core.transact(|pages| {
            let module = modules::get(pages, id)?;
            Ok((module.aot, read_blob(pages, module.info)?))
        });
        let ((aot, beginning), _) = found?;
        let beginning = Beginning::decode(&beginning).map_err(OpenError::Unusable)?;
        if let Some(module) = self.modules.get(&id) {
            return Ok((module.clone(), beginning));
        }
        let read = core.transact(|pages| read_blob(pages, aot));
        let (artefact, _) = read?;
        let module = engine.load(&artefact, &description(&beginning)?);
        let module = module.map_err(|error| OpenError::Unusable(error.to_string()))?;
        self.modules.insert(id, module.clone());
        Ok((module, beginning))
    }
}

fn description(beginning: &Beginning) -> Result<ModuleInfo, OpenError> {
    ModuleInfo::decode(&beginning.info)
        .ok_or_else(|| OpenError::Unusable("the module's description is damaged".into()))
}

/// All bytes of a blob.
pub(crate) fn read_blob<P: Platform, D: Disk>(
    pages: &mut Transaction<'_, P, D>,
    blob: BlobId,
) -> Result<Vec<u8>, kernel::Failure> {
    let length = blobs::length(pages, blob)?;
    let mut bytes = vec![0; usize::try_from(length).expect("blobs fit in memory")];
    blobs::read(pages, blob, 0, &mut bytes)?;
    Ok(bytes)
}
