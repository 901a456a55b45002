//! One program goes back to what it was, all others go on: a tool has read what that is from
//! an epoch that is kept, and tells it piece by piece.
//!
//! A piece is some transactions, the last of which counts it. What a node takes with it when
//! it dies is missing in the count, too, so the tool writes it again.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use admin::{Piece, Response, Revive, Reviving};
use dtm::Access;
use engine::header;
use kernel::processes::{self, Process, ProgressCount};
use kernel::revival::{self, Finish, Life, LivingWorker, Origin, Token, Unfinished};
use kernel::{BlobId, EntryCall, Event, ModuleId, ProcessId, WorkerId, blobs};
use platform::{Disk, ViewMemory};
use types::limits::LINEAR_PAGES_MAX;
use types::{Duration, Instant, PAGE_SIZE, PageId, ViewNumber};
use wire::Image;

use crate::core::Core;
use crate::deploy::PIECE_BYTES;
use crate::launch::named;
use crate::queries::state_of;
use crate::requests::{Served, Unserved, bad_request};
use crate::{Node, Platform};

/// A tool that has written nothing for so long is given up.
const PATIENCE: Duration = Duration::from_millis(60_000);
/// Pages written by one transaction.
const PAGES_AT_ONCE: usize = PIECE_BYTES / PAGE_SIZE;

/// Programs that are being brought back, as the leader saw them last: how many pieces were
/// written, and since when no more.
#[derive(Default, Debug)]
pub(crate) struct Revivals {
    seen: BTreeMap<ProcessId, (u64, Instant)>,
}

impl Revivals {
    /// Those for which nobody does anything any more, of all that there are now.
    fn abandoned(&mut self, now: Instant, all: &[Unfinished]) -> Vec<Unfinished> {
        let before = core::mem::take(&mut self.seen);
        let mut abandoned = Vec::new();
        for one in all {
            let since = match before.get(&one.process) {
                Some(&(pieces, since)) if pieces == one.pieces => since,
                _ => now,
            };
            self.seen.insert(one.process, (one.pieces, since));
            if now.since(since) >= PATIENCE {
                abandoned.push(*one);
            }
        }
        abandoned
    }
}

impl<P: Platform, D: Disk> Node<P, D> {
    pub(crate) fn revive(&mut self, reviving: &Reviving) -> Served {
        let token = reviving.token;
        match &reviving.order {
            Revive::Begin {
                program,
                module,
                arguments,
                inputs,
            } => {
                let origin = Origin {
                    name: named(program)?,
                    module: ModuleId(*module),
                    arguments: arguments.iter().map(Vec::as_slice).collect(),
                    inputs: inputs
                        .iter()
                        .map(|(name, bytes)| Ok((named(name)?, *bytes)))
                        .collect::<Result<_, Unserved>>()?,
                };
                let (ProcessId(process), stamp) = self.core.transact(|pages| {
                    let station = pages.core.station();
                    revival::begin(pages, station, token, &origin)
                })?;
                Ok((Response::Reviving { process }, Some(stamp)))
            }
            Revive::Fill {
                process,
                number,
                piece,
            } => {
                let next = self.fill(ProcessId(*process), token, *number, piece)?;
                Ok((Response::Filled { next }, None))
            }
            Revive::Finish {
                process,
                pieces,
                life,
            } => {
                let id = ProcessId(*process);
                let life = life_of(life)?;
                let (finish, stamp) = self.core.transact(|pages| {
                    let station = pages.core.station();
                    revival::finish(pages, station, id, token, *pieces, &life)
                })?;
                Ok(match finish {
                    Finish::Done => (Response::Done, Some(stamp)),
                    Finish::Missing(next) => (Response::Filled { next }, None),
                })
            }
            Revive::GiveUp { process } => {
                let id = ProcessId(*process);
                let given_up = self
                    .core
                    .transact(|pages| revival::give_up(pages, id, token));
                Ok((Response::Done, Some(given_up?.1)))
            }
        }
    }

    /// Writes a piece if it is the next one; number of the next one.
    fn fill(
        &mut self,
        id: ProcessId,
        token: Token,
        number: u64,
        piece: &Piece,
    ) -> Result<u64, Unserved> {
        let view = self.core.view_number();
        let next = self
            .core
            .transact_in(view, |pages| revival::next_piece(pages, id, token));
        let ((process, next), _) = next?;
        if number != next {
            return Ok(next);
        }
        match piece {
            Piece::Pages(pages) => self.fill_pages(view, &process, token, pages)?,
            Piece::Input {
                index,
                offset,
                bytes,
            } => {
                let input = self
                    .core
                    .transact_in(view, |pages| processes::input(pages, id, *index));
                let (input, _) = input?;
                self.core.fill_blob(view, input.blob, *offset, bytes)?;
            }
            Piece::Result { offset, bytes } => {
                self.core.fill_blob(view, process.result, *offset, bytes)?;
            }
        }
        let counted = self.core.transact_in(view, |pages| {
            // It may have been given up meanwhile.
            match revival::next_piece(pages, id, token)? {
                (_, found) if found == number => revival::count_piece(pages, id),
                (_, found) => Ok(found),
            }
        });
        Ok(counted?.0)
    }

    fn fill_pages(
        &mut self,
        view: ViewNumber,
        process: &Process,
        token: Token,
        pages: &[(u32, Image)],
    ) -> Result<(), Unserved> {
        if self.apps.get(process.id).is_none() {
            self.apps
                .open(&mut self.core, &self.engine, process.id, process.module)?;
        }
        for (index, _) in pages {
            let is_memory = *index < LINEAR_PAGES_MAX + header::PAGES_MAX;
            if !is_memory || self.apps.is_private(process.id, *index) {
                let found = format!("found {index}");
                return Err(bad_request(format!(
                    "expected pages of a program's memory, {found}"
                )));
            }
        }
        for pages in pages.chunks(PAGES_AT_ONCE) {
            self.core.transact_in(view, |transaction| {
                // It may have been given up meanwhile, and its memory with it.
                revival::next_piece(transaction, process.id, token)?;
                for (index, image) in pages {
                    let page = PageId::new(process.id.region().0, *index);
                    transaction.core.fill_page(page, image)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Nobody brings back what a tool that is gone has begun.
    pub(crate) fn give_up_revivals(&mut self) {
        let Ok((all, _)) = self.core.transact(|pages| revival::unfinished(pages)) else {
            return;
        };
        for one in self.desk.revivals.abandoned(self.core.now, &all) {
            // Who ends now gives up nothing; the next leader looks again.
            let _ = self
                .core
                .transact(|pages| revival::give_up(pages, one.process, one.token));
        }
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    fn fill_page(&mut self, page: PageId, image: &Image) -> Result<(), kernel::Stop> {
        self.access(page, Access::Write)?;
        let mut bytes = [0; PAGE_SIZE];
        image.write_to(&mut bytes);
        if page.is_linear() {
            self.memory.view(page.region).restore(page.index, &bytes);
        } else {
            *self.memory.table_page_mut(page) = bytes;
        }
        Ok(())
    }

    fn fill_blob(
        &mut self,
        view: ViewNumber,
        blob: BlobId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Unserved> {
        let slot = self.station().slot();
        let pieces = bytes.chunks(PIECE_BYTES).zip((0..).step_by(PIECE_BYTES));
        for (piece, within) in pieces {
            let at = offset.saturating_add(within);
            self.transact_in(view, |pages| blobs::write(pages, slot, blob, at, piece))?;
        }
        Ok(())
    }
}

fn life_of(life: &admin::Life) -> Result<Life, Unserved> {
    let workers = life.workers.iter().map(|worker| {
        Ok(LivingWorker {
            id: WorkerId(worker.id),
            call: EntryCall {
                entry: named(&worker.entry)?,
                argument: worker.argument,
            },
            event: worker.event.map(Event),
        })
    });
    Ok(Life {
        state: state_of(life.state),
        main: WorkerId(life.main),
        main_value: life.main_value,
        progress: ProgressCount {
            done: life.done,
            total: life.total,
        },
        fault: String::clone(&life.fault),
        workers: workers.collect::<Result<_, Unserved>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn one(number: u32, pieces: u64) -> Unfinished {
        Unfinished {
            process: ProcessId(number),
            token: Token::MIN,
            pieces,
        }
    }

    #[test]
    fn only_what_nobody_goes_on_with_is_abandoned() {
        let mut revivals = Revivals::default();
        let (slow, dead) = (one(7, 1), one(8, 3));
        assert!(revivals.abandoned(at(0), &[slow, dead]).is_empty());
        assert!(revivals.abandoned(at(59), &[one(7, 2), dead]).is_empty());
        let found = revivals.abandoned(at(60), &[one(7, 2), dead]);
        assert_eq!(found, [dead]);
        assert!(revivals.abandoned(at(61), &[one(7, 2)]).is_empty());
        assert_eq!(revivals.abandoned(at(119), &[one(7, 2)]), [one(7, 2)]);
    }
}
