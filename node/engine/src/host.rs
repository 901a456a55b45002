//! What a step asks of the node that runs it.
use types::PageIndex;

use crate::Stop;

/// The node's side of a step. Every method may be called in the middle of a guest's
/// instruction, on a signal stack, and must not unwind. After an `Err` the guest runs
/// no further instruction of the step and no method is called again.
pub trait StepHost {
    /// Makes the page present in the view; it stays so until the step ends. Asked
    /// only for absent pages below the current memory size.
    ///
    /// # Errors
    /// A [`Stop`] when the step cannot go on.
    fn read_fault(&mut self, page: PageIndex) -> Result<(), Stop>;

    /// Makes the page present and writable, with its contents before this step kept by
    /// whoever may have to restore them; it stays writable until the step ends. Asked
    /// only for protected pages below the current memory size.
    ///
    /// # Errors
    /// A [`Stop`] when the step cannot go on.
    fn write_fault(&mut self, page: PageIndex) -> Result<(), Stop>;

    /// Reads from the application's header pages: `offset` counts from their begin,
    /// and the range lies in one page.
    ///
    /// # Errors
    /// A [`Stop`] when the step cannot go on.
    fn header_read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Stop>;

    /// Writes to the application's header pages, as part of the step; the range lies
    /// in one page.
    ///
    /// # Errors
    /// A [`Stop`] when the step cannot go on.
    fn header_write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Stop>;

    /// Called at about every tick while guest code runs: the time to receive messages
    /// and to see whether the step is still worth running.
    ///
    /// # Errors
    /// A [`Stop`] when the step cannot go on.
    fn interrupt(&mut self) -> Result<(), Stop>;

    /// A call of the ABI. Slices lie in the guest's memory, present and (where mutable)
    /// writable. The result is that of the import, 0 for those that have none.
    ///
    /// # Errors
    /// A [`Stop`] when the step cannot go on; [`crate::GuestFault::refused`] makes one
    /// for arguments that make no sense.
    fn call(&mut self, call: HostCall<'_>) -> Result<i64, Stop>;
}

/// The calls of the ABI; see `abi::IMPORTS` for what each does. (`exit` is not among
/// them: it is [`Stop::Exit`].)
#[derive(PartialEq, Eq, Debug)]
pub enum HostCall<'a> {
    /// Output of the program.
    Log {
        /// One of `abi::level`.
        level: i32,
        /// What is put out; any bytes.
        text: &'a [u8],
    },
    /// Makes a worker; the result is its id.
    Spawn {
        /// Name of the exported function that it runs.
        entry: &'a str,
        /// Argument of its steps.
        argument: i64,
    },
    /// Makes workers that wait for an event runnable.
    Signal {
        /// The event.
        event: i64,
    },
    /// Id of the worker whose step runs; 0 in a call.
    Worker,
    /// Position of the executing node in the view.
    Node,
    /// Members of the view.
    NodeCount,
    /// Number of the program's arguments.
    ArgumentCount,
    /// Bytes of an argument.
    ArgumentLength {
        /// Which one.
        index: u32,
    },
    /// Copies an argument.
    ArgumentRead {
        /// Which one.
        index: u32,
        /// Where to; as long as the argument.
        buffer: &'a mut [u8],
    },
    /// Number of input blobs.
    InputCount,
    /// Bytes of an input blob.
    InputLength {
        /// Which one.
        index: u32,
    },
    /// Copies from an input blob; the result is the number of bytes, short at the end.
    InputRead {
        /// Which one.
        index: u32,
        /// First byte.
        offset: u64,
        /// Where to.
        buffer: &'a mut [u8],
    },
    /// Writes into the program's result, or the call's reply.
    ResultWrite {
        /// Where in the result.
        offset: u64,
        /// What.
        bytes: &'a [u8],
    },
    /// Makes a channel that listens; the result is its number.
    Listen {
        /// Where, `ip:port`.
        address: &'a str,
        /// One of `abi::release`.
        release: i32,
        /// What is signalled when somebody connects.
        event: i64,
    },
    /// Makes a channel that ticks; the result is its number.
    Timer {
        /// The first tick, by the wall clock, in nanoseconds since 1970.
        first: i64,
        /// Nanoseconds from tick to tick; 0: there is one only.
        period: i64,
        /// What is signalled when it ticks.
        event: i64,
    },
    /// Sets what is signalled when something happens to a channel.
    ChannelEvent {
        /// Which.
        channel: i64,
        /// The event.
        event: i64,
    },
    /// Reads from a channel; the result is the number of bytes, or one of `abi::channel`.
    ChannelRead {
        /// Which.
        channel: i64,
        /// Where to.
        buffer: &'a mut [u8],
    },
    /// Writes to a channel; the result is the number of bytes, or one of `abi::channel`.
    ChannelWrite {
        /// Which.
        channel: i64,
        /// What.
        bytes: &'a [u8],
    },
    /// Closes a channel.
    ChannelClose {
        /// Which.
        channel: i64,
    },
    /// What drivers ask, and programs of each other.
    Driver(DriverCall<'a>),
    /// How far the program has got.
    Progress {
        /// Units done.
        done: i64,
        /// Units in all.
        total: i64,
    },
    /// Wall clock in nanoseconds since 1970, the same for the whole step.
    ClockNanos,
    /// Fills a buffer with random bytes.
    Random {
        /// Where to.
        buffer: &'a mut [u8],
    },
}

/// What drivers ask of the host, and programs of each other.
#[derive(PartialEq, Eq, Debug)]
pub enum DriverCall<'a> {
    /// Drives a device; the result is the number of its channel.
    Attach {
        /// Its name.
        device: &'a str,
        /// One of `abi::release`.
        release: i32,
        /// What is signalled when there is a line to it.
        event: i64,
    },
    /// Reads from the fallback object of a device; the result is as that of a channel.
    ObjectRead {
        /// The device's channel.
        device: i64,
        /// Where in the object.
        offset: u64,
        /// Where to.
        buffer: &'a mut [u8],
    },
    /// Writes to the fallback object of a device; the result is as that of a channel.
    ObjectWrite {
        /// The device's channel.
        device: i64,
        /// Where in the object.
        offset: u64,
        /// What.
        bytes: &'a [u8],
    },
    /// Serves under a label; the result is the number of the channel.
    Serve {
        /// The label.
        label: &'a str,
        /// What is signalled when somebody connects.
        event: i64,
    },
    /// Connects to whoever serves under a label; the result is the number of the channel, or
    /// one of `abi::channel`.
    Connect {
        /// The label.
        label: &'a str,
        /// What is signalled when something happens to the channel.
        event: i64,
    },
}
