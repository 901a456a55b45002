//! Making parts of the guest's memory accessible before they are used: for barriers, for
//! bulk instructions, and for the host's own reading and writing.
use core::ops::Range;
use core::slice;

use types::{PAGE_SIZE, PageIndex};

use crate::FaultKind;
use crate::state::StepState;

/// Pages of a long range that are made accessible before the host may look up.
const PAGES_BETWEEN_INTERRUPTS: u32 = 256;

/// A range of addresses in the guest's memory, inside of it.
#[derive(Clone, Copy)]
struct Span {
    address: u32,
    length: u32,
}

impl StepState {
    /// Makes pages present that an instruction is about to read. A range that is not in
    /// memory is left alone: the instruction traps before it reads anything.
    pub(crate) fn announce_read(&self, address: u32, length: u32) -> wasmtime::Result<()> {
        self.serve_due_interrupt()?;
        match self.span(address, length) {
            Some(span) => self.make_present(span),
            None => Ok(()),
        }
    }

    /// Makes pages writable that a bulk instruction is about to write; for a range that
    /// is not in memory see `announce_read`.
    pub(crate) fn announce_write(&self, address: u32, length: u32) -> wasmtime::Result<()> {
        self.serve_due_interrupt()?;
        match self.span(address, length) {
            Some(span) => self.make_writable(span),
            None => Ok(()),
        }
    }

    /// Makes the one or two pages writable that a store is about to write. What lies
    /// beyond the memory is left out: there the store traps, perhaps half done.
    pub(crate) fn announce_store(&self, address: u32, size: u32) -> wasmtime::Result<()> {
        let size_max = self.memory_bytes.get().saturating_sub(u64::from(address));
        let length = u32::try_from(size_max).map_or(size, |size_max| size.min(size_max));
        self.make_writable(Span { address, length })
    }

    /// Bytes that a host call reads.
    pub(crate) fn readable(&self, address: i32, length: i32) -> wasmtime::Result<&[u8]> {
        let span = self.expect_span(address, length)?;
        self.make_present(span)?;
        // SAFETY: inside the memory and present until the step ends, so readable; the
        // guest, the only one to write to it now, is suspended until the call is over.
        Ok(unsafe { slice::from_raw_parts(self.at(span), span.length as usize) })
    }

    /// Bytes that a host call writes.
    #[expect(
        clippy::mut_from_ref,
        reason = "the memory is the guest's, not part of the state"
    )]
    pub(crate) fn writable(&self, address: i32, length: i32) -> wasmtime::Result<&mut [u8]> {
        let span = self.expect_span(address, length)?;
        self.make_writable(span)?;
        // SAFETY: as in `readable`, and writable; each call asks for one slice at a time.
        Ok(unsafe { slice::from_raw_parts_mut(self.at(span), span.length as usize) })
    }

    /// Writes bytes for a host call.
    pub(crate) fn write(&self, address: i32, bytes: &[u8]) -> wasmtime::Result<()> {
        let length = i32::try_from(bytes.len()).expect("results of calls are small");
        self.writable(address, length)?.copy_from_slice(bytes);
        Ok(())
    }

    fn span(&self, address: u32, length: u32) -> Option<Span> {
        let end = u64::from(address) + u64::from(length);
        (end <= self.memory_bytes.get()).then_some(Span { address, length })
    }

    fn expect_span(&self, address: i32, length: i32) -> wasmtime::Result<Span> {
        self.span(address.cast_unsigned(), length.cast_unsigned())
            .ok_or_else(|| {
                let what = "an argument of a call names memory out of bounds";
                self.faulted(FaultKind::OutOfBounds, what)
            })
    }

    fn at(&self, span: Span) -> *mut u8 {
        self.space.memory().wrapping_add(span.address as usize)
    }

    fn make_present(&self, span: Span) -> wasmtime::Result<()> {
        let presence = self.space.presence();
        for page in pages(span) {
            // SAFETY: the presence table has a byte for each page of a 32-bit address.
            if unsafe { presence.add(page as usize).read() } == 0 {
                self.ask(|host| host.read_fault(PageIndex(page)))?;
                self.look_up_after(page)?;
            }
        }
        Ok(())
    }

    fn make_writable(&self, span: Span) -> wasmtime::Result<()> {
        let barriers = self.space.barriers();
        for page in pages(span) {
            // SAFETY: the barrier table has a byte for each page of a 32-bit address.
            if unsafe { barriers.add(page as usize).read() } != 0 {
                self.ask(|host| host.write_fault(PageIndex(page)))?;
                self.look_up_after(page)?;
            }
        }
        Ok(())
    }

    /// Lets the host look up now and then from a long range.
    fn look_up_after(&self, page: u32) -> wasmtime::Result<()> {
        if page % PAGES_BETWEEN_INTERRUPTS != PAGES_BETWEEN_INTERRUPTS - 1 {
            return Ok(());
        }
        self.ask(|host| host.interrupt())
    }
}

/// Numbers of the pages that a span touches.
fn pages(span: Span) -> Range<u32> {
    if span.length == 0 {
        return 0..0;
    }
    let page_of =
        |address: u64| u32::try_from(address / PAGE_SIZE as u64).expect("a span lies below 4 GiB");
    let address = u64::from(span.address);
    page_of(address)..page_of(address + u64::from(span.length) - 1) + 1
}
