//! What a store has lost or changed is noticed, and named.
use archive::ArchiveError;

use crate::made::Made;
use crate::shelf::Shelf;

#[test]
fn a_changed_byte_in_any_object_is_noticed() {
    for shelf in Shelf::all() {
        let mut made = Made::new(10);
        shelf.export(&mut made);
        let packs = shelf.objects("packs");
        for (object, length) in &packs {
            let good = shelf.get(object);
            for at in [0, 21, good.len() / 2, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 0x40;
                shelf.put(object, bad);
                check_bad(&shelf, object.filename().unwrap());
            }
            let shorter = usize::try_from(*length).unwrap() - 1;
            shelf.put(object, good[..shorter].to_vec());
            check_bad(&shelf, object.filename().unwrap());
            shelf.put(object, good);
        }
        let (manifest, _) = shelf.objects("snapshots").remove(0);
        let good = shelf.get(&manifest);
        for at in (0..good.len()).step_by(good.len() / 50) {
            let mut bad = good.clone();
            bad[at] ^= 0x01;
            shelf.put(&manifest, bad);
            let error = shelf.import(None).unwrap_err();
            assert!(matches!(error, ArchiveError::BadManifest { .. }), "{error}");
        }
        shelf.put(&manifest, good);
        assert!(shelf.import(None).unwrap() == made.pages);
    }
}

/// The pack is named, with its pages.
fn check_bad(shelf: &Shelf, name: &str) {
    let error = shelf.import(None).unwrap_err();
    let text = error.to_string();
    let ArchiveError::BadPack { pack, pages, .. } = error else {
        panic!("expected a bad pack, found {text}");
    };
    assert_eq!(pack.to_string(), name);
    assert!(!pages.is_empty());
    assert!(text.contains(&format!("page{}", if pages.len() > 1 { "s " } else { " " })));
    assert!(text.contains(&pages[0].to_string()), "{text}");
}

#[test]
fn a_missing_pack_is_named_and_written_again() {
    for shelf in Shelf::all() {
        let mut made = Made::new(10);
        shelf.export(&mut made);
        let (object, _) = shelf.objects("packs").remove(1);
        shelf.delete(&object);
        let error = shelf.import(None).unwrap_err().to_string();
        assert!(error.contains(object.filename().unwrap()), "{error}");
        assert!(
            error.contains("is bad: it is missing; it has page"),
            "{error}"
        );
        let exported = shelf.export(&mut made);
        assert_eq!(exported.packs, 1, "{exported:?}");
        assert!(shelf.import(None).unwrap() == made.pages);
    }
}

#[test]
fn a_pack_that_is_shorter_than_it_was_is_written_again() {
    let shelf = Shelf::new();
    let mut made = Made::new(10);
    shelf.export(&mut made);
    let (object, _) = shelf.objects("packs").remove(0);
    let bytes = shelf.get(&object);
    shelf.put(&object, bytes[..100].to_vec());
    made.advance();
    assert_eq!(shelf.export(&mut made).packs, 1);
    assert!(shelf.import(None).unwrap() == made.pages);
}

#[test]
fn an_export_goes_on_beside_a_damaged_manifest() {
    let shelf = Shelf::new();
    let mut made = Made::new(4);
    shelf.export(&mut made);
    let first = made.clone();
    made.advance();
    made.write(300, 3);
    shelf.export(&mut made);
    let (newest, _) = shelf.objects("snapshots").into_iter().max().unwrap();
    let good = shelf.get(&newest);
    shelf.put(&newest, good[1..].to_vec());
    assert!(shelf.import(None).is_err());
    assert!(shelf.import(Some("100")).unwrap() == first.pages);
    made.advance();
    let exported = shelf.export_keeping(&mut made, Some(2)).unwrap();
    // What the damaged one needs is not known.
    assert_eq!((exported.dropped, exported.deleted), (0, 0));
    assert!(exported.notes[0].contains("is damaged"), "{exported:?}");
    assert!(
        exported.notes[1].ends_with("nothing old was dropped"),
        "{exported:?}"
    );
    assert!(shelf.import(None).unwrap() == made.pages);
}

#[test]
fn something_else_is_no_far_copy() {
    for (text, words) in [
        ("notes of somebody", "found something else"),
        (
            "far copy\nversion 9\ncluster 00000000000000c1\n",
            "version 9; this plurix knows",
        ),
        ("far copy\nversion 1\ncluster x\n", "found something else"),
    ] {
        let shelf = Shelf::new();
        shelf.put_in("far-copy", text.as_bytes());
        for error in [
            shelf.import(None).unwrap_err().to_string(),
            shelf
                .export_keeping(&mut Made::new(1), None)
                .unwrap_err()
                .to_string(),
        ] {
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(shelf.objects("packs").len(), 0);
    }
}
