//! Names, values and versions.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use sdk::PageAligned;

use crate::limits::PLACES;
use crate::target::{Listing, Name};

/// What a key takes beside its bytes, roughly.
const ENTRY_BYTES: usize = 128;

/// A value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) content_type: Box<[u8]>,
    pub(crate) value: Vec<u8>,
    /// Greater after every change, also if the key was removed in between.
    pub(crate) version: u64,
}

/// There is no room for a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// What putting a value has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Put {
    pub(crate) version: u64,
    pub(crate) is_new: bool,
}

/// All keys with their values, in the order of the keys' bytes.
///
/// Who changes a value without making it much longer or shorter changes its entry alone; who
/// adds or removes a key changes what all look at.
#[derive(Debug)]
pub struct Store {
    entries: BTreeMap<Name, Box<Entry>>,
    /// No key that was removed had a greater version.
    version: u64,
    /// Bytes that the entries take, and may take, as [`charge`] counts them.
    bytes: usize,
    capacity: usize,
    /// How many sessions keep more than little.
    places: PageAligned<usize>,
}

/// What an entry is counted as: in steps of an eighth, as values that change a little are to
/// change nothing that all look at, and as memory comes in such steps, too.
fn charge(name: &[u8], content_type: &[u8], value: usize) -> usize {
    let bytes = ENTRY_BYTES + name.len() + content_type.len() + value;
    let step = (bytes.next_power_of_two() / 8).max(ENTRY_BYTES / 2);
    bytes.next_multiple_of(step)
}

impl Store {
    /// An empty store for so many bytes of keys and values.
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            version: 0,
            bytes: 0,
            capacity,
            places: PageAligned::default(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Entry> {
        self.entries.get(name).map(|entry| &**entry)
    }

    /// Sets a value.
    pub(crate) fn put(
        &mut self,
        name: &Name,
        content_type: &[u8],
        value: &[u8],
    ) -> Result<Put, Full> {
        let wanted = charge(name, content_type, value.len());
        let Some(entry) = self.entries.get_mut(name) else {
            if self.bytes + wanted > self.capacity {
                return Err(Full);
            }
            let version = self.version + 1;
            let mut entry = Entry {
                content_type: content_type.into(),
                value: Vec::new(),
                version,
            };
            assign(&mut entry.value, value)?;
            self.entries.insert(name.clone(), Box::new(entry));
            self.bytes += wanted;
            return Ok(Put {
                version,
                is_new: true,
            });
        };
        let had = charge(name, &entry.content_type, entry.value.len());
        if wanted > had && self.bytes - had + wanted > self.capacity {
            return Err(Full);
        }
        assign(&mut entry.value, value)?;
        if *entry.content_type != *content_type {
            entry.content_type = content_type.into();
        }
        entry.version += 1;
        let version = entry.version;
        // What stays the same is not written.
        if wanted != had {
            self.bytes = self.bytes - had + wanted;
        }
        Ok(Put {
            version,
            is_new: false,
        })
    }

    /// Removes a key; whether it was there.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        let Some(entry) = self.entries.remove(name) else {
            return false;
        };
        self.bytes -= charge(name, &entry.content_type, entry.value.len());
        self.version = self.version.max(entry.version);
        true
    }

    /// The names that a listing wants, but for its limit.
    pub(crate) fn names<'a>(&'a self, listing: &'a Listing) -> impl Iterator<Item = &'a [u8]> {
        let start = match &listing.after {
            Some(after) if *after >= listing.prefix => Bound::Excluded(&**after),
            _ => Bound::Included(&*listing.prefix),
        };
        self.entries
            .range::<[u8], _>((start, Bound::Unbounded))
            .map(|(name, _)| &**name)
            .take_while(|name| name.starts_with(&listing.prefix))
    }

    /// Takes a place for a session that has to keep much, if there is one.
    pub(crate) fn take_place(&mut self) -> bool {
        let is_free = *self.places < PLACES;
        if is_free {
            *self.places += 1;
        }
        is_free
    }

    /// Gives it back.
    pub(crate) fn give_place(&mut self) {
        assert!(*self.places > 0, "who gives a place back has taken it");
        *self.places -= 1;
    }
}

/// Replaces bytes. Memory that is there and fits is used again.
fn assign(kept: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Full> {
    if bytes.len() > kept.capacity() || kept.capacity() / 2 > bytes.len() {
        let mut fresh = Vec::new();
        fresh.try_reserve_exact(bytes.len()).map_err(|_| Full)?;
        *kept = fresh;
    }
    kept.clear();
    kept.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::{Full, Put, Store};
    use crate::target::{Listing, Name};

    fn name(text: &str) -> Name {
        text.as_bytes().into()
    }

    fn names(store: &Store, prefix: &str, after: Option<&str>) -> Vec<String> {
        let listing = Listing {
            prefix: prefix.into(),
            after: after.map(Into::into),
            limit: 0,
        };
        let names = store.names(&listing);
        names.map(|name| name.escape_ascii().to_string()).collect()
    }

    #[test]
    fn versions_grow_also_when_a_key_comes_again() {
        let mut store = Store::new(1 << 20);
        let mut last = 0;
        for round in 0..5 {
            for change in 0..3 {
                let put = store.put(&name("a"), b"", b"x").unwrap();
                assert!(put.version > last);
                assert_eq!(put.is_new, change == 0, "round {round}");
                last = put.version;
            }
            assert!(store.remove(b"a"));
            assert!(!store.remove(b"a"));
        }
    }

    #[test]
    fn a_listing_begins_behind_what_it_says_and_ends_with_its_prefix() {
        let mut store = Store::new(1 << 20);
        for text in ["a", "ab", "abc", "b", "ac"] {
            store.put(&name(text), b"", b"").unwrap();
        }
        assert_eq!(names(&store, "", None), ["a", "ab", "abc", "ac", "b"]);
        assert_eq!(names(&store, "ab", None), ["ab", "abc"]);
        assert_eq!(names(&store, "ab", Some("ab")), ["abc"]);
        assert_eq!(names(&store, "ab", Some("a")), ["ab", "abc"]);
        assert_eq!(names(&store, "a", Some("b")), [""; 0]);
        assert_eq!(names(&store, "", Some("abb")), ["abc", "ac", "b"]);
    }

    #[test]
    fn a_full_store_keeps_what_it_has_and_has_room_again_when_something_goes() {
        let mut store = Store::new(10_000);
        let mut count: usize = 0;
        while store
            .put(&name(&count.to_string()), b"", &[1; 1000])
            .is_ok()
        {
            count += 1;
        }
        assert!((5..10).contains(&count), "{count} values of 1000 bytes");
        let last = name(&(count - 1).to_string());
        assert_eq!(store.put(&last, b"", &[1; 5000]), Err(Full));
        assert_eq!(store.find(&last).unwrap().value, [1; 1000]);
        let same = store.put(&last, b"", &[2; 1000]).unwrap();
        assert!(!same.is_new, "what takes no more has room");
        for number in 0..count {
            assert!(store.remove(number.to_string().as_bytes()));
        }
        assert_eq!(store.bytes, 0);
        let expected = Put {
            version: same.version + 1,
            is_new: true,
        };
        assert_eq!(store.put(&last, b"", &[1; 5000]), Ok(expected));
    }
}
