//! The calls to the host, with Rust types.
//!
//! Every `unsafe` block here passes the address and length of memory that the callee may
//! read or write for the duration of the call, or no memory at all.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::raw;
use crate::step::Event;

/// Starts a worker: the exported function `entry` gets `argument` in each of its steps.
/// Returns the worker's number.
pub fn spawn(entry: &str, argument: i64) -> i64 {
    // SAFETY: see the file's header.
    unsafe { raw::spawn(entry.as_ptr(), entry.len(), argument) }
}

/// Makes every worker of the program that waits for the event runnable.
pub fn signal(event: Event) {
    // SAFETY: no memory is passed.
    unsafe { raw::signal(event.0) }
}

/// Number of the worker whose step this is; 0 in a call from outside.
pub fn worker() -> i64 {
    // SAFETY: no memory is passed.
    unsafe { raw::worker() }
}

/// Position of the executing node, below [`node_count`]. May differ in the next step.
pub fn node() -> usize {
    // SAFETY: no memory is passed.
    unsafe { raw::node() as usize }
}

/// How many nodes the cluster has now.
pub fn node_count() -> usize {
    // SAFETY: no memory is passed.
    unsafe { raw::node_count() as usize }
}

/// The program's arguments. Bytes that are not UTF-8 are replaced.
pub fn arguments() -> Vec<String> {
    // SAFETY: see the file's header; `arg_read` writes `arg_len` bytes.
    let read = |index| unsafe {
        let mut text = vec![0; raw::arg_len(index) as usize];
        raw::arg_read(index, text.as_mut_ptr());
        String::from_utf8_lossy(&text).into_owned()
    };
    // SAFETY: no memory is passed.
    (0..unsafe { raw::arg_count() }).map(read).collect()
}

/// How many inputs came with the program or call.
pub fn inputs() -> usize {
    // SAFETY: no memory is passed.
    unsafe { raw::input_count() as usize }
}

/// The input at `index`, which must be below [`inputs`].
pub fn input(index: usize) -> Input {
    assert!(index < inputs(), "no input {index}: there are {}", inputs());
    Input {
        index: index as u32,
    }
}

/// Bytes that came with the program or call: a file, usually.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    index: u32,
}

impl Input {
    /// Its size in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a size, not a collection")]
    pub fn len(self) -> u64 {
        // SAFETY: no memory is passed.
        unsafe { raw::input_len(self.index) as u64 }
    }

    /// Reads from `offset` until the buffer is full or the input ends; returns how much.
    pub fn read_at(self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let rest = &mut buffer[done..];
            let at = offset as i64 + done as i64;
            // SAFETY: see the file's header.
            let read =
                unsafe { raw::input_read(self.index, at, rest.as_mut_ptr(), rest.len()) } as usize;
            if read == 0 {
                break;
            }
            done += read;
        }
        done
    }

    /// The `length` bytes from `offset`, fewer if the input ends before.
    pub fn read(self, offset: u64, length: usize) -> Vec<u8> {
        let rest = self.len().saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(rest).unwrap_or(usize::MAX).min(length)];
        let read = self.read_at(offset, &mut bytes);
        bytes.truncate(read);
        bytes
    }

    /// All of it.
    pub fn to_vec(self) -> Vec<u8> {
        self.read(0, usize::MAX)
    }
}

/// Writes into the program's result, or a call's reply, which grows as needed.
pub fn result_write(offset: u64, bytes: &[u8]) {
    // SAFETY: see the file's header.
    unsafe { raw::result_write(offset as i64, bytes.as_ptr(), bytes.len()) }
}

/// Tells whoever watches the program how far it is.
pub fn progress(done: u64, total: u64) {
    // SAFETY: no memory is passed.
    unsafe { raw::progress(done as i64, total as i64) }
}

/// Wall clock in nanoseconds since 1970; the same for the whole step.
pub fn clock_ns() -> u64 {
    // SAFETY: no memory is passed.
    unsafe { raw::clock_ns() as u64 }
}

/// Fills the buffer with random bytes.
pub fn random(buffer: &mut [u8]) {
    // SAFETY: see the file's header.
    unsafe { raw::random(buffer.as_mut_ptr(), buffer.len()) }
}

/// Commits this step and ends the program with all its workers.
pub fn exit(code: i32) -> ! {
    // SAFETY: no memory is passed.
    unsafe { raw::exit(code) }
    unreachable!("exit does not return")
}
