//! A snapshot as people like to read it.
use std::collections::BTreeMap;

use kernel::census::Whereabouts;
use kernel::modules::ModuleState;
use kernel::names::Object;
use kernel::processes::ProcessState;
use kernel::{ProcessId, Worker};
use past::{BlobUse, Overview, Owner, Owners, Past, PastError, ProcessSeen};
use types::{Epoch, PAGE_SIZE, RegionId};

use crate::commands::snapshots::age_of;
use crate::ui;

/// Which snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) epoch: Epoch,
    /// In milliseconds since 1970.
    pub(crate) wall_ms: u64,
}

/// What takes how much room.
#[derive(Debug, Default)]
pub(crate) struct Space {
    extents: u64,
    pages: u64,
    /// Pages of each owner, in the order of their addresses.
    owners: Vec<(RegionId, Owner, u64)>,
    regions: BTreeMap<RegionId, u64>,
}

impl Space {
    /// Counts all pages.
    pub(crate) fn of(past: &mut dyn Past, overview: &Overview) -> Result<Self, PastError> {
        let overviews = [overview];
        let owners = Owners::new(&overviews);
        let mut space = Self::default();
        for extent in past.extents()? {
            space.extents += 1;
            for (page, ..) in past.pages(extent)? {
                space.pages += 1;
                *space.regions.entry(page.region).or_default() += 1;
                let owner = owners.of(page);
                match space.owners.last_mut() {
                    Some((region, last, pages)) if *region == page.region && *last == owner => {
                        *pages += 1;
                    }
                    _ => space.owners.push((page.region, owner, 1)),
                }
            }
        }
        Ok(space)
    }
}

/// All of it.
pub(crate) fn snapshot(taken: Taken, overview: &Overview, space: &Space) -> String {
    let Space { extents, pages, .. } = space;
    let mut text = format!(
        "epoch {}, taken {} ago: {extents} extents, {pages} pages, {}\n",
        taken.epoch,
        age_of(taken.wall_ms),
        ui::size(*pages * PAGE_SIZE as u64),
    );
    let parts = [
        processes(overview, space),
        workers(overview),
        modules(overview),
        names(overview),
        blobs(overview),
        regions(space),
    ];
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push('\n');
        text += part;
    }
    text
}

/// A table, or nothing if it has no rows.
fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    match rows.is_empty() {
        true => String::new(),
        false => ui::table(header, &rows),
    }
}

fn processes(overview: &Overview, space: &Space) -> String {
    let row = |seen: &ProcessSeen| {
        let info = &seen.info;
        let pages = space.regions.get(&info.region).copied().unwrap_or(0);
        vec![
            info.process.id.to_string(),
            info.process.name.to_string(),
            state(info.process.state),
            info.workers.to_string(),
            info.process.module.to_string(),
            info.region.0.to_string(),
            pages.to_string(),
            ui::size(pages * PAGE_SIZE as u64),
        ]
    };
    let header = [
        "process", "program", "state", "workers", "module", "region", "pages", "memory",
    ];
    table(&header, overview.processes.iter().map(row).collect())
}

/// What a process does, or how it ended.
pub(crate) fn state(state: ProcessState) -> String {
    match state {
        ProcessState::Loading => "loading".into(),
        ProcessState::Running => "running".into(),
        ProcessState::Done(value) => format!("done ({value})"),
        ProcessState::Exited(code) => format!("exited ({code})"),
        ProcessState::Faulted => "faulted".into(),
        ProcessState::Cancelled => "cancelled".into(),
    }
}

/// What workers do and where, those that do the same together.
fn workers(overview: &Overview) -> String {
    let mut counts: BTreeMap<(ProcessId, String, String), u64> = BTreeMap::new();
    for seen in &overview.processes {
        for (worker, place) in &seen.workers {
            let Worker { process, call, .. } = worker;
            let key = (*process, call.entry.to_string(), whereabouts(*place));
            *counts.entry(key).or_default() += 1;
        }
    }
    let rows = counts.into_iter();
    let rows = rows.map(|((process, entry, place), count)| {
        vec![process.to_string(), entry, place, count.to_string()]
    });
    table(&["process", "entry", "where", "workers"], rows.collect())
}

fn whereabouts(place: Whereabouts) -> String {
    match place {
        Whereabouts::Held(slot) => format!("runs at slot {}", slot.index()),
        Whereabouts::Queued(slot) => format!("queue of slot {}", slot.index()),
        Whereabouts::Waiting(event) => format!("waits for event {}", event.0),
    }
}

fn modules(overview: &Overview) -> String {
    let bytes = |used_as: BlobUse| {
        let mut blobs = overview.blobs.iter();
        let blob = blobs.find(|blob| blob.used_as == used_as);
        blob.map_or_else(|| "-".into(), |blob| ui::size(blob.bytes))
    };
    let row = |module: &kernel::modules::Module| {
        let state = match module.state {
            ModuleState::Deploying => "being deployed",
            ModuleState::Ready => "ready",
            ModuleState::Removed => "being removed",
        };
        let hash: String = module.hash[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        vec![
            module.id.to_string(),
            module.name.to_string(),
            state.into(),
            module.users.to_string(),
            bytes(BlobUse::Code(module.id)),
            bytes(BlobUse::Compiled(module.id)),
            hash,
        ]
    };
    let header = [
        "module", "name", "state", "users", "code", "compiled", "hash",
    ];
    table(&header, overview.modules.iter().map(row).collect())
}

fn names(overview: &Overview) -> String {
    let row = |(name, object): &(kernel::Name, Object)| vec![name.to_string(), object_of(*object)];
    table(
        &["name", "stands for"],
        overview.names.iter().map(row).collect(),
    )
}

/// What a name stands for.
pub(crate) fn object_of(object: Object) -> String {
    match object {
        Object::Module(id) => format!("module {id}"),
        Object::Process(id) => format!("process {id}"),
    }
}

/// Files, arguments and results; code is listed with its module.
fn blobs(overview: &Overview) -> String {
    let is_data = |used_as: BlobUse| match used_as {
        BlobUse::Arguments(_) | BlobUse::Input(..) | BlobUse::Result(_) => true,
        BlobUse::Code(_) | BlobUse::Compiled(_) | BlobUse::Info(_) => false,
    };
    let blobs = overview.blobs.iter().filter(|blob| is_data(blob.used_as));
    let rows = blobs.map(|blob| {
        let extent = blob.extents.0;
        vec![
            blob.used_as.to_string(),
            extent.region.0.to_string(),
            blob.bytes.to_string(),
        ]
    });
    table(&["file", "region", "bytes"], rows.collect())
}

fn regions(space: &Space) -> String {
    let row = |(region, owner, pages): &(RegionId, Owner, u64)| {
        vec![
            owner.to_string(),
            region.0.to_string(),
            pages.to_string(),
            ui::size(pages * PAGE_SIZE as u64),
        ]
    };
    table(
        &["contents", "region", "pages", "size"],
        space.owners.iter().map(row).collect(),
    )
}
