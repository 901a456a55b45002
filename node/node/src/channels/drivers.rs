//! What drivers ask of their devices, and programs of each other, as part of their steps.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use engine::{DriverCall, GuestFault, ModuleInfo, Stop};
use kernel::channels::program::Place;
use kernel::channels::{Label, device, service};
use kernel::{ChannelId, Event, Failure, modules};
use platform::Disk;

use super::calls::{answer, number, release_of};
use crate::Platform;
use crate::apps::read_blob;
use crate::deploy::Beginning;
use crate::step::Running;
use crate::transaction::Transaction;

impl<P: Platform, D: Disk> Running<'_, P, D> {
    pub(crate) fn driver_call(&mut self, call: DriverCall<'_>) -> Result<i64, Stop> {
        match call {
            DriverCall::Attach {
                device,
                release,
                event,
            } => self.attach(device, release, event),
            DriverCall::ObjectRead {
                device,
                offset,
                buffer,
            } => self.object_read(device, offset, buffer),
            DriverCall::ObjectWrite {
                device,
                offset,
                bytes,
            } => self.object_write(device, offset, bytes),
            DriverCall::Serve { label, event } => self.serve(label, event),
            DriverCall::Connect { label, event } => self.connect(label, event),
        }
    }

    fn attach(&mut self, name: &str, release: i32, event: i64) -> Result<i64, Stop> {
        let label = label(name)?;
        let declared = self.declared_devices()?;
        if !declared.iter().any(|one| one == name) {
            let why = format!(
                "drive the device `{name}`, which the module does not declare in its section \
                 `{}`: it declares {}",
                abi::DEVICES_SECTION,
                match declared.as_slice() {
                    [] => "none".to_string(),
                    some => some.join(", "),
                }
            );
            return Err(GuestFault::refused(&why).into());
        }
        let release = release_of(release)?;
        // Devices are the leader's node's.
        let at = Place {
            node: self.core.leader(),
            ..self.place()
        };
        let pages = &mut Transaction { core: self.core };
        let attached = device::attach(pages, at, label, release, Event(event));
        self.core.is_rung = true;
        Ok(self.done(attached)?.0.cast_signed())
    }

    /// The devices that the program's module says it drives.
    fn declared_devices(&mut self) -> Result<Vec<String>, Stop> {
        let module = self.step.process().module;
        let pages = &mut Transaction { core: self.core };
        let info = modules::get(pages, module).and_then(|module| read_blob(pages, module.info));
        let info = self.done(info)?;
        let info = Beginning::decode(&info)
            .ok()
            .and_then(|beginning| ModuleInfo::decode(&beginning.info));
        Ok(info.map(|info| info.devices).unwrap_or_default())
    }

    fn object_read(&mut self, device: i64, offset: u64, buffer: &mut [u8]) -> Result<i64, Stop> {
        let (process, id) = (self.process(), number(device));
        let pages = &mut Transaction { core: self.core };
        let passed = device::read_object(pages, process, id, offset, buffer);
        self.done(passed.map_err(Failure::Stop)).map(answer)
    }

    fn object_write(&mut self, device: i64, offset: u64, bytes: &[u8]) -> Result<i64, Stop> {
        let (process, id) = (self.process(), number(device));
        let pages = &mut Transaction { core: self.core };
        let passed = device::write_object(pages, process, id, offset, bytes);
        self.done(passed).map(answer)
    }

    fn serve(&mut self, name: &str, event: i64) -> Result<i64, Stop> {
        let (at, label) = (self.place(), label(name)?);
        let pages = &mut Transaction { core: self.core };
        let served = service::serve(pages, at, label, Event(event));
        self.core.is_rung = true;
        Ok(self.done(served)?.0.cast_signed())
    }

    fn connect(&mut self, name: &str, event: i64) -> Result<i64, Stop> {
        let (at, label) = (self.place(), label(name)?);
        let pages = &mut Transaction { core: self.core };
        let connected = service::connect(pages, at, label, Event(event));
        self.core.is_rung = true;
        Ok(match self.done(connected)? {
            Some(ChannelId(id)) => id.cast_signed(),
            None => abi::channel::LOST.into(),
        })
    }
}

fn label(name: &str) -> Result<Label, Stop> {
    Label::new(name).map_err(|refusal| GuestFault::refused(&refusal.to_string()).into())
}
