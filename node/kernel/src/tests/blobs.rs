//! Blobs against a vector of bytes.
use alloc::vec;
use alloc::vec::Vec;
use types::{PAGE_SIZE, Prng};

use super::memory::{Memory, NO_BLOB, Stops, slot};
use crate::blobs::{self, Progress};
use crate::{BlobId, Refusal};

const CAPACITY: usize = 40 * PAGE_SIZE;

fn index(prng: &mut Prng, bound: usize) -> usize {
    usize::try_from(prng.below(bound as u64)).unwrap()
}

fn random_bytes(prng: &mut Prng, length: usize) -> Vec<u8> {
    (0..length)
        .map(|_| prng.next_u64().to_le_bytes()[0])
        .collect()
}

fn read_all(memory: &mut Memory, blob: BlobId) -> Vec<u8> {
    memory
        .run(|pages| {
            let length = blobs::length(pages, blob)?;
            let mut bytes = vec![0xEE; usize::try_from(length).unwrap() + 10];
            let count = blobs::read(pages, blob, 0, &mut bytes)?;
            bytes.truncate(count);
            Ok::<_, crate::Failure>(bytes)
        })
        .unwrap()
}

fn check_against_model(stops: Stops, seed: u64) {
    let mut prng = Prng::new(seed);
    let mut memory = Memory::new(stops);
    let blob = memory
        .run(|pages| blobs::create(pages, CAPACITY as u64))
        .unwrap();
    let mut model = Vec::new();
    for _ in 0..30 {
        let offset = index(&mut prng, CAPACITY);
        let length = index(&mut prng, 3 * PAGE_SIZE).min(CAPACITY - offset);
        let bytes = random_bytes(&mut prng, length);
        let writer = slot(index(&mut prng, 5));
        memory
            .run(|pages| blobs::write(pages, writer, blob, offset as u64, &bytes))
            .unwrap();
        if !bytes.is_empty() {
            model.resize(model.len().max(offset + length), 0);
            model[offset..offset + length].copy_from_slice(&bytes);
        }
        let from = index(&mut prng, model.len() + 100);
        let mut found = vec![0xEE; index(&mut prng, 3 * PAGE_SIZE)];
        let count = memory
            .run(|pages| blobs::read(pages, blob, from as u64, &mut found))
            .unwrap();
        let expected = &model[from.min(model.len())..];
        let expected = &expected[..expected.len().min(found.len())];
        assert_eq!(&found[..count], expected, "seed {seed}");
    }
    assert_eq!(read_all(&mut memory, blob), model);
    memory.run(|pages| blobs::seal(pages, blob)).unwrap();
    assert_eq!(read_all(&mut memory, blob), model);
}

#[test]
fn a_blob_is_a_vector_of_bytes() {
    for seed in 0..20 {
        check_against_model(Stops::Never, seed);
    }
}

#[test]
fn a_blob_is_a_vector_of_bytes_when_stopped_anywhere() {
    for stride in [1, 2, 3] {
        check_against_model(Stops::Every(stride), 99);
    }
}

#[test]
fn blobs_lie_apart() {
    let mut memory = Memory::new(Stops::Never);
    let sizes = [
        0,
        1,
        PAGE_SIZE,
        191 * PAGE_SIZE,
        192 * PAGE_SIZE,
        1000 * PAGE_SIZE,
    ];
    let blobs: Vec<BlobId> = sizes
        .iter()
        .map(|&size| {
            memory
                .run(|pages| blobs::create(pages, size as u64))
                .unwrap()
        })
        .collect();
    for (&blob, &size) in blobs.iter().zip(&sizes) {
        let Some(last) = size.checked_sub(1) else {
            continue;
        };
        memory
            .run(|pages| blobs::write(pages, slot(0), blob, last as u64, &[1]))
            .unwrap();
    }
    for (&blob, &size) in blobs.iter().zip(&sizes) {
        let bytes = read_all(&mut memory, blob);
        assert_eq!(bytes.len(), size);
        assert_eq!(bytes.iter().filter(|&&byte| byte == 1).count(), size.min(1));
    }
}

#[test]
fn large_blobs_go_on_in_the_next_region() {
    let mut memory = Memory::new(Stops::Never);
    // Four extents short of a region's share each: 4095 of them leave too little room.
    let mut last = NO_BLOB;
    for number in 0..5000_u64 {
        let blob = memory
            .run(|pages| blobs::create(pages, blobs::BLOB_BYTES_MAX))
            .unwrap();
        assert!(blob > last, "blob {number} lies behind the one before");
        last = blob;
    }
    memory
        .run(|pages| blobs::write(pages, slot(0), last, (4 << 30) - 1, &[1]))
        .unwrap();
    assert_eq!(memory.run(|pages| blobs::length(pages, last)), Ok(4 << 30));
}

#[test]
fn a_blob_refuses_what_it_cannot_hold_and_what_comes_late() {
    let mut memory = Memory::new(Stops::Never);
    let blob = memory.run(|pages| blobs::create(pages, 100)).unwrap();
    let too_long = Refusal::BlobTooLong {
        end: 101,
        capacity: 100,
    };
    assert_eq!(
        memory.run(|pages| blobs::write(pages, slot(0), blob, 99, &[1, 2])),
        Err(too_long)
    );
    memory.run(|pages| blobs::seal(pages, blob)).unwrap();
    let sealed = Err(Refusal::BlobSealed(blob));
    assert_eq!(
        memory.run(|pages| blobs::write(pages, slot(0), blob, 0, &[1])),
        sealed
    );
    for nothing in [
        NO_BLOB,
        BlobId(blob.0 + 1),
        BlobId(blob.0 + 256),
        BlobId(u64::MAX),
    ] {
        let refused = Err(Refusal::NoSuchBlob(nothing));
        assert_eq!(memory.run(|pages| blobs::length(pages, nothing)), refused);
    }
}

#[test]
fn freeing_is_bounded_and_leaves_nothing() {
    for stops in [Stops::Never, Stops::Every(1)] {
        let mut memory = Memory::new(stops);
        let blob = memory
            .run(|pages| blobs::create(pages, CAPACITY as u64))
            .unwrap();
        let before = memory.used();
        for (at, position) in [(0, 0), (9 * PAGE_SIZE + 5, 1), (20 * PAGE_SIZE, 2)] {
            let bytes = [1; 2 * PAGE_SIZE];
            memory
                .run(|pages| blobs::write(pages, slot(position), blob, at as u64, &bytes))
                .unwrap();
        }
        let mut pieces = 1;
        while memory.run(|pages| blobs::free(pages, blob, 5)).unwrap() == Progress::More {
            assert!(
                memory.written.len() <= 6,
                "five pages of bytes and the header"
            );
            let refused = Err(Refusal::BlobFreed(blob));
            assert_eq!(memory.run(|pages| blobs::length(pages, blob)), refused);
            pieces += 1;
        }
        assert_eq!(pieces, 5, "22 pages of bytes by five");
        let after = memory.used();
        assert_eq!(
            before.difference(&after).count(),
            1,
            "only the header is gone"
        );
        assert!(after.is_subset(&before));
    }
}

#[test]
fn every_blob_has_extents_of_its_own() {
    let mut memory = Memory::new(Stops::Every(1));
    let mut end = None;
    // The prefix takes 65 pages of the first extent.
    for (pages, expected) in [(0, 1), (191, 1), (192, 2), (1000, 5)] {
        let capacity = pages * PAGE_SIZE as u64;
        let blob = memory.run(|pages| blobs::create(pages, capacity)).unwrap();
        let (first, count) = memory.run(|pages| blobs::extents(pages, blob)).unwrap();
        assert_eq!(count, expected);
        assert_eq!(first.index, end.unwrap_or(first.index));
        end = Some(first.index + count);
    }
    let missing = memory.run(|pages| blobs::extents(pages, NO_BLOB));
    assert_eq!(missing, Err(Refusal::NoSuchBlob(NO_BLOB)));
}
