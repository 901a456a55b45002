//! What is exported comes back; what is there is not sent twice.
use std::ops::ControlFlow;

use archive::{About, ArchiveError, Options};
use platform::ClusterId;
use types::{Epoch, NodeId};

use crate::made::Made;
use crate::shelf::{CLUSTER, Shelf, about};

fn go_on(_: archive::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn what_is_exported_comes_back_from_every_kind_of_store() {
    for shelf in Shelf::all() {
        let mut made = Made::new(20);
        let named = about(Some("first"));
        let options = Options::default();
        let exported = shelf.far.export(&mut made, &named, options, &mut go_on);
        let exported = exported.unwrap();
        assert_eq!(exported.pages, made.pages.len());
        assert!(exported.packs > 2, "{exported:?}");
        assert_eq!(
            exported.bytes,
            shelf.bytes("packs") + shelf.bytes("snapshots")
        );
        let first = made.clone();
        made.advance();
        made.write(300, 7);
        made.write(301, 7);
        let exported = shelf.export(&mut made);
        assert_eq!((exported.reused, made.read), (exported.pages - 2, 2));

        assert_eq!(shelf.far.epochs().unwrap(), [Epoch(100), Epoch(101)]);
        assert!(shelf.import(Some("first")).unwrap() == first.pages);
        assert!(shelf.import(Some("100")).unwrap() == first.pages);
        assert!(shelf.import(Some("101")).unwrap() == made.pages);
        assert!(shelf.import(None).unwrap() == made.pages);
        let manifest = shelf.far.find(Some("first")).unwrap();
        assert_eq!(manifest.cluster(), CLUSTER);
        assert_eq!(manifest.last_node(), NodeId(5));
        assert_eq!(shelf.objects("exports").len(), 0);
    }
}

#[test]
fn a_memory_without_pages_is_a_snapshot_too() {
    let shelf = Shelf::new();
    let mut made = Made::new(0);
    made.pages.clear();
    shelf.export(&mut made);
    assert!(shelf.import(None).unwrap().is_empty());
}

#[test]
fn what_is_there_is_not_sent_again() {
    let shelf = Shelf::new();
    let mut made = Made::new(64);
    let all = shelf.export(&mut made).bytes;
    let again = shelf.export(&mut made);
    assert_eq!(
        (again.bytes, again.packs, again.reused),
        (0, 0, again.pages)
    );
    made.advance();
    for index in (0..64 * 256).step_by(100) {
        made.write(300, index);
    }
    let some = shelf.export(&mut made);
    assert_eq!(some.pages - some.reused, 164);
    // Besides the pages there is only the manifest.
    let manifests = shelf.bytes("snapshots");
    assert!(some.bytes < 164 * (4096 + 40 + 16) + manifests, "{some:?}");
    assert!(some.bytes < all / 40, "{some:?} of {all}");
    assert!(shelf.import(None).unwrap() == made.pages);
}

/// After the memory has gone back the numbers of versions are given again.
#[test]
fn a_memory_that_has_gone_back_is_copied_as_it_is_now() {
    let shelf = Shelf::new();
    let mut made = Made::new(4);
    let mut gone_back = made.clone();
    made.advance();
    (0..400).for_each(|index| made.write(300, index));
    shelf.export(&mut made);
    gone_back.epoch = Epoch(2000);
    (300..700).for_each(|index| gone_back.write(300, index));
    let exported = shelf.export(&mut gone_back);
    assert_eq!(exported.pages - exported.reused, gone_back.read);
    assert!(gone_back.read >= 700, "{exported:?}");
    assert!(shelf.import(None).unwrap() == gone_back.pages);
    assert!(shelf.import(Some("101")).unwrap() == made.pages);
}

/// A name that comes later makes another manifest, and no other packs.
#[test]
fn a_snapshot_can_get_a_name() {
    let shelf = Shelf::new();
    let mut made = Made::new(3);
    shelf.export(&mut made);
    let packs = shelf.objects("packs");
    let named = about(Some("later"));
    let options = Options::default();
    let exported = shelf.far.export(&mut made, &named, options, &mut go_on);
    assert_eq!(exported.unwrap().packs, 0);
    assert_eq!(shelf.objects("packs"), packs);
    assert_eq!(shelf.objects("snapshots").len(), 1);
    assert_eq!(
        shelf.far.find(None).unwrap(),
        shelf.far.find(Some("later")).unwrap()
    );
}

#[test]
fn an_export_that_was_interrupted_is_no_snapshot_and_is_gone_on_with() {
    for shelf in Shelf::all() {
        let mut made = Made::new(40);
        let half = made.pages.len() / 2;
        let mut stop = |progress: archive::Progress| match progress.done < half {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        let options = Options::default();
        let stopped = shelf
            .far
            .export(&mut made, &about(None), options, &mut stop);
        assert_eq!(stopped.unwrap_err(), ArchiveError::Interrupted);
        let error = shelf.import(None).unwrap_err().to_string();
        assert!(
            error.contains("found none: nothing was ever exported"),
            "{error}"
        );
        let there = shelf.objects("packs").len();
        assert!(there > 0);
        // Meanwhile it is another epoch, and something has changed.
        made.advance();
        made.write(300, 40 * 256 - 1);
        made.write(2, 0);
        let exported = shelf.export(&mut made);
        assert!(exported.resumed + 1 >= there, "{exported:?} of {there}");
        assert!(shelf.import(None).unwrap() == made.pages);
    }
}

#[test]
fn a_past_that_ends_leaves_no_snapshot() {
    let shelf = Shelf::new();
    let mut made = Made::new(20);
    made.read_max = 3000;
    let error = shelf.export_keeping(&mut made, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected epoch 100 to be kept, found that it is not any more"
    );
    assert_eq!(shelf.far.epochs().unwrap(), []);
    assert_eq!(shelf.objects("exports").len(), 0);
}

#[test]
fn the_copy_of_one_cluster_takes_no_other() {
    let shelf = Shelf::new();
    shelf.export(&mut Made::new(1));
    let other = About {
        cluster: ClusterId(0xc2),
        ..about(None)
    };
    let options = Options { keep: Some(1) };
    let error = shelf
        .far
        .export(&mut Made::new(1), &other, options, &mut go_on);
    let expected = "expected the far copy of cluster 00000000000000c2 at /some/where, \
                    found that of 00000000000000c1";
    assert_eq!(error.unwrap_err().to_string(), expected);
    assert_eq!(shelf.far.epochs().unwrap().len(), 1);
}

/// For as long as anybody goes on: what is not needed is never more than what is, and old
/// snapshots can be given up.
#[test]
fn the_space_of_what_is_old_comes_back() {
    let shelf = Shelf::new();
    let mut made = Made::new(24);
    let needed = shelf.export(&mut made).bytes;
    for round in 0..60 {
        made.advance();
        for index in (round..24 * 256).step_by(61) {
            made.write(300, index);
        }
        let exported = shelf.export_keeping(&mut made, Some(2)).unwrap();
        let dropped = usize::from(round > 0);
        assert_eq!((exported.dropped, &exported.notes[..]), (dropped, &[][..]));
        let stored = shelf.bytes("packs");
        // Of each of the two snapshots at most half is not needed.
        assert!(stored < 3 * needed, "round {round}: {stored} of {needed}");
    }
    assert_eq!(shelf.objects("snapshots").len(), 2);
    let exported = shelf.export_keeping(&mut made, Some(1)).unwrap();
    assert_eq!(exported.dropped, 1);
    assert!(shelf.bytes("packs") <= 2 * needed);
    assert!(shelf.import(None).unwrap() == made.pages);
}

#[test]
fn packs_stay_while_somebody_else_may_need_them() {
    for shelf in Shelf::all() {
        let mut made = Made::new(2);
        shelf.export(&mut made);
        shelf.put_in("exports/00000000000000aa", b"somebody exports");
        made.pages.clear();
        made.advance();
        made.write(300, 1);
        let exported = shelf.export_keeping(&mut made, Some(1)).unwrap();
        assert_eq!((exported.dropped, exported.deleted), (1, 0));
        assert!(exported.notes[0].contains("another export"), "{exported:?}");
        let mark = shelf.objects("exports").remove(0).0;
        shelf.delete(&mark);
        let exported = shelf.export_keeping(&mut made, Some(1)).unwrap();
        assert!(exported.deleted > 0, "{exported:?}");
        assert_eq!(shelf.objects("packs").len(), 1);
        assert!(shelf.import(None).unwrap() == made.pages);
    }
}

#[test]
fn a_snapshot_that_is_not_there_is_missed_by_name() {
    let shelf = Shelf::new();
    let error = shelf.far.find(None).unwrap_err().to_string();
    assert_eq!(
        error,
        "expected a far copy of a cluster at /some/where, found none"
    );
    let mut made = Made::new(1);
    shelf.export(&mut made);
    for wanted in ["101", "no such"] {
        let error = shelf.far.find(Some(wanted)).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("expected a snapshot {wanted} in ")),
            "{error}"
        );
        assert!(error.ends_with("found 100"), "{error}");
    }
}
