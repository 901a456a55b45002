//! Requests of tools over loopback sockets.
use std::io::{Read, Write};
use std::net::TcpStream;

use linux::LinuxClock;
use platform::{Clock, Event, Events, Requests, Wait};
use types::Duration;

use crate::common::{open, until};

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
    frame.extend(bytes);
    frame
}

#[test]
fn tools_get_one_reply_per_request_in_order() {
    let mut node = open(1);
    let mut tool = TcpStream::connect(node.tool_address().unwrap()).unwrap();
    let large = vec![3; 3 << 20];
    let writer = {
        let mut tool = tool.try_clone().unwrap();
        // One without bytes says only that somebody is there.
        let frames = [frame(b"first"), frame(b""), frame(&large), frame(b"last")].concat();
        std::thread::spawn(move || tool.write_all(&frames).unwrap())
    };
    for expected in [b"first".to_vec(), large, b"last".to_vec()] {
        let seen = until(&mut [&mut node], |seen| !seen[0].is_empty());
        let Event::Request { id, bytes } = &seen[0][0] else {
            panic!("expected a request, found {seen:?}");
        };
        assert_eq!(*bytes, expected);
        assert_eq!(
            node.next_event(Wait::No),
            None,
            "the next waits for the reply"
        );
        node.reply(*id, bytes[..bytes.len().min(4)].to_vec());
    }
    writer.join().unwrap();
    let mut replies = vec![0; 3 * (4 + 4)];
    tool.read_exact(&mut replies).unwrap();
    assert_eq!(
        replies,
        [frame(b"firs"), frame(&[3; 4]), frame(b"last")].concat()
    );
}

#[test]
fn a_tool_that_hangs_up_is_owed_nothing() {
    let mut node = open(1);
    let mut tool = TcpStream::connect(node.tool_address().unwrap()).unwrap();
    tool.write_all(&frame(b"question")).unwrap();
    let seen = until(&mut [&mut node], |seen| !seen[0].is_empty());
    let Event::Request { id, .. } = seen[0][0] else {
        panic!("expected a request, found {seen:?}");
    };
    drop(tool);
    let seen = until(&mut [&mut node], |seen| !seen[0].is_empty());
    assert_eq!(seen[0], [Event::RequestGone { id }]);
    node.reply(id, b"too late".to_vec());
    assert_eq!(node.next_event(Wait::No), None);
}

#[test]
fn an_oversized_request_is_cut_off() {
    let mut node = open(1);
    let mut tool = TcpStream::connect(node.tool_address().unwrap()).unwrap();
    tool.write_all(&[0xFF; 16]).unwrap();
    tool.set_nonblocking(true).unwrap();
    let soon = LinuxClock.now() + Duration::from_millis(30_000);
    while node.malformed_requests() == 0 && LinuxClock.now() < soon {
        let _ = node.next_event(Wait::Until(LinuxClock.now() + Duration::from_millis(1)));
    }
    assert_eq!(node.malformed_requests(), 1);
}
