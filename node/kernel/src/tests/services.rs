//! Services and sessions: bytes in order between two programs, whoever is slow; ends that are
//! closed; labels that change hands.
use alloc::vec;
use alloc::vec::Vec;

use types::{NodeId, Prng};

use super::memory::{Memory, Stops, station};
use crate::channels::program::{self, Passed, Place};
use crate::channels::{Label, RING_BYTES, home, service};
use crate::step::StepEnd;
use crate::{ChannelId, Event, ProcessId, processes, queues};

const NEWS: Event = Event(5);
const ME: NodeId = NodeId(3);

fn place(process: ProcessId) -> Place {
    Place {
        process,
        node: ME,
        station: station(0),
    }
}

fn label() -> Label {
    Label::new("echo").unwrap()
}

fn serve(memory: &mut Memory, process: ProcessId) -> ChannelId {
    memory
        .run(|pages| service::serve(pages, place(process), label(), NEWS))
        .unwrap()
}

fn connect(memory: &mut Memory, process: ProcessId) -> Option<ChannelId> {
    memory
        .run(|pages| service::connect(pages, place(process), label(), NEWS))
        .unwrap()
}

fn read(memory: &mut Memory, process: ProcessId, id: ChannelId, count: usize) -> (Passed, Vec<u8>) {
    let mut buffer = vec![0; count];
    let passed = memory
        .run(|pages| program::read(pages, place(process), id, &mut buffer))
        .unwrap();
    if let Passed::Bytes(count) = passed {
        buffer.truncate(count);
    }
    (passed, buffer)
}

fn write(memory: &mut Memory, process: ProcessId, id: ChannelId, bytes: &[u8]) -> Passed {
    memory
        .run(|pages| program::write(pages, place(process), id, bytes))
        .unwrap()
}

fn close(memory: &mut Memory, process: ProcessId, id: ChannelId) {
    memory
        .run(|pages| program::close(pages, place(process), id))
        .unwrap();
}

/// Two programs, and the ends of their session.
fn session(stops: Stops) -> (Memory, [ProcessId; 2], [ChannelId; 2]) {
    let (mut memory, module) = Memory::with_module(stops);
    let [server, client] = [(); 2].map(|()| memory.start(station(0), module));
    let listener = serve(&mut memory, server);
    let ours = connect(&mut memory, client).unwrap();
    let (_, number) = read(&mut memory, server, listener, 8);
    let theirs = ChannelId(u64::from_le_bytes(number.try_into().unwrap()));
    (memory, [server, client], [theirs, ours])
}

#[test]
fn what_one_end_writes_the_other_reads_in_order_whoever_is_slow() {
    let (mut memory, programs, ends) = session(Stops::Never);
    let mut prng = Prng::new(4);
    let byte = |at: u64| (at % 251).to_le_bytes()[0];
    let (mut written, mut got) = ([0; 2], [0; 2]);
    while got.iter().sum::<u64>() < 4 * RING_BYTES {
        let from = usize::try_from(prng.below(2)).unwrap();
        let to = 1 - from;
        let piece: Vec<u8> = (written[from]..).map(byte).take(200_000).collect();
        let piece = &piece[..usize::try_from(prng.below(200_000)).unwrap()];
        let room = RING_BYTES - (written[from] - got[from]);
        let taken = room.min(piece.len() as u64);
        let passed = write(&mut memory, programs[from], ends[from], piece);
        assert_eq!(passed, Passed::Bytes(usize::try_from(taken).unwrap()));
        written[from] += taken;
        let count = usize::try_from(prng.below(200_000)).unwrap();
        let (_, bytes) = read(&mut memory, programs[to], ends[to], count);
        let expected: Vec<u8> = (got[from]..written[from]).map(byte).take(count).collect();
        assert!(
            bytes == expected,
            "{} bytes from {}",
            bytes.len(),
            got[from]
        );
        got[from] += bytes.len() as u64;
    }
}

#[test]
fn who_closes_is_heard_after_what_he_has_written() {
    for closing in [0, 1] {
        let (mut memory, programs, ends) = session(Stops::Every(1));
        let staying = 1 - closing;
        write(&mut memory, programs[closing], ends[closing], b"farewell");
        close(&mut memory, programs[closing], ends[closing]);
        let (_, bytes) = read(&mut memory, programs[staying], ends[staying], 100);
        assert_eq!(bytes, b"farewell");
        let (passed, _) = read(&mut memory, programs[staying], ends[staying], 100);
        assert_eq!(passed, Passed::End);
        let passed = write(&mut memory, programs[staying], ends[staying], b"x");
        assert_eq!(passed, Passed::Lost);
        let (passed, _) = read(&mut memory, programs[closing], ends[closing], 100);
        assert_eq!(passed, Passed::Lost);
        memory
            .run(|pages| home::free(pages, ends[closing]))
            .unwrap();
        close(&mut memory, programs[staying], ends[staying]);
        memory
            .run(|pages| home::free(pages, ends[staying]))
            .unwrap();
    }
}

#[test]
fn who_waits_for_room_or_for_bytes_is_woken() {
    let (mut memory, programs, ends) = session(Stops::Never);
    let ready = |memory: &mut Memory| {
        let workers = memory.run(|pages| queues::workers(pages, station(0).slot()));
        workers.unwrap().1.len()
    };
    // The worker that is next, waits for the session; how many are left.
    let wait = |memory: &mut Memory, program: ProcessId| {
        let waited = memory.step(station(0), |_, step| {
            assert_eq!(step.process().id, program);
            Ok(StepEnd::Wait(NEWS))
        });
        assert_eq!(waited, Ok(None));
        ready(memory)
    };
    let before = wait(&mut memory, programs[0]);
    write(&mut memory, programs[1], ends[1], b"x");
    assert_eq!(ready(&mut memory), before + 1);
    let flood = vec![1; usize::try_from(RING_BYTES).unwrap()];
    let passed = write(&mut memory, programs[1], ends[1], &flood);
    assert_eq!(passed, Passed::Bytes(flood.len() - 1));
    let before = wait(&mut memory, programs[1]);
    read(&mut memory, programs[0], ends[0], 1);
    assert_eq!(ready(&mut memory), before + 1);
}

#[test]
fn a_label_is_his_who_served_last_and_nobodys_when_he_has_ended() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let [first, second, client] = [(); 3].map(|()| memory.start(station(0), module));
    assert_eq!(connect(&mut memory, client), None);
    let old = serve(&mut memory, first);
    assert!(connect(&mut memory, client).is_some());
    let new = serve(&mut memory, second);
    assert!(connect(&mut memory, client).is_some());
    assert_eq!(read(&mut memory, first, old, 100).1.len(), 8);
    assert_eq!(read(&mut memory, second, new, 100).1.len(), 8);
    let cancelled = memory.run(|pages| processes::cancel(pages, second));
    assert_eq!(cancelled, Ok(true));
    assert_eq!(connect(&mut memory, client), None);
}

#[test]
fn labels_have_1_to_18_bytes() {
    for text in ["", "a label that is too long", "zero\0"] {
        assert!(Label::new(text).is_err(), "{text:?}");
    }
    assert_eq!(
        Label::new("exactly 18 bytes !").unwrap().as_str(),
        "exactly 18 bytes !"
    );
}
