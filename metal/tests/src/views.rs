//! Memory of guests: what the node sees of it.
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hal::view::{MetalViews, View};
use platform::{ViewMemory, Views};
use types::limits::LINEAR_PAGES_MAX;
use types::{PAGE_SIZE, PageBytes, PageIndex};

use crate::Machine;

/// Pages in the same table, in others, the first and the last.
const PAGES: [u32; 7] = [0, 1, 511, 512, 4096, 262_144, LINEAR_PAGES_MAX - 1];

pub(crate) fn new_view() -> View {
    MetalViews.create().expect("there are addresses")
}

fn filled(value: u8) -> Box<PageBytes> {
    Box::new([value; PAGE_SIZE])
}

/// A value for each page.
fn value(page: u32) -> u8 {
    let [low, middle, high, _] = page.to_le_bytes();
    low ^ middle.rotate_left(1) ^ high.rotate_left(2) ^ 0x35
}

fn assert_blank(view: &View) {
    for page in PAGES.map(PageIndex) {
        assert!(
            !view.is_present(page) && view.is_protected(page),
            "{page:?} is absent"
        );
    }
}

pub(crate) fn pages_do_as_told(_: &mut Machine) {
    let mut view = new_view();
    assert_blank(&view);
    for page in PAGES {
        view.map(PageIndex(page), &filled(value(page)));
    }
    for number in PAGES {
        let page = PageIndex(number);
        assert!(
            view.is_present(page) && view.is_protected(page),
            "{page:?} was mapped"
        );
        assert_eq!(view.bytes(page), &*filled(value(number)), "{page:?}");
        view.unprotect(page);
        assert!(!view.is_protected(page), "{page:?} may be written to");
        view.restore(page, &filled(9));
        assert_eq!(view.bytes(page), &*filled(9), "{page:?} was restored");
        assert!(!view.is_protected(page), "which protects nothing");
        view.protect(page);
        assert!(view.is_protected(page), "{page:?} is protected again");
        view.unmap(page);
        assert!(
            !view.is_present(page) && view.is_protected(page),
            "{page:?} was unmapped"
        );
        view.map_private(page);
        assert!(
            view.is_present(page) && !view.is_protected(page),
            "{page:?} is private"
        );
        assert_eq!(view.bytes(page), &*filled(0), "{page:?} is zero");
    }
    let contents: Vec<_> = (1..=3).map(|value| Arc::from(filled(value))).collect();
    view.map_run(PageIndex(600), &contents);
    for (page, value) in (600..).zip(1..=3) {
        assert_eq!(
            view.bytes(PageIndex(page)),
            &*filled(value),
            "one after the other"
        );
    }
    assert!(!view.is_present(PageIndex(603)), "and no more");
}

pub(crate) fn views_are_apart(_: &mut Machine) {
    let (mut one, mut other) = (new_view(), new_view());
    one.map(PageIndex(5), &filled(1));
    assert_blank(&other);
    other.map(PageIndex(5), &filled(2));
    other.unprotect(PageIndex(5));
    assert_eq!(one.bytes(PageIndex(5)), &*filled(1), "what was put there");
    assert!(
        one.is_protected(PageIndex(5)),
        "what is told of one is not of the other"
    );
    drop(other);
    assert_eq!(one.bytes(PageIndex(5)), &*filled(1), "what was put there");
}

fn use_view() -> View {
    let mut view = new_view();
    for page in PAGES {
        view.map(PageIndex(page), &filled(value(page)));
        view.unprotect(PageIndex(page));
    }
    view
}

pub(crate) fn frames_come_back(_: &mut Machine) {
    // Page tables stay, for the next that has the same addresses.
    drop(use_view());
    let before = hal::frames_in_use();
    for _ in 0..20 {
        let view = use_view();
        assert!(
            hal::frames_in_use() >= before + PAGES.len(),
            "pages take frames"
        );
        let space = view.space();
        drop(view);
        assert!(hal::frames_in_use() > before, "a space may be used still");
        drop(space);
        assert_eq!(hal::frames_in_use(), before, "all came back");
    }
}

pub(crate) fn emptied(_: &mut Machine) {
    drop(use_view());
    let mut view = new_view();
    let before = hal::frames_in_use();
    for turn in 1..4 {
        for page in PAGES {
            view.map(PageIndex(page), &filled(turn));
            view.unprotect(PageIndex(page));
        }
        view.unmap_all();
        assert_blank(&view);
        assert_eq!(hal::frames_in_use(), before, "all came back");
    }
}
