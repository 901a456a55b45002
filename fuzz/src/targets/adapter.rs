//! What drivers say to devices, people to keyboards, programs to ports: all of it comes from
//! programs and tools.
use adapter::datagram::Frame;
use adapter::display::{Command, Cursor, Mode, Palette, Reading};
use adapter::input::InputEvent;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "adapter",
    seeds,
    check,
};

fn check(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((command, length))) = Command::decode(rest) {
        let mut again = Vec::new();
        command.encode(&mut again);
        assert_eq!(Command::decode(&again), Ok(Some((command, again.len()))));
        rest = &rest[length..];
    }
    let mut rest = bytes;
    while let Ok(Some((frame, length))) = Frame::decode(rest) {
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!(Frame::decode(&again), Ok(Some((frame, again.len()))));
        rest = &rest[length..];
    }
    for event in bytes.as_chunks().0 {
        if let Ok(event) = InputEvent::decode(*event) {
            assert_eq!(InputEvent::decode(event.encode()), Ok(event));
        }
    }
    for reading in bytes.as_chunks().0 {
        if let Ok(reading) = Reading::decode(reading) {
            assert_eq!(Reading::decode(&reading.encode()), Ok(reading));
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut commands = Vec::new();
    let write = Command::Write {
        meant: Mode::High,
        offset: 4096,
        bytes: b"pixels",
    };
    let colour = Palette::default().0[9];
    let all = [
        Command::SetMode(Mode::Low),
        Command::SetColour(9, colour),
        Command::SetCursor(Cursor::default()),
        write,
        Command::Clear,
        Command::Read(1),
    ];
    all.iter().for_each(|command| command.encode(&mut commands));
    let mut frames = Vec::new();
    for peer in ["127.0.0.1:53", "[::1]:53"] {
        let peer = peer.parse().expect("an address");
        let bytes = b"hello";
        Frame::Datagram { peer, bytes }.encode(&mut frames);
    }
    Frame::Dropped(3).encode(&mut frames);
    let key = InputEvent::Key {
        code: 4,
        is_down: true,
        character: Some('a'),
    };
    vec![commands, frames, key.encode().to_vec()]
}
