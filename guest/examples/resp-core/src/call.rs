//! What commands are executed with: keys as they are now, and the answer.

use alloc::boxed::Box;
use core::num::NonZeroU64;

use crate::database::{Database, Here};
use crate::failure::Failure;
use crate::list::List;
use crate::number;
use crate::output::Output;
use crate::sorted::Sorted;
use crate::table::{Entry, Mark, Spot};
use crate::text::Text;
use crate::value::{Fields, Members, Trash, Value};

/// Entries and elements looked at in one step after which no more is begun that looks at many:
/// some tenths of a second's work.
const WORK_MAX: usize = 2_000_000;

/// The execution of commands in one step.
#[derive(Debug)]
pub(crate) struct Call<'a, 'o> {
    pub(crate) database: &'a mut Database,
    pub(crate) trash: &'a mut Trash,
    pub(crate) output: &'a mut Output<'o>,
    pub(crate) here: Here,
    /// Entries and elements looked at so far.
    pub(crate) work: usize,
}

/// A kind of value.
pub(crate) trait Kind {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// An empty one.
    fn make() -> Value;
    fn is_empty(&self) -> bool;
}

macro_rules! kind {
    ($type:ty, $variant:ident, $make:expr, $is_empty:expr) => {
        impl Kind for $type {
            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$variant(it) => Some(it),
                    _ => None,
                }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$variant(it) => Some(it),
                    _ => None,
                }
            }

            fn make() -> Value {
                Value::$variant($make)
            }

            fn is_empty(&self) -> bool {
                $is_empty(self)
            }
        }
    };
}

kind!(Text, Text, Text::from(&b""[..]), |_: &Self| false);
kind!(List, List, Box::default(), |list: &Self| list.len() == 0);
kind!(Fields, Hash, Box::default(), Fields::is_empty);
kind!(Sorted, Sorted, Box::default(), |sorted: &Self| sorted.len()
    == 0);
kind!(Members, Set, Box::default(), Members::is_empty);

impl Call<'_, '_> {
    /// Where a key is. One whose time is over is removed.
    pub(crate) fn find(&mut self, key: &[u8]) -> Option<Spot> {
        let spot = self.database.table.find(key)?;
        if self.entry(spot).is_over(self.here.now_ms) {
            self.remove(spot);
            return None;
        }
        Some(spot)
    }

    pub(crate) fn entry(&self, spot: Spot) -> &Entry {
        self.database.table.entry(spot)
    }

    pub(crate) fn entry_mut(&mut self, spot: Spot) -> &mut Entry {
        self.database.table.entry_mut(spot)
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        self.database.table.insert(entry);
        self.database.keys.add(self.here, 1);
    }

    /// Removes a key with its value.
    pub(crate) fn remove(&mut self, spot: Spot) {
        let entry = self.database.table.remove(spot);
        self.trash.put(entry.value);
        self.database.keys.add(self.here, -1);
    }

    /// What a key is now, to be compared later.
    pub(crate) fn mark(&mut self, key: &[u8]) -> Mark {
        self.find(key);
        self.database.table.mark(key)
    }

    /// Sets a key to a text. `expiry`: when it ends; `None` keeps what is set.
    pub(crate) fn set(&mut self, key: &[u8], text: &[u8], expiry: Option<Option<NonZeroU64>>) {
        let Some(spot) = self.find(key) else {
            let mut entry = Entry::new(key, Value::Text(text.into()));
            entry.set_expiry_ms(expiry.flatten());
            self.insert(entry);
            return;
        };
        let entry = self.database.table.entry_mut(spot);
        if let Some(expiry) = expiry {
            entry.set_expiry_ms(expiry);
        }
        match &mut entry.value {
            Value::Text(old) => old.assign(text),
            other => {
                let old = core::mem::replace(other, Value::Text(text.into()));
                self.trash.put(old);
            }
        }
    }

    /// The value of a key, if it is there.
    pub(crate) fn get<T: Kind>(&mut self, key: &[u8]) -> Result<Option<&T>, Failure> {
        match self.find(key) {
            None => Ok(None),
            Some(spot) => self.value(spot).map(Some),
        }
    }

    pub(crate) fn value<T: Kind>(&self, spot: Spot) -> Result<&T, Failure> {
        Self::value_of(self.database, spot)
    }

    /// The same, for when there is something else to be done with the call meanwhile.
    pub(crate) fn value_of<T: Kind>(database: &Database, spot: Spot) -> Result<&T, Failure> {
        T::of(&database.table.entry(spot).value).ok_or(Failure::WrongType)
    }

    pub(crate) fn value_mut<T: Kind>(&mut self, spot: Spot) -> Result<&mut T, Failure> {
        self.value::<T>(spot)?;
        T::of_mut(&mut self.entry_mut(spot).value).ok_or(Failure::WrongType)
    }

    /// The value of a key, made if it is not there.
    pub(crate) fn get_or_make<T: Kind>(&mut self, key: &[u8]) -> Result<&mut T, Failure> {
        let spot = match self.find(key) {
            Some(spot) => spot,
            None => {
                self.insert(Entry::new(key, T::make()));
                self.find(key).expect("it was just inserted")
            }
        };
        self.value_mut(spot)
    }

    /// Removes a key whose value has become empty.
    pub(crate) fn remove_if_empty<T: Kind>(&mut self, spot: Spot) {
        if self.value::<T>(spot).is_ok_and(T::is_empty) {
            self.remove(spot);
        }
    }

    /// Asks leave to look at many entries or elements.
    pub(crate) fn begin_work(&mut self, count: usize) -> Result<(), Failure> {
        if self.work > WORK_MAX {
            return Err(Failure::TOO_MUCH);
        }
        self.work += count;
        Ok(())
    }
}

/// The number that an argument says.
pub(crate) fn integer(argument: &[u8]) -> Result<i64, Failure> {
    number::parse(argument).ok_or(Failure::NotInteger)
}

/// The number of things that an argument says.
pub(crate) fn count(argument: &[u8]) -> Result<usize, Failure> {
    let count = number::parse(argument).and_then(|count| usize::try_from(count).ok());
    count.ok_or(Failure::NEGATIVE)
}

/// Whether an argument is this word, in small or capital letters.
pub(crate) fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}
