//! One step of a guest as one transaction: what the engine asks, answered by the
//! memory and the kernel.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use dtm::{Access, PageMemory, TxnStatus, Why};
use engine::{GuestFault, HostCall, StepHost, Stop};
use kernel::processes::ProgressCount;
use kernel::step::Step;
use kernel::{EntryCall, Event, Failure, Name, ProcessId, Refusal, blobs, processes};
use platform::{Disk, Wait};
use types::{PAGE_SIZE, PageId, PageIndex};

use crate::Platform;
use crate::call::CallData;
use crate::core::Core;
use crate::transaction::{Transaction, loss};

/// A step while its guest runs.
pub(crate) struct Running<'a, P: Platform, D: Disk> {
    pub(crate) core: &'a mut Core<P, D>,
    pub(crate) step: Step,
    /// Inputs and reply of a call; a worker's step has those of its process.
    pub(crate) call: Option<&'a mut CallData>,
    /// Wall clock, read once: the same for the whole step.
    wall_ns: u64,
    /// The end of what the step has printed as an error: if it fails, that is all that
    /// is left of it.
    pub(crate) complaint: Vec<u8>,
}

/// Bytes of a failed step's last words that go into its report.
const COMPLAINT_BYTES_MAX: usize = 1024;
/// Longest reply of a call.
const REPLY_BYTES_MAX: usize = 16 << 20;

impl<'a, P: Platform, D: Disk> Running<'a, P, D> {
    pub(crate) fn new(
        core: &'a mut Core<P, D>,
        step: Step,
        call: Option<&'a mut CallData>,
    ) -> Self {
        let wall_ns = core.platform.wall_ns();
        Self {
            core,
            step,
            call,
            wall_ns,
            complaint: Vec::new(),
        }
    }

    pub(crate) fn process(&self) -> ProcessId {
        self.step.process().id
    }

    fn linear(&self, page: PageIndex) -> PageId {
        PageId {
            region: self.process().region(),
            index: page,
        }
    }

    fn header(&self, offset: u32) -> (PageId, usize) {
        let page_size = u32::try_from(PAGE_SIZE).expect("4096");
        let index = PageIndex(engine::header::FIRST_PAGE + offset / page_size);
        (self.linear(index), (offset % page_size) as usize)
    }

    fn access(&mut self, page: PageId, access: Access) -> Result<(), Stop> {
        let answer = self.core.access(page, access);
        answer.map_err(|kernel::Stop| self.why_stopped())
    }

    /// The engine's word for what the memory says.
    fn why_stopped(&self) -> Stop {
        match self.core.dtm.transaction() {
            TxnStatus::Marked(Why::Conflict) => Stop::Conflict,
            TxnStatus::Marked(Why::Lost(page, version)) => Stop::Lost(loss(page, version)),
            _ => Stop::Fallback,
        }
    }

    pub(crate) fn done<T>(&self, result: Result<T, Failure>) -> Result<T, Stop> {
        result.map_err(|failure| match failure {
            Failure::Stop(_) => self.why_stopped(),
            Failure::Refused(refusal) => GuestFault::refused(&refusal.to_string()).into(),
        })
    }

    fn spawn(&mut self, entry: &str, argument: i64) -> Result<i64, Stop> {
        let name = Name::new(entry).map_err(|refusal| GuestFault::refused(&refusal.to_string()))?;
        let pages = &mut Transaction { core: self.core };
        let spawned = self.step.spawn(
            pages,
            EntryCall {
                entry: name,
                argument,
            },
        );
        Ok(self.done(spawned.map_err(Failure::Stop))?.0.cast_signed())
    }

    fn log(&mut self, level: i32, text: &[u8]) -> Result<(), Stop> {
        if level == abi::level::ERROR {
            self.complaint.extend_from_slice(text);
            let excess = self.complaint.len().saturating_sub(COMPLAINT_BYTES_MAX);
            self.complaint.drain(..excess);
        }
        if let Some(call) = &mut self.call {
            call.output.extend_from_slice(text);
            return Ok(());
        }
        let level = u8::try_from(level)
            .map_err(|_| GuestFault::refused(&format!("log of level {level}, expected 0 or 1")))?;
        let printed = self
            .step
            .print(&mut Transaction { core: self.core }, level, text);
        self.done(printed.map_err(Failure::Stop))
    }

    fn result_write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Stop> {
        if let Some(call) = &mut self.call {
            return write_reply(&mut call.reply, offset, bytes);
        }
        let written = self
            .step
            .write_result(&mut Transaction { core: self.core }, offset, bytes);
        self.done(written)
    }

    fn arguments(&mut self) -> Result<Vec<Vec<u8>>, Stop> {
        let process = self.process();
        let found = processes::arguments(&mut Transaction { core: self.core }, process);
        self.done(found)
    }

    fn argument(&mut self, index: u32) -> Result<Vec<u8>, Stop> {
        let mut arguments = self.arguments()?;
        let count = u32::try_from(arguments.len()).expect("arguments are few");
        if index >= count {
            return self.done(Err(Refusal::NoSuchItem { index, count }.into()));
        }
        Ok(arguments.swap_remove(index as usize))
    }

    fn input_count(&self) -> u32 {
        match &self.call {
            Some(call) => u32::try_from(call.inputs.len()).expect("inputs are few"),
            None => self.step.process().input_count,
        }
    }

    fn input_length(&mut self, index: u32) -> Result<u64, Stop> {
        if let Some(call) = &self.call {
            return Ok(input_of(call, index)?.len() as u64);
        }
        let process = self.process();
        let pages = &mut Transaction { core: self.core };
        let length = processes::input(pages, process, index)
            .and_then(|input| blobs::length(pages, input.blob));
        self.done(length)
    }

    fn input_read(&mut self, index: u32, offset: u64, buffer: &mut [u8]) -> Result<i64, Stop> {
        let count = if let Some(call) = &self.call {
            let input = input_of(call, index)?;
            let start = usize::try_from(offset).map_or(input.len(), |at| at.min(input.len()));
            let count = buffer.len().min(input.len() - start);
            buffer[..count].copy_from_slice(&input[start..start + count]);
            count
        } else {
            let process = self.process();
            let pages = &mut Transaction { core: self.core };
            let count = processes::input(pages, process, index)
                .and_then(|input| blobs::read(pages, input.blob, offset, buffer));
            self.done(count)?
        };
        Ok(i64::try_from(count).expect("a length in memory"))
    }
}

impl<P: Platform, D: Disk> StepHost for Running<'_, P, D> {
    fn read_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.access(self.linear(page), Access::Read)
    }

    fn write_fault(&mut self, page: PageIndex) -> Result<(), Stop> {
        self.access(self.linear(page), Access::Write)
    }

    fn header_read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Stop> {
        let (page, at) = self.header(offset);
        self.access(page, Access::Read)?;
        bytes.copy_from_slice(&self.core.memory.bytes(page)[at..at + bytes.len()]);
        Ok(())
    }

    fn header_write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Stop> {
        let (page, at) = self.header(offset);
        self.access(page, Access::Write)?;
        self.core.memory.table_page_mut(page)[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn interrupt(&mut self) -> Result<(), Stop> {
        self.core.pump(Wait::No);
        match self.core.dtm.transaction() {
            TxnStatus::Running if self.core.is_going_on() => Ok(()),
            _ => Err(self.why_stopped()),
        }
    }

    fn call(&mut self, call: HostCall<'_>) -> Result<i64, Stop> {
        match call {
            HostCall::Log { level, text } => self.log(level, text).map(|()| 0),
            HostCall::Spawn { entry, argument } => self.spawn(entry, argument),
            HostCall::Signal { event } => {
                self.step.signal(Event(event));
                Ok(0)
            }
            HostCall::Worker => Ok(self
                .step
                .worker()
                .map_or(0, |worker| worker.0.cast_signed())),
            HostCall::Node => Ok(i64::from(self.core.station().slot().index())),
            HostCall::NodeCount => Ok(i64::from(self.core.station().slots())),
            HostCall::ArgumentCount => self.arguments().map(|all| signed(all.len())),
            HostCall::ArgumentLength { index } => self.argument(index).map(|one| signed(one.len())),
            HostCall::ArgumentRead { index, buffer } => {
                buffer.copy_from_slice(&self.argument(index)?);
                Ok(0)
            }
            HostCall::InputCount => Ok(i64::from(self.input_count())),
            HostCall::InputLength { index } => self.input_length(index).map(u64::cast_signed),
            HostCall::InputRead {
                index,
                offset,
                buffer,
            } => self.input_read(index, offset, buffer),
            HostCall::ResultWrite { offset, bytes } => self.result_write(offset, bytes).map(|()| 0),
            HostCall::Listen {
                address,
                release,
                event,
            } => self.listen(address, release, event),
            HostCall::Timer {
                first,
                period,
                event,
            } => self.timer(first, period, event),
            HostCall::ChannelEvent { channel, event } => {
                self.channel_event(channel, event).map(|()| 0)
            }
            HostCall::ChannelRead { channel, buffer } => self.channel_read(channel, buffer),
            HostCall::ChannelWrite { channel, bytes } => self.channel_write(channel, bytes),
            HostCall::ChannelClose { channel } => self.channel_close(channel).map(|()| 0),
            HostCall::Driver(call) => self.driver_call(call),
            HostCall::Progress { done, total } => {
                let (done, total) = (done.max(0).cast_unsigned(), total.max(0).cast_unsigned());
                self.step.set_progress(ProgressCount { done, total });
                Ok(0)
            }
            HostCall::ClockNanos => Ok(self.wall_ns.cast_signed()),
            HostCall::Random { buffer } => {
                self.core.platform.fill(buffer);
                Ok(0)
            }
        }
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).expect("a length in memory")
}

fn input_of(call: &CallData, index: u32) -> Result<&[u8], Stop> {
    let count = call.inputs.len();
    call.inputs
        .get(index as usize)
        .map(Vec::as_slice)
        .ok_or_else(|| {
            let why: String = format!("input {index} of {count}");
            GuestFault::refused(&why).into()
        })
}

fn write_reply(reply: &mut Vec<u8>, offset: u64, bytes: &[u8]) -> Result<(), Stop> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(bytes.len());
    if end > REPLY_BYTES_MAX {
        let why = format!("a reply of {end} bytes, expected at most {REPLY_BYTES_MAX}");
        return Err(GuestFault::refused(&why).into());
    }
    if reply.len() < end {
        reply.resize(end, 0);
    }
    reply[start..end].copy_from_slice(bytes);
    Ok(())
}
