//! How a machine ends.
use alloc::vec::Vec;
use core::hint::black_box;

use crate::Machine;

#[inline(never)]
fn fail(why: &str) {
    assert!(why.is_empty(), "{why}");
}

pub(crate) fn panics(_: &mut Machine) {
    fail(black_box("on purpose"));
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deeper(depth: u64) -> u64 {
    let room = black_box([depth; 16]);
    deeper(depth + 1) + room[3]
}

pub(crate) fn overflows(_: &mut Machine) {
    black_box(deeper(black_box(0)));
}

pub(crate) fn exhausts(_: &mut Machine) {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(Vec::<u8>::with_capacity(1 << 20)));
    }
}

pub(crate) fn resets(_: &mut Machine) {
    hal::cpu::reset()
}
