//! Which table lies in which region, and where in it a process or slot has its part.
//!
//! Regions are address ranges: room that nobody has written costs nothing. So every
//! table leaves each process and slot as much as it may ever need, and what
//! different nodes write never shares a page by accident.
use types::limits::{FIRST_APPLICATION_REGION, MEMBERS_MAX};
use types::{NodeId, PageId, RegionId};

use crate::{ProcessId, Slot};

/// Magic, layout version.
const SUPERBLOCK: u32 = 1;
/// Next number of each kind, a page each.
const COUNTERS: u32 = 2;
/// The directory of names, a page per bucket.
const NAMES: u32 = 3;
/// Modules: the table's index page, then a record page each.
const MODULES: u32 = 4;
/// Processes: the table's index page, then a group of pages each.
const PROCESSES: u32 = 5;
/// A page per slot: how many workers it has made.
const WORKER_COUNTERS: u32 = 6;
/// Run queues, one per slot.
const QUEUES: u32 = 7;
/// Wait lists of each process.
const EVENTS: u32 = 8;
/// Output of each process, by slot.
const OUTPUT: u32 = 9;
/// Which slots have made channels, then for each slot how many, then their records.
const CHANNELS: u32 = 10;
/// What goes through channels: the first page of either direction of each, side by side, for
/// most channels need no more.
const CHANNEL_ACCOUNTS: u32 = 11;
/// The other pages, a group for each direction.
const CHANNEL_ROOMS: u32 = 13;
/// A page for each node that has been: which of its channels it should look at.
const DOORBELLS: u32 = 12;
/// Devices: for each a page about it, then its fallback object.
const DEVICES: u32 = 14;
/// A page: who serves under which label.
const SERVICES: u32 = 15;
/// First of the regions that hold large byte objects.
const BLOBS_FIRST: u32 = 64;
/// How many they are.
pub(crate) const BLOB_REGIONS: u32 = 128;

const _: () = assert!(
    BLOBS_FIRST + BLOB_REGIONS <= FIRST_APPLICATION_REGION,
    "the kernel's tables lie below the applications"
);

/// Every region of the kernel with its name, for people who look at a memory.
pub const REGION_NAMES: &[(RegionId, &str)] = &[
    (RegionId(SUPERBLOCK), "superblock"),
    (RegionId(COUNTERS), "counters"),
    (RegionId(NAMES), "names"),
    (RegionId(MODULES), "modules"),
    (RegionId(PROCESSES), "processes"),
    (RegionId(WORKER_COUNTERS), "worker counters"),
    (RegionId(QUEUES), "run queues"),
    (RegionId(EVENTS), "events"),
    (RegionId(OUTPUT), "output"),
    (RegionId(CHANNELS), "channels"),
    (RegionId(CHANNEL_ACCOUNTS), "channels' accounts"),
    (RegionId(DOORBELLS), "doorbells"),
    (RegionId(CHANNEL_ROOMS), "channels' bytes"),
    (RegionId(DEVICES), "devices"),
    (RegionId(SERVICES), "services"),
    (RegionId(BLOBS_FIRST), "blobs, first of 128"),
];

/// What the kernel keeps in a region, for people; `None` if it is not the kernel's.
#[must_use]
pub fn table_name(region: RegionId) -> Option<&'static str> {
    if is_blob_region(region.0) {
        return Some("blobs");
    }
    let mut names = REGION_NAMES.iter();
    names.find_map(|(known, name)| (*known == region).then_some(*name))
}

/// Processes and modules that the tables hold at a time.
pub const TABLE_ENTRIES: u32 = 1024;
/// Pages of a process' group.
const PROCESS_PAGES: u32 = 8;
/// Pages of a slot's run queue.
pub(crate) const QUEUE_PAGES: u32 = 1 << 21;
/// Buckets of a process' wait lists.
pub(crate) const EVENT_BUCKETS: u32 = 16;
/// Pages of a bucket.
pub(crate) const EVENT_BUCKET_PAGES: u32 = 2048;
/// Pages of output kept of each process by slot.
pub(crate) const OUTPUT_PAGES: u32 = 256;
const OUTPUT_STRIDE: u32 = 512;
pub(crate) const SLOTS: u32 = 64;
/// Channels that nodes at one slot may have made at a time.
pub(crate) const CHANNELS_PER_SLOT: u32 = 1 << 14;
/// Pages of either direction of a channel.
pub(crate) const CHANNEL_PAGES: u32 = 256;
/// Devices at a time.
pub(crate) const DEVICES_MAX: u32 = 64;
/// Pages of each device.
pub(crate) const OBJECT_PAGES: u32 = 2048;
/// The first page with records of channels.
const CHANNEL_RECORDS: u32 = 128;

const _: () = assert!(
    MEMBERS_MAX == SLOTS as usize,
    "a slot for every member of a view"
);
const _: () = assert!(
    OUTPUT_PAGES < OUTPUT_STRIDE,
    "an account page and the log's pages"
);
const _: () = assert!(
    TABLE_ENTRIES as u64 * SLOTS as u64 * OUTPUT_STRIDE as u64 <= 1 << 32,
    "page indices have 32 bits"
);
const _: () = assert!(
    TABLE_ENTRIES as u64 * EVENT_BUCKETS as u64 * EVENT_BUCKET_PAGES as u64 <= 1 << 32,
    "page indices have 32 bits"
);
const _: () = assert!(
    2 * SLOTS as u64 * CHANNELS_PER_SLOT as u64 * CHANNEL_PAGES as u64 <= 1 << 32,
    "page indices have 32 bits"
);
const _: () = assert!(SLOTS < CHANNEL_RECORDS, "headers lie before records");
const _: () = assert!(
    SLOTS as u64 * QUEUE_PAGES as u64 <= 1 << 32,
    "page indices have 32 bits"
);

/// The counters, each on a page of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    Processes = 0,
    Modules = 1,
    BlobExtents = 2,
}

/// The pages of a process' group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ProcessPage {
    /// What it is and its state: read by every step, so written seldom.
    Record = 0,
    /// How many workers it has: written when workers come and go.
    Tally = 1,
    /// How far it says it is: written at its pleasure.
    Progress = 2,
    /// The report of the fault that ended it.
    Fault = 3,
    /// Names and blobs of its inputs.
    Inputs = 4,
    /// Who brings it back, if it is not as it began.
    Revival = 5,
}

pub(crate) const fn superblock() -> PageId {
    PageId::new(SUPERBLOCK, 0)
}

pub(crate) const fn counter(counter: Counter) -> PageId {
    PageId::new(COUNTERS, counter as u32)
}

pub(crate) const fn name_bucket(bucket: u32) -> PageId {
    PageId::new(NAMES, bucket)
}

pub(crate) const fn module_table() -> PageId {
    PageId::new(MODULES, 0)
}

pub(crate) const fn module_record(id: u32) -> PageId {
    PageId::new(MODULES, 1 + id % TABLE_ENTRIES)
}

pub(crate) const fn process_table() -> PageId {
    PageId::new(PROCESSES, 0)
}

pub(crate) const fn process_page(process: ProcessId, page: ProcessPage) -> PageId {
    PageId::new(
        PROCESSES,
        PROCESS_PAGES * (1 + process.0 % TABLE_ENTRIES) + page as u32,
    )
}

/// All pages of the process' group.
pub(crate) fn process_pages(process: ProcessId) -> impl Iterator<Item = PageId> {
    let first = PROCESS_PAGES * (1 + process.0 % TABLE_ENTRIES);
    (first..first + PROCESS_PAGES).map(|index| PageId::new(PROCESSES, index))
}

pub(crate) const fn worker_counter(slot: Slot) -> PageId {
    PageId::new(WORKER_COUNTERS, slot.index())
}

pub(crate) const fn queue_page(slot: Slot, page: u32) -> PageId {
    PageId::new(QUEUES, slot.index() * QUEUE_PAGES + page)
}

pub(crate) const fn event_page(process: ProcessId, bucket: u32, page: u32) -> PageId {
    let table_slot = process.0 % TABLE_ENTRIES;
    PageId::new(
        EVENTS,
        (table_slot * EVENT_BUCKETS + bucket) * EVENT_BUCKET_PAGES + page,
    )
}

pub(crate) const fn output_account(process: ProcessId, slot: Slot) -> PageId {
    let table_slot = process.0 % TABLE_ENTRIES;
    PageId::new(OUTPUT, (table_slot * SLOTS + slot.index()) * OUTPUT_STRIDE)
}

pub(crate) const fn output_page(process: ProcessId, slot: Slot, page: u32) -> PageId {
    let PageId { region, index } = output_account(process, slot);
    PageId::new(region.0, index.0 + 1 + page)
}

pub(crate) const fn channel_directory() -> PageId {
    PageId::new(CHANNELS, 0)
}

pub(crate) const fn channel_header(slot: Slot) -> PageId {
    PageId::new(CHANNELS, 1 + slot.index())
}

pub(crate) const fn channel_records(page: u32) -> PageId {
    PageId::new(CHANNELS, CHANNEL_RECORDS + page)
}

/// A page of what goes in (0) or out (1) by the channel at a place.
pub(crate) const fn channel_page(place: u32, direction: u32, page: u32) -> PageId {
    let way = 2 * place + direction;
    match page {
        0 => PageId::new(CHANNEL_ACCOUNTS, way),
        _ => PageId::new(CHANNEL_ROOMS, way * CHANNEL_PAGES + page),
    }
}

pub(crate) const fn doorbell(node: NodeId) -> PageId {
    PageId::new(DOORBELLS, node.0)
}

/// A page of a device: the first one is about it, the others are its fallback object.
pub(crate) const fn device_page(index: u32, page: u32) -> PageId {
    PageId::new(DEVICES, index * OBJECT_PAGES + page)
}

pub(crate) const fn services() -> PageId {
    PageId::new(SERVICES, 0)
}

pub(crate) const fn blob_region(number: u32) -> u32 {
    BLOBS_FIRST + number
}

/// Whether every node needs the page to run anything: it belongs to no process and no
/// module.
#[must_use]
pub const fn is_vital(page: PageId) -> bool {
    page.region.0 <= QUEUES
}

/// Whether blobs live in the region.
pub(crate) const fn is_blob_region(region: u32) -> bool {
    region >= BLOBS_FIRST && region < BLOBS_FIRST + BLOB_REGIONS
}
