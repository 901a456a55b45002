//! What the kernel knew in an epoch: processes, modules, names, blobs.
use std::fmt;

use kernel::census::{self, Whereabouts};
use kernel::modules::{self, Module};
use kernel::names::{self, Object};
use kernel::processes::{self, ProcessInfo};
use kernel::{BlobId, Failure, ModuleId, Name, ProcessId, Refusal, Worker, blobs, superblock};
use types::Extent;

use crate::{PastError, Tables};

/// All that the kernel knew.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overview {
    /// Processes, oldest first.
    pub processes: Vec<ProcessSeen>,
    /// Modules, oldest first.
    pub modules: Vec<Module>,
    /// Names and what they stood for, by name.
    pub names: Vec<(Name, Object)>,
    /// Large byte objects that belong to somebody, by their addresses.
    pub blobs: Vec<BlobSeen>,
}

/// A process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSeen {
    /// What a list shows of it.
    pub info: ProcessInfo,
    /// Its arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Its workers, unless it has ended.
    pub workers: Vec<(Worker, Whereabouts)>,
}

/// A large byte object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlobSeen {
    /// Which.
    pub blob: BlobId,
    /// What it is.
    pub used_as: BlobUse,
    /// The first extent of its addresses, and how many there are.
    pub extents: (Extent, u32),
    /// Bytes in it.
    pub bytes: u64,
}

/// What a blob is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlobUse {
    /// The code of a module, with barriers.
    Code(ModuleId),
    /// The code of a module, compiled.
    Compiled(ModuleId),
    /// What the engine knows of a module.
    Info(ModuleId),
    /// The arguments of a process.
    Arguments(ProcessId),
    /// A file that came with a process.
    Input(ProcessId, Name),
    /// What a process has put out as its result.
    Result(ProcessId),
}

impl Overview {
    /// Looks at all tables. A memory in which nothing was ever written has nothing in it.
    ///
    /// # Errors
    /// If the past cannot be read, or its tables are of another version.
    pub fn of(tables: &mut Tables<'_>) -> Result<Self, PastError> {
        let is_formatted = tables.look(|pages| match superblock::check(pages) {
            Err(Failure::Refused(Refusal::NotFormatted)) => Ok(false),
            checked => checked.map(|()| true),
        })?;
        if !is_formatted {
            return Ok(Self::default());
        }
        let mut overview = Self {
            processes: processes_of(tables)?,
            modules: tables.look(|pages| {
                let ids = modules::list(pages)?.into_iter();
                ids.map(|id| modules::get(pages, id))
                    .collect::<Result<_, Failure>>()
            })?,
            ..Self::default()
        };
        for bucket in 0..names::BUCKETS {
            let names = tables.look(|pages| names::list(pages, bucket))?;
            overview.names.extend(names);
        }
        overview.names.sort_by_key(|(name, _)| *name);
        overview.find_blobs(tables)?;
        Ok(overview)
    }

    /// The process with this number.
    #[must_use]
    pub fn process(&self, id: ProcessId) -> Option<&ProcessSeen> {
        let mut processes = self.processes.iter();
        processes.find(|seen| seen.info.process.id == id)
    }

    /// The module with this number.
    #[must_use]
    pub fn module(&self, id: ModuleId) -> Option<&Module> {
        self.modules.iter().find(|module| module.id == id)
    }

    fn find_blobs(&mut self, tables: &mut Tables<'_>) -> Result<(), PastError> {
        let mut used = Vec::new();
        for &Module {
            id,
            wasm,
            aot,
            info,
            ..
        } in &self.modules
        {
            used.push((wasm, BlobUse::Code(id)));
            used.push((aot, BlobUse::Compiled(id)));
            used.push((info, BlobUse::Info(id)));
        }
        for ProcessSeen { info, .. } in &self.processes {
            let process = info.process;
            let id = process.id;
            used.push((process.arguments, BlobUse::Arguments(id)));
            used.push((process.result, BlobUse::Result(id)));
            for index in 0..process.input_count {
                let input = tables.look(|pages| processes::input(pages, id, index))?;
                used.push((input.blob, BlobUse::Input(id, input.name)));
            }
        }
        for (blob, used_as) in used {
            self.blobs.extend(see_blob(tables, blob, used_as)?);
        }
        self.blobs.sort_by_key(|seen| seen.extents.0);
        Ok(())
    }
}

fn processes_of(tables: &mut Tables<'_>) -> Result<Vec<ProcessSeen>, PastError> {
    let workers = tables.look(census::workers)?;
    let of = |id: ProcessId| {
        let own = workers.iter().filter(|(worker, _)| worker.process == id);
        own.copied().collect()
    };
    let mut seen = Vec::new();
    for id in tables.look(processes::list)? {
        let info = tables.look(|pages| processes::info(pages, id))?;
        let is_over = info.process.state.is_final();
        seen.push(ProcessSeen {
            info,
            arguments: arguments(tables, id)?,
            workers: if is_over { Vec::new() } else { of(id) },
        });
    }
    Ok(seen)
}

/// None if they are gone already, because the process is being cleared away.
fn arguments(tables: &mut Tables<'_>, id: ProcessId) -> Result<Vec<Vec<u8>>, PastError> {
    tables.look(|pages| match processes::arguments(pages, id) {
        Err(Failure::Refused(_)) => Ok(Vec::new()),
        arguments => arguments,
    })
}

/// `None` if there is none, or it is being cleared away.
fn see_blob(
    tables: &mut Tables<'_>,
    blob: BlobId,
    used_as: BlobUse,
) -> Result<Option<BlobSeen>, PastError> {
    tables.look(|pages| {
        let bytes = match blobs::length(pages, blob) {
            Err(Failure::Refused(_)) => return Ok(None),
            length => length?,
        };
        let extents = blobs::extents(pages, blob)?;
        Ok::<_, Failure>(Some(BlobSeen {
            blob,
            used_as,
            extents,
            bytes,
        }))
    })
}

impl fmt::Display for BlobUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(module) => write!(f, "code of module {module}"),
            Self::Compiled(module) => write!(f, "compiled code of module {module}"),
            Self::Info(module) => write!(f, "description of module {module}"),
            Self::Arguments(process) => write!(f, "arguments of process {process}"),
            Self::Input(process, name) => write!(f, "input {name} of process {process}"),
            Self::Result(process) => write!(f, "result of process {process}"),
        }
    }
}
