//! Starting a program: its process is made, its inputs and the initial contents of its
//! memory are written piece by piece, its start function runs, then its first worker
//! is put in a queue.
use alloc::format;
use alloc::string::{String, ToString};

use admin::{Blob, Response};
use dtm::Access;
use kernel::processes::ProcessState;
use kernel::{EntryCall, ModuleId, Name, ProcessId, Refusal, blobs, modules, processes};
use platform::{Disk, ViewMemory};
use types::{PAGE_SIZE, PageId, ViewNumber};

use crate::apps::OpenError;
use crate::call::CallData;
use crate::core::Core;
use crate::deploy::PIECE_BYTES;
use crate::requests::{Served, Unserved, bad_request, unavailable};
use crate::transaction::NotDone;
use crate::{Node, Platform};

impl<P: Platform, D: Disk> Node<P, D> {
    pub(crate) fn launch(
        &mut self,
        module: &str,
        program: &str,
        workers: u32,
        arguments: &[String],
        inputs: &[Blob],
    ) -> Served {
        let view = self.core.view_number();
        let name = named(program)?;
        let (module, process) = self.core.create_process(view, module, &name, arguments)?;
        let launched = self.load(view, module, process, inputs, workers);
        if let Err(Unserved::Failed(_)) = launched {
            // Nothing else knows the process yet; what is left of it is reaped.
            let _ = self
                .core
                .transact_in(view, |pages| processes::cancel(pages, process));
        }
        launched
    }

    fn load(
        &mut self,
        view: ViewNumber,
        module: ModuleId,
        process: ProcessId,
        inputs: &[Blob],
        workers: u32,
    ) -> Served {
        for input in inputs {
            self.core.add_input(view, process, input)?;
        }
        let image = self
            .apps
            .open(&mut self.core, &self.engine, process, module)?;
        for (offset, bytes) in &image {
            self.core.write_image(view, process, *offset, bytes)?;
        }
        let instance = self.apps.get(process).expect("opened above");
        let entry = [abi::ENTRY_MAIN, abi::ENTRY_WASI]
            .into_iter()
            .find(|entry| instance.module().has_function(entry))
            .ok_or_else(|| {
                bad_request(format!(
                    "the module exports neither `{}` nor `{}`: nothing to begin with",
                    abi::ENTRY_MAIN,
                    abi::ENTRY_WASI
                ))
            })?;
        let entry = named(entry)?;
        if instance.module().has_function(abi::runtime::START) {
            self.run_start(view, process)?;
        }
        let (_, stamp) = self.core.transact_in(view, |pages| {
            let station = pages.core.station();
            let call = EntryCall {
                entry,
                argument: i64::from(workers),
            };
            processes::start(pages, station, process, call)
        })?;
        Ok((Response::Started { process: process.0 }, Some(stamp)))
    }

    /// Runs what was the module's start function, once, before anything else.
    fn run_start(&mut self, view: ViewNumber, process: ProcessId) -> Result<(), Unserved> {
        let mut call = CallData::default();
        let started = self.call_process(
            process,
            ProcessState::Loading,
            &mut call,
            |instance, running, limits| instance.start(running, abi::runtime::START, limits),
        );
        if self.core.view_number() != view {
            return Err(Unserved::Undone);
        }
        started.map(|_| ())
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    fn create_process(
        &mut self,
        view: ViewNumber,
        module: &str,
        name: &Name,
        arguments: &[String],
    ) -> Result<(ModuleId, ProcessId), Unserved> {
        let module_name = named(module)?;
        let arguments: alloc::vec::Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        let (found, _) = self.transact_in(view, |pages| {
            let Some(id) = modules::by_name(pages, &module_name)? else {
                return Ok(None);
            };
            let station = pages.core.station();
            let process = processes::create(pages, station, name, id, &arguments)?;
            Ok(Some((id, process)))
        })?;
        found.ok_or_else(|| {
            bad_request(format!("no module `{module}` is deployed: deploy it first"))
        })
    }

    fn add_input(
        &mut self,
        view: ViewNumber,
        process: ProcessId,
        input: &Blob,
    ) -> Result<(), Unserved> {
        let name = named(&input.name)?;
        let length = input.bytes.len() as u64;
        let (blob, _) = self.transact_in(view, |pages| {
            let blob = blobs::create(pages, length)?;
            processes::add_input(pages, process, &name, blob)?;
            Ok(blob)
        })?;
        Ok(self.write_blob(view, blob, &input.bytes)?)
    }

    /// Writes initial contents of a process' memory.
    fn write_image(
        &mut self,
        view: ViewNumber,
        process: ProcessId,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), NotDone> {
        let mut at = offset as usize;
        for piece in bytes.chunks(PIECE_BYTES) {
            self.transact_in(view, |pages| {
                processes::loading(pages, process)?;
                Ok(pages.core.write_linear(process, at, piece)?)
            })?;
            at += piece.len();
        }
        Ok(())
    }

    fn write_linear(
        &mut self,
        process: ProcessId,
        mut at: usize,
        mut bytes: &[u8],
    ) -> Result<(), kernel::Stop> {
        while !bytes.is_empty() {
            let index = u32::try_from(at / PAGE_SIZE).expect("4 GiB of memory at most");
            let page = PageId::new(process.region().0, index);
            let within = at % PAGE_SIZE;
            let (now, later) = bytes.split_at(bytes.len().min(PAGE_SIZE - within));
            self.access(page, Access::Write)?;
            let view = self.memory.view(page.region);
            let mut whole = *view.bytes(page.index);
            whole[within..within + now.len()].copy_from_slice(now);
            view.restore(page.index, &whole);
            at += now.len();
            bytes = later;
        }
        Ok(())
    }
}

pub(crate) fn named(text: &str) -> Result<Name, Unserved> {
    Name::new(text).map_err(|refusal: Refusal| bad_request(refusal.to_string()))
}

impl From<OpenError> for Unserved {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotDone(not_done) => not_done.into(),
            OpenError::Unusable(why) => unavailable(why),
        }
    }
}
