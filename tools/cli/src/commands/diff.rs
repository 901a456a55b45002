//! `plurix diff`: what has changed between two snapshots.
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use past::{Overview, Owner, Owners, Past, PastError, Tables};
use types::{Epoch, Extent, PAGE_SIZE, PageBytes, PageId, RegionId};
use wire::{PAST_PAGES_MAX, PageVersion};

use super::DataArg;
use super::inspect::{object_of, state};
use crate::error::Error;
use crate::interrupt;
use crate::past::Source;
use crate::ui;

/// Show what has changed from one snapshot to another
///
/// Bytes are compared, so what was written with the value that it had is no difference.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    data: DataArg,
    /// Name or epoch of a snapshot, or `latest`
    #[arg(value_name = "FROM")]
    from: String,
    /// Name or epoch of another, or `latest`
    #[arg(value_name = "TO")]
    to: String,
}

pub(crate) fn run(args: &DiffArgs) -> Result<ExitCode, Error> {
    interrupt::watch()?;
    let source = Source::open(&args.data.open()?)?;
    let from = Epoch(source.resolve(&args.from)?.epoch);
    let to = Epoch(source.resolve(&args.to)?.epoch);
    let (mut before, mut after) = (source.as_of(from), source.as_of(to));
    let seen = [
        Overview::of(&mut Tables::of(before.as_mut()))?,
        Overview::of(&mut Tables::of(after.as_mut()))?,
    ];
    let changes = Changes::between(before.as_mut(), after.as_mut(), &seen)?;
    let mut text = format!("from epoch {from} to epoch {to}: ");
    text += &changes.show();
    text += &show_objects(&seen);
    ui::write_out(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// How much is different.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Count {
    /// Pages that had not been written before.
    new: u64,
    /// Pages that had, and have other bytes.
    changed: u64,
    /// Bytes that are different.
    bytes: u64,
}

/// What is different in whose pages, in the order of their addresses.
#[derive(Debug, Default)]
struct Changes {
    by_owner: Vec<(RegionId, Owner, Count)>,
}

impl Changes {
    fn between(
        before: &mut dyn Past,
        after: &mut dyn Past,
        [old, new]: &[Overview; 2],
    ) -> Result<Self, PastError> {
        let overviews = [new, old];
        let owners = Owners::new(&overviews);
        let extents: BTreeSet<Extent> = before.extents()?.into_iter().collect();
        let extents: BTreeSet<Extent> = extents.into_iter().chain(after.extents()?).collect();
        let mut changes = Self::default();
        for extent in extents {
            let old: BTreeSet<_> = before.pages(extent)?.into_iter().collect();
            let new: BTreeSet<_> = after.pages(extent)?.into_iter().collect();
            let written = old.symmetric_difference(&new).map(|(page, ..)| *page);
            let mut written: Vec<PageId> = written.collect();
            written.dedup();
            for pages in written.chunks(PAST_PAGES_MAX) {
                let contents = before.read(pages)?.into_iter().zip(after.read(pages)?);
                for (&page, (old, new)) in pages.iter().zip(contents) {
                    let count = compare(old.as_ref(), new.as_ref());
                    changes.add(page.region, owners.of(page), count);
                }
            }
        }
        Ok(changes)
    }

    fn add(&mut self, region: RegionId, owner: Owner, count: Count) {
        if count == Count::default() {
            return;
        }
        match self.by_owner.last_mut() {
            Some((last_region, last, sum)) if (*last_region, &*last) == (region, &owner) => {
                *sum = sum.and(count);
            }
            _ => self.by_owner.push((region, owner, count)),
        }
    }

    fn show(&self) -> String {
        let counts = self.by_owner.iter().map(|(_, _, count)| *count);
        let sum = counts.fold(Count::default(), Count::and);
        if sum == Count::default() {
            return "the same bytes\n".into();
        }
        let row = |name: String, region: String, count: &Count| {
            let Count {
                new,
                changed,
                bytes,
            } = count;
            vec![
                name,
                region,
                new.to_string(),
                changed.to_string(),
                bytes.to_string(),
            ]
        };
        let rows = self.by_owner.iter();
        let rows =
            rows.map(|(region, owner, count)| row(owner.to_string(), region.0.to_string(), count));
        let regions: BTreeSet<RegionId> = self.by_owner.iter().map(|one| one.0).collect();
        let head = format!(
            "{} new pages, {} changed ones, {} bytes differ in {} regions\n\n",
            sum.new,
            sum.changed,
            sum.bytes,
            regions.len()
        );
        let header = ["contents", "region", "new", "changed", "bytes"];
        head + &ui::table(&header, &rows.collect::<Vec<_>>())
    }
}

impl Count {
    fn and(self, other: Self) -> Self {
        Self {
            new: self.new + other.new,
            changed: self.changed + other.changed,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// A page that was never written is all zeroes.
fn compare(old: Option<&PageVersion>, new: Option<&PageVersion>) -> Count {
    let [before, after] = [old, new].map(|content| {
        let mut bytes: PageBytes = [0; PAGE_SIZE];
        if let Some(content) = content {
            content.image.write_to(&mut bytes);
        }
        bytes
    });
    let pairs = before.iter().zip(&after);
    let bytes = pairs.filter(|(before, after)| before != after).count() as u64;
    let is_new = old.is_none() != new.is_none();
    Count {
        new: u64::from(is_new),
        changed: u64::from(!is_new && bytes > 0),
        bytes,
    }
}

/// Processes, modules and names that have come, gone or changed.
fn show_objects([old, new]: &[Overview; 2]) -> String {
    let [old, new] = [old, new].map(objects);
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let none = String::from("-");
    let mut rows = Vec::new();
    for name in all {
        let [before, after] = [&old, &new].map(|objects| objects.get(name).unwrap_or(&none));
        if before != after {
            rows.push(vec![name.clone(), before.clone(), after.clone()]);
        }
    }
    match rows.is_empty() {
        true => String::new(),
        false => format!("\n{}", ui::table(&["what", "before", "after"], &rows)),
    }
}

/// What there is, and what it is like.
fn objects(overview: &Overview) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for seen in &overview.processes {
        let process = &seen.info.process;
        let workers = match seen.info.workers {
            0 => String::new(),
            workers => format!(", {workers} workers"),
        };
        all.insert(
            format!("process {} ({})", process.id, process.name),
            state(process.state) + &workers,
        );
    }
    for module in &overview.modules {
        let name = format!("module {} ({})", module.id, module.name);
        all.insert(name, format!("{} users", module.users));
    }
    for (name, object) in &overview.names {
        let kind = match object {
            kernel::names::Object::Module(_) => "of a module",
            kernel::names::Object::Process(_) => "of a process",
        };
        all.insert(format!("name {name} {kind}"), object_of(*object));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Stamp, Version};
    use wire::Image;

    fn content(version: u64, bytes: &[(usize, u8)]) -> PageVersion {
        let mut page = [0; PAGE_SIZE];
        for &(at, byte) in bytes {
            page[at] = byte;
        }
        PageVersion {
            version: Version(version),
            stamp: Stamp::ZERO,
            image: Image::of(&page),
        }
    }

    fn count(new: u64, changed: u64, bytes: u64) -> Count {
        Count {
            new,
            changed,
            bytes,
        }
    }

    #[test]
    fn bytes_count_and_not_versions() {
        let one = content(1, &[(7, 1), (9, 2)]);
        let other = content(2, &[(7, 1), (9, 3), (4095, 1)]);
        let same = content(3, &[(7, 1), (9, 2)]);
        assert_eq!(compare(Some(&one), Some(&other)), count(0, 1, 2));
        assert_eq!(compare(Some(&one), Some(&same)), Count::default());
        assert_eq!(compare(None, Some(&one)), count(1, 0, 2));
        assert_eq!(compare(None, Some(&content(1, &[]))), count(1, 0, 0));
    }

    #[test]
    fn changes_are_added_up_by_owner() {
        let mut changes = Changes::default();
        let table = |name| Owner::Table(name);
        changes.add(RegionId(3), table("names"), count(1, 0, 5));
        changes.add(RegionId(3), table("names"), count(0, 1, 2));
        changes.add(RegionId(3), table("names"), Count::default());
        changes.add(RegionId(7), table("run queues"), count(0, 1, 1));
        let expected = "\
1 new pages, 2 changed ones, 8 bytes differ in 2 regions

contents            region  new  changed  bytes
kernel: names            3    1        1      7
kernel: run queues       7    0        1      1
";
        assert_eq!(changes.show(), expected);
        assert_eq!(Changes::default().show(), "the same bytes\n");
    }
}
