//! The hash table, laid out for transactions.
//!
//! Steps conflict in pages, so a bucket is a page: short keys and values lie in it, and who
//! reads or writes one touches that page alone for writing. There are [`SHARDS`] tables, each
//! with its list of buckets, and each grows by *linear hashing*: when a bucket overflows into
//! a page chained to it, one bucket of that shard is split in two, whichever has its turn. So
//! no step ever moves more than a bucket, there is no number that all writers change, and a
//! split is noticed by those alone who use the shard just then.
//!
//! ```text
//! shard (a page) ──> list of buckets ──> bucket (a page) ──> chained page (rare)
//!   by the top bits of the hash  by the next bits    by scanning 16-bit tags
//! ```
//!
//! A *position* is a key's hash. The buckets of a shard cut its positions into ranges, and a
//! split cuts a range in the middle: that is what a cursor of [`Table::visit`] relies on.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use sdk::{PAGE_BYTES, PageAligned};
use siphasher::sip::SipHasher13;

use crate::text::Text;
use crate::value::Value;

const SHARD_BITS: u32 = 6;
const SHARDS: usize = 1 << SHARD_BITS;
/// Room in a shard's list from the start: a page, which it shares with nothing.
const BUCKETS_MIN: usize = PAGE_BYTES / size_of::<usize>();
const HEADER_BYTES: usize = 2 * size_of::<u64>();
const SLOTS: usize = (PAGE_BYTES - HEADER_BYTES) / (size_of::<Option<Entry>>() + size_of::<u16>());
/// Set in the tag of every slot that is taken.
const TAKEN: u16 = 1 << 15;

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Text,
    pub(crate) value: Value,
    expiry: [u32; 2],
    /// Greater after every change.
    version: u32,
}

impl Entry {
    pub(crate) fn new(key: &[u8], value: Value) -> Self {
        Self {
            key: key.into(),
            value,
            expiry: [0; 2],
            version: 0,
        }
    }

    /// When it ends to be: milliseconds since 1970.
    pub(crate) fn expiry_ms(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(u64::from(self.expiry[1]) << 32 | u64::from(self.expiry[0]))
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        self.expiry_ms()
            .is_some_and(|expiry| expiry.get() <= now_ms)
    }

    pub(crate) fn set_expiry_ms(&mut self, expiry: Option<NonZeroU64>) {
        let expiry = expiry.map_or(0, NonZeroU64::get);
        self.expiry = [expiry as u32, (expiry >> 32) as u32];
    }
}

/// Where an entry is, until the table is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spot {
    shard: usize,
    bucket: usize,
    /// How many pages along the bucket's chain.
    page: usize,
    slot: usize,
}

/// A page of entries.
#[derive(Debug)]
#[repr(C, align(4096))]
pub(crate) struct Bucket {
    next: Option<Box<Bucket>>,
    /// The largest version of an entry that is or was here.
    version: u32,
    /// Of each slot: 0 if it is free, else bits of the key's hash.
    tags: [u16; SLOTS],
    slots: [Option<Entry>; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == PAGE_BYTES, "a bucket is a page");

#[derive(Default, Debug)]
struct Shard {
    buckets: Vec<Box<Bucket>>,
    /// What versions begin at in new buckets: no version comes again after a flush.
    version: u32,
}

/// A hash table of entries.
#[derive(Debug)]
pub(crate) struct Table {
    keys: (u64, u64),
    shards: Box<[PageAligned<Shard>]>,
}

/// What a key looked like at some time; the same as long as nobody has changed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    is_there: bool,
    version: u32,
}

fn tag(position: u64) -> u16 {
    position as u16 | TAKEN
}

fn shard_of(position: u64) -> usize {
    (position >> (u64::BITS - SHARD_BITS)) as usize
}

/// The bucket of a position among so many.
fn bucket_of(position: u64, buckets: usize) -> usize {
    let bits = (position << SHARD_BITS).reverse_bits() as usize;
    let mask = buckets.next_power_of_two() - 1;
    let bucket = bits & mask;
    if bucket < buckets {
        bucket
    } else {
        bits & (mask >> 1)
    }
}

/// How many bits of a position below those of the shard decide for this bucket.
fn bits_of(bucket: usize, buckets: usize) -> u32 {
    let level = buckets.ilog2();
    let doubled = 1 << level;
    level + u32::from(bucket >= doubled || bucket < buckets - doubled)
}

impl Bucket {
    fn new(version: u32) -> Box<Self> {
        Box::new(Self {
            next: None,
            version,
            tags: [0; SLOTS],
            slots: [const { None }; SLOTS],
        })
    }

    fn find(&self, tag: u16, key: &[u8]) -> Option<usize> {
        self.tags.iter().enumerate().find_map(|(slot, &found)| {
            let is_it = found == tag
                && self.slots[slot]
                    .as_ref()
                    .is_some_and(|entry| *entry.key == *key);
            is_it.then_some(slot)
        })
    }

    /// Puts an entry into the bucket or a page of its chain; whether it was the former.
    fn put(&mut self, tag: u16, entry: Entry) -> bool {
        let mut page = self;
        let mut is_first = true;
        loop {
            if let Some(slot) = page.tags.iter().position(|&tag| tag == 0) {
                page.tags[slot] = tag;
                page.slots[slot] = Some(entry);
                return is_first;
            }
            let version = page.version;
            page = page.next.get_or_insert_with(|| Self::new(version));
            is_first = false;
        }
    }

    /// Its entries; it is of no use any more.
    pub(crate) fn into_entries(
        mut self: Box<Self>,
        mut take: impl FnMut(Entry),
    ) -> Option<Box<Self>> {
        self.slots
            .iter_mut()
            .filter_map(Option::take)
            .for_each(&mut take);
        self.next.take()
    }
}

impl Table {
    /// An empty table. Whoever does not know `keys` cannot choose keys that collide.
    pub(crate) fn new(keys: (u64, u64)) -> Self {
        let shards = (0..SHARDS).map(|_| PageAligned::default()).collect();
        Self { keys, shards }
    }

    fn position(&self, key: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.keys.0, self.keys.1).hash(key)
    }

    /// The bucket that a position belongs to, if there is any: shard, bucket.
    fn place(&self, position: u64) -> Option<(usize, usize)> {
        let shard = shard_of(position);
        let buckets = self.shards[shard].buckets.len();
        (buckets > 0).then(|| (shard, bucket_of(position, buckets)))
    }

    /// Where a key is.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Spot> {
        let position = self.position(key);
        let (shard, bucket) = self.place(position)?;
        let mut found = &self.shards[shard].buckets[bucket];
        let mut page = 0;
        loop {
            if let Some(slot) = found.find(tag(position), key) {
                return Some(Spot {
                    shard,
                    bucket,
                    page,
                    slot,
                });
            }
            found = found.next.as_ref()?;
            page += 1;
        }
    }

    /// What must be the same later if nobody has changed the key.
    pub(crate) fn mark(&self, key: &[u8]) -> Mark {
        let version = match self.find(key) {
            Some(spot) => self.entry(spot).version,
            None => match self.place(self.position(key)) {
                Some((shard, bucket)) => self.shards[shard].buckets[bucket].version,
                None => self.shards[shard_of(self.position(key))].version,
            },
        };
        Mark {
            is_there: self.find(key).is_some(),
            version,
        }
    }

    pub(crate) fn entry(&self, spot: Spot) -> &Entry {
        let mut page = &self.shards[spot.shard].buckets[spot.bucket];
        for _ in 0..spot.page {
            page = page.next.as_ref().expect("a spot is of this table");
        }
        page.slots[spot.slot]
            .as_ref()
            .expect("a spot is of an entry")
    }

    /// The page that an entry is on, for a change that gets this version.
    fn change(&mut self, spot: Spot) -> (&mut Bucket, u32) {
        let mut page = &mut self.shards[spot.shard].buckets[spot.bucket];
        page.version = page.version.wrapping_add(1);
        let version = page.version;
        for _ in 0..spot.page {
            page = page.next.as_mut().expect("a spot is of this table");
        }
        (page, version)
    }

    /// The entry, to change it.
    pub(crate) fn entry_mut(&mut self, spot: Spot) -> &mut Entry {
        let (page, version) = self.change(spot);
        let entry = page.slots[spot.slot]
            .as_mut()
            .expect("a spot is of an entry");
        entry.version = version;
        entry
    }

    pub(crate) fn remove(&mut self, spot: Spot) -> Entry {
        let (page, _) = self.change(spot);
        page.tags[spot.slot] = 0;
        page.slots[spot.slot].take().expect("a spot is of an entry")
    }

    /// Adds an entry whose key is not there.
    pub(crate) fn insert(&mut self, mut entry: Entry) {
        let position = self.position(&entry.key);
        let shard = &mut self.shards[shard_of(position)];
        if shard.buckets.is_empty() {
            shard.buckets.reserve_exact(BUCKETS_MIN);
            let first = Bucket::new(shard.version);
            shard.buckets.push(first);
        }
        let bucket = bucket_of(position, shard.buckets.len());
        let bucket = &mut shard.buckets[bucket];
        bucket.version = bucket.version.wrapping_add(1);
        entry.version = bucket.version;
        if !bucket.put(tag(position), entry) {
            self.split(shard_of(position));
        }
    }

    /// Adds a bucket to a shard and moves there what belongs there.
    fn split(&mut self, shard: usize) {
        let keys = self.keys;
        let shard = &mut *self.shards[shard];
        let target = shard.buckets.len();
        let source = &mut shard.buckets[target - (1 << target.ilog2())];
        let mut new = Bucket::new(source.version);
        let mut chained = source.next.take();
        let route = |entry: &Entry| {
            let position = SipHasher13::new_with_keys(keys.0, keys.1).hash(&entry.key);
            (tag(position), bucket_of(position, target + 1) == target)
        };
        for slot in 0..SLOTS {
            let moves = |entry: &&mut Option<Entry>| entry.as_ref().is_some_and(|it| route(it).1);
            if let Some(entry) = Some(&mut source.slots[slot])
                .filter(moves)
                .and_then(Option::take)
            {
                source.tags[slot] = 0;
                new.put(route(&entry).0, entry);
            }
        }
        while let Some(page) = chained {
            chained = page.into_entries(|entry| {
                let (tag, moves) = route(&entry);
                let bucket = if moves { &mut new } else { &mut *source };
                bucket.put(tag, entry);
            });
        }
        shard.buckets.push(new);
    }

    /// Visits the entries of the bucket that has the cursor in its range; returns the next
    /// cursor, 0 at the end. From 0 to 0 every entry is visited that is there all the time, and
    /// some perhaps more than once.
    pub(crate) fn visit<'t>(&'t self, cursor: u64, mut visit: impl FnMut(&'t Entry)) -> u64 {
        let mut bits = SHARD_BITS;
        if let Some((shard, bucket)) = self.place(cursor) {
            let buckets = &self.shards[shard].buckets;
            bits += bits_of(bucket, buckets.len());
            let mut page = Some(&buckets[bucket]);
            while let Some(bucket) = page {
                bucket.slots.iter().flatten().for_each(&mut visit);
                page = bucket.next.as_ref();
            }
        }
        let shift = u64::BITS - bits;
        ((cursor >> shift) + 1) << shift
    }

    /// Empties the table; returns the buckets that were in it.
    pub(crate) fn clear(&mut self) -> Vec<Vec<Box<Bucket>>> {
        let mut removed = Vec::new();
        for shard in self
            .shards
            .iter_mut()
            .filter(|shard| !shard.buckets.is_empty())
        {
            let newest = shard.buckets.iter().map(|bucket| bucket.version).max();
            shard.version = newest.unwrap_or(0).wrapping_add(1);
            removed.push(core::mem::take(&mut shard.buckets));
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::format;
    use std::vec::Vec;

    use super::{Entry, SHARDS, SLOTS, Table};
    use crate::testing::Random;
    use crate::text::Text;
    use crate::value::Value;

    fn entry(key: &[u8], value: &[u8]) -> Entry {
        Entry::new(key, Value::Text(value.into()))
    }

    fn value(table: &Table, key: &[u8]) -> Option<Text> {
        match &table.entry(table.find(key)?).value {
            Value::Text(text) => Some(text.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_table_is_what_a_plain_map_is() {
        for keys in [10, 1000, 30_000] {
            let mut random = Random::new(keys as u64);
            let mut table = Table::new((1, 2));
            let mut model: BTreeMap<Vec<u8>, Text> = BTreeMap::new();
            for number in 0..100_000u32 {
                let key = format!("key:{}", random.below(keys)).into_bytes();
                let bytes = number.to_le_bytes();
                let found = table.find(&key);
                assert_eq!(value(&table, &key).as_ref(), model.get(&key));
                match (random.below(3), found) {
                    (0, Some(spot)) => {
                        table.remove(spot);
                        model.remove(&key);
                    }
                    (_, Some(spot)) => {
                        table.entry_mut(spot).value = Value::Text((&bytes[..]).into());
                        model.insert(key, (&bytes[..]).into());
                    }
                    (_, None) => {
                        table.insert(entry(&key, &bytes));
                        model.insert(key, (&bytes[..]).into());
                    }
                }
            }
            let mut seen = BTreeMap::new();
            let mut cursor = 0;
            loop {
                cursor = table.visit(cursor, |entry| {
                    let fresh = seen.insert(entry.key.to_vec(), value(&table, &entry.key).unwrap());
                    assert!(
                        fresh.is_none(),
                        "a table that does not change is visited once"
                    );
                });
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen, model);
        }
    }

    #[test]
    fn pages_are_well_filled_and_chains_are_short() {
        let mut table = Table::new((3, 4));
        let keys = 500_000;
        for number in 0..keys {
            table.insert(entry(format!("key:{number}").as_bytes(), b"value"));
        }
        let (mut pages, mut buckets) = (0, 0);
        for bucket in table.shards.iter().flat_map(|shard| &shard.buckets) {
            buckets += 1;
            let mut page = Some(bucket);
            while let Some(bucket) = page {
                pages += 1;
                page = bucket.next.as_ref();
            }
        }
        assert!(
            keys * 10 > pages * SLOTS * 5,
            "{pages} pages of {SLOTS} for {keys}"
        );
        assert!(
            pages * 10 < buckets * 12,
            "{pages} pages of {buckets} buckets"
        );
    }

    #[test]
    fn what_stays_is_visited_while_the_table_grows() {
        for seed in 0..20 {
            let mut random = Random::new(seed);
            let mut table = Table::new((seed, 5));
            let stays = random.below(3000);
            let mut missing: BTreeSet<Vec<u8>> = BTreeSet::new();
            for number in 0..stays {
                let key = format!("stays:{number}").into_bytes();
                table.insert(entry(&key, b""));
                missing.insert(key);
            }
            let (mut cursor, mut number) = (0, 0);
            loop {
                cursor = table.visit(cursor, |entry| {
                    missing.remove(&*entry.key);
                });
                if cursor == 0 {
                    break;
                }
                for _ in 0..random.below(500).min(200_000 - number) {
                    table.insert(entry(format!("new:{number}").as_bytes(), b""));
                    number += 1;
                }
            }
            assert!(missing.is_empty(), "{} were not visited", missing.len());
        }
    }

    #[test]
    fn marks_change_with_their_keys_alone() {
        let mut table = Table::new((6, 7));
        let absent = table.mark(b"a");
        assert_eq!(table.mark(b"a"), absent);
        table.insert(entry(b"a", b"1"));
        let there = table.mark(b"a");
        assert_ne!(there, absent);
        for number in 0..SHARDS * SLOTS * 3 {
            table.insert(entry(format!("other:{number}").as_bytes(), b""));
        }
        assert_eq!(
            table.mark(b"a"),
            there,
            "others do not matter, nor does growth"
        );
        let spot = table.find(b"a").unwrap();
        table.entry_mut(spot);
        let changed = table.mark(b"a");
        assert_ne!(changed, there);
        let removed = table.remove(table.find(b"a").unwrap());
        assert_ne!(table.mark(b"a"), changed);
        table.insert(removed);
        assert_ne!(table.mark(b"a"), changed);
        let before = table.mark(b"a");
        table.clear();
        table.insert(entry(b"a", b"1"));
        assert_ne!(table.mark(b"a"), before);
    }
}
