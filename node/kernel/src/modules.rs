//! Modules: code that processes run.
//!
//! A deployment is several transactions: [`begin`] reserves the blobs, the code is
//! written to them piece by piece, [`publish`] seals them and binds the name. What is
//! running meanwhile keeps the module it began with.
use alloc::vec::Vec;

use crate::blobs::{self, Progress};
use crate::cell::{Cell, Value, clear_page, record};
use crate::names::{self, Kind, Object};
use crate::region::{self, Counter};
use crate::table::{Entry, Table};
use crate::{BlobId, Failure, ModuleId, Name, Pages, Refusal, Stop};

const TABLE: Table = Table {
    index: region::module_table(),
    counter: Counter::Modules,
};

/// How far a module is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModuleState {
    /// Its blobs are being written.
    Deploying,
    /// Processes can run it.
    Ready,
    /// Its blobs are being cleared.
    Removed,
}

impl Value for ModuleState {
    const SIZE: usize = 1;

    fn load(bytes: &[u8]) -> Self {
        match bytes[0] {
            0 => Self::Deploying,
            1 => Self::Ready,
            2 => Self::Removed,
            state => panic!("module in state {state}, expected 0 to 2"),
        }
    }

    fn store(&self, bytes: &mut [u8]) {
        bytes[0] = match self {
            Self::Deploying => 0,
            Self::Ready => 1,
            Self::Removed => 2,
        };
    }
}

record! {
    /// A deployed module.
    pub struct Module {
        /// Its number.
        pub id: ModuleId,
        /// How far it is.
        pub state: ModuleState,
        /// Its name; the directory leads to the newest module of that name.
        pub name: Name,
        /// Hash of the code as it was deployed; equal hashes, equal modules.
        pub hash: [u8; 32],
        /// The code with barriers.
        pub wasm: BlobId,
        /// The code compiled ahead of time.
        pub aot: BlobId,
        /// What the engine must know about it, opaque here.
        pub info: BlobId,
        /// Processes that have not been reaped.
        pub users: u32,
    }
}

/// What a deployment brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewModule {
    /// Its name.
    pub name: Name,
    /// Hash of the code as it was deployed.
    pub hash: [u8; 32],
    /// Length of the code with barriers.
    pub wasm_bytes: u64,
    /// Length of the compiled code.
    pub aot_bytes: u64,
    /// Length of what the engine must know.
    pub info_bytes: u64,
}

/// Reserves a module and its blobs.
///
/// # Errors
/// If a table is full or a blob too long.
pub fn begin(pages: &mut impl Pages, new: &NewModule) -> Result<Module, Failure> {
    let id = ModuleId(TABLE.allocate(pages)?);
    let module = Module {
        id,
        state: ModuleState::Deploying,
        name: new.name,
        hash: new.hash,
        wasm: blobs::create(pages, new.wasm_bytes)?,
        aot: blobs::create(pages, new.aot_bytes)?,
        info: blobs::create(pages, new.info_bytes)?,
        users: 0,
    };
    cell(id).set(pages, module)?;
    Ok(module)
}

/// Seals the blobs and makes the name stand for this module; returns the module for
/// which it stood before. Publishing twice is no error.
///
/// # Errors
/// If there is no such module, or no room for the name.
pub fn publish(pages: &mut impl Pages, id: ModuleId) -> Result<Option<ModuleId>, Failure> {
    let mut module = get(pages, id)?;
    match module.state {
        ModuleState::Deploying => {}
        ModuleState::Ready => return Ok(None),
        ModuleState::Removed => return Err(Refusal::NoSuchModule(id).into()),
    }
    for blob in module.blobs() {
        blobs::seal(pages, blob)?;
    }
    module.state = ModuleState::Ready;
    cell(id).set(pages, module)?;
    match names::bind(pages, &module.name, Object::Module(id))? {
        Some(Object::Module(before)) => Ok(Some(before)),
        _ => Ok(None),
    }
}

/// A module.
///
/// # Errors
/// If it does not exist.
pub fn get(pages: &mut impl Pages, id: ModuleId) -> Result<Module, Failure> {
    if TABLE.contains(pages, id.0)? {
        Ok(cell(id).get(pages)?)
    } else {
        Err(Refusal::NoSuchModule(id).into())
    }
}

/// The newest module of a name.
///
/// # Errors
/// Only [`Stop`].
pub fn by_name(pages: &mut impl Pages, name: &Name) -> Result<Option<ModuleId>, Stop> {
    match names::lookup(pages, Kind::Module, name)? {
        Some(Object::Module(id)) => Ok(Some(id)),
        _ => Ok(None),
    }
}

/// All modules, oldest first.
///
/// # Errors
/// Only [`Stop`].
pub fn list(pages: &mut impl Pages) -> Result<Vec<ModuleId>, Stop> {
    let entries = TABLE.entries(pages)?;
    Ok(entries.into_iter().map(Entry::id).map(ModuleId).collect())
}

/// Removes a module that no process uses; clears up to `pages_max` pages of its code.
///
/// # Errors
/// If it does not exist or is in use.
pub fn remove(pages: &mut impl Pages, id: ModuleId, pages_max: u32) -> Result<Progress, Failure> {
    let mut module = get(pages, id)?;
    if module.users > 0 {
        return Err(Refusal::ModuleInUse {
            users: module.users,
        }
        .into());
    }
    names::unbind(pages, &module.name, Object::Module(id))?;
    module.state = ModuleState::Removed;
    let left = module.blobs().into_iter().find(|&blob| blob != BlobId(0));
    if let Some(blob) = left {
        if blobs::free(pages, blob, pages_max)? == Progress::Done {
            module.forget(blob);
        }
        cell(id).set(pages, module)?;
        return Ok(Progress::More);
    }
    clear_page(pages, region::module_record(id.0))?;
    TABLE.remove(pages, id.0)?;
    Ok(Progress::Done)
}

/// Keeps a module for one more process.
pub(crate) fn acquire(pages: &mut impl Pages, id: ModuleId) -> Result<(), Failure> {
    let mut module = get(pages, id)?;
    if module.state != ModuleState::Ready {
        return Err(Refusal::ModuleNotReady(id).into());
    }
    module.users += 1;
    Ok(cell(id).set(pages, module)?)
}

/// Gives a module back.
pub(crate) fn release(pages: &mut impl Pages, id: ModuleId) -> Result<(), Stop> {
    cell(id).update(pages, |module| module.users -= 1)?;
    Ok(())
}

impl Module {
    fn blobs(&self) -> [BlobId; 3] {
        [self.wasm, self.aot, self.info]
    }

    fn forget(&mut self, gone: BlobId) {
        for blob in [&mut self.wasm, &mut self.aot, &mut self.info] {
            if *blob == gone {
                *blob = BlobId(0);
            }
        }
    }
}

fn cell(id: ModuleId) -> Cell<Module> {
    Cell::first(region::module_record(id.0))
}
