//! The imports that instrumentation has added to a module. The first write to a page in
//! a step goes through here: nothing allocates, nothing locks.
use abi::runtime::{GROW, MODULE, READ_RANGE, WRITE, WRITE_RANGE};
use wasmtime::{Caller, Linker};

use crate::header;
use crate::state::{Context, PAGE_64K, StepState};

/// Answer to a guest that may grow its memory.
const GRANTED: i32 = 0;
/// Answer to one that may not.
const REFUSED: i32 = -1;

pub(crate) fn define(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        WRITE,
        |guest: Caller<'_, Context>, address: i32, size: i32| {
            guest
                .data()
                .announce_store(address.cast_unsigned(), size.cast_unsigned())
        },
    )?;
    linker.func_wrap(
        MODULE,
        WRITE_RANGE,
        |guest: Caller<'_, Context>, at: i32, length: i32| {
            guest
                .data()
                .announce_write(at.cast_unsigned(), length.cast_unsigned())
        },
    )?;
    linker.func_wrap(
        MODULE,
        READ_RANGE,
        |guest: Caller<'_, Context>, at: i32, length: i32| {
            guest
                .data()
                .announce_read(at.cast_unsigned(), length.cast_unsigned())
        },
    )?;
    linker.func_wrap(MODULE, GROW, |guest: Caller<'_, Context>, delta: i32| {
        guest.data().grow(delta.cast_unsigned())
    })?;
    Ok(())
}

impl StepState {
    /// Records a growth in the header. The guest's instruction, which follows, cannot
    /// fail any more.
    fn grow(&self, delta_64k: u32) -> wasmtime::Result<i32> {
        let size_64k = self.memory_bytes.get() / PAGE_64K + u64::from(delta_64k);
        if size_64k > self.type_max_64k {
            return Ok(REFUSED);
        }
        if size_64k > u64::from(self.limits.get().memory_64k_max) {
            self.is_growth_refused.set(true);
            return Ok(REFUSED);
        }
        if delta_64k > 0 {
            let size = u32::try_from(size_64k).expect("at most 65536, the limit of the type");
            self.ask(|host| header::write_size_64k(host, size))?;
            self.memory_bytes.set(size_64k * PAGE_64K);
        }
        Ok(GRANTED)
    }
}
