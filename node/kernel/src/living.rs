//! Whose memory is still needed.
use alloc::vec::Vec;

use crate::processes::{self, Process, ProcessState, TABLE};
use crate::table::Entry;
use crate::{Pages, ProcessId, Stop};

/// The processes whose memory somebody may still use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Living {
    /// These, ascending.
    pub processes: Vec<ProcessId>,
    /// All processes so far have smaller numbers.
    pub end: ProcessId,
}

impl Living {
    /// How many numbers below the end are those of no living process. Grows with every end.
    #[must_use]
    pub fn dead(&self) -> usize {
        self.end.0 as usize - 1 - self.processes.len()
    }
}

/// The processes whose memory is still needed. Nobody will touch that of any other before the
/// end: whoever does reads first, in the same transaction, that its process lives.
///
/// # Errors
/// Only [`Stop`].
pub fn living(pages: &mut impl Pages) -> Result<Living, Stop> {
    let mut living = Vec::new();
    for entry in TABLE.entries(pages)? {
        let id = ProcessId(entry.id());
        let is_needed = match entry {
            Entry::Open(_) => true,
            Entry::Closed(_) => match processes::find(pages, id)? {
                Some(process) => lives(pages, &process)?,
                None => false,
            },
        };
        if is_needed {
            living.push(id);
        }
    }
    Ok(Living {
        processes: living,
        end: ProcessId(TABLE.last(pages)? + 1),
    })
}

/// Whether somebody may use the memory of a process: if it has not ended, or is done and can
/// be called. It can be called as long as its name leads to it.
pub(crate) fn lives(pages: &mut impl Pages, process: &Process) -> Result<bool, Stop> {
    match process.state {
        ProcessState::Loading | ProcessState::Running => Ok(true),
        ProcessState::Done(_) => {
            let newest = processes::by_name(pages, &process.name)?;
            Ok(newest == Some(process.id))
        }
        ProcessState::Exited(_) | ProcessState::Faulted | ProcessState::Cancelled => Ok(false),
    }
}
