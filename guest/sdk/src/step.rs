//! What a step returns, and the macros that export the functions of a module.

/// Something that workers wait for and steps signal; a number the program chooses.
///
/// A step that looks at memory, finds nothing to do and returns [`Step::Wait`] cannot
/// miss the signal: the step that changes that memory comes, as a whole, either before
/// it or after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event(pub i64);

/// How a worker goes on after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Run me again.
    Again,
    /// Run me again after this event was signalled.
    Wait(Event),
    /// The worker has ended with this value.
    Done(i64),
}

impl Step {
    /// The number that the exported function returns.
    ///
    /// # Panics
    /// If the event or value does not fit into 62 bits.
    pub const fn encode(self) -> i64 {
        let (tag, payload) = match self {
            Self::Again => (abi::step::AGAIN, 0),
            Self::Wait(event) => (abi::step::WAIT, event.0),
            Self::Done(value) => (abi::step::DONE, value),
        };
        let shifted = payload << abi::step::TAG_BITS;
        assert!(
            shifted >> abi::step::TAG_BITS == payload,
            "an event or a worker's value has at most 62 bits"
        );
        shifted | tag
    }
}

/// Exports a worker's entry point: a function that the host runs once per step.
///
/// `main` is the entry point of the first worker; others are named to [`spawn`].
///
/// [`spawn`]: crate::spawn()
#[macro_export]
macro_rules! worker {
    ($(#[$attribute:meta])* fn $name:ident($argument:ident: i64) -> Step $body:block) => {
        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($argument: i64) -> i64 {
            let step: $crate::Step = (move || $body)();
            step.encode()
        }
    };
}

/// Exports a function for calls from outside (`plurix call`): one transaction per call.
/// It takes and returns integers; more can go in as inputs and come out through
/// [`result_write`](crate::result_write).
#[macro_export]
macro_rules! call {
    ($(#[$attribute:meta])*
     fn $name:ident($($argument:ident: i64),*) -> i64 $body:block) => {
        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: i64),*) -> i64 {
            (move || -> i64 { $body })()
        }
    };
}

#[cfg(test)]
mod tests {
    use super::{Event, Step};

    #[test]
    fn tag_is_in_the_low_bits_and_payload_above() {
        assert_eq!(Step::Again.encode(), 0);
        assert_eq!(Step::Wait(Event(5)).encode(), 5 << 2 | 1);
        assert_eq!(Step::Done(-3).encode() >> 2, -3);
        assert_eq!(Step::Done(-3).encode() & 3, 2);
    }

    #[test]
    fn the_largest_payloads_survive() {
        for value in [(1 << 61) - 1, -(1 << 61)] {
            assert_eq!(Step::Done(value).encode() >> 2, value);
        }
    }
}
