//! The devices of a node that has none: a display, a keyboard with a pointer, a line of text, each
//! as a driver would find it in a machine; the node itself, as tools find it; and those parts of
//! the machine below the node that are there.
//!
//! A device is found where sockets are: a driver's channel *listens* under its name, and the
//! device connects there. It has one line at a time. When that breaks it begins another one
//! at once, and whoever gets that knows nothing of what the device is like; so he says it
//! anew. The device itself stays as it was: a mode outlives the line over which it was set.
mod console;
mod display;
mod part;
mod people;
mod port;
mod system;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use adapter::{CLOCK, CONSOLE, DISK, DISPLAY, INPUT, Malformed, NETWORK, POWER, SYSTEM};
use platform::{Hardware, ListenerId, RequestId, SocketEvent, SocketId};

use self::port::Port;
use self::system::System;

pub use console::Console;
pub use display::{Adapter, CHUNK_BYTES, Changes};

/// Numbers from here on are those of devices.
const FIRST: u64 = 1 << 63;

/// All that there may be.
const NAMES: [&str; 8] = [DISPLAY, INPUT, CONSOLE, SYSTEM, NETWORK, DISK, CLOCK, POWER];

/// All devices of a node.
#[derive(Debug)]
pub struct Machine {
    ports: [Port; NAMES.len()],
    display: Adapter,
    console: Console,
    system: System,
    /// Which lights are on.
    lights: u8,
    /// Input that was dropped and not reported yet.
    dropped: u32,
    events: VecDeque<SocketEvent>,
    next: u64,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            ports: NAMES.map(Port::new),
            display: Adapter::default(),
            console: Console::default(),
            system: System::default(),
            lights: 0,
            dropped: 0,
            events: VecDeque::new(),
            next: FIRST,
        }
    }
}

impl Machine {
    /// Whether the number is that of a line to a device.
    #[must_use]
    pub const fn is_line(socket: SocketId) -> bool {
        socket.0 >= FIRST
    }

    /// Whether the number is that of a place where devices connect.
    #[must_use]
    pub const fn is_place(listener: ListenerId) -> bool {
        listener.0 >= FIRST
    }

    /// A driver listens for the device of this name, which connects at once.
    ///
    /// # Errors
    /// If there is none, or somebody else does.
    pub fn listen(
        &mut self,
        name: &str,
        hardware: &mut impl Hardware,
    ) -> Result<ListenerId, String> {
        let port = self.ports.iter().position(|port| port.name == name);
        let port = port.filter(|_| part::is_there(name, hardware));
        let at = port.ok_or_else(|| format!("this node has no device `{name}`"))?;
        if self.ports[at].listener.is_some() {
            return Err(format!("another driver has the device `{name}`"));
        }
        let listener = ListenerId(self.number());
        self.ports[at].listener = Some(listener);
        self.break_line(at);
        self.connect(at);
        Ok(listener)
    }

    /// The driver listens no more. Its line stays.
    pub fn unlisten(&mut self, listener: ListenerId) {
        for port in &mut self.ports {
            port.listener.take_if(|one| *one == listener);
        }
    }

    /// So many more bytes may come over the line.
    pub fn want(&mut self, socket: SocketId, bytes: usize) {
        if let Some(at) = self.port_of(socket) {
            self.ports[at].credit += bytes;
            self.speak(at);
        }
    }

    /// The driver says something. What the display shows goes to the machine's own screen, text
    /// to its own terminal, and parts are set.
    pub fn write(&mut self, socket: SocketId, bytes: &[u8], hardware: &mut impl Hardware) {
        let Some(at) = self.port_of(socket) else {
            return;
        };
        let bytes_taken = bytes.len();
        let done = match self.ports[at].name {
            DISPLAY => {
                let said = &mut self.ports[at].said;
                self.display.write(bytes, said, hardware)
            }
            CONSOLE => {
                self.console.write(bytes);
                hardware.write_terminal(bytes);
                Ok(())
            }
            SYSTEM => self.system.write(bytes),
            INPUT => {
                self.lights = bytes.last().copied().unwrap_or(self.lights);
                Ok(())
            }
            _ => part::write(&mut self.ports[at], bytes, hardware),
        };
        if let Err(Malformed) = done {
            return self.break_off(socket);
        }
        self.events.push_back(SocketEvent::Written {
            socket,
            bytes: bytes_taken,
        });
        self.speak(at);
    }

    /// The driver gives the line up.
    pub fn break_off(&mut self, socket: SocketId) {
        if let Some(at) = self.port_of(socket) {
            self.break_line(at);
            self.connect(at);
        }
    }

    /// What has happened next.
    pub fn poll_event(&mut self) -> Option<SocketEvent> {
        self.events.pop_front()
    }

    /// Whether a driver has the device of this name here, or is about to have it again.
    #[must_use]
    pub fn is_driven(&self, name: &str) -> bool {
        let port = &self.ports[self.port_named(name)];
        port.listener.is_some() || port.line.is_some()
    }

    /// Devices may have lost their drivers: the screen is the machine's own again, and what
    /// belongs to the cluster is taken from its parts.
    pub fn release_undriven(&self, hardware: &mut impl Hardware) {
        for port in &self.ports {
            if !self.is_driven(port.name) {
                part::release(port.name, hardware);
            }
        }
    }

    /// The display.
    #[must_use]
    pub fn display(&self) -> &Adapter {
        &self.display
    }

    /// The line of text.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Which lights of the keyboard are on, a bit each.
    #[must_use]
    pub fn lights(&self) -> u8 {
        self.lights
    }

    /// Whether this is a question that came over the line to the node itself.
    #[must_use]
    pub const fn is_question(request: RequestId) -> bool {
        request.0 >= FIRST
    }

    /// Whether the node is asked something.
    #[must_use]
    pub fn has_question(&self) -> bool {
        self.system.has_question()
    }

    /// What the node is asked next, when everything before has been answered.
    pub fn take_question(&mut self) -> Option<(RequestId, Vec<u8>)> {
        let body = self.system.take_question()?;
        let number = self.number();
        self.system.is_asked(number);
        Some((RequestId(number), body))
    }

    /// The node answers. An answer that nobody waits for any more is dropped.
    pub fn answer(&mut self, request: RequestId, body: &[u8]) {
        if self.system.is_answered(request.0) {
            let at = self.port_named(SYSTEM);
            let length = u32::try_from(body.len()).expect("an answer is shorter");
            let said = &mut self.ports[at].said;
            said.extend(length.to_le_bytes());
            said.extend(body);
            self.speak(at);
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn port_named(&self, name: &str) -> usize {
        let found = self.ports.iter().position(|port| port.name == name);
        found.expect("every machine has it")
    }

    fn port_of(&self, socket: SocketId) -> Option<usize> {
        self.ports.iter().position(|port| port.line == Some(socket))
    }

    fn break_line(&mut self, at: usize) {
        let port = &mut self.ports[at];
        let Some(socket) = port.line.take() else {
            return;
        };
        port.credit = 0;
        match port.name {
            // Answers to questions that nobody has asked any more.
            DISPLAY => {
                port.said.clear();
                self.display.forget_line();
            }
            SYSTEM => {
                port.said.clear();
                self.system = System::default();
            }
            // What is typed and pressed is for whoever comes next.
            INPUT | CONSOLE => {}
            _ => {
                port.said.clear();
                port.heard.clear();
            }
        }
        self.events.push_back(SocketEvent::Gone { socket });
    }

    fn connect(&mut self, at: usize) {
        let Some(listener) = self.ports[at].listener else {
            return;
        };
        let socket = SocketId(self.number());
        self.ports[at].line = Some(socket);
        self.events.push_back(SocketEvent::Accepted {
            listener,
            socket,
            peer: ([0, 0, 0, 0], 0).into(),
        });
    }

    /// Says what may be said.
    fn speak(&mut self, at: usize) {
        let port = &mut self.ports[at];
        let (Some(socket), count) = (port.line, port.said.len().min(port.credit)) else {
            return;
        };
        if count > 0 {
            port.credit -= count;
            let bytes: Vec<u8> = port.said.drain(..count).collect();
            self.events
                .push_back(SocketEvent::Received { socket, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::people::TEXT_BYTES_MAX;
    use super::*;
    use adapter::display::{Command, Mode, Reading};
    use adapter::input::InputEvent;
    use platform::NoHardware;
    use std::vec;

    fn accepted(machine: &mut Machine) -> SocketId {
        match machine.poll_event() {
            Some(SocketEvent::Accepted { socket, .. }) => socket,
            other => panic!("expected a new line, found {other:?}"),
        }
    }

    #[test]
    fn one_driver_at_a_time_has_a_device_and_gets_a_new_line_when_his_breaks() {
        let mut machine = Machine::default();
        assert!(machine.listen("harp", &mut NoHardware).is_err());
        // There is none here.
        assert!(machine.listen(CLOCK, &mut NoHardware).is_err());
        let place = machine.listen(DISPLAY, &mut NoHardware).unwrap();
        let first = accepted(&mut machine);
        assert!(machine.listen(DISPLAY, &mut NoHardware).is_err());
        machine.break_off(first);
        assert_eq!(
            machine.poll_event(),
            Some(SocketEvent::Gone { socket: first })
        );
        let second = accepted(&mut machine);
        assert_ne!(first, second);
        machine.unlisten(place);
        // The line stays until there is another driver.
        machine.write(second, &[1, 1], &mut NoHardware);
        assert_eq!(machine.display().mode(), Mode::Low);
        assert!(machine.listen(DISPLAY, &mut NoHardware).is_ok());
    }

    #[test]
    fn a_mode_outlives_its_line_and_half_a_command_does_not() {
        let mut machine = Machine::default();
        machine.listen(DISPLAY, &mut NoHardware).unwrap();
        let first = accepted(&mut machine);
        machine.want(first, 1000);
        machine.write(first, &[1, 2, 1], &mut NoHardware);
        machine.break_off(first);
        while !matches!(machine.events.front(), Some(SocketEvent::Accepted { .. })) {
            machine.poll_event();
        }
        let second = accepted(&mut machine);
        machine.want(second, 1000);
        let mut bytes = vec![];
        Command::Read(5).encode(&mut bytes);
        machine.write(second, &bytes, &mut NoHardware);
        let Some(SocketEvent::Written { .. }) = machine.poll_event() else {
            panic!("expected that it was taken");
        };
        let Some(SocketEvent::Received { bytes, .. }) = machine.poll_event() else {
            panic!("expected an answer");
        };
        let reading = Reading::decode(bytes.as_slice().try_into().unwrap()).unwrap();
        assert_eq!((reading.token, reading.mode), (5, Mode::Palette));
    }

    #[test]
    fn what_is_no_command_breaks_the_line() {
        let mut machine = Machine::default();
        machine.listen(DISPLAY, &mut NoHardware).unwrap();
        let socket = accepted(&mut machine);
        machine.write(socket, &[99], &mut NoHardware);
        assert_eq!(machine.poll_event(), Some(SocketEvent::Gone { socket }));
        accepted(&mut machine);
    }

    #[test]
    fn input_waits_for_credit_and_what_is_dropped_is_counted() {
        let mut machine = Machine::default();
        let event = InputEvent::Pointer {
            x: 1,
            y: 2,
            buttons: 0,
            whose: 0,
        };
        machine.feel(&vec![event; 2000]);
        machine.listen(INPUT, &mut NoHardware).unwrap();
        let socket = accepted(&mut machine);
        assert_eq!(machine.poll_event(), None);
        let mut received = vec![];
        machine.want(socket, usize::MAX / 2);
        machine.feel(&[event]);
        while let Some(SocketEvent::Received { bytes, .. }) = machine.poll_event() {
            received.extend(bytes);
        }
        let events: Vec<_> = received
            .chunks_exact(InputEvent::BYTES)
            .map(|bytes| InputEvent::decode(bytes.try_into().unwrap()).unwrap())
            .collect();
        let kept = events.len() - 2;
        assert_eq!(events[..kept], vec![event; kept]);
        assert_eq!(
            events[kept..],
            [
                InputEvent::Dropped(u32::try_from(2000 - kept).unwrap()),
                event
            ]
        );
    }

    #[test]
    fn the_node_is_asked_one_question_after_the_other_and_forgets_them_with_their_line() {
        let mut machine = Machine::default();
        machine.listen(SYSTEM, &mut NoHardware).unwrap();
        let socket = accepted(&mut machine);
        machine.want(socket, 100);
        machine.write(socket, &[1, 0, 0, 0, 7, 2, 0], &mut NoHardware);
        let (first, body) = machine.take_question().unwrap();
        assert!(Machine::is_question(first));
        assert_eq!(body, [7]);
        machine.write(socket, &[0, 0, 8, 9], &mut NoHardware);
        assert!(!machine.has_question());
        assert_eq!(machine.take_question(), None);
        machine.answer(first, b"yes");
        let (second, body) = machine.take_question().unwrap();
        assert_eq!(body, [8, 9]);
        machine.answer(first, b"again");
        let mut said = vec![];
        while let Some(event) = machine.poll_event() {
            if let SocketEvent::Received { bytes, .. } = event {
                said.extend(bytes);
            }
        }
        assert_eq!(said, b"\x03\0\0\0yes");
        machine.break_off(socket);
        machine.answer(second, b"too late");
        let events = core::iter::from_fn(|| machine.poll_event());
        assert!(
            !events
                .into_iter()
                .any(|one| matches!(one, SocketEvent::Received { .. }))
        );
    }

    #[test]
    fn text_pushes_back_and_is_kept() {
        let mut machine = Machine::default();
        assert_eq!(machine.type_text(&vec![b'x'; 100_000]), TEXT_BYTES_MAX);
        assert_eq!(machine.type_text(b"y"), 0);
        machine.listen(CONSOLE, &mut NoHardware).unwrap();
        let socket = accepted(&mut machine);
        machine.write(socket, b"hello", &mut NoHardware);
        machine.write(socket, b" world", &mut NoHardware);
        assert_eq!(machine.console().since(6), (6, b"world".to_vec(), 11));
    }
}
