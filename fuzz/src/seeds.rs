//! Seeds without a list of kinds that somebody must keep up to date.

/// Kinds of a value that are tried: all that one byte can say.
const KINDS: u8 = 128;
/// Bytes after which a value of a kind ends, if it ever does.
const LENGTH_MAX: usize = 256;

/// The shortest value of each kind of an enumeration in postcard's format, once with
/// everything zero (empty lists, `None`, `false`) and once with everything one. Whatever
/// stands before the kind is `before`.
pub(crate) fn of_each_kind(before: &[u8], decodes: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..KINDS {
        for fill in [0, 1] {
            let value = |length| [before, &[kind], &vec![fill; length]].concat();
            seeds.extend((0..LENGTH_MAX).map(value).find(|value| decodes(value)));
        }
    }
    seeds
}
