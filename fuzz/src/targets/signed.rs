//! Bytes that somebody with the cluster's key has signed, with somebody on the way who changes
//! them: only what was signed is ever taken for it, and only for what it was signed for.
use arbitrary::{Arbitrary, Unstructured};
use platform::Entropy;
use seal::{Key, sign, signed};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "signed",
    seeds,
    check,
};

/// What is signed, and what becomes of it on the way.
#[derive(Arbitrary)]
struct Carried {
    about: String,
    /// What it is used for.
    used: String,
    bytes: Vec<u8>,
    changes: Vec<(u16, u8)>,
    /// Bytes that are lost at the end.
    cut: u16,
    more: Vec<u8>,
}

/// Another key for each input: the fuzzer watches comparisons, and would read from them which
/// tag it must forge next time.
struct Mixed(u32);

impl Entropy for Mixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = self.0.to_le_bytes()[3];
        }
    }
}

fn check(bytes: &[u8]) {
    let mut entropy = Mixed(crc32fast::hash(bytes));
    let key = Key::generate(&mut entropy);
    let found = signed(&key, "module", bytes);
    assert!(!matches!(found, Ok(Some(_))), "nobody has signed it");
    if let Ok(mut carried) = Carried::arbitrary_take_rest(Unstructured::new(bytes)) {
        // What bytes are is a word of the product's own.
        carried.about.retain(|letter| letter != '\0');
        carried.used.retain(|letter| letter != '\0');
        carry(&carried, &key, &Key::generate(&mut entropy));
    }
}

fn carry(carried: &Carried, key: &Key, other: &Key) {
    let Carried { about, used, .. } = carried;
    let whole = sign(key, about, &carried.bytes);
    let mut found = whole.clone();
    for &(at, by) in &carried.changes {
        if let Some(byte) = found.get_mut(usize::from(at)) {
            *byte ^= by;
        }
    }
    found.truncate(found.len().saturating_sub(carried.cut.into()));
    found.extend_from_slice(&carried.more);
    let taken = signed(key, used, &found);
    match found == whole && used == about {
        true => assert_eq!(taken, Ok(Some(&carried.bytes[..])), "nothing was changed"),
        false => assert!(!matches!(taken, Ok(Some(_))), "it was not signed so"),
    }
    let elsewhere = signed(other, used, &found);
    assert!(!matches!(elsewhere, Ok(Some(_))), "another cluster's");
}

fn seeds() -> Vec<Vec<u8>> {
    let key = Key::generate(&mut Mixed(0));
    let forged = sign(&key, "module", b"whatever it is");
    vec![forged, vec![0; 64], (0..=255).collect()]
}
