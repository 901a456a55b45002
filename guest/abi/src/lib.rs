//! What a module and its host agree on: names and numbers, no logic.
//!
//! Both sides use this crate: `sdk` in the guest, `instrument` and `engine` in the
//! host. `docs/abi.md` explains it for people who write modules in other languages.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

/// Import module of every call below.
pub const MODULE: &str = "plurix";
/// Import module of the WASI preview 1 subset.
pub const WASI_MODULE: &str = "wasi_snapshot_preview1";
/// Export that is the first worker's entry: `(arg: i64) -> i64`.
pub const ENTRY_MAIN: &str = "main";
/// Export that a standard toolchain makes the entry: `() -> ()`, run as one step.
pub const ENTRY_WASI: &str = "_start";

/// A value type of the ABI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// 32-bit integer; pointers and lengths.
    I32,
    /// 64-bit integer; arguments, offsets, events.
    I64,
}

/// A function that the host offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Import {
    /// Its name in [`MODULE`].
    pub name: &'static str,
    /// Parameter types.
    pub params: &'static [Type],
    /// Result type, if any.
    pub result: Option<Type>,
}

use Type::{I32, I64};

const fn import(name: &'static str, params: &'static [Type], result: Option<Type>) -> Import {
    Import {
        name,
        params,
        result,
    }
}

/// Every function of [`MODULE`]. Effects of a step happen if and when it commits.
pub const IMPORTS: &[Import] = &[
    // log(level, text, length): a line of output; see the levels below.
    import("log", &[I32, I32, I32], None),
    // spawn(entry name, length, argument) -> worker id. The worker runs the exported
    // function of that name, `(i64) -> i64`, once per step.
    import("spawn", &[I32, I32, I64], Some(I64)),
    // signal(event): makes every worker of the program that waits for it runnable.
    import("signal", &[I64], None),
    // worker() -> id of the worker whose step runs; 0 in a call.
    import("worker", &[], Some(I64)),
    // node() -> position of the executing node in the view, 0..node_count.
    import("node", &[], Some(I32)),
    // node_count() -> members of the view.
    import("node_count", &[], Some(I32)),
    // arg_count(), arg_len(index), arg_read(index, buffer): the program's arguments.
    import("arg_count", &[], Some(I32)),
    import("arg_len", &[I32], Some(I32)),
    import("arg_read", &[I32, I32], None),
    // input_count(), input_len(index): the input blobs that came with the program or call.
    import("input_count", &[], Some(I32)),
    import("input_len", &[I32], Some(I64)),
    // input_read(index, offset, buffer, length) -> bytes read (short at the end).
    import("input_read", &[I32, I64, I32, I32], Some(I32)),
    // result_write(offset, bytes, length): writes into the program's result (or the
    // call's reply), which grows as needed.
    import("result_write", &[I64, I32, I32], None),
    // progress(done, total): what `plurix run` shows.
    import("progress", &[I64, I64], None),
    // clock_ns() -> wall clock, ns since 1970; the same for the whole step.
    import("clock_ns", &[], Some(I64)),
    // random(buffer, length).
    import("random", &[I32, I32], None),
    // listen(address, length, release, event) -> channel: listens at an address (text,
    // ip:port). The channel gives the numbers of the channels of its connections. With
    // `UDP_PREFIX` before the address: of its one line, on which datagrams are frames.
    // `FILE_PREFIX` before a name: what is written to the channel is appended to the file.
    import("listen", &[I32, I32, I32, I64], Some(I64)),
    // timer(first, period, event) -> channel: ticks at the time `first`, ns since 1970, and
    // then every `period` ns, if that is not 0. The channel gives the times of the ticks.
    import("timer", &[I64, I64, I64], Some(I64)),
    // channel_event(channel, event): what is signalled when something happens to it.
    import("channel_event", &[I64, I64], None),
    // channel_read(channel, buffer, length) -> bytes read, or one of `channel`.
    import("channel_read", &[I64, I32, I32], Some(I32)),
    // channel_write(channel, bytes, length) -> bytes taken, or one of `channel`.
    import("channel_write", &[I64, I32, I32], Some(I32)),
    // channel_close(channel): what was written still goes out.
    import("channel_close", &[I64], None),
    // attach(device, length, release, event) -> channel: drives the device of this name, which
    // the module must have declared. The channel gives the numbers of lines to it.
    import("attach", &[I32, I32, I32, I64], Some(I64)),
    // object_read(device, offset, buffer, length) -> bytes read (short at the end), or one of
    // `channel`: the fallback object of a device that the program drives.
    import("object_read", &[I64, I64, I32, I32], Some(I32)),
    // object_write(device, offset, bytes, length) -> bytes written, or one of `channel`.
    import("object_write", &[I64, I64, I32, I32], Some(I32)),
    // serve(label, length, event) -> channel: other programs find this one under the label. The
    // channel gives the numbers of its sessions with them.
    import("serve", &[I32, I32, I64], Some(I64)),
    // connect(label, length, event) -> channel: one end of a session with the program that
    // serves under the label, or `channel::LOST` if none does.
    import("connect", &[I32, I32, I64], Some(I64)),
    // exit(code): commits the step and ends the program with all its workers.
    import("exit", &[I32], None),
];

/// What a step returns: tag in the low two bits, payload in the upper 62 (signed).
pub mod step {
    /// Run me again.
    pub const AGAIN: i64 = 0;
    /// Run me again after the event in the payload was signalled.
    pub const WAIT: i64 = 1;
    /// This worker has ended; the payload is its value.
    pub const DONE: i64 = 2;
    /// Bits of the tag.
    pub const TAG_BITS: u32 = 2;
    /// Mask of the tag.
    pub const TAG_MASK: i64 = 3;
}

/// Levels of `log`.
pub mod level {
    /// Standard output of the program, as it is.
    pub const OUTPUT: i32 = 0;
    /// Standard error of the program.
    pub const ERROR: i32 = 1;
}

/// What the calls on channels answer, beside numbers of bytes.
pub mod channel {
    /// Nothing more will come.
    pub const END: i32 = -1;
    /// The channel is gone: broken from outside, or with its node.
    pub const LOST: i32 = -2;
}

/// Before an address: datagrams instead of connections.
pub const UDP_PREFIX: &str = "udp:";

/// Before the name of a file: to append to it.
pub const FILE_PREFIX: &str = "file:";

/// Custom section of a module in which it declares the devices that it drives: their names, a
/// line each.
pub const DEVICES_SECTION: &str = "plurix.devices";

/// When what is written to a channel leaves.
pub mod release {
    /// When it is committed: early, and if it is undone after all, by a failure, the
    /// connection breaks unless the very same is written again.
    pub const AT_COMMIT: i32 = 0;
    /// When nothing can undo it any more.
    pub const AT_STABLE: i32 = 1;
}

/// What instrumentation adds to a module; no business of its author.
pub mod runtime {
    /// Import module of the barrier calls.
    pub const MODULE: &str = "plurix_rt";
    /// `write(address, size)`: the first write to one or two protected pages.
    pub const WRITE: &str = "write";
    /// `write_range(address, length)`: before `memory.fill` and the target of `memory.copy`.
    pub const WRITE_RANGE: &str = "write_range";
    /// `read_range(address, length)`: before the source of `memory.copy`.
    pub const READ_RANGE: &str = "read_range";
    /// `grow(pages of 64 KiB) -> i32`: asks leave to grow; 0 = go on, else the
    /// instruction's result is -1.
    pub const GROW: &str = "grow";
    /// Exported name of the barrier table: a memory with a byte per 4 KiB page,
    /// 1 = protected, 0 = writable.
    pub const BARRIER_TABLE: &str = "__plurix_barrier";
    /// Exported name of the module's memory.
    pub const MEMORY: &str = "__plurix_memory";
    /// Prefix of the exported names of the module's mutable globals, then its index.
    pub const GLOBAL_PREFIX: &str = "__plurix_global_";
    /// Exported name of what was the start function.
    pub const START: &str = "__plurix_start";
    /// Name of the last function of an instrumented module: it traps.
    pub const STOP_FUNCTION: &str = "plurix_stop";
}

/// Reports errors of the WASI subset (`errno` of preview 1).
pub mod wasi_errno {
    /// Success.
    pub const SUCCESS: i32 = 0;
    /// Bad file descriptor.
    pub const BADF: i32 = 8;
    /// Function not supported.
    pub const NOSYS: i32 = 52;
}
