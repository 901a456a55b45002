//! Channels: bytes in order in both directions, whoever is slow; numbers of others, and of what
//! was forgotten; homes that are gone.
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use types::{NodeId, Prng};

use super::memory::{Memory, Stops, station};
use crate::channels::home::{self, Rings};
use crate::channels::program::{self, Passed, Place};
use crate::channels::{
    Address, Channel, ChannelRefusal, Kind, RING_BYTES, Release, Schedule, inherit,
};
use crate::step::StepEnd;
use crate::{ChannelId, Event, ProcessId, Slot, queues};

const ME: NodeId = NodeId(7);
const READY: Event = Event(33);

fn place(process: ProcessId) -> Place {
    Place {
        process,
        node: ME,
        station: station(0),
    }
}

fn address() -> Address {
    Address::new("127.0.0.1:80".parse().unwrap())
}

fn listen(memory: &mut Memory, process: ProcessId) -> (ChannelId, Channel) {
    let at = address().get();
    let id = memory
        .run(|pages| {
            program::listen(
                pages,
                place(process),
                (Kind::Listener, at),
                Release::AtStable,
                READY,
            )
        })
        .unwrap();
    (id, find(memory, id).unwrap())
}

fn find(memory: &mut Memory, id: ChannelId) -> Option<Channel> {
    memory.run(|pages| home::find(pages, id)).unwrap()
}

fn connect(
    memory: &mut Memory,
    listener: (ChannelId, Channel),
    socket: u64,
) -> (ChannelId, Channel) {
    let (id, channel) = listener;
    memory
        .run(|pages| home::connect(pages, station(0), (id, &channel), socket, address()))
        .unwrap()
        .unwrap()
}

fn accept(memory: &mut Memory, process: ProcessId, listener: ChannelId) -> Option<ChannelId> {
    let mut number = [0; 8];
    let read = memory.run(|pages| program::read(pages, place(process), listener, &mut number));
    (read.unwrap() == Passed::Bytes(8)).then(|| ChannelId(u64::from_le_bytes(number)))
}

/// A process with a connection that it has accepted.
fn connected(stops: Stops) -> (Memory, ProcessId, ChannelId, Channel) {
    let (mut memory, module) = Memory::with_module(stops);
    let process = memory.start(station(0), module);
    let listener = listen(&mut memory, process);
    let (id, channel) = connect(&mut memory, listener, 5);
    assert_eq!(accept(&mut memory, process, listener.0), Some(id));
    assert_eq!(accept(&mut memory, process, listener.0), None);
    (memory, process, id, channel)
}

/// The part of a number that says where the channel is.
fn low(id: ChannelId) -> u32 {
    u32::try_from(id.0 & 0xFFFF_FFFF).unwrap()
}

fn bytes(from: u64, count: u64) -> Vec<u8> {
    (from..from + count)
        .map(|at| (at % 251).to_le_bytes()[0])
        .collect()
}

#[test]
fn what_comes_is_read_in_order_whatever_the_pieces() {
    let (mut memory, process, id, channel) = connected(Stops::Never);
    let mut prng = Prng::new(1);
    let (mut came, mut read) = (0, 0);
    while read < 3 * RING_BYTES {
        let piece = bytes(came, prng.below(100_000));
        let is_room = came - read < RING_BYTES;
        let given = memory
            .run(|pages| home::deliver(pages, station(0), (id, &channel), &piece, false))
            .unwrap() as u64;
        assert_eq!(given, (RING_BYTES - (came - read)).min(piece.len() as u64));
        assert!(is_room || given == 0);
        came += given;
        let mut buffer = vec![0; usize::try_from(prng.below(90_000)).unwrap()];
        let passed = memory
            .run(|pages| program::read(pages, place(process), id, &mut buffer))
            .unwrap();
        let Passed::Bytes(count) = passed else {
            panic!("{passed:?}")
        };
        assert_eq!(count as u64, (buffer.len() as u64).min(came - read));
        assert_eq!(buffer[..count], bytes(read, count as u64));
        read += count as u64;
    }
}

#[test]
fn what_is_written_is_collected_in_order_and_waits_for_room() {
    let (mut memory, process, id, channel) = connected(Stops::Never);
    let mut prng = Prng::new(2);
    let (mut written, mut collected, mut sent) = (0, 0, 0);
    while sent < 3 * RING_BYTES {
        let piece = bytes(written, prng.below(200_000));
        let passed = memory
            .run(|pages| program::write(pages, place(process), id, &piece))
            .unwrap();
        let room = RING_BYTES - (written - sent);
        let taken = room.min(piece.len() as u64);
        assert_eq!(passed, Passed::Bytes(usize::try_from(taken).unwrap()));
        written += taken;
        let state = memory.run(|pages| home::state(pages, id)).unwrap();
        assert_eq!((state.written, state.sent), (written, sent));
        assert_eq!(state.is_blocked, taken < piece.len() as u64);
        let found = memory
            .run(|pages| home::collect(pages, id, collected, 150_000))
            .unwrap();
        assert_eq!(found, bytes(collected, found.len() as u64));
        collected += found.len() as u64;
        sent = collected - prng.below(collected - sent + 1);
        memory
            .run(|pages| home::set_sent(pages, station(0), (id, &channel), sent))
            .unwrap();
    }
}

#[test]
fn short_talk_stays_on_few_pages() {
    let (mut memory, process, id, channel) = connected(Stops::Never);
    let mut written = BTreeSet::new();
    for round in 0..2000 {
        let at = 100 * round;
        memory
            .run(|pages| home::deliver(pages, station(0), (id, &channel), &bytes(at, 100), false))
            .unwrap();
        written.append(&mut memory.written);
        let mut buffer = [0; 100];
        memory
            .run(|pages| {
                program::read(pages, place(process), id, &mut buffer)?;
                program::write(pages, place(process), id, &buffer)
            })
            .unwrap();
        written.append(&mut memory.written);
        memory
            .run(|pages| {
                home::take_rings(pages, ME)?;
                home::set_sent(pages, station(0), (id, &channel), at + 100)
            })
            .unwrap();
    }
    // A page each way, and the doorbell.
    assert_eq!(written.len(), 3);
}

#[test]
fn the_end_comes_after_the_last_byte_and_a_loss_is_told() {
    let (mut memory, process, id, channel) = connected(Stops::Every(1));
    let read = |memory: &mut Memory| {
        let mut buffer = [0; 2];
        memory
            .run(|pages| program::read(pages, place(process), id, &mut buffer))
            .unwrap()
    };
    assert_eq!(read(&mut memory), Passed::Bytes(0));
    memory
        .run(|pages| home::deliver(pages, station(0), (id, &channel), b"abc", true))
        .unwrap();
    let passed = [2, 1].map(Passed::Bytes);
    assert_eq!([read(&mut memory), read(&mut memory)], passed);
    assert_eq!(read(&mut memory), Passed::End);
    memory
        .run(|pages| home::lose(pages, station(0), (id, &channel)))
        .unwrap();
    assert_eq!(read(&mut memory), Passed::Lost);
    let written = memory.run(|pages| program::write(pages, place(process), id, b"x"));
    assert_eq!(written, Ok(Passed::Lost));
}

#[test]
fn numbers_of_others_and_of_what_is_forgotten_are_lost() {
    let (mut memory, process, id, _) = connected(Stops::Every(1));
    let lost = |memory: &mut Memory, process, id| {
        let mut buffer = [0; 2];
        memory
            .run(|pages| program::close(pages, place(process), id))
            .unwrap();
        memory.run(|pages| program::read(pages, place(process), id, &mut buffer))
            == Ok(Passed::Lost)
    };
    assert!(lost(&mut memory, ProcessId(99), id));
    assert!(
        !memory
            .run(|pages| home::state(pages, id))
            .unwrap()
            .is_closed
    );
    for nobody in [0, 1, u64::MAX, id.0 + (1 << 32)] {
        assert!(lost(&mut memory, process, ChannelId(nobody)));
    }
    memory
        .run(|pages| program::write(pages, place(process), id, &bytes(0, 9000)))
        .unwrap();
    assert!(lost(&mut memory, process, id));
    memory.run(|pages| home::free(pages, id)).unwrap();
    assert_eq!(find(&mut memory, id), None);
    // Its place is used again, and nothing is left there.
    let mut seen = vec![];
    for _ in 0..crate::region::CHANNELS_PER_SLOT - 1 {
        seen.push(listen(&mut memory, process).0);
    }
    assert!(!seen.contains(&id));
    let again = *seen.iter().find(|one| low(**one) == low(id)).unwrap();
    let state = memory.run(|pages| home::state(pages, again)).unwrap();
    assert!(state.written == 0 && !state.is_closed);
    let full = memory.run(|pages| {
        let at = address().get();
        program::listen(
            pages,
            place(process),
            (Kind::Listener, at),
            Release::AtCommit,
            READY,
        )
    });
    assert_eq!(full, Err(ChannelRefusal::TooManyChannels.into()));
}

#[test]
fn who_waits_for_a_channel_is_woken_by_what_comes() {
    let (mut memory, _, id, channel) = connected(Stops::Every(1));
    let slot = Slot::new(0).unwrap();
    let is_ready = |memory: &mut Memory| {
        let (held, queued) = memory.run(|pages| queues::workers(pages, slot)).unwrap();
        held.is_some() || !queued.is_empty()
    };
    let deliver = |memory: &mut Memory, bytes: &[u8]| {
        memory
            .run(|pages| home::deliver(pages, station(0), (id, &channel), bytes, false))
            .unwrap()
    };
    memory
        .step(station(0), |_, _| Ok(StepEnd::Wait(READY)))
        .unwrap();
    deliver(&mut memory, b"");
    assert!(!is_ready(&mut memory));
    deliver(&mut memory, b"x");
    assert!(is_ready(&mut memory));
}

#[test]
fn a_home_hears_of_every_channel_once_however_many() {
    let (mut memory, process, _, _) = connected(Stops::Never);
    memory.run(|pages| home::take_rings(pages, ME)).unwrap();
    let channels: VecDeque<ChannelId> = (0..1500).map(|_| listen(&mut memory, process).0).collect();
    assert_eq!(
        memory.run(|pages| home::take_rings(pages, ME)),
        Ok(Rings::All)
    );
    for &id in channels.iter().take(5).chain(channels.iter().take(5)) {
        memory
            .run(|pages| program::close(pages, place(process), id))
            .unwrap();
    }
    let rung = memory.run(|pages| home::take_rings(pages, ME)).unwrap();
    let expected = channels.iter().take(5).map(|id| low(*id)).collect();
    assert_eq!(rung, Rings::Some(expected));
    assert_eq!(
        memory.run(|pages| home::take_rings(pages, ME)),
        Ok(Rings::Some(vec![]))
    );
    assert_eq!(memory.written.len(), 0);
}

#[test]
fn channels_of_a_node_that_is_gone_are_taken_over() {
    let (mut memory, process, id, _) = connected(Stops::Never);
    let listener = memory.run(|pages| home::all(pages, ME)).unwrap()[0].0;
    let other = NodeId(8);
    let mut from = Some(0);
    let mut adopted = vec![];
    while let Some(at) = from {
        let part = memory
            .run(|pages| home::adopt(pages, station(1), other, |node| node != ME, at))
            .unwrap();
        adopted.extend(part.channels);
        from = part.next;
    }
    assert_eq!(adopted, [listener, id]);
    let all = memory.run(|pages| home::all(pages, other)).unwrap();
    assert_eq!(all.len(), 2);
    let mut buffer = [0; 8];
    let passed = memory.run(|pages| program::read(pages, place(process), id, &mut buffer));
    assert_eq!(passed, Ok(Passed::Lost));
    let passed = memory.run(|pages| program::read(pages, place(process), listener, &mut buffer));
    assert_eq!(passed, Ok(Passed::Bytes(0)));
}

#[test]
fn a_timer_ticks_when_its_time_has_come_and_once_for_all_that_was_missed() {
    let (mut memory, process, ..) = connected(Stops::Every(1));
    let set = |memory: &mut Memory, period| {
        let schedule = Schedule { next: 100, period };
        memory
            .run(|pages| program::set_timer(pages, place(process), schedule, READY))
            .unwrap()
    };
    let tick = |memory: &mut Memory, id, now| {
        let channel = find(memory, id).unwrap();
        memory
            .run(|pages| home::tick(pages, station(0), (id, &channel), now))
            .unwrap()
    };
    let read = |memory: &mut Memory, id| {
        let mut time = [0; 8];
        let passed = memory.run(|pages| program::read(pages, place(process), id, &mut time));
        (passed.unwrap(), u64::from_le_bytes(time))
    };
    let often = set(&mut memory, 10);
    assert_eq!(tick(&mut memory, often, 99), 100);
    assert_eq!(read(&mut memory, often).0, Passed::Bytes(0));
    assert_eq!(tick(&mut memory, often, 100), 110);
    assert_eq!(tick(&mut memory, often, 139), 140);
    assert_eq!(tick(&mut memory, often, 139), 140);
    assert_eq!(read(&mut memory, often), (Passed::Bytes(8), 100));
    assert_eq!(read(&mut memory, often), (Passed::Bytes(8), 130));
    assert_eq!(read(&mut memory, often).0, Passed::Bytes(0));
    let once = set(&mut memory, 0);
    assert_eq!(tick(&mut memory, once, 1000), u64::MAX);
    assert_eq!(tick(&mut memory, once, 2000), u64::MAX);
    assert_eq!(read(&mut memory, once), (Passed::Bytes(8), 100));
    assert_eq!(read(&mut memory, once).0, Passed::End);
}

#[test]
fn who_takes_a_programs_place_has_its_listeners_and_not_its_connections() {
    let (mut memory, process, id, _) = connected(Stops::Every(1));
    let listener = memory.run(|pages| home::all(pages, ME)).unwrap()[0].0;
    let heir = ProcessId(process.0 + 1);
    memory
        .run(|pages| inherit(pages, station(0).slot(), process, heir))
        .unwrap();
    let read = |memory: &mut Memory, process, id| {
        let mut buffer = [0; 8];
        memory
            .run(|pages| program::read(pages, place(process), id, &mut buffer))
            .unwrap()
    };
    assert_eq!(read(&mut memory, heir, listener), Passed::Bytes(0));
    assert_eq!(read(&mut memory, process, listener), Passed::Lost);
    assert_eq!(read(&mut memory, heir, id), Passed::Lost);
    assert_eq!(read(&mut memory, process, id), Passed::Bytes(0));
}

#[test]
fn a_place_that_was_used_is_used_again_before_a_new_one() {
    let (mut memory, module) = Memory::with_module(Stops::Every(2));
    let process = memory.start(station(0), module);
    let mut places = BTreeSet::new();
    for round in 1..20 {
        let made = [(); 3].map(|()| listen(&mut memory, process).0);
        places.extend(made.map(low));
        assert_eq!(places.len(), 3, "round {round}");
        for id in made {
            memory
                .run(|pages| {
                    program::close(pages, place(process), id)?;
                    home::free(pages, id)
                })
                .unwrap();
        }
    }
}
