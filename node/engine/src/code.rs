//! Where a module's machine code lies, for interrupting it.
use alloc::string::String;
use alloc::vec::Vec;

use platform::GuestCode;
use wasmtime::Module;

use crate::engine::LoadError;

/// The instruction that the compiler makes of `unreachable`.
#[cfg(target_arch = "x86_64")]
const TRAP: &[u8] = &[0x0F, 0x0B];

/// Finds the module's functions, and the trap in the function that instrumentation has
/// put behind all others for this: its whole body is `unreachable`.
pub(crate) fn locate(module: &Module) -> Result<GuestCode, LoadError> {
    let text = module.text();
    let text_start = text.as_ptr() as usize;
    let all: Vec<_> = module.functions().collect();
    let last = all.iter().max_by_key(|function| function.index.as_u32());
    let stop = last
        .filter(|last| last.name.as_deref() == Some(abi::runtime::STOP_FUNCTION))
        .and_then(|last| {
            let code = &text[last.offset..last.offset + last.len];
            let at = code.windows(TRAP.len()).rposition(|bytes| bytes == TRAP)?;
            Some(text_start + last.offset + at)
        })
        .ok_or_else(|| LoadError(String::from("the module has no place to be stopped at")))?;
    let mut functions: Vec<_> = all
        .iter()
        .map(|one| text_start + one.offset..text_start + one.offset + one.len)
        .collect();
    functions.sort_unstable_by_key(|range| range.start);
    Ok(GuestCode {
        text: text_start..text_start + text.len(),
        functions,
        stop,
    })
}
