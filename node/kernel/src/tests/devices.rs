//! Devices: objects that outlive their drivers, lines that go to whoever drives, drivers that fail.
use alloc::vec;
use alloc::vec::Vec;

use types::NodeId;

use super::memory::{Memory, Stops, station};
use crate::channels::device::{self, Device, OBJECT_BYTES_MAX, Verdict};
use crate::channels::home::{self, Rings};
use crate::channels::program::{self, Passed, Place};
use crate::channels::{Address, Channel, ChannelRefusal, Home, Kind, Label, Release};
use crate::processes::{self, ProcessState};
use crate::step::{self, Taken};
use crate::{ChannelId, Event, ProcessId, Refusal};

const NEWS: Event = Event(5);
const ME: NodeId = NodeId(3);
const SECOND: u64 = 1_000_000_000;

fn place(process: ProcessId) -> Place {
    Place {
        process,
        node: ME,
        station: station(0),
    }
}

fn attach(memory: &mut Memory, process: ProcessId) -> ChannelId {
    let label = Label::new("lamp").unwrap();
    memory
        .run(|pages| device::attach(pages, place(process), label, Release::AtStable, NEWS))
        .unwrap()
}

/// The device begins a line; none if nobody drives it.
fn begin_line(memory: &mut Memory, id: ChannelId) -> Option<(ChannelId, Channel)> {
    let peer = Address::new("0.0.0.0:0".parse().unwrap());
    memory
        .run(|pages| {
            let channel = home::find(pages, id)?.expect("devices stay");
            home::connect(pages, station(0), (id, &channel), 9, peer)
        })
        .unwrap()
}

fn read(memory: &mut Memory, process: ProcessId, id: ChannelId) -> (Passed, Vec<u8>) {
    let mut buffer = vec![0; 8];
    let passed = memory
        .run(|pages| program::read(pages, place(process), id, &mut buffer))
        .unwrap();
    (passed, buffer)
}

fn object(memory: &mut Memory, process: ProcessId, id: ChannelId, offset: u64) -> Vec<u8> {
    let mut buffer = vec![0; 10_000];
    let passed = memory
        .run(|pages| device::read_object(pages, process, id, offset, &mut buffer))
        .unwrap();
    match passed {
        Passed::Bytes(count) => buffer[..count].to_vec(),
        other => panic!("expected an object, found {other:?}"),
    }
}

fn write_object(
    memory: &mut Memory,
    process: ProcessId,
    id: ChannelId,
    offset: u64,
    bytes: &[u8],
) -> Result<Passed, Refusal> {
    memory.run(|pages| device::write_object(pages, process, id, offset, bytes))
}

fn device(memory: &mut Memory) -> Device {
    memory.run(device::list).unwrap()[0]
}

/// A step of the process' worker fails.
fn fail(memory: &mut Memory, now_ns: u64) -> ProcessState {
    let taken = memory.run(|pages| step::take(pages, station(0))).unwrap();
    let Taken::Step(step) = taken else {
        panic!("expected a step, found {taken:?}")
    };
    let (process, worker) = (step.process().id, step.worker().unwrap());
    let failed = memory.run(|pages| step::fail(pages, station(0), worker, "it fell over", now_ns));
    assert_eq!(failed, Ok(true));
    memory
        .run(|pages| processes::get(pages, process))
        .unwrap()
        .state
}

#[test]
fn an_object_is_read_as_it_was_written_and_has_its_bound() {
    let (mut memory, module) = Memory::with_module(Stops::Every(7));
    let driver = memory.start(station(0), module);
    let id = attach(&mut memory, driver);
    assert!(object(&mut memory, driver, id, 0).is_empty());
    write_object(&mut memory, driver, id, 4000, &[7; 5000]).unwrap();
    write_object(&mut memory, driver, id, 0, b"beginning").unwrap();
    let mut expected = vec![0; 9000];
    expected[4000..].fill(7);
    expected[..9].copy_from_slice(b"beginning");
    assert_eq!(object(&mut memory, driver, id, 0), expected);
    assert_eq!(object(&mut memory, driver, id, 8999), [7]);
    assert!(object(&mut memory, driver, id, 9000).is_empty());
    assert_eq!(device(&mut memory).object_bytes, 9000);
    let end = OBJECT_BYTES_MAX + 1;
    let refused = write_object(&mut memory, driver, id, OBJECT_BYTES_MAX - 1, b"xy");
    assert_eq!(refused, Err(ChannelRefusal::ObjectTooLong { end }.into()));
    write_object(&mut memory, driver, id, OBJECT_BYTES_MAX - 1, b"x").unwrap();
}

#[test]
fn who_drives_next_has_the_object_and_the_lines() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let [first, second] = [(); 2].map(|()| memory.start(station(0), module));
    let id = attach(&mut memory, first);
    write_object(&mut memory, first, id, 0, b"on").unwrap();
    let (line, channel) = begin_line(&mut memory, id).unwrap();
    assert_eq!((channel.kind, channel.process), (Kind::Line, first));
    assert_eq!(read(&mut memory, first, line).0, Passed::Bytes(0));
    assert_eq!(attach(&mut memory, second), id);
    // The line that there was is closed, and the device is not the first one's any more.
    assert_eq!(read(&mut memory, first, line).0, Passed::Lost);
    assert_eq!(read(&mut memory, first, id).0, Passed::Lost);
    assert_eq!(
        write_object(&mut memory, first, id, 0, b"no"),
        Ok(Passed::Lost)
    );
    assert_eq!(object(&mut memory, second, id, 0), b"on");
    let (line, channel) = begin_line(&mut memory, id).unwrap();
    assert_eq!(channel.process, second);
    // He hears of the line of the first one, too, which is lost.
    let numbers = [(); 2].map(|()| read(&mut memory, second, id).1);
    assert_eq!(numbers[1], line.0.to_le_bytes());
}

#[test]
fn a_device_without_a_driver_waits_for_one() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let [first, second] = [(); 2].map(|()| memory.start(station(0), module));
    let id = attach(&mut memory, first);
    write_object(&mut memory, first, id, 0, b"on").unwrap();
    memory
        .run(|pages| program::close(pages, place(first), id))
        .unwrap();
    assert_eq!(begin_line(&mut memory, id), None);
    assert_eq!(attach(&mut memory, second), id);
    assert!(begin_line(&mut memory, id).is_some());
    assert_eq!(object(&mut memory, second, id, 0), b"on");
    let cancelled = memory.run(|pages| processes::cancel(pages, second));
    assert_eq!(cancelled, Ok(true));
    assert_eq!(begin_line(&mut memory, id), None);
}

#[test]
fn a_driver_that_fails_goes_on_without_its_line_until_it_fails_too_often() {
    let (mut memory, module) = Memory::with_module(Stops::Every(3));
    let driver = memory.start(station(0), module);
    let id = attach(&mut memory, driver);
    write_object(&mut memory, driver, id, 0, b"on").unwrap();
    // Failures that lie far apart are not counted together.
    for now in [SECOND, 20 * SECOND, 40 * SECOND, 41 * SECOND] {
        let (line, _) = begin_line(&mut memory, id).unwrap();
        assert_eq!(read(&mut memory, driver, line).0, Passed::Bytes(0));
        assert_eq!(fail(&mut memory, now), ProcessState::Running);
        assert_eq!(read(&mut memory, driver, line).0, Passed::Lost);
        assert_eq!(object(&mut memory, driver, id, 0), b"on");
    }
    assert_eq!(device(&mut memory).faults, 2);
    assert!(!device(&mut memory).is_offline);
    assert_eq!(fail(&mut memory, 42 * SECOND), ProcessState::Faulted);
    assert!(device(&mut memory).is_offline);
    assert_eq!(begin_line(&mut memory, id), None);
    let next = memory.start(station(0), module);
    assert_eq!(attach(&mut memory, next), id);
    let found = device(&mut memory);
    assert_eq!((found.faults, found.is_offline), (0, false));
    assert_eq!(object(&mut memory, next, id, 0), b"on");
}

#[test]
fn a_program_without_a_device_ends_when_it_fails() {
    let (mut memory, module) = Memory::with_module(Stops::Never);
    let process = memory.start(station(0), module);
    let verdict = memory.run(|pages| device::judge(pages, station(0).slot(), process, SECOND));
    assert_eq!(verdict, Ok(Verdict::Ends));
    assert_eq!(fail(&mut memory, SECOND), ProcessState::Faulted);
}

#[test]
fn the_leaders_node_takes_a_device_over_and_its_line_is_closed() {
    let (mut memory, module) = Memory::with_module(Stops::Every(3));
    let driver = memory.start(station(0), module);
    let id = attach(&mut memory, driver);
    write_object(&mut memory, driver, id, 0, b"on").unwrap();
    let (line, _) = begin_line(&mut memory, id).unwrap();
    let leader = NodeId(9);
    let adopted = memory
        .run(|pages| home::adopt(pages, station(1), leader, |_| true, 0))
        .unwrap();
    assert_eq!((adopted.channels, adopted.next), (vec![id], None));
    assert_eq!(device(&mut memory).channel.home, Home(leader));
    assert_eq!(read(&mut memory, driver, line).0, Passed::Lost);
    // Both homes hear of it, and the driver keeps what it had.
    for node in [ME, leader] {
        let rung = memory.run(|pages| home::take_rings(pages, node)).unwrap();
        let place = u32::try_from(id.0 & 0xFFFF_FFFF).unwrap();
        assert!(matches!(rung, Rings::Some(places) if places.contains(&place)));
    }
    assert_eq!(object(&mut memory, driver, id, 0), b"on");
    let again = memory.run(|pages| home::adopt(pages, station(1), leader, |_| true, 0));
    assert!(again.unwrap().channels.is_empty());
}
