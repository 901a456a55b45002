//! What the processor can do, where there is no `std` to find out.
use core::arch::x86_64::__cpuid;

/// Features by the names that `std` has for them, as bits of ECX of the first leaf.
const BITS: [(&str, u32); 6] = [
    ("sse3", 0),
    ("ssse3", 9),
    ("cmpxchg16b", 13),
    ("sse4.1", 19),
    ("sse4.2", 20),
    ("popcnt", 23),
];

/// Whether the processor has the feature; `None` for one that code for nodes does not use.
pub(crate) fn has_feature(name: &str) -> Option<bool> {
    let (_, bit) = BITS.into_iter().find(|(known, _)| *known == name)?;
    Some(__cpuid(1).ecx & (1 << bit) != 0)
}
