//! One program as it was: all that it takes to bring it back.
use kernel::processes::{self, ProcessState};
use kernel::revival::{self, Life};
use kernel::{BlobId, Failure, Name, Pages, ProcessId, Refusal, blobs};
use types::PageId;
use wire::PAST_PAGES_MAX;

use crate::{PastError, Tables};

/// Bytes of a blob read at a time.
const PIECE_BYTES: u64 = 512 << 10;

/// A program as it was in an epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The newest process of its name then.
    pub process: processes::Process,
    /// Its arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Names of its inputs, and their lengths in bytes.
    pub inputs: Vec<(Name, u64)>,
    /// How it lived.
    pub life: Life,
    /// Where its memory, its inputs and its result lay, piece by piece. All else was zeroes.
    pub pieces: Vec<Place>,
}

/// Where a piece of what a program had lay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Pages of its region.
    Pages(Vec<PageId>),
    /// Bytes of an input.
    Input {
        /// Which, from 0 on.
        index: u32,
        /// Where they were.
        bytes: Bytes,
    },
    /// Bytes of its result.
    Result(Bytes),
}

/// A part of a large byte object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bytes {
    /// The object.
    pub blob: BlobId,
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub length: usize,
}

/// What there was of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Named {
    /// A program.
    Program(Box<Program>),
    /// A process that had not begun to run.
    Loading(ProcessId),
    /// Nothing; these are the names that there were.
    Nothing(Vec<Name>),
}

impl Program {
    /// The program of a name.
    ///
    /// # Errors
    /// If the past cannot be read.
    pub fn find(tables: &mut Tables<'_>, name: &Name) -> Result<Named, PastError> {
        let Some(id) = tables.look(|pages| processes::by_name(pages, name))? else {
            return Ok(Named::Nothing(names(tables)?));
        };
        let process = tables.look(|pages| processes::get(pages, id))?;
        if process.state == ProcessState::Loading {
            return Ok(Named::Loading(id));
        }
        let mut program = Self {
            process,
            arguments: tables.look(|pages| processes::arguments(pages, id))?,
            inputs: Vec::new(),
            life: tables.look(|pages| revival::life(pages, id))?,
            pieces: Vec::new(),
        };
        program.find_inputs(tables)?;
        let (blob, length) = tables.look(|pages| sized(pages, process.result))?;
        program.pieces.extend(cut(blob, length).map(Place::Result));
        program.find_pages(tables)?;
        Ok(Named::Program(Box::new(program)))
    }

    fn find_inputs(&mut self, tables: &mut Tables<'_>) -> Result<(), PastError> {
        let Self {
            process,
            inputs,
            pieces,
            ..
        } = self;
        for index in 0..process.input_count {
            let input = tables.look(|pages| processes::input(pages, process.id, index))?;
            let (blob, length) = tables.look(|pages| sized(pages, input.blob))?;
            inputs.push((input.name, length));
            let places = cut(blob, length).map(|bytes| Place::Input { index, bytes });
            pieces.extend(places);
        }
        Ok(())
    }

    fn find_pages(&mut self, tables: &mut Tables<'_>) -> Result<(), PastError> {
        let region = self.process.id.region();
        let past = tables.past();
        let mut all = Vec::new();
        let mut extents = past.extents()?;
        extents.retain(|extent| extent.region == region);
        for extent in extents {
            all.extend(past.pages(extent)?.into_iter().map(|(page, ..)| page));
        }
        let pieces = all.chunks(PAST_PAGES_MAX);
        self.pieces
            .extend(pieces.map(|pages| Place::Pages(pages.to_vec())));
        Ok(())
    }
}

impl Bytes {
    /// What they were.
    ///
    /// # Errors
    /// If the past cannot be read.
    pub fn read(&self, tables: &mut Tables<'_>) -> Result<Vec<u8>, PastError> {
        let mut bytes = vec![0; self.length];
        let read = tables.look(|pages| blobs::read(pages, self.blob, self.offset, &mut bytes))?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// All names that led to processes, in order.
fn names(tables: &mut Tables<'_>) -> Result<Vec<Name>, PastError> {
    let mut names = Vec::new();
    for id in tables.look(processes::list)? {
        names.push(tables.look(|pages| processes::get(pages, id))?.name);
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// A blob with its length; without any if it is being cleared away.
fn sized(pages: &mut impl Pages, blob: BlobId) -> Result<(BlobId, u64), Failure> {
    match blobs::length(pages, blob) {
        Err(Failure::Refused(Refusal::NoSuchBlob(_) | Refusal::BlobFreed(_))) => Ok((blob, 0)),
        length => Ok((blob, length?)),
    }
}

fn cut(blob: BlobId, length: u64) -> impl Iterator<Item = Bytes> {
    let step = usize::try_from(PIECE_BYTES).expect("half a MiB");
    (0..length).step_by(step).map(move |offset| Bytes {
        blob,
        offset,
        length: usize::try_from(PIECE_BYTES.min(length - offset)).expect("half a MiB at most"),
    })
}
