//! Typed access to pages: values of fixed width, little-endian, at fixed places.
//!
//! A record names its fields once, in the order in which they lie in memory; a
//! cell is the place of one record. No other file computes a field's offset.
use core::marker::PhantomData;
use types::{PAGE_SIZE, PageId};

use crate::{Pages, Stop};

/// Something with a fixed width in a page. All zeroes must be a valid value: it is
/// what a page holds that nobody has written.
pub(crate) trait Value: Copy {
    /// Bytes it takes.
    const SIZE: usize;
    /// From exactly `SIZE` bytes.
    fn load(bytes: &[u8]) -> Self;
    /// Into exactly `SIZE` bytes.
    fn store(&self, bytes: &mut [u8]);
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Value for $integer {
            const SIZE: usize = size_of::<$integer>();
            fn load(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("a cell hands over SIZE bytes"))
            }
            fn store(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i64);

impl<const LENGTH: usize> Value for [u8; LENGTH] {
    const SIZE: usize = LENGTH;
    fn load(bytes: &[u8]) -> Self {
        bytes.try_into().expect("a cell hands over SIZE bytes")
    }
    fn store(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self);
    }
}

/// Takes the next field's value off the front.
pub(crate) fn load_next<T: Value>(rest: &mut &[u8]) -> T {
    let (bytes, after) = rest.split_at(T::SIZE);
    *rest = after;
    T::load(bytes)
}

/// Puts the next field's value at the front.
pub(crate) fn store_next<T: Value>(rest: &mut &mut [u8], value: &T) {
    let (bytes, after) = core::mem::take(rest).split_at_mut(T::SIZE);
    value.store(bytes);
    *rest = after;
}

/// Defines a struct whose fields lie one after the other in memory.
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $type,)* }

        impl $crate::cell::Value for $name {
            const SIZE: usize = 0 $(+ <$type as $crate::cell::Value>::SIZE)*;
            fn load(bytes: &[u8]) -> Self {
                let mut rest = bytes;
                let record = Self { $($field: $crate::cell::load_next(&mut rest),)* };
                assert!(rest.is_empty(), "a record takes all of its bytes");
                record
            }
            fn store(&self, bytes: &mut [u8]) {
                let mut rest = bytes;
                $($crate::cell::store_next(&mut rest, &self.$field);)*
                assert!(rest.is_empty(), "a record takes all of its bytes");
            }
        }
    };
}
pub(crate) use record;

/// Makes a newtype over an integer a value.
macro_rules! value_newtype {
    ($($name:ident($integer:ty)),*) => {$(
        impl $crate::cell::Value for $name {
            const SIZE: usize = <$integer as $crate::cell::Value>::SIZE;
            fn load(bytes: &[u8]) -> Self {
                Self(<$integer as $crate::cell::Value>::load(bytes))
            }
            fn store(&self, bytes: &mut [u8]) {
                self.0.store(bytes);
            }
        }
    )*};
}
pub(crate) use value_newtype;

/// The place of one value in a page.
#[derive(Debug)]
pub(crate) struct Cell<T> {
    page: PageId,
    offset: usize,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Cell<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Cell<T> {}

impl<T: Value> Cell<T> {
    /// Values that fit on a page behind `offset` bytes of something else.
    pub(crate) const fn per_page(offset: usize) -> usize {
        (PAGE_SIZE - offset) / T::SIZE
    }

    /// The cell `offset` bytes into the page.
    pub(crate) const fn at(page: PageId, offset: usize) -> Self {
        assert!(offset + T::SIZE <= PAGE_SIZE, "a cell lies within one page");
        Self {
            page,
            offset,
            value: PhantomData,
        }
    }

    /// The cell at the start of the page.
    pub(crate) const fn first(page: PageId) -> Self {
        Self::at(page, 0)
    }

    /// Its value.
    pub(crate) fn get(self, pages: &mut impl Pages) -> Result<T, Stop> {
        Ok(T::load(
            &pages.read(self.page)?[self.offset..self.offset + T::SIZE],
        ))
    }

    /// Replaces its value.
    pub(crate) fn set(self, pages: &mut impl Pages, value: T) -> Result<(), Stop> {
        value.store(&mut pages.write(self.page)?[self.offset..self.offset + T::SIZE]);
        Ok(())
    }

    /// Changes its value in place and returns the new one.
    pub(crate) fn update(
        self,
        pages: &mut impl Pages,
        change: impl FnOnce(&mut T),
    ) -> Result<T, Stop> {
        let bytes = &mut pages.write(self.page)?[self.offset..self.offset + T::SIZE];
        let mut value = T::load(bytes);
        change(&mut value);
        value.store(bytes);
        Ok(value)
    }
}

/// Makes a page what it was before anybody wrote it.
pub(crate) fn clear_page(pages: &mut impl Pages, page: PageId) -> Result<(), Stop> {
    pages.write(page)?.fill(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    record! {
        struct Sample {
            small: u8,
            large: u64,
            signed: i64,
        }
    }

    #[test]
    fn fields_lie_one_after_the_other_little_endian() {
        let sample = Sample {
            small: 7,
            large: 0x0102,
            signed: -1,
        };
        let mut bytes = [0; 17];
        assert_eq!(Sample::SIZE, bytes.len());
        sample.store(&mut bytes);
        assert_eq!(bytes[..4], [7, 2, 1, 0]);
        assert_eq!(bytes[9..], [0xFF; 8]);
        assert_eq!(Sample::load(&bytes), sample);
    }
}
