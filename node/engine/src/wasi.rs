//! WASI preview 1, as far as programs without files need it: arguments, an empty
//! environment, the clock, random bytes, output, exit. Every other function of it
//! exists and answers "not supported".
use alloc::vec::Vec;

use abi::WASI_MODULE;
use abi::level::{ERROR, OUTPUT};
use abi::wasi_errno::{BADF, NOSYS, SUCCESS};
use wasmtime::{Caller, ExternType, FuncType, Linker, Val, ValType};

use crate::state::{Context, StepState};
use crate::{HostCall, Stop};

type Guest<'a> = Caller<'a, Context>;
type Errno = wasmtime::Result<i32>;

/// Name of the program, the argument before the first.
const PROGRAM: &[u8] = b"program";
/// Its length as a C string.
const PROGRAM_LENGTH: u32 = 8;
const _: () = assert!(
    PROGRAM.len() + 1 == PROGRAM_LENGTH as usize,
    "a zero ends it"
);
/// Kind of file of the standard streams: a character device.
const FILETYPE_CHARACTER_DEVICE: u8 = 2;
/// Bytes that one call puts out at most; the guest's library calls again for the rest.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Vectors of such a call that are looked at.
const VECTORS_MAX: u32 = 1024;
/// Right to write to a file.
const RIGHT_FD_WRITE: u64 = 1 << 6;

/// The functions that are more than "not supported".
pub(crate) const SUPPORTED: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_fdstat_get",
    "fd_prestat_get",
    "fd_write",
    "proc_exit",
    "random_get",
];

pub(crate) fn define(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    define_arguments(linker)?;
    define_files(linker)?;
    let m = WASI_MODULE;
    linker.func_wrap(
        m,
        "clock_time_get",
        |guest: Guest<'_>, _: i32, _: i64, at: i32| -> Errno {
            let state = guest.data();
            let nanos = state.call(HostCall::ClockNanos)?;
            state.write(at, &nanos.to_le_bytes())?;
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(
        m,
        "random_get",
        |guest: Guest<'_>, buffer: i32, length: i32| -> Errno {
            let state = guest.data();
            let buffer = state.writable(buffer, length)?;
            state.call(HostCall::Random { buffer })?;
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(
        m,
        "proc_exit",
        |guest: Guest<'_>, code: i32| -> wasmtime::Result<()> {
            Err(guest.data().stopped(Stop::Exit(code)))
        },
    )?;
    Ok(())
}

fn define_arguments(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    let m = WASI_MODULE;
    linker.func_wrap(
        m,
        "args_sizes_get",
        |guest: Guest<'_>, count: i32, bytes: i32| -> Errno {
            let state = guest.data();
            let lengths = state.argument_lengths()?;
            let arguments = u32::try_from(lengths.len()).expect("the host counts them in an i32");
            state.write(count, &arguments.to_le_bytes())?;
            state.write(bytes, &lengths.iter().sum::<u32>().to_le_bytes())?;
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(
        m,
        "args_get",
        |guest: Guest<'_>, pointers: i32, texts: i32| -> Errno {
            guest.data().write_arguments(pointers, texts)
        },
    )?;
    linker.func_wrap(
        m,
        "environ_sizes_get",
        |guest: Guest<'_>, count: i32, bytes: i32| -> Errno {
            let state = guest.data();
            state.write(count, &0_u32.to_le_bytes())?;
            state.write(bytes, &0_u32.to_le_bytes())?;
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(m, "environ_get", |_: Guest<'_>, _: i32, _: i32| SUCCESS)?;
    Ok(())
}

fn define_files(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    let m = WASI_MODULE;
    linker.func_wrap(
        m,
        "fd_write",
        |guest: Guest<'_>, fd: i32, vectors: i32, count: i32, written: i32| -> Errno {
            let level = match fd {
                1 => OUTPUT,
                2 => ERROR,
                _ => return Ok(BADF),
            };
            let state = guest.data();
            let length = state.log_vectors(level, vectors, count)?;
            state.write(written, &length.to_le_bytes())?;
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(m, "fd_prestat_get", |_: Guest<'_>, _: i32, _: i32| BADF)?;
    linker.func_wrap(
        m,
        "fd_fdstat_get",
        |guest: Guest<'_>, fd: i32, at: i32| -> Errno {
            if !(0..=2).contains(&fd) {
                return Ok(BADF);
            }
            let mut status = [0; 24];
            status[0] = FILETYPE_CHARACTER_DEVICE;
            status[8..16].copy_from_slice(&RIGHT_FD_WRITE.to_le_bytes());
            guest.data().write(at, &status)?;
            Ok(SUCCESS)
        },
    )?;
    Ok(())
}

/// Defines a function that the linker does not have yet: it answers "not supported".
pub(crate) fn define_unsupported(
    linker: &mut Linker<Context>,
    name: &str,
    import: &ExternType,
) -> wasmtime::Result<()> {
    let ExternType::Func(function) = import else {
        return Err(wasmtime::Error::msg("not a function"));
    };
    let function: FuncType = function.clone();
    let has_errno =
        function.results().len() == 1 && matches!(function.results().next(), Some(ValType::I32));
    if !has_errno {
        return Err(wasmtime::Error::msg(
            "not a function that returns an error number",
        ));
    }
    linker.func_new(WASI_MODULE, name, function, |_, _, results| {
        results[0] = Val::I32(NOSYS);
        Ok(())
    })?;
    Ok(())
}

impl StepState {
    /// Lengths of the arguments as C strings, the program's name first.
    fn argument_lengths(&self) -> wasmtime::Result<Vec<u32>> {
        let mut lengths = Vec::from([PROGRAM_LENGTH]);
        let count = self.call_i32(HostCall::ArgumentCount)?.cast_unsigned();
        for index in 0..count {
            let length = self.call_i32(HostCall::ArgumentLength { index })?;
            lengths.push(length.cast_unsigned() + 1);
        }
        Ok(lengths)
    }

    fn write_arguments(&self, pointers: i32, texts: i32) -> Errno {
        let mut text = texts;
        for (index, length) in (0_u32..).zip(self.argument_lengths()?) {
            let place = pointers.wrapping_add(index.cast_signed().wrapping_mul(4));
            self.write(place, &text.to_le_bytes())?;
            match index.checked_sub(1) {
                None => self.write(text, PROGRAM)?,
                Some(index) => self.read_argument(index, text)?,
            }
            let next = text.wrapping_add(length.cast_signed());
            self.write(next.wrapping_sub(1), &[0])?;
            text = next;
        }
        Ok(SUCCESS)
    }

    /// Puts out the concatenation of the vectors, or its beginning; gives the length of
    /// what was put out.
    fn log_vectors(&self, level: i32, vectors: i32, count: i32) -> wasmtime::Result<u32> {
        let mut text = Vec::new();
        for index in 0..count.cast_unsigned().min(VECTORS_MAX) {
            let at = vectors.wrapping_add(index.wrapping_mul(8).cast_signed());
            let (address, length) = self.vector(at)?;
            let bytes = self.readable(address, length)?;
            let rest = OUTPUT_BYTES_MAX - text.len();
            text.extend_from_slice(&bytes[..bytes.len().min(rest)]);
        }
        self.call(HostCall::Log { level, text: &text })?;
        Ok(u32::try_from(text.len()).expect("limited above"))
    }

    fn vector(&self, at: i32) -> wasmtime::Result<(i32, i32)> {
        let bytes = self.readable(at, 8)?;
        let word = |at: usize| {
            i32::from_le_bytes(bytes[at..at + 4].try_into().expect("a word is 4 bytes"))
        };
        Ok((word(0), word(4)))
    }
}
