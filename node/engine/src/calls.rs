//! The calls of the ABI: from numbers on the guest's stack to a [`HostCall`].
use abi::MODULE;
use wasmtime::{Caller, Linker};

use crate::state::{Context, StepState};
use crate::{DriverCall, FaultKind, HostCall, Stop};

type Guest<'a> = Caller<'a, Context>;

pub(crate) fn define(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    define_program(linker)?;
    define_arguments(linker)?;
    define_results(linker)?;
    define_channels(linker)?;
    define_drivers(linker)?;
    define_services(linker)?;
    define_environment(linker)
}

/// Workers and their program.
fn define_program(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "spawn",
        |guest: Guest<'_>, name: i32, length: i32, argument: i64| {
            let state = guest.data();
            let entry = core::str::from_utf8(state.readable(name, length)?).map_err(|_| {
                state.faulted(FaultKind::Refused, "spawn: the entry's name is no text")
            })?;
            state.call(HostCall::Spawn { entry, argument })
        },
    )?;
    linker.func_wrap(MODULE, "signal", |guest: Guest<'_>, event: i64| {
        guest.data().call(HostCall::Signal { event }).map(drop)
    })?;
    linker.func_wrap(MODULE, "worker", |guest: Guest<'_>| {
        guest.data().call(HostCall::Worker)
    })?;
    linker.func_wrap(
        MODULE,
        "exit",
        |guest: Guest<'_>, code: i32| -> wasmtime::Result<()> {
            Err(guest.data().stopped(Stop::Exit(code)))
        },
    )?;
    Ok(())
}

/// What came with the program or call.
fn define_arguments(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "arg_count", |guest: Guest<'_>| {
        guest.data().call_i32(HostCall::ArgumentCount)
    })?;
    linker.func_wrap(MODULE, "arg_len", |guest: Guest<'_>, index: i32| {
        guest.data().call_i32(HostCall::ArgumentLength {
            index: index.cast_unsigned(),
        })
    })?;
    linker.func_wrap(
        MODULE,
        "arg_read",
        |guest: Guest<'_>, index: i32, buffer: i32| {
            guest.data().read_argument(index.cast_unsigned(), buffer)
        },
    )?;
    linker.func_wrap(MODULE, "input_count", |guest: Guest<'_>| {
        guest.data().call_i32(HostCall::InputCount)
    })?;
    linker.func_wrap(MODULE, "input_len", |guest: Guest<'_>, index: i32| {
        guest.data().call(HostCall::InputLength {
            index: index.cast_unsigned(),
        })
    })?;
    linker.func_wrap(
        MODULE,
        "input_read",
        |guest: Guest<'_>, index: i32, offset: i64, buffer: i32, length: i32| {
            let state = guest.data();
            let buffer = state.writable(buffer, length)?;
            let (index, offset) = (index.cast_unsigned(), offset.cast_unsigned());
            state.call_i32(HostCall::InputRead {
                index,
                offset,
                buffer,
            })
        },
    )?;
    Ok(())
}

/// What the program says.
fn define_results(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "log",
        |guest: Guest<'_>, level: i32, text: i32, length: i32| {
            let state = guest.data();
            let text = state.readable(text, length)?;
            state.call(HostCall::Log { level, text }).map(drop)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "result_write",
        |guest: Guest<'_>, offset: i64, bytes: i32, length: i32| {
            let state = guest.data();
            let bytes = state.readable(bytes, length)?;
            let offset = offset.cast_unsigned();
            state
                .call(HostCall::ResultWrite { offset, bytes })
                .map(drop)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "progress",
        |guest: Guest<'_>, done: i64, total: i64| {
            guest
                .data()
                .call(HostCall::Progress { done, total })
                .map(drop)
        },
    )?;
    Ok(())
}

/// What joins the program with the outside.
fn define_channels(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "listen",
        |guest: Guest<'_>, address: i32, length: i32, release: i32, event: i64| {
            let state = guest.data();
            let address = state.text(address, length)?;
            state.call(HostCall::Listen {
                address,
                release,
                event,
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "timer",
        |guest: Guest<'_>, first: i64, period: i64, event: i64| {
            guest.data().call(HostCall::Timer {
                first,
                period,
                event,
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "channel_event",
        |guest: Guest<'_>, channel: i64, event: i64| {
            let call = HostCall::ChannelEvent { channel, event };
            guest.data().call(call).map(drop)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "channel_read",
        |guest: Guest<'_>, channel: i64, buffer: i32, length: i32| {
            let state = guest.data();
            let buffer = state.writable(buffer, length)?;
            state.call_i32(HostCall::ChannelRead { channel, buffer })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "channel_write",
        |guest: Guest<'_>, channel: i64, bytes: i32, length: i32| {
            let state = guest.data();
            let bytes = state.readable(bytes, length)?;
            state.call_i32(HostCall::ChannelWrite { channel, bytes })
        },
    )?;
    linker.func_wrap(MODULE, "channel_close", |guest: Guest<'_>, channel: i64| {
        guest
            .data()
            .call(HostCall::ChannelClose { channel })
            .map(drop)
    })?;
    Ok(())
}

/// What drivers do with their devices.
fn define_drivers(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "attach",
        |guest: Guest<'_>, device: i32, length: i32, release: i32, event: i64| {
            let state = guest.data();
            let device = state.text(device, length)?;
            state.call(HostCall::Driver(DriverCall::Attach {
                device,
                release,
                event,
            }))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "object_read",
        |guest: Guest<'_>, device: i64, offset: i64, buffer: i32, length: i32| {
            let state = guest.data();
            let buffer = state.writable(buffer, length)?;
            let offset = offset.cast_unsigned();
            state.call_i32(HostCall::Driver(DriverCall::ObjectRead {
                device,
                offset,
                buffer,
            }))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "object_write",
        |guest: Guest<'_>, device: i64, offset: i64, bytes: i32, length: i32| {
            let state = guest.data();
            let bytes = state.readable(bytes, length)?;
            let offset = offset.cast_unsigned();
            state.call_i32(HostCall::Driver(DriverCall::ObjectWrite {
                device,
                offset,
                bytes,
            }))
        },
    )?;
    Ok(())
}

/// How programs find each other.
fn define_services(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "serve",
        |guest: Guest<'_>, label: i32, length: i32, event: i64| {
            let state = guest.data();
            let label = state.text(label, length)?;
            state.call(HostCall::Driver(DriverCall::Serve { label, event }))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "connect",
        |guest: Guest<'_>, label: i32, length: i32, event: i64| {
            let state = guest.data();
            let label = state.text(label, length)?;
            state.call(HostCall::Driver(DriverCall::Connect { label, event }))
        },
    )?;
    Ok(())
}

/// What the program sees of the world.
fn define_environment(linker: &mut Linker<Context>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "node", |guest: Guest<'_>| {
        guest.data().call_i32(HostCall::Node)
    })?;
    linker.func_wrap(MODULE, "node_count", |guest: Guest<'_>| {
        guest.data().call_i32(HostCall::NodeCount)
    })?;
    linker.func_wrap(MODULE, "clock_ns", |guest: Guest<'_>| {
        guest.data().call(HostCall::ClockNanos)
    })?;
    linker.func_wrap(
        MODULE,
        "random",
        |guest: Guest<'_>, buffer: i32, length: i32| {
            let state = guest.data();
            let buffer = state.writable(buffer, length)?;
            state.call(HostCall::Random { buffer }).map(drop)
        },
    )?;
    Ok(())
}

impl StepState {
    pub(crate) fn call(&self, call: HostCall<'_>) -> wasmtime::Result<i64> {
        self.serve_due_interrupt()?;
        self.ask(|host| host.call(call))
    }

    /// A text of the guest's.
    fn text(&self, address: i32, length: i32) -> wasmtime::Result<&str> {
        core::str::from_utf8(self.readable(address, length)?)
            .map_err(|_| self.faulted(FaultKind::Refused, "a name or address that is no text"))
    }

    /// A call whose result the ABI makes an `i32`.
    pub(crate) fn call_i32(&self, call: HostCall<'_>) -> wasmtime::Result<i32> {
        let result = self.call(call)?;
        Ok(i32::try_from(result).expect("the host answers within the type of the call"))
    }

    /// Copies a whole argument to the guest's memory.
    pub(crate) fn read_argument(&self, index: u32, buffer: i32) -> wasmtime::Result<()> {
        let length = self.call_i32(HostCall::ArgumentLength { index })?;
        let buffer = self.writable(buffer, length)?;
        self.call(HostCall::ArgumentRead { index, buffer })
            .map(drop)
    }
}
