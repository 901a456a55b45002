//! The cluster-wide directory: names of modules and of processes.
//!
//! A name lies on the page of its bucket, or on one of the next pages when that was
//! full at the time. A page remembers that names were passed on, so that a look-up
//! of a name that does not exist usually reads one page.
use alloc::vec::Vec;

use crate::cell::{Cell, Value, record};
use crate::{Failure, ModuleId, Name, Pages, ProcessId, Refusal, Stop, region};

/// Pages of the directory.
pub const BUCKETS: u32 = 256;
/// Pages on which a name may lie.
const PROBES_MAX: u32 = 8;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Object {
    /// A module.
    Module(ModuleId),
    /// A process.
    Process(ProcessId),
}

/// Modules and processes have names of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Names of modules.
    Module,
    /// Names of processes.
    Process,
}

record! {
    struct BucketHeader {
        passed_on: u32,
    }
}

record! {
    /// Kind 0 is a free entry.
    struct NameEntry {
        kind: u8,
        id: u32,
        name: Name,
    }
}

const ENTRIES: usize = Cell::<NameEntry>::per_page(BucketHeader::SIZE);

/// What a walk over a name's pages found.
struct Found {
    entry: Option<(Cell<NameEntry>, NameEntry)>,
    free: Option<(u32, Cell<NameEntry>)>,
}

/// What the name stands for.
///
/// # Errors
/// Only [`Stop`].
pub fn lookup(pages: &mut impl Pages, kind: Kind, name: &Name) -> Result<Option<Object>, Stop> {
    let found = find(pages, kind, name)?;
    Ok(found.entry.map(|(_, entry)| entry.object()))
}

/// Makes the name stand for the object; returns what it stood for before.
///
/// # Errors
/// If there is no room for the name.
pub fn bind(
    pages: &mut impl Pages,
    name: &Name,
    object: Object,
) -> Result<Option<Object>, Failure> {
    let new = NameEntry::new(name, object);
    let found = find(pages, object.kind(), name)?;
    if let Some((cell, entry)) = found.entry {
        cell.set(pages, new)?;
        return Ok(Some(entry.object()));
    }
    let (probe, cell) = found.free.ok_or(Refusal::DirectoryFull)?;
    let first = bucket_of(name);
    for passed in 0..probe {
        header(first + passed).set(pages, BucketHeader { passed_on: 1 })?;
    }
    cell.set(pages, new)?;
    Ok(None)
}

/// Frees the name if it stands for the object.
///
/// # Errors
/// Only [`Stop`].
pub fn unbind(pages: &mut impl Pages, name: &Name, object: Object) -> Result<(), Stop> {
    match find(pages, object.kind(), name)?.entry {
        Some((cell, entry)) if entry.object() == object => cell.set(
            pages,
            NameEntry {
                kind: 0,
                id: 0,
                name: Name::EMPTY,
            },
        ),
        _ => Ok(()),
    }
}

/// The names of one bucket, for those who list all [`BUCKETS`] of them.
///
/// # Errors
/// Only [`Stop`].
pub fn list(pages: &mut impl Pages, bucket: u32) -> Result<Vec<(Name, Object)>, Stop> {
    let mut names = Vec::new();
    for index in 0..ENTRIES {
        let entry = cell(bucket, index).get(pages)?;
        if entry.kind != 0 {
            names.push((entry.name, entry.object()));
        }
    }
    Ok(names)
}

fn find(pages: &mut impl Pages, kind: Kind, name: &Name) -> Result<Found, Stop> {
    let first = bucket_of(name);
    let mut found = Found {
        entry: None,
        free: None,
    };
    for probe in 0..PROBES_MAX {
        for index in 0..ENTRIES {
            let cell = cell(first + probe, index);
            let entry = cell.get(pages)?;
            if entry.kind == kind.tag() && entry.name == *name {
                found.entry = Some((cell, entry));
                return Ok(found);
            }
            if entry.kind == 0 && found.free.is_none() {
                found.free = Some((probe, cell));
            }
        }
        let passed_on = header(first + probe).get(pages)?.passed_on != 0;
        if found.free.is_some() && !passed_on {
            break;
        }
    }
    Ok(found)
}

fn header(bucket: u32) -> Cell<BucketHeader> {
    Cell::first(region::name_bucket(bucket % BUCKETS))
}

fn cell(bucket: u32, index: usize) -> Cell<NameEntry> {
    let offset = BucketHeader::SIZE + index * NameEntry::SIZE;
    Cell::at(region::name_bucket(bucket % BUCKETS), offset)
}

/// FNV-1a: names are short and nobody gains by making them collide.
fn bucket_of(name: &Name) -> u32 {
    let hash = name.as_str().bytes().fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (hash ^ (hash >> 16)) % BUCKETS
}

impl Object {
    fn kind(self) -> Kind {
        match self {
            Self::Module(_) => Kind::Module,
            Self::Process(_) => Kind::Process,
        }
    }
}

impl Kind {
    fn tag(self) -> u8 {
        match self {
            Self::Module => 1,
            Self::Process => 2,
        }
    }
}

impl NameEntry {
    fn new(name: &Name, object: Object) -> Self {
        let (Object::Module(ModuleId(id)) | Object::Process(ProcessId(id))) = object;
        Self {
            kind: object.kind().tag(),
            id,
            name: *name,
        }
    }

    fn object(&self) -> Object {
        match self.kind {
            1 => Object::Module(ModuleId(self.id)),
            2 => Object::Process(ProcessId(self.id)),
            kind => panic!("directory entry of kind {kind}, expected 1 or 2"),
        }
    }
}
