//! Files that programs append to: each byte has its place, whoever writes it, and a file has one
//! writer at a time.
use types::NodeId;

use super::memory::{Memory, Stops, station};
use crate::channels::file::Claim;
use crate::channels::home::{self, State};
use crate::channels::program::{self, Passed, Place};
use crate::channels::{Channel, ChannelRefusal, file};
use crate::{ChannelId, Event, ProcessId, Refusal};

const ME: NodeId = NodeId(7);
const HEIR: NodeId = NodeId(8);

fn at(process: ProcessId) -> Place {
    Place {
        process,
        node: ME,
        station: station(0),
    }
}

fn program() -> (Memory, ProcessId) {
    let (mut memory, module) = Memory::with_module(Stops::Every(3));
    let process = memory.start(station(0), module);
    (memory, process)
}

fn append(memory: &mut Memory, process: ProcessId, name: &str) -> Result<ChannelId, Refusal> {
    memory.run(|pages| file::append(pages, at(process), name, Event(1)))
}

fn find(memory: &mut Memory, id: ChannelId) -> Channel {
    memory.run(|pages| home::find(pages, id)).unwrap().unwrap()
}

fn state(memory: &mut Memory, id: ChannelId) -> State {
    memory.run(|pages| home::state(pages, id)).unwrap()
}

/// Who has the file of a channel that asks for it, and may know who had it; `None`: itself.
fn claim(memory: &mut Memory, id: ChannelId, holder: Option<ChannelId>) -> Option<ChannelId> {
    let channel = find(memory, id);
    let claimed = memory.run(|pages| file::claim(pages, (id, &channel), holder));
    match claimed.unwrap() {
        Claim::HeldBy(holder) => Some(holder),
        Claim::Ours(_) => None,
    }
}

/// Where the file of a channel that has claimed it is placed.
fn placed(memory: &mut Memory, id: ChannelId, length: u64) -> Option<u64> {
    let channel = find(memory, id);
    let placed = memory.run(|pages| file::place(pages, (id, &channel), length));
    placed.unwrap().file_start()
}

fn close(memory: &mut Memory, process: ProcessId, id: ChannelId) {
    memory
        .run(|pages| {
            program::close(pages, at(process), id)?;
            home::free(pages, id)
        })
        .unwrap();
}

fn fail(memory: &mut Memory, id: ChannelId, why: &str) {
    let channel = find(memory, id);
    memory
        .run(|pages| file::fail(pages, station(0), (id, &channel), why))
        .unwrap();
}

fn write(memory: &mut Memory, process: ProcessId, id: ChannelId, bytes: &[u8]) -> Passed {
    let written = memory.run(|pages| program::write(pages, at(process), id, bytes));
    written.unwrap()
}

#[test]
fn names_lead_nowhere_else() {
    let (mut memory, process) = program();
    for name in ["", ".", "..", ".hidden", "a/b", "/etc/passwd", "a\0b", "ä"] {
        let refused = append(&mut memory, process, name);
        let expected = Refusal::Channel(ChannelRefusal::FileName);
        assert_eq!(refused, Err(expected), "{name}");
    }
    let longest = "x".repeat(file::FILE_NAME_BYTES_MAX);
    for name in ["results.txt", "a-b_c.1", longest.as_str()] {
        let id = append(&mut memory, process, name).unwrap();
        let channel = find(&mut memory, id);
        let found = memory.run(|pages| file::name(pages, (id, &channel)));
        assert_eq!(found.unwrap(), name);
    }
    assert!(append(&mut memory, process, &(longest + "x")).is_err());
}

#[test]
fn who_takes_a_file_over_knows_where_its_bytes_belong() {
    let (mut memory, process) = program();
    let id = append(&mut memory, process, "log").unwrap();
    assert_eq!(claim(&mut memory, id, None), None);
    assert_eq!(find(&mut memory, id).file_start(), None);
    assert_eq!(placed(&mut memory, id, 100), Some(100));
    assert_eq!(write(&mut memory, process, id, b"abcdef"), Passed::Bytes(6));
    let channel = find(&mut memory, id);
    memory
        .run(|pages| home::set_sent(pages, station(0), (id, &channel), 4))
        .unwrap();
    let adopted = memory
        .run(|pages| home::adopt(pages, station(0), HEIR, |node| node == HEIR, 0))
        .unwrap();
    assert_eq!(adopted.channels, [id]);
    let channel = find(&mut memory, id);
    assert_eq!((channel.home.0, channel.file_start()), (HEIR, Some(100)));
    let State {
        sent,
        written,
        is_lost,
        ..
    } = state(&mut memory, id);
    assert_eq!((sent, written, is_lost), (4, 6, false));
    let rest = memory.run(|pages| home::collect(pages, id, sent, 99));
    assert_eq!(rest.unwrap(), b"ef");
    // It is his already.
    assert_eq!(claim(&mut memory, id, None), None);
    assert_eq!(find(&mut memory, id).file_start(), Some(100));
}

#[test]
fn a_file_has_one_writer_at_a_time() {
    let (mut memory, process) = program();
    let first = append(&mut memory, process, "log").unwrap();
    let second = append(&mut memory, process, "log").unwrap();
    let other = append(&mut memory, process, "log.1").unwrap();
    assert_eq!(claim(&mut memory, first, None), None);
    // Before it is known where the first one's bytes begin, too.
    assert_eq!(claim(&mut memory, second, None), Some(first));
    assert_eq!(claim(&mut memory, other, None), None);
    assert_eq!(placed(&mut memory, first, 0), Some(0));
    assert_eq!(claim(&mut memory, second, Some(first)), Some(first));
    close(&mut memory, process, first);
    assert_eq!(claim(&mut memory, second, Some(first)), None);
    assert_eq!(placed(&mut memory, second, 9), Some(9));
}

/// The place of the one who had it may be another channel's by now.
#[test]
fn who_waits_for_a_file_finds_whoever_has_it_next() {
    let (mut memory, process) = program();
    let first = append(&mut memory, process, "log").unwrap();
    let waiting = append(&mut memory, process, "log").unwrap();
    assert_eq!(claim(&mut memory, first, None), None);
    assert_eq!(claim(&mut memory, waiting, None), Some(first));
    close(&mut memory, process, first);
    let next = append(&mut memory, process, "log").unwrap();
    assert_eq!(claim(&mut memory, next, None), None);
    assert_eq!(claim(&mut memory, waiting, Some(first)), Some(next));
}

#[test]
fn who_could_not_open_his_file_stands_in_nobodys_way() {
    let (mut memory, process) = program();
    let first = append(&mut memory, process, "log").unwrap();
    let second = append(&mut memory, process, "log").unwrap();
    assert_eq!(claim(&mut memory, first, None), None);
    fail(&mut memory, first, "there is no directory");
    assert_eq!(claim(&mut memory, second, Some(first)), None);
    // Who has written something may have left a gap.
    placed(&mut memory, second, 0);
    fail(&mut memory, second, "the disk is full");
    let third = append(&mut memory, process, "log").unwrap();
    assert_eq!(claim(&mut memory, third, None), Some(second));
}

#[test]
fn the_program_reads_why_its_file_cannot_be_written() {
    let (mut memory, process) = program();
    let id = append(&mut memory, process, "log").unwrap();
    let read = |memory: &mut Memory| {
        let mut buffer = [0; 99];
        let passed = memory
            .run(|pages| program::read(pages, at(process), id, &mut buffer))
            .unwrap();
        (passed, buffer)
    };
    assert_eq!(read(&mut memory).0, Passed::Bytes(0), "its name is no news");
    for why in ["the disk is full", "and something else"] {
        fail(&mut memory, id, why);
    }
    assert_eq!(write(&mut memory, process, id, b"more"), Passed::Lost);
    let (passed, buffer) = read(&mut memory);
    assert_eq!(passed, Passed::Bytes(16));
    assert_eq!(&buffer[..16], b"the disk is full");
    assert_eq!(read(&mut memory).0, Passed::Lost);
    let channel = find(&mut memory, id);
    let name = memory.run(|pages| file::name(pages, (id, &channel)));
    assert_eq!(name.unwrap(), "log");
}
