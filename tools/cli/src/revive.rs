//! Brings one program back as it was in a snapshot, while all others go on.
use std::num::NonZeroU64;

use admin::{Life, LivingWorker, Piece, ProcessState, Revive, Reviving};
use kernel::{Name, processes};
use past::{Bytes, Named, Place, Program, Tables};
use types::{Epoch, PAGE_SIZE};
use wire::Image;

use crate::client::{Client, Written};
use crate::data::DataDir;
use crate::error::Error;
use crate::founding::random;
use crate::past::Source;
use crate::{interrupt, ui};

/// A program that is back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revived {
    /// As this process.
    pub(crate) process: u32,
    /// Pages that it had, in bytes.
    pub(crate) memory_bytes: u64,
}

/// Has the program of this name go back to a snapshot.
///
/// # Errors
/// If the cluster does not run, there is no such snapshot or there was no such program, or
/// something fails on the way; then nothing has changed.
pub(crate) fn revive(data: &DataDir, snapshot: &str, name: &str) -> Result<Revived, Error> {
    // Whoever has had enough of it leaves nothing behind.
    interrupt::watch()?;
    let client = Client::find(data)?;
    let source = Source::open(data)?;
    let resolved = source.resolve(snapshot)?;
    let mut past = source.as_of(Epoch(resolved.epoch));
    let mut tables = Tables::of(past.as_mut());
    let program = find(&mut tables, snapshot, name)?;
    let mut transfer = Transfer {
        client,
        token: NonZeroU64::new(random()).unwrap_or(NonZeroU64::MIN),
        process: 0,
    };
    transfer.process = transfer.client.revive(transfer.order(begin(&program)))?;
    let moved = transfer.bring(&mut tables, &program);
    if moved.is_err() {
        // If nobody hears it, it is given up in a while all the same.
        let process = transfer.process;
        let order = transfer.order(Revive::GiveUp { process });
        let _ = transfer.client.tell_reviving(order);
    }
    Ok(Revived {
        process: transfer.process,
        memory_bytes: moved?,
    })
}

fn find(tables: &mut Tables<'_>, snapshot: &str, name: &str) -> Result<Program, Error> {
    let known = Name::new(name).map_err(|refusal| Error::user(refusal.to_string()))?;
    let expected = format!("expected the name of a program in {snapshot}");
    match Program::find(tables, &known)? {
        Named::Program(program) => Ok(*program),
        Named::Loading(id) => Err(Error::user(format!(
            "expected a program that ran in {snapshot}, found {name} (process {id}) being loaded"
        ))),
        Named::Nothing(names) if names.is_empty() => Err(Error::user(format!(
            "{expected}, found `{name}`, and no program at all then"
        ))),
        Named::Nothing(names) => {
            let names: Vec<_> = names.iter().map(Name::as_str).collect();
            Err(Error::user(format!("{expected}, found `{name}`"))
                .hint(format!("programs then: {}", names.join(", "))))
        }
    }
}

/// What is under way.
struct Transfer {
    client: Client,
    token: NonZeroU64,
    process: u32,
}

impl Transfer {
    /// Moves all pieces and has the program live on; bytes of its memory.
    fn bring(&mut self, tables: &mut Tables<'_>, program: &Program) -> Result<u64, Error> {
        let (process, pieces) = (self.process, program.pieces.len() as u64);
        let bar = ui::progress_bar();
        bar.set_length(pieces);
        let mut number = 0;
        loop {
            interrupt::check()?;
            bar.set_position(number);
            let place = usize::try_from(number).ok();
            let order = match place.and_then(|place| program.pieces.get(place)) {
                Some(place) => Revive::Fill {
                    process,
                    number,
                    piece: read(tables, place)?,
                },
                None => Revive::Finish {
                    process,
                    pieces,
                    life: life(program),
                },
            };
            // A node that has died may have taken some with it: then an earlier one is next.
            match self.client.tell_reviving(self.order(order))? {
                Written::All => break,
                Written::UpTo(next) if next <= pieces => number = next,
                Written::UpTo(next) => {
                    let message = format!("{next} pieces are written of {pieces}");
                    return Err(Error::internal(message));
                }
            }
        }
        bar.finish_and_clear();
        let pages = program.pieces.iter().map(|place| match place {
            Place::Pages(pages) => pages.len() as u64,
            Place::Input { .. } | Place::Result(_) => 0,
        });
        Ok(pages.sum::<u64>() * PAGE_SIZE as u64)
    }

    fn order(&self, order: Revive) -> Reviving {
        let token = self.token;
        Reviving { token, order }
    }
}

fn begin(program: &Program) -> Revive {
    let inputs = program.inputs.iter();
    Revive::Begin {
        program: program.process.name.as_str().to_owned(),
        module: program.process.module.0,
        arguments: program.arguments.clone(),
        inputs: inputs
            .map(|(name, bytes)| (name.as_str().to_owned(), *bytes))
            .collect(),
    }
}

fn read(tables: &mut Tables<'_>, place: &Place) -> Result<Piece, Error> {
    Ok(match place {
        Place::Pages(pages) => {
            let contents = tables.past().read(pages)?;
            let written = pages.iter().zip(contents).filter_map(|(page, content)| {
                let image = content?.image;
                (image != Image::ZERO).then_some((page.index.0, image))
            });
            Piece::Pages(written.collect())
        }
        Place::Input { index, bytes } => Piece::Input {
            index: *index,
            offset: bytes.offset,
            bytes: bytes.read(tables)?,
        },
        Place::Result(bytes @ Bytes { offset, .. }) => Piece::Result {
            offset: *offset,
            bytes: bytes.read(tables)?,
        },
    })
}

fn life(program: &Program) -> Life {
    let life = &program.life;
    let workers = life.workers.iter().map(|worker| LivingWorker {
        id: worker.id.0,
        entry: worker.call.entry.as_str().to_owned(),
        argument: worker.call.argument,
        event: worker.event.map(|event| event.0),
    });
    Life {
        state: state(life.state),
        main: life.main.0,
        main_value: life.main_value,
        done: life.progress.done,
        total: life.progress.total,
        fault: life.fault.clone(),
        workers: workers.collect(),
    }
}

fn state(state: processes::ProcessState) -> ProcessState {
    use processes::ProcessState as Kernel;
    match state {
        Kernel::Loading => ProcessState::Loading,
        Kernel::Running => ProcessState::Running,
        Kernel::Done(value) => ProcessState::Done(value),
        Kernel::Exited(code) => ProcessState::Exited(code),
        Kernel::Faulted => ProcessState::Faulted,
        Kernel::Cancelled => ProcessState::Cancelled,
    }
}
