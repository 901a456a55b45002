//! Parts of the machine below the node, and what is said to them.
use core::mem;

use adapter::part::{Answer, Command, Settings, take_line};
use adapter::{CLOCK, DISK, DISPLAY, Malformed, NETWORK, POWER};
use platform::{Hardware, Settable};

use super::port::Port;

/// Who asks so much and reads nothing is no driver.
const SAID_BYTES_MAX: usize = 64 << 10;

/// Whether there is a device of this name, if it is not one that every node has.
pub(super) fn is_there(name: &str, hardware: &mut impl Hardware) -> bool {
    match name {
        NETWORK => hardware.own_network().is_some(),
        DISK => hardware.own_disk().is_some(),
        CLOCK => hardware.own_clock().is_some(),
        POWER => hardware.own_power().is_some(),
        _ => true,
    }
}

/// The driver says something to a part.
pub(super) fn write(
    port: &mut Port,
    bytes: &[u8],
    hardware: &mut impl Hardware,
) -> Result<(), Malformed> {
    port.heard.extend(bytes);
    match port.name {
        NETWORK => obey(port, hardware.own_network()),
        DISK => obey(port, hardware.own_disk()),
        CLOCK => obey(port, hardware.own_clock()),
        _ => obey(port, hardware.own_power()),
    }
}

/// Nobody drives a device any more.
pub(super) fn release(name: &str, hardware: &mut impl Hardware) {
    match name {
        DISPLAY => hardware.release_screen(),
        NETWORK => let_go(hardware.own_network()),
        DISK => let_go(hardware.own_disk()),
        CLOCK => let_go(hardware.own_clock()),
        POWER => let_go(hardware.own_power()),
        _ => {}
    }
}

fn let_go<S>(part: Option<&mut dyn Settable<S>>) {
    if let Some(part) = part {
        part.release();
    }
}

fn obey<S: Settings>(port: &mut Port, part: Option<&mut dyn Settable<S>>) -> Result<(), Malformed> {
    let part = part.expect("who has no such part has no line to it");
    let mut heard = mem::take(&mut port.heard);
    while let Some(line) = take_line(&mut heard)? {
        let answer = match line.parse() {
            Ok(Command::Set(settings)) => match part.set(&settings) {
                Ok(()) => Answer::Is(part.ask()),
                Err(why) => Answer::Cannot(why),
            },
            Ok(Command::Ask) => Answer::Is(part.ask()),
            Err(_) => return Err(Malformed),
        };
        if port.said.len() > SAID_BYTES_MAX {
            return Err(Malformed);
        }
        answer.encode(&mut port.said);
    }
    port.heard = heard;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Machine;
    use super::*;
    use adapter::part::{Cache, Disk};
    use alloc::string::String;
    use platform::{Board, Screen, SocketEvent, SocketId, Terminal};
    use std::string::ToString;

    /// A machine with a disk that takes no more than ten requests.
    struct Board10(Disk);

    impl Screen for Board10 {}
    impl Terminal for Board10 {}
    impl Board for Board10 {
        fn own_disk(&mut self) -> Option<&mut dyn Settable<Disk>> {
            Some(self)
        }
    }

    impl Settable<Disk> for Board10 {
        fn set(&mut self, settings: &Disk) -> Result<(), String> {
            if settings.depth > 10 {
                return Err("it takes 10".into());
            }
            self.0 = *settings;
            Ok(())
        }

        fn ask(&mut self) -> Disk {
            self.0
        }

        fn release(&mut self) {
            self.0.depth = 1;
        }
    }

    fn next_line(machine: &mut Machine) -> SocketId {
        loop {
            match machine.poll_event() {
                Some(SocketEvent::Accepted { socket, .. }) => return socket,
                Some(_) => {}
                None => panic!("expected a line"),
            }
        }
    }

    fn said(machine: &mut Machine) -> String {
        let mut said = String::new();
        while let Some(event) = machine.poll_event() {
            if let SocketEvent::Received { bytes, .. } = event {
                said.push_str(&String::from_utf8(bytes).unwrap());
            }
        }
        said
    }

    #[test]
    fn a_part_is_set_and_asked_and_refuses_and_is_let_go() {
        let mut board = Board10(Disk {
            cache: Cache::Back,
            depth: 3,
        });
        let mut machine = Machine::default();
        let place = machine.listen(DISK, &mut board).unwrap();
        let line = next_line(&mut machine);
        machine.want(line, 1000);
        machine.write(line, b"ask\nset cache=through dep", &mut board);
        machine.write(line, b"th=7\nset cache=back depth=20\nask\n", &mut board);
        let expected = "is cache=back depth=3\nis cache=through depth=7\ncannot it takes 10\n\
                        is cache=through depth=7\n";
        assert_eq!(said(&mut machine), expected);
        machine.release_undriven(&mut board);
        assert_eq!(board.0.depth, 7);
        // Half a line is forgotten with the line over which it came.
        machine.write(line, b"set cache=back ", &mut board);
        machine.write(line, b"speed=9\n", &mut board);
        let line = next_line(&mut machine);
        machine.want(line, 1000);
        machine.write(line, b"ask\n", &mut board);
        assert_eq!(said(&mut machine), "is cache=through depth=7\n");
        machine.unlisten(place);
        machine.break_off(line);
        machine.release_undriven(&mut board);
        assert_eq!(board.0.to_string(), "cache=through depth=1");
    }
}
