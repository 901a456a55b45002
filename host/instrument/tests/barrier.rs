//! Each kind of guard, by execution: what is announced, when, and what is not changed.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is one"
)]

mod support;

use support::{Machine, Outcome, engine, instrumented};
use wasmtime::{Trap, Val};

/// Runs `(func (export "run") (param i32))` with `body` on a protected memory.
fn run(body: &str, argument: u32) -> (Machine, Outcome) {
    let text = format!(
        r#"(module (memory (export "memory") 4) (func (export "run") (param i32) {body}))"#
    );
    let module = instrumented(&text);
    let mut machine = Machine::instrumented(&engine(), &module);
    let outcome = machine.call("run", &[Val::I32(argument.cast_signed())]);
    machine.check_announced();
    (machine, outcome)
}

fn writes(body: &str, argument: u32) -> Vec<(u32, u32)> {
    let (machine, outcome) = run(body, argument);
    assert_eq!(outcome, Outcome::Values(vec![]));
    machine.store.data().writes.clone()
}

#[test]
fn every_store_announces_its_bytes() {
    let stores = [
        ("i32.store8", "i32.const 1", 1),
        ("i32.store16", "i32.const 1", 2),
        ("i32.store", "i32.const 1", 4),
        ("i64.store8", "i64.const 1", 1),
        ("i64.store16", "i64.const 1", 2),
        ("i64.store32", "i64.const 1", 4),
        ("i64.store", "i64.const 1", 8),
        ("f32.store", "f32.const 1", 4),
        ("f64.store", "f64.const 1", 8),
        ("v128.store", "v128.const i64x2 1 1", 16),
        ("v128.store8_lane 0", "v128.const i64x2 1 1", 1),
        ("v128.store16_lane 0", "v128.const i64x2 1 1", 2),
        ("v128.store32_lane 0", "v128.const i64x2 1 1", 4),
        ("v128.store64_lane 0", "v128.const i64x2 1 1", 8),
    ];
    for (store, value, size) in stores {
        let (name, lane) = store.split_once(' ').unwrap_or((store, ""));
        for align in ["", "align=1"] {
            let body = format!("local.get 0 {value} {name} offset=16 {align} {lane}");
            for address in [0, 4096 - 16, 4096 - 16 - size / 2, 4096 - 16 - size, 8192] {
                assert_eq!(writes(&body, address), [(address + 16, size)], "{body}");
            }
        }
    }
}

#[test]
fn a_writable_page_is_not_announced_again() {
    let body = "local.get 0 i32.const 1 i32.store (loop)
                local.get 0 i32.const 2 i32.store offset=4
                (loop) local.get 0 i32.const 2 i32.store offset=8 align=1";
    assert_eq!(writes(body, 0), [(0, 4)]);
}

#[test]
fn a_straddling_store_announces_both_pages() {
    let (machine, _) = run("local.get 0 i64.const -1 i64.store", 4092);
    assert_eq!(machine.store.data().writes, [(4092, 8)]);
    let body = "i32.const 0 i32.const 1 i32.store8 (loop) local.get 0 i64.const -1 i64.store";
    assert_eq!(
        writes(body, 4092),
        [(0, 1), (4092, 8)],
        "only the second page was protected"
    );
}

#[test]
fn stores_relative_to_one_value_share_a_guard() {
    let body = "(local i32)
        local.get 0 i32.const 100 i32.add local.set 1
        local.get 1 i32.const 1 i32.store offset=8
        local.get 0 i64.const 1 i64.store offset=4
        local.get 1 i32.const 4 i32.sub local.tee 0 i32.const 1 i32.store8 offset=1000";
    assert_eq!(writes(body, 4000), [(4004, 1096 + 1 - 4)]);
}

#[test]
fn stores_too_far_apart_have_their_own_guards() {
    let body = "local.get 0 i32.const 1 i32.store
                local.get 0 i32.const 1 i32.store offset=4093";
    assert_eq!(writes(body, 4090), [(4090, 4), (8183, 4)]);
    let body = "local.get 0 i32.const 1 i32.store
                local.get 0 i32.const 1 i32.store offset=4092";
    assert_eq!(writes(body, 4090), [(4090, 4096)]);
}

#[test]
fn an_assigned_local_is_another_value() {
    let body = "local.get 0 i32.const 1 i32.store
                i32.const 8192 local.set 0
                local.get 0 i32.const 1 i32.store";
    assert_eq!(writes(body, 0), [(0, 4), (8192, 4)]);
}

#[test]
fn a_guard_in_one_arm_says_nothing_about_the_other() {
    let body = "local.get 0
                if local.get 0 i32.const 1 i32.store
                else local.get 0 i32.const 2 i32.store end
                local.get 0 i32.const 3 i32.store offset=4";
    for argument in [0, 4096] {
        assert_eq!(writes(body, argument), [(argument, 4)]);
    }
}

#[test]
fn a_guard_that_a_branch_jumps_over_does_not_hold() {
    let body = "block local.get 0 br_if 0 local.get 0 i32.const 1 i32.store end
                local.get 0 i32.const 3 i32.store";
    assert_eq!(writes(body, 4096), [(4096, 4)]);
    assert_eq!(writes(body, 0), [(0, 4)]);
}

#[test]
fn a_loop_variable_is_another_value_each_time() {
    let body = "(local i32) i32.const 3 local.set 1
        loop
          local.get 0 i32.const 1 i32.store
          local.get 0 i32.const 4096 i32.add local.set 0
          local.get 1 i32.const 1 i32.sub local.tee 1 br_if 0
        end";
    assert_eq!(writes(body, 0), [(0, 4), (4096, 4), (8192, 4)]);
}

#[test]
fn a_frame_has_one_guard() {
    let text = r#"(module (memory (export "memory") 4)
      (global $sp (mut i32) (i32.const 8192))
      (func (export "run") (param i32) (result i32) (local i32)
        global.get $sp i32.const 32 i32.sub local.tee 1 global.set $sp
        local.get 0 if local.get 1 i32.const 7 i32.store offset=28 end
        loop local.get 1 i32.const 7 i32.store end
        local.get 1 i32.load offset=28
        local.get 1 i32.const 32 i32.add global.set $sp))"#;
    let mut machine = Machine::instrumented(&engine(), &instrumented(text));
    assert_eq!(
        machine.call("run", &[Val::I32(1)]),
        Outcome::Values(vec![7])
    );
    machine.check_announced();
    assert_eq!(machine.store.data().writes, [(8192 - 32, 32)]);
}

#[test]
fn an_address_beyond_4_gib_traps_as_it_did() {
    let offsets = ["offset=4294967295", "offset=4294963200", "offset=1"];
    for offset in offsets {
        for store in ["i32.store8", "i32.store", "i32.store align=1"] {
            let (name, align) = store.split_once(' ').unwrap_or((store, ""));
            let body = format!("local.get 0 i32.const 1 {name} {offset} {align}");
            let (machine, outcome) = run(&body, u32::MAX);
            assert_eq!(outcome, Outcome::Trap(Trap::MemoryOutOfBounds), "{body}");
            assert!(machine.bytes().iter().all(|&byte| byte == 0), "{body}");
        }
    }
}

#[test]
fn a_range_that_wraps_is_announced_on_both_sides() {
    // The first store lies behind the last byte of memory's address range, the second
    // one at its start; the guard covers both. The second is executed first.
    let body = "local.get 0 i32.const 1 i32.store offset=8
                local.get 0 i32.const 16 i32.add i32.const 1 i32.store";
    let (machine, outcome) = run(body, 0u32.wrapping_sub(16));
    assert_eq!(outcome, Outcome::Trap(Trap::MemoryOutOfBounds));
    assert_eq!(machine.store.data().writes, [(0xffff_fff8, 8), (0, 4)]);
    let body = "local.get 0 i32.const 16 i32.add i32.const 1 i32.store
                local.get 0 i32.const 1 i32.store offset=8";
    let (machine, outcome) = run(body, 0u32.wrapping_sub(16));
    assert_eq!(outcome, Outcome::Trap(Trap::MemoryOutOfBounds));
    assert_eq!(
        machine.bytes()[0],
        1,
        "the first store went through, announced"
    );
}

#[test]
fn fill_and_copy_announce_their_ranges() {
    let (machine, _) = run("local.get 0 i32.const 7 i32.const 9000 memory.fill", 100);
    assert_eq!(machine.store.data().write_ranges, [(100, 9000)]);
    assert!(machine.bytes()[100..9100].iter().all(|&byte| byte == 7));
    let (machine, _) = run("local.get 0 i32.const 0 i32.const 10 memory.copy", 4090);
    assert_eq!(machine.store.data().write_ranges, [(4090, 10)]);
    assert_eq!(
        machine.store.data().read_ranges,
        [],
        "page 0 became writable, so present"
    );
    let (machine, _) = run("local.get 0 i32.const 20000 i32.const 10 memory.copy", 4090);
    assert_eq!(machine.store.data().read_ranges, [(20000, 10)]);
    let (_, outcome) = run(
        "local.get 0 i32.const 7 i32.const 9000 memory.fill",
        u32::MAX - 10,
    );
    assert_eq!(outcome, Outcome::Trap(Trap::MemoryOutOfBounds));
}

#[test]
fn fill_of_nothing_is_nothing() {
    let (_, outcome) = run("local.get 0 i32.const 7 i32.const 0 memory.fill", 0);
    assert_eq!(outcome, Outcome::Values(vec![]));
    let (_, outcome) = run("local.get 0 i32.const 7 i32.const 0 memory.fill", 4 << 16);
    assert_eq!(outcome, Outcome::Values(vec![]));
}

#[test]
fn growing_asks_the_host() {
    let text = r#"(module (memory (export "memory") 1 3)
        (func (export "run") (param i32) (result i32) local.get 0 memory.grow))"#;
    let mut machine = Machine::instrumented(&engine(), &instrumented(text));
    assert_eq!(
        machine.call("run", &[Val::I32(1)]),
        Outcome::Values(vec![1])
    );
    machine.store.data_mut().refuse_grow = true;
    assert_eq!(
        machine.call("run", &[Val::I32(1)]),
        Outcome::Values(vec![0xffff_ffff])
    );
    machine.store.data_mut().refuse_grow = false;
    assert_eq!(
        machine.call("run", &[Val::I32(1)]),
        Outcome::Values(vec![2])
    );
    assert_eq!(
        machine.call("run", &[Val::I32(1)]),
        Outcome::Values(vec![0xffff_ffff])
    );
}

#[test]
fn code_that_is_never_reached_is_left_alone() {
    let body = "block br 0 i32.store i32.store drop end
                block unreachable block local.get 0 i32.const 1 i32.store end end";
    let (_, outcome) = run(body, 0);
    assert_eq!(outcome, Outcome::Trap(Trap::UnreachableCodeReached));
}
