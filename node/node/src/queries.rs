//! What tools ask about processes and their output.
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use admin::{
    CHANNELS_MAX, ChannelInfo, ChannelKind, ChannelState, Cursor, DeviceInfo, DeviceState,
    OutputPiece, ProcessInfo, ProcessState, Response, Watched,
};
use kernel::channels::home::{self, State};
use kernel::channels::{Channel, Kind, Release, device, file};
use kernel::{ChannelId, ProcessId, Slot, blobs, output, processes};
use platform::Disk;

use crate::Platform;
use crate::core::Core;
use crate::requests::Served;

/// Output sent in one answer, about.
const OUTPUT_BYTES: usize = 256 << 10;
/// Part of a result sent in one answer at most.
const RESULT_BYTES: usize = 4 << 20;

impl<P: Platform, D: Disk> Core<P, D> {
    pub(crate) fn watch(&mut self, process: u32, cursors: &[Cursor]) -> Served {
        let id = ProcessId(process);
        let (watched, stamp) = self.transact(|pages| {
            let info = processes::info(pages, id)?;
            let mut watched = Watched {
                state: state(info.process.state),
                done: info.progress.done,
                total: info.progress.total,
                output: Vec::new(),
                cursors: Vec::new(),
                lost_bytes: 0,
                fault: processes::fault_report(pages, id)?,
                result_bytes: info.result_bytes,
            };
            for slot in output::slots(pages, id)? {
                read_output(pages, id, slot, cursors, &mut watched)?;
            }
            Ok(watched)
        })?;
        Ok((Response::Watched(watched), Some(stamp)))
    }

    pub(crate) fn read_result(&mut self, process: u32, offset: u64, length: u32) -> Served {
        let id = ProcessId(process);
        let mut bytes = vec![0; (length as usize).min(RESULT_BYTES)];
        let ((count, total), stamp) = self.transact(|pages| {
            let blob = processes::get(pages, id)?.result;
            let total = blobs::length(pages, blob)?;
            Ok((blobs::read(pages, blob, offset, &mut bytes)?, total))
        })?;
        bytes.truncate(count);
        Ok((Response::Bytes { bytes, total }, Some(stamp)))
    }

    pub(crate) fn cancel(&mut self, process: u32) -> Served {
        let (_, stamp) = self.transact(|pages| processes::cancel(pages, ProcessId(process)))?;
        Ok((Response::Done, Some(stamp)))
    }

    pub(crate) fn channels(&mut self) -> Served {
        let (list, stamp) = self.transact(|pages| {
            let all = home::of_everybody(pages, CHANNELS_MAX)?;
            let infos = all.iter().map(|one| channel_info(pages, one));
            Ok(infos.collect::<Result<Vec<ChannelInfo>, kernel::Stop>>()?)
        })?;
        Ok((Response::Channels(list), Some(stamp)))
    }

    pub(crate) fn devices(&mut self) -> Served {
        let (devices, stamp) = self.transact(|pages| {
            let mut devices = Vec::new();
            for one in device::list(pages)? {
                let process = one.channel.process;
                let is_driven = home::is_running(pages, process)?;
                devices.push(DeviceInfo {
                    name: one.label.as_str().into(),
                    node: one.channel.home.0.0,
                    process: process.0,
                    state: match (one.is_offline, is_driven) {
                        (_, true) => DeviceState::Driven,
                        (true, false) => DeviceState::Offline,
                        (false, false) => DeviceState::Undriven,
                    },
                    faults: one.faults,
                    object_bytes: one.object_bytes,
                    report: match processes::fault_report(pages, process) {
                        Ok(report) if one.faults > 0 => report,
                        Ok(_) | Err(kernel::Failure::Refused(_)) => String::new(),
                        Err(stop) => return Err(stop),
                    },
                });
            }
            Ok(devices)
        })?;
        Ok((Response::Devices(devices), Some(stamp)))
    }

    pub(crate) fn processes(&mut self) -> Served {
        let (list, stamp) = self.transact(|pages| {
            let mut list = Vec::new();
            for id in processes::list(pages)? {
                list.push(processes::info(pages, id)?);
            }
            Ok(list)
        })?;
        let list = list.iter().map(process_info).collect();
        Ok((Response::Processes(list), Some(stamp)))
    }
}

fn read_output(
    pages: &mut impl kernel::Pages,
    process: ProcessId,
    slot: Slot,
    cursors: &[Cursor],
    watched: &mut Watched,
) -> Result<(), kernel::Stop> {
    let from = cursors.iter().find(|cursor| cursor.slot == slot.index());
    let from = from.map_or(0, |cursor| cursor.position);
    let chunk = output::read(pages, process, slot, from, OUTPUT_BYTES)?;
    watched.cursors.push(Cursor {
        slot: slot.index(),
        position: chunk.next,
    });
    watched.lost_bytes += chunk.lost;
    for (level, bytes) in chunk.records {
        let is_error = i32::from(level) == abi::level::ERROR;
        watched.output.push(OutputPiece { is_error, bytes });
    }
    Ok(())
}

fn process_info(info: &processes::ProcessInfo) -> ProcessInfo {
    ProcessInfo {
        process: info.process.id.0,
        program: info.process.name.as_str().into(),
        state: state(info.process.state),
        workers: info.workers,
        done: info.progress.done,
        total: info.progress.total,
        steps: info.work.steps,
        result_bytes: info.result_bytes,
    }
}

fn state(state: processes::ProcessState) -> ProcessState {
    use processes::ProcessState as Kernel;
    match state {
        Kernel::Loading => ProcessState::Loading,
        Kernel::Running => ProcessState::Running,
        Kernel::Done(value) => ProcessState::Done(value),
        Kernel::Exited(code) => ProcessState::Exited(code),
        Kernel::Faulted => ProcessState::Faulted,
        Kernel::Cancelled => ProcessState::Cancelled,
    }
}

pub(crate) fn state_of(state: ProcessState) -> processes::ProcessState {
    use processes::ProcessState as Kernel;
    match state {
        ProcessState::Loading => Kernel::Loading,
        ProcessState::Running => Kernel::Running,
        ProcessState::Done(value) => Kernel::Done(value),
        ProcessState::Exited(code) => Kernel::Exited(code),
        ProcessState::Faulted => Kernel::Faulted,
        ProcessState::Cancelled => Kernel::Cancelled,
    }
}

fn channel_info(
    pages: &mut impl kernel::Pages,
    (id, channel, state): &(ChannelId, Channel, State),
) -> Result<ChannelInfo, kernel::Stop> {
    let kind = match channel.kind {
        Kind::Listener => ChannelKind::Listener(channel.address().get().to_string()),
        Kind::Connection => ChannelKind::Connection(channel.address().get().to_string()),
        Kind::Timer => ChannelKind::Timer(channel.schedule().period),
        Kind::Port => ChannelKind::Port(channel.address().get().to_string()),
        Kind::Device => ChannelKind::Device(channel.label().as_str().into()),
        Kind::Line => ChannelKind::Line(channel.label().as_str().into()),
        Kind::Service => ChannelKind::Service(channel.label().as_str().into()),
        Kind::Session => ChannelKind::Session,
        Kind::File => ChannelKind::File(file::name(pages, (*id, channel))?),
        Kind::Free => unreachable!("a free place is no channel"),
    };
    Ok(ChannelInfo {
        channel: id.0,
        kind,
        process: channel.process.0,
        node: channel.home.0.0,
        is_at_commit: channel.release == Release::AtCommit,
        state: match state {
            State {
                is_closed: true, ..
            } => ChannelState::Closed,
            State { is_lost: true, .. } => ChannelState::Lost,
            State { is_ended: true, .. } => ChannelState::Ended,
            _ => ChannelState::Open,
        },
        received: state.delivered,
        written: state.written,
        sent: state.sent,
    })
}
