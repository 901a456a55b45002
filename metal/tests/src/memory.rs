//! The heap.
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use hal::kept;

use crate::Machine;

/// What is set aside here.
pub(crate) const KEPT_BYTES: usize = 4 << 20;

/// Less than any test machine has.
const MEMORY_MIN: usize = 100 << 20;

pub(crate) fn all_is_claimed(_: &mut Machine) {
    let (used, claimed) = hal::heap_usage();
    assert!(
        used < claimed && claimed > MEMORY_MIN,
        "{used} of {claimed} bytes"
    );
}

pub(crate) fn aside_is_apart(machine: &mut Machine) {
    let kept = machine.kept.as_mut().expect("half of memory was set aside");
    assert_eq!((kept.bytes(), kept::available()), (KEPT_BYTES, 0));
    let pattern: Vec<u8> = (0..=u8::MAX).cycle().take(KEPT_BYTES - 7).collect();
    kept.write(7, &pattern);
    heap_keeps(machine);
    let kept = machine.kept.as_ref().expect("it was just there");
    let mut found = vec![0; pattern.len()];
    kept.read(7, &mut found);
    assert!(found == pattern, "what was put there");
}

/// Numbers that look random, and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}

pub(crate) fn heap_keeps(_: &mut Machine) {
    let mut numbers = Numbers(1);
    let mut kept: Vec<(u8, Vec<u8>)> = Vec::new();
    for turn in 0..20_000_u32 {
        if kept.len() > 300 || (!kept.is_empty() && numbers.below(3) == 0) {
            let (value, bytes) = kept.swap_remove(numbers.below(kept.len()));
            assert!(
                bytes.iter().all(|&byte| byte == value),
                "what {value} has written"
            );
        } else {
            let [value, ..] = turn.to_le_bytes();
            let bytes = 1_usize << numbers.below(17);
            let bytes = bytes + numbers.below(bytes);
            kept.push((value, vec![value; bytes]));
        }
    }
    for (value, bytes) in kept {
        assert!(
            bytes.iter().all(|&byte| byte == value),
            "what {value} has written"
        );
    }
}

pub(crate) fn heap_gives_back(_: &mut Machine) {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let (before, claimed) = hal::heap_usage();
    // More in all than there is, so that only what was given back can be had again.
    let mut total = 0;
    while total <= claimed {
        let bytes = vec![1_u8; claimed / 3];
        total += bytes.len();
        let page = Box::new(Page([2; 4096]));
        assert!(
            (&raw const *page).addr().is_multiple_of(4096),
            "a page is aligned"
        );
        assert_eq!(page.0[4095], 2, "and its own");
        assert_eq!(bytes[bytes.len() - 1], 1, "to the last byte");
    }
    assert_eq!(
        hal::heap_usage(),
        (before, claimed),
        "nothing is in use that was not"
    );
}
