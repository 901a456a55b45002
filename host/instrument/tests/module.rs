//! What is reported about a module, and what becomes of its sections.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is one"
)]

mod support;

use abi::runtime;
use instrument::{GlobalInfo, GlobalValue, Segment, StackInfo};
use support::{Machine, Outcome, engine, instrumented, short};
use wasmtime::Val;

#[test]
fn segments_and_start_are_taken_out() {
    let text = r#"(module (memory (export "memory") 1 2)
        (global $runs (mut i64) (i64.const 5))
        (start $start)
        (data (i32.const 8) "ab") (data (i32.const 9) "xyz")
        (func $start (global.set $runs (i64.add (global.get $runs) (i64.const 1)))
            (i32.store8 (i32.const 5000) (i32.const 1)))
        (func (export "get") (result i64) (global.get $runs)))"#;
    let module = instrumented(text);
    let segment = |offset, bytes: &[u8]| Segment {
        offset,
        bytes: bytes.to_vec(),
    };
    assert_eq!(module.image, [segment(8, b"ab"), segment(9, b"xyz")]);
    assert!(module.info.has_start);
    assert_eq!(module.info.memory_min_pages_64k, 1);
    assert_eq!(module.info.memory_max_pages_64k, Some(2));
    let mut machine = Machine::instrumented(&engine(), &module);
    assert_eq!(machine.call("get", &[]), Outcome::Values(vec![6]));
    assert_eq!(&machine.bytes()[7..13], b"\0axyz\0");
    assert_eq!(machine.bytes()[5000], 1);
}

#[test]
fn mutable_globals_are_exported_and_reported() {
    let text = r#"(module (memory 1)
        (global i32 (i32.const 1)) (global (mut f64) (f64.const 2.5))
        (global (mut v128) (v128.const i64x2 3 0)) (global $n (mut i32) (i32.const -4))
        (func (export "bump") (global.set $n (i32.add (global.get $n) (i32.const 1)))))"#;
    let module = instrumented(text);
    let global = |index, initial| GlobalInfo { index, initial };
    let expected = [
        global(1, GlobalValue::F64(2.5f64.to_bits())),
        global(2, GlobalValue::V128(3)),
        global(3, GlobalValue::I32(-4)),
    ];
    assert_eq!(module.info.globals, expected);
    assert_eq!(module.info.stack, None);
    let mut machine = Machine::instrumented(&engine(), &module);
    machine
        .global(3)
        .set(&mut machine.store, Val::I32(41))
        .unwrap();
    machine.call("bump", &[]);
    assert_eq!(machine.global_bits(3), 42);
}

#[test]
fn exports_are_listed_and_indices_follow() {
    let text = r#"(module (import "plurix" "worker" (func $worker (result i64)))
        (memory 1) (table 2 funcref) (elem (i32.const 0) $one $worker)
        (func $one (export "one") (result i64) (i64.add (call $worker) (i64.const 1)))
        (func (export "via") (param i32 f32) (result i64)
            (call_indirect (result i64) (local.get 0)))
        (func (export "tail") (result i64) (return_call $one)))"#;
    let module = instrumented(text);
    let list: Vec<_> = module
        .info
        .exports
        .iter()
        .map(|export| {
            let signature = &export.signature;
            format!(
                "{}: {} > {}",
                export.name,
                short(&signature.params),
                short(&signature.results)
            )
        })
        .collect();
    assert_eq!(list, ["one:  > i64", "via: i32 f32 > i64", "tail:  > i64"]);
    assert_eq!(
        module.info.exports[1].signature.to_string(),
        "(i32, f32) -> (i64)"
    );
    let mut machine = Machine::instrumented(&engine(), &module);
    let argument = |index| [Val::I32(index), Val::F32(0)];
    assert_eq!(machine.call("via", &argument(0)), Outcome::Values(vec![8]));
    assert_eq!(machine.call("via", &argument(1)), Outcome::Values(vec![7]));
    assert_eq!(machine.call("tail", &[]), Outcome::Values(vec![8]));
}

#[test]
fn function_names_are_kept() {
    let text = r#"(module (import "plurix" "worker" (func $worker (result i64)))
        (memory 1) (func $first) (func $crash (export "crash") unreachable))"#;
    let module = instrumented(text);
    let mut machine = Machine::instrumented(&engine(), &module);
    let crash = machine
        .instance
        .get_func(&mut machine.store, "crash")
        .unwrap();
    let error = crash.call(&mut machine.store, &[], &mut []).unwrap_err();
    assert!(format!("{error:?}").contains("!crash"), "{error:?}");
}

const PROLOGUE: &str = "(func (local i32)
    global.get 0 i32.const 16 i32.sub local.tee 0 global.set 0
    local.get 0 i32.const 16 i32.add global.set 0)";

fn stack(fields: &str) -> Option<StackInfo> {
    instrumented(&format!("(module (memory 2) {fields})"))
        .info
        .stack
}

#[test]
fn the_stack_is_found_by_name_or_by_its_use() {
    let found = |initial| {
        Some(StackInfo {
            global: 0,
            initial,
            private_pages: None,
        })
    };
    let global = "(mut i32) (i32.const 65536)";
    assert_eq!(
        stack(&format!("(global $__stack_pointer {global})")),
        found(65536)
    );
    assert_eq!(
        stack(&format!(r#"(global (export "__stack_pointer") {global})"#)),
        found(65536)
    );
    assert_eq!(
        stack(&format!("(global {global}) {PROLOGUE}")),
        found(65536)
    );
    assert_eq!(
        stack(&format!("(global {global})")),
        None,
        "no function uses it"
    );
    let bump = "(func global.get 0 i32.const 16 i32.add global.set 0)";
    assert_eq!(
        stack(&format!("(global {global}) {PROLOGUE} {bump}")),
        None,
        "an allocator"
    );
    assert_eq!(
        stack(&format!("(global (mut i32) (i32.const 7)) {PROLOGUE}")),
        None
    );
}

#[test]
fn the_stack_is_private_only_below_all_data() {
    let global = "(global $__stack_pointer (mut i32) (i32.const 66560))";
    let private = stack(&format!(r#"{global} (data (i32.const 66560) "x")"#)).unwrap();
    assert_eq!(private.private_pages, Some(0..16));
    assert_eq!(private.initial, 65536, "the incomplete page is given up");
    let below = stack(&format!(r#"{global} (data (i32.const 1024) "x")"#)).unwrap();
    assert_eq!((below.private_pages, below.initial), (None, 66560));
    let nothing = stack(global).unwrap();
    assert_eq!(nothing.private_pages, None, "zeroed data has no segment");
    let small = "(global $__stack_pointer (mut i32) (i32.const 8192))";
    let small = stack(&format!(r#"{small} (data (i32.const 8192) "x")"#)).unwrap();
    assert_eq!(small.private_pages, None);
}

#[test]
fn the_stack_pointer_is_exported_but_no_state() {
    let text = r#"(module (memory 2) (global $__stack_pointer (mut i32) (i32.const 66560))
        (data (i32.const 70000) "x"))"#;
    let module = instrumented(text);
    assert_eq!(module.info.globals, []);
    let mut machine = Machine::instrumented(&engine(), &module);
    assert_eq!(machine.global_bits(0), 65536);
    let memory = machine
        .instance
        .get_memory(&mut machine.store, runtime::MEMORY);
    assert!(memory.is_some());
}

#[test]
fn equal_modules_give_equal_results() {
    let text = format!("(module (memory 2) (global (mut i32) (i32.const 64)) {PROLOGUE})");
    assert_eq!(instrumented(&text), instrumented(&text));
}
