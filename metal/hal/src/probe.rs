//! A piece of code to be interrupted, for tests of the machine: it says whether it was left as
//! it was.
use alloc::vec::Vec;
use core::arch::global_asm;
use core::iter;

use platform::{GuestCode, GuestEvents, GuestSpace, VIEW_BYTES};
use types::{PAGE_SIZE, PageIndex};

use crate::paging;

global_asm!(include_str!("probe.s"), options(att_syntax));

unsafe extern "C" {
    static probe_start: u8;
    static probe_stop: u8;
    static probe_end: u8;
    fn probe_hold(rounds: u64, word: *const u64) -> u64;
}

/// What interrupted code is taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A guest's function.
    Guest,
    /// The host's, which runs for a guest.
    Host,
}

/// Runs code that holds a value in every register and in all of its red zone and reads a word of
/// a guest's page in each of its rounds. Returns how many of the values were changed meanwhile.
///
/// # Panics
/// If the space is not one of this machine's.
pub fn hold(
    space: &dyn GuestSpace,
    page: PageIndex,
    rounds: u64,
    role: Role,
    events: &dyn GuestEvents,
) -> u64 {
    let offset = page.0 as usize * PAGE_SIZE;
    assert!(
        offset < VIEW_BYTES && rounds > 0,
        "a page of a view, and a round at least"
    );
    let word = space.memory().wrapping_add(offset);
    let range = word.addr()..word.addr() + size_of::<u64>();
    assert!(
        paging::is_reserved(&range),
        "the memory of one of this machine's views"
    );
    let text = (&raw const probe_start).addr()..(&raw const probe_end).addr();
    let stop = (&raw const probe_stop).addr();
    let functions = match role {
        Role::Guest => iter::once(text.start..stop).collect(),
        Role::Host => Vec::new(),
    };
    let code = GuestCode {
        text,
        functions,
        stop,
    };
    let mut changed = 0;
    space.run(&code, events, &mut || {
        // SAFETY: (1) the function keeps to the convention of C; (2) it reads a word where only
        // memory is, as checked above, and if it is absent `events` is asked, as for a guest.
        changed = unsafe { probe_hold(rounds, word.cast()) };
    });
    changed
}
