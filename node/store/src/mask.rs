//! Payloads that look like records. After a tear records are looked for at every multiple
//! of 64 bytes, and what a guest has put into its page must not pass for one. So no payload
//! lies on the disk with the mark of a record where a record could begin: if it has one,
//! each of its bytes is changed by a mask, which the record's head names.
use crate::record::{HEAD_SIZE, MAGIC};

/// The mask under which these bytes have no mark: 0, which changes nothing, if they have
/// none as they are. Each mark excludes one mask, so that there is one for every payload of
/// less than 16 KiB. Longer ones come from no guest; they may be left as they are.
pub(crate) fn mask_for(payload: &[u8]) -> u8 {
    let mark = MAGIC.to_le_bytes();
    let mut blocks = payload.chunks(HEAD_SIZE);
    if !blocks.any(|block| block.starts_with(&mark)) {
        return 0;
    }
    let [first, second] = mark;
    let mut excluded = [false; 256];
    for block in payload.chunks(HEAD_SIZE) {
        if let [one, other, ..] = *block
            && one ^ first == other ^ second
        {
            excluded[usize::from(one ^ first)] = true;
        }
    }
    (0..=u8::MAX)
        .find(|mask| !excluded[usize::from(*mask)])
        .unwrap_or(0)
}

/// Puts a mask on, or takes it off.
pub(crate) fn apply(mask: u8, payload: &mut [u8]) {
    if mask != 0 {
        payload.iter_mut().for_each(|byte| *byte ^= mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn has_mark(payload: &[u8]) -> bool {
        let mark = MAGIC.to_le_bytes();
        payload
            .chunks(HEAD_SIZE)
            .any(|block| block.starts_with(&mark))
    }

    #[test]
    fn no_page_has_a_mark_under_its_mask() {
        // As many different masks as a page can exclude, and the mark itself among them.
        let mut page = vec![0; 4096];
        for (at, block) in page.chunks_mut(HEAD_SIZE).enumerate() {
            let mask = u8::try_from(at).unwrap();
            block[0] = 0x50 ^ mask;
            block[1] = 0x58 ^ mask;
        }
        assert!(has_mark(&page));
        let mask = mask_for(&page);
        assert_eq!(mask, 64);
        let plain = page.clone();
        apply(mask, &mut page);
        assert!(!has_mark(&page));
        apply(mask, &mut page);
        assert_eq!(page, plain);
    }

    #[test]
    fn a_payload_without_a_mark_stays_as_it_is() {
        for length in [0, 1, 64, 65, 4096] {
            assert_eq!(mask_for(&vec![0x50; length]), 0);
        }
    }
}
