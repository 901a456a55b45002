//! Values, and what is left of them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::list::List;
use crate::sorted::{End, Sorted};
use crate::table::Bucket;
use crate::text::Text;

/// Fields and values.
pub(crate) type Fields = BTreeMap<Text, Text>;
/// Members, in the order of their bytes.
pub(crate) type Members = BTreeSet<Text>;

/// What a key stands for. Collections are never empty.
#[derive(Debug)]
pub(crate) enum Value {
    Text(Text),
    List(Box<List>),
    Hash(Box<Fields>),
    Set(Box<Members>),
    Sorted(Box<Sorted>),
}

impl Value {
    /// Redis's name of its type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::Sorted(_) => "zset",
        }
    }

    /// How many pieces it is made of.
    fn pieces(&self) -> usize {
        match self {
            Self::Text(_) => 1,
            Self::List(list) => list.len(),
            Self::Hash(fields) => fields.len(),
            Self::Set(members) => members.len(),
            Self::Sorted(sorted) => sorted.len(),
        }
    }

    /// Drops some of its pieces; whether any are left.
    fn drop_some(&mut self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::List(list) => list.drop_some(),
            Self::Hash(fields) => {
                (0..PIECES).all(|_| fields.pop_first().is_some()) && !fields.is_empty()
            }
            Self::Sorted(sorted) => {
                (0..PIECES).all(|_| sorted.pop(End::Highest).is_some()) && sorted.len() > 0
            }
            Self::Set(members) => {
                (0..PIECES).all(|_| members.pop_first().is_some()) && !members.is_empty()
            }
        }
    }
}

/// Values with up to so many pieces are dropped at once.
const PIECES: usize = 128;
/// How often so many are dropped in a step.
const ROUNDS: usize = 8;

/// What was removed and is too large to be dropped in one step.
#[derive(Default, Debug)]
pub(crate) struct Trash {
    values: Vec<Value>,
    buckets: Vec<Vec<Box<Bucket>>>,
}

impl Trash {
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.buckets.is_empty()
    }

    /// Adds what another one holds.
    pub(crate) fn add(&mut self, other: Self) {
        if !other.is_empty() {
            self.values.extend(other.values);
            self.buckets.extend(other.buckets);
        }
    }

    pub(crate) fn put(&mut self, value: Value) {
        if value.pieces() > PIECES {
            self.values.push(value);
        }
    }

    pub(crate) fn put_table(&mut self, buckets: Vec<Vec<Box<Bucket>>>) {
        self.buckets.extend(buckets);
    }

    /// Drops a step's worth.
    pub(crate) fn drop_some(&mut self) {
        for _ in 0..ROUNDS {
            if let Some(value) = self.values.last_mut() {
                if !value.drop_some() {
                    self.values.pop();
                }
                continue;
            }
            let Some(buckets) = self.buckets.last_mut() else {
                return;
            };
            let mut bucket = buckets.pop();
            if bucket.is_none() {
                self.buckets.pop();
            }
            while let Some(page) = bucket {
                bucket = page.into_entries(|entry| {
                    let value = entry.value;
                    if value.pieces() > PIECES {
                        self.values.push(value);
                    }
                });
            }
        }
    }
}
