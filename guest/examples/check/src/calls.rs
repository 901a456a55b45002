//! The calls of the ABI.

use abi::MODULE;
use wasmi::{Caller, Error, Linker};

use crate::{Host, Worker, channels};

type Guest<'a> = Caller<'a, Host>;

const CLOCK_NS: i64 = 1_700_000_000_000_000_000;

pub(crate) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    workers(linker)?;
    inputs(linker)?;
    outputs(linker)?;
    environment(linker)?;
    channels::define(linker)
}

fn workers(linker: &mut Linker<Host>) -> Result<(), Error> {
    linker.func_wrap(
        MODULE,
        "spawn",
        |mut guest: Guest<'_>, name, length, argument| {
            let entry = text(&guest, name, length)?;
            let host = guest.data_mut();
            host.workers += 1;
            host.ready.push_back(Worker {
                id: host.workers,
                entry,
                argument,
            });
            Ok::<i64, Error>(host.workers)
        },
    )?;
    linker.func_wrap(MODULE, "signal", |mut guest: Guest<'_>, event: i64| {
        guest.data_mut().signal(event);
    })?;
    linker.func_wrap(MODULE, "worker", |guest: Guest<'_>| guest.data().worker)?;
    linker.func_wrap(
        MODULE,
        "exit",
        |_: Guest<'_>, code: i32| -> Result<(), Error> { Err(Error::i32_exit(code)) },
    )?;
    Ok(())
}

fn inputs(linker: &mut Linker<Host>) -> Result<(), Error> {
    linker.func_wrap(MODULE, "arg_count", |guest: Guest<'_>| {
        guest.data().setup.arguments.len() as i32
    })?;
    linker.func_wrap(MODULE, "arg_len", |guest: Guest<'_>, index: i32| {
        guest.data().setup.arguments[index as usize].len() as i32
    })?;
    linker.func_wrap(
        MODULE,
        "arg_read",
        |mut guest: Guest<'_>, index: i32, buffer: i32| {
            let argument = guest.data().setup.arguments[index as usize].clone();
            write(&mut guest, buffer, argument.as_bytes())
        },
    )?;
    linker.func_wrap(MODULE, "input_count", |guest: Guest<'_>| {
        guest.data().setup.inputs.len() as i32
    })?;
    linker.func_wrap(MODULE, "input_len", |guest: Guest<'_>, index: i32| {
        guest.data().setup.inputs[index as usize].len() as i64
    })?;
    linker.func_wrap(
        MODULE,
        "input_read",
        |mut guest: Guest<'_>, index: i32, offset: i64, buffer: i32, length: i32| {
            let input = &guest.data().setup.inputs[index as usize];
            let start = (offset as u64).min(input.len() as u64) as usize;
            let end = (start + length as u32 as usize).min(input.len());
            let bytes = input[start..end].to_vec();
            write(&mut guest, buffer, &bytes)?;
            Ok::<i32, Error>(bytes.len() as i32)
        },
    )?;
    Ok(())
}

fn outputs(linker: &mut Linker<Host>) -> Result<(), Error> {
    linker.func_wrap(
        MODULE,
        "log",
        |mut guest: Guest<'_>, level: i32, from: i32, length: i32| {
            let text = text(&guest, from, length)?;
            let host = guest.data_mut();
            match level {
                abi::level::OUTPUT => host.output.push_str(&text),
                abi::level::ERROR => host.errors.push_str(&text),
                _ => return Err(Error::new(format!("unknown level {level}"))),
            }
            Ok(())
        },
    )?;
    linker.func_wrap(
        MODULE,
        "result_write",
        |mut guest: Guest<'_>, offset: i64, from: i32, length: i32| {
            let bytes = read(&guest, from, length)?;
            let end = (offset as u64).saturating_add(bytes.len() as u64);
            if end > 1 << 30 {
                return Err(Error::new("the result is too long"));
            }
            let result = &mut guest.data_mut().result;
            result.resize(result.len().max(end as usize), 0);
            result[offset as usize..end as usize].copy_from_slice(&bytes);
            Ok(())
        },
    )?;
    linker.func_wrap(
        MODULE,
        "progress",
        |mut guest: Guest<'_>, done: i64, total: i64| {
            guest.data_mut().progress = (done, total);
        },
    )?;
    Ok(())
}

fn environment(linker: &mut Linker<Host>) -> Result<(), Error> {
    linker.func_wrap(MODULE, "node", |guest: Guest<'_>| guest.data().node as i32)?;
    linker.func_wrap(MODULE, "node_count", |guest: Guest<'_>| {
        guest.data().setup.nodes.max(1) as i32
    })?;
    linker.func_wrap(MODULE, "clock_ns", || CLOCK_NS)?;
    linker.func_wrap(
        MODULE,
        "random",
        |mut guest: Guest<'_>, buffer: i32, length: i32| {
            let host = guest.data_mut();
            let bytes: Vec<u8> = (0..length).map(|_| host.below(256) as u8).collect();
            write(&mut guest, buffer, &bytes)
        },
    )?;
    Ok(())
}

pub(crate) fn read(guest: &Guest<'_>, from: i32, length: i32) -> Result<Vec<u8>, Error> {
    let memory = guest.data().memory.ok_or_else(|| Error::new("no memory"))?;
    let (start, length) = (from as u32 as usize, length as u32 as usize);
    let bytes = memory.data(guest).get(start..start.saturating_add(length));
    bytes
        .map(<[u8]>::to_vec)
        .ok_or_else(|| Error::new("bytes outside of the memory"))
}

pub(crate) fn text(guest: &Guest<'_>, from: i32, length: i32) -> Result<String, Error> {
    String::from_utf8(read(guest, from, length)?).map_err(|_| Error::new("not text"))
}

pub(crate) fn write(guest: &mut Guest<'_>, to: i32, bytes: &[u8]) -> Result<(), Error> {
    let memory = guest.data().memory.ok_or_else(|| Error::new("no memory"))?;
    let start = to as u32 as usize;
    let target = memory.data_mut(guest).get_mut(start..start + bytes.len());
    target
        .ok_or_else(|| Error::new("bytes outside of the memory"))?
        .copy_from_slice(bytes);
    Ok(())
}
