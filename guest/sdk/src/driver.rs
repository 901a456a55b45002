//! Drivers: programs that have a device.
//!
//! A device cannot be undone, and may be replaced by another one: that of another node, when its
//! own has failed. So a driver keeps in the memory of the cluster what its device is to be like,
//! in a *fallback object*. It reaches the device over a line. When that is a new one, for
//! whatever reason, nothing is known of the device at its end: [`Driver::reinitialise`] brings it
//! into the state of the object, and nobody's requests are heard before the driver has found that
//! it is so ([`Io::restored`]).
//!
//! A driver whose step fails goes on with the memory as it was before, without the sessions that
//! it had, and with a new line. After three failures in a row its device is offline.
//!
//! ```text
//! sdk::driver!(Lamp, device = "lamp");
//! ```

use alloc::vec::Vec;

use crate::channel::{Connection, Received, Release, Timer, accept, read};
use crate::raw;
use crate::service::Service;
use crate::step::{Event, Step};

/// Signalled when there is something to do for a driver.
const NEWS: Event = Event(1);
/// Bytes read from a line or session at a time.
const READ_BYTES: usize = 64 << 10;
/// With so many bytes to say a driver is not asked for more.
const SAY_BYTES: usize = 256 << 10;
/// A session that has so many bytes to read is not heard.
const UNREAD_BYTES_MAX: usize = 64 << 10;

/// What a driver does. Everything happens in steps, so it may be undone and done again.
pub trait Driver: Sized {
    /// The device, and the label under which programs find the driver.
    const DEVICE: &'static str;

    /// The driver begins. The object is empty if the device never had a driver.
    fn probe(object: Object) -> Self;

    /// There is a new line. Says there what the device is to be like, by the object. When it is
    /// so, now or later, the driver calls [`Io::restored`].
    fn reinitialise(&mut self, io: &mut Io);

    /// The device has said something. Takes whole messages from the front of `input`.
    fn on_input(&mut self, io: &mut Io, input: &mut Vec<u8>);

    /// A program wants something. Takes whole requests from the front of `client.requests`.
    fn on_request(&mut self, io: &mut Io, client: &mut Client);

    /// There is room to say more to the device.
    fn on_room(&mut self, io: &mut Io) {
        let _ = io;
    }

    /// When what is said to the device leaves.
    fn release() -> Release {
        Release::AtStable
    }
}

/// A device that this program drives. The module has to declare it: see
/// [`declare_device!`](crate::declare_device).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device(i64);

impl Device {
    /// Drives the device of this name from now on; who did so before, does so no more. `event`
    /// is signalled when there is a line to it.
    #[must_use]
    pub fn attach(name: &str, release: Release, event: Event) -> Self {
        // SAFETY: the call reads the name, and no more.
        Self(unsafe { raw::attach(name.as_ptr(), name.len(), release.number(), event.0) })
    }

    /// A new line to it, if there is one. The one before is of no use any more.
    pub fn line(self, event: Event) -> Option<Connection> {
        accept(self.0, |_| event)
    }

    /// Whether another program drives it now.
    pub fn is_lost(self) -> bool {
        read(self.0, &mut []) == Received::Lost
    }

    /// What it is to be like.
    #[must_use]
    pub const fn object(self) -> Object {
        Object(self.0)
    }
}

/// What a device is to be like: bytes that belong to the device, whoever drives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object(i64);

impl Object {
    /// Reads from it; says how many bytes there were.
    pub fn read(self, offset: u64, buffer: &mut [u8]) -> usize {
        let (at, length) = (offset.cast_signed(), buffer.len());
        // SAFETY: the call writes the buffer, and no more.
        let count = unsafe { raw::object_read(self.0, at, buffer.as_mut_ptr(), length) };
        // Who has lost his device is about to hear of it.
        usize::try_from(count).unwrap_or(0)
    }

    /// Writes to it; it grows as needed, up to almost 8 MiB.
    pub fn write(self, offset: u64, bytes: &[u8]) {
        let at = offset.cast_signed();
        // SAFETY: the call reads the bytes, and no more.
        unsafe { raw::object_write(self.0, at, bytes.as_ptr(), bytes.len()) };
    }
}

/// A program that uses the driver.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    /// What it has said and the driver has not taken.
    pub requests: Vec<u8>,
    /// What it is told.
    pub answers: Vec<u8>,
    is_ended: bool,
}

impl Client {
    /// The session: of all of a driver's clients it is this one's alone.
    pub fn session(&self) -> Connection {
        self.connection
    }

    /// Ends the session when it has been told everything. No more of it is heard.
    pub fn end(&mut self) {
        self.is_ended = true;
    }
}

/// What a driver does with its device and its clients.
#[derive(Debug)]
pub struct Io {
    /// What the device is to be like.
    pub object: Object,
    /// Its clients, in the order in which they came.
    pub clients: Vec<Client>,
    /// What is to be said to the device.
    out: Vec<u8>,
    is_restored: bool,
}

impl Io {
    /// The device is what its object says: programs may use it.
    pub fn restored(&mut self) {
        self.is_restored = true;
    }

    /// Whether programs may use the device.
    pub fn is_restored(&self) -> bool {
        self.is_restored
    }

    /// A timer whose ticks have the driver look: [`Driver::on_room`] is called.
    pub fn every(&self, nanoseconds: u64) -> Timer {
        Timer::every(nanoseconds, NEWS)
    }

    /// Says something to the device, after what was said before.
    pub fn say(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Whether there is room to say more.
    pub fn has_room(&self) -> bool {
        self.out.len() < SAY_BYTES
    }
}

/// A driver at work. See [`driver!`](crate::driver).
#[derive(Debug)]
pub struct Running<D> {
    driver: D,
    device: Device,
    service: Service,
    line: Option<Connection>,
    input: Vec<u8>,
    io: Io,
}

impl<D: Driver> Running<D> {
    /// Takes the device.
    #[must_use]
    pub fn start() -> Self {
        let device = Device::attach(D::DEVICE, D::release(), NEWS);
        let object = device.object();
        Self {
            driver: D::probe(object),
            device,
            service: Service::serve(D::DEVICE, NEWS),
            line: None,
            input: Vec::new(),
            io: Io {
                object,
                clients: Vec::new(),
                out: Vec::new(),
                is_restored: false,
            },
        }
    }

    /// Does what there is to do.
    pub fn step(&mut self) -> Step {
        if self.device.is_lost() {
            // Another program drives the device now.
            crate::exit(0);
        }
        if self.service.is_lost() {
            self.service = Service::serve(D::DEVICE, NEWS);
        }
        while let Some(line) = self.device.line(NEWS) {
            self.begin(line);
        }
        let Some(line) = self.line else {
            return Step::Wait(NEWS);
        };
        let mut is_busy = self.hear(line);
        if self.io.is_restored {
            is_busy |= self.serve();
        }
        if self.line.is_some() && self.io.has_room() {
            self.driver.on_room(&mut self.io);
        }
        is_busy |= self.speak(line);
        match is_busy {
            true => Step::Again,
            false => Step::Wait(NEWS),
        }
    }

    /// Whatever was under way with the last line is of no account any more.
    fn begin(&mut self, line: Connection) {
        if let Some(before) = self.line.replace(line) {
            before.close();
        }
        self.input.clear();
        self.io.out.clear();
        self.io.is_restored = false;
        self.driver.reinitialise(&mut self.io);
    }

    /// Hears what the device says; whether there may be more.
    fn hear(&mut self, line: Connection) -> bool {
        if self.input.len() >= UNREAD_BYTES_MAX {
            // The driver has still to take it.
            self.driver.on_input(&mut self.io, &mut self.input);
            return false;
        }
        let is_busy = receive(line, &mut self.input);
        match is_busy {
            Some(_) => self.driver.on_input(&mut self.io, &mut self.input),
            None => {
                line.close();
                self.line = None;
                self.io.is_restored = false;
            }
        }
        is_busy == Some(true)
    }

    /// Hears what programs want; whether there may be more.
    fn serve(&mut self) -> bool {
        while let Some(connection) = self.service.accept(|_| NEWS) {
            self.io.clients.push(Client {
                connection,
                requests: Vec::new(),
                answers: Vec::new(),
                is_ended: false,
            });
        }
        let mut is_busy = false;
        for index in 0..self.io.clients.len() {
            if !self.io.has_room() {
                // They are heard when the device has taken what it was told.
                break;
            }
            let mut client = self.io.clients.remove(index);
            if !client.is_ended && client.answers.len() < UNREAD_BYTES_MAX {
                match receive(client.connection, &mut client.requests) {
                    Some(more) => is_busy |= more,
                    // Nothing more comes from it; it goes when its answers do not.
                    None => client.answers.clear(),
                }
                self.driver.on_request(&mut self.io, &mut client);
            }
            self.io.clients.insert(index, client);
        }
        is_busy
    }

    /// Says what there is room for; whether there is more of it.
    fn speak(&mut self, line: Connection) -> bool {
        let mut is_busy = false;
        if self.line == Some(line) && !self.io.out.is_empty() {
            // If the line is lost, that is heard next time.
            let count = line.write(&self.io.out).unwrap_or(0);
            self.io.out.drain(..count);
            is_busy = count > 0;
        }
        self.io.clients.retain_mut(|client| {
            let taken = client.connection.write(&client.answers);
            let is_there = match taken {
                Ok(count) => {
                    client.answers.drain(..count);
                    let is_over = client.is_ended && client.answers.is_empty();
                    !is_over && client.connection.read(&mut []) != Received::End
                }
                Err(_) => false,
            };
            if !is_there {
                client.connection.close();
            }
            is_there
        });
        is_busy
    }
}

/// Reads what there is; whether there may be more. `None`: nothing will come any more.
fn receive(connection: Connection, to: &mut Vec<u8>) -> Option<bool> {
    match connection.receive(to, READ_BYTES) {
        Received::Bytes(_) => Some(true),
        Received::Nothing => Some(false),
        Received::End | Received::Lost => None,
    }
}

/// Declares a device that the module drives.
#[macro_export]
macro_rules! declare_device {
    ($device:literal) => {
        #[cfg(target_arch = "wasm32")]
        #[unsafe(link_section = "plurix.devices")]
        #[used]
        static DEVICE: [u8; $device.len()] = $crate::bytes($device);
    };
}

/// Makes a module a driver: its `main` and the section in which it declares its device.
#[macro_export]
macro_rules! driver {
    ($driver:ty, device = $device:literal) => {
        const _: () = assert!(
            $crate::same_text(<$driver as $crate::Driver>::DEVICE, $device),
            "a driver declares the device that it drives"
        );

        $crate::declare_device!($device);

        static DRIVER: $crate::Static<core::cell::RefCell<Option<$crate::Running<$driver>>>> =
            $crate::Static::new(core::cell::RefCell::new(None));

        $crate::worker! {
            fn main(_argument: i64) -> Step {
                DRIVER
                    .borrow_mut()
                    .get_or_insert_with($crate::Running::start)
                    .step()
            }
        }
    };
}

/// The bytes of a text.
#[doc(hidden)]
#[must_use]
pub const fn bytes<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let mut index = 0;
    while index < LENGTH {
        bytes[index] = text.as_bytes()[index];
        index += 1;
    }
    bytes
}

/// Whether two texts are the same.
#[doc(hidden)]
#[must_use]
pub const fn same_text(one: &str, other: &str) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one.as_bytes()[index] != other.as_bytes()[index] {
            return false;
        }
        index += 1;
    }
    true
}
