//! What the next instance's memories are made of.
//!
//! The runtime asks for memories without saying for which instance, but where the instance is
//! made. With `std` that is told by the thread; without, one instance is made at a time.
use crate::memory::ViewPart;

/// An instance's memories, in the order of their indices.
#[derive(Default)]
pub(crate) struct Handout {
    /// The linear memory at its current size.
    pub(crate) linear: Option<ViewPart>,
    /// The barrier table.
    pub(crate) barriers: Option<ViewPart>,
}

impl Handout {
    fn take(&mut self) -> Option<ViewPart> {
        self.linear.take().or_else(|| self.barriers.take())
    }
}

#[cfg(feature = "std")]
mod place {
    use core::cell::RefCell;

    use super::Handout;
    use crate::memory::ViewPart;

    std::thread_local! {
        static HANDOUT: RefCell<Handout> = const {
            RefCell::new(Handout { linear: None, barriers: None })
        };
    }

    /// The turn to make an instance.
    pub(crate) struct Turn;

    /// Sets what the instance gets that is made while the turn lasts.
    pub(crate) fn hand_out(handout: Handout) -> Turn {
        HANDOUT.with_borrow_mut(|place| *place = handout);
        Turn
    }

    /// The next memory of the instance that is being made here.
    pub(crate) fn take() -> Option<ViewPart> {
        HANDOUT.with_borrow_mut(Handout::take)
    }
}

#[cfg(not(feature = "std"))]
mod place {
    use spin::{Mutex, MutexGuard};

    use super::Handout;
    use crate::memory::ViewPart;

    static TURN: Mutex<()> = Mutex::new(());
    static HANDOUT: Mutex<Handout> = Mutex::new(Handout {
        linear: None,
        barriers: None,
    });

    /// The turn to make an instance.
    pub(crate) struct Turn(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

    /// Sets what the instance gets that is made while the turn lasts.
    pub(crate) fn hand_out(handout: Handout) -> Turn {
        let turn = TURN.lock();
        *HANDOUT.lock() = handout;
        Turn(turn)
    }

    /// The next memory of the instance that is being made here.
    pub(crate) fn take() -> Option<ViewPart> {
        HANDOUT.lock().take()
    }
}

pub(crate) use place::{hand_out, take};
