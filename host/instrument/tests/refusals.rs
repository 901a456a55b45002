//! Every kind of refusal, with the message that its author reads; and hostile bytes.
#![expect(
    clippy::tests_outside_test_module,
    reason = "an integration test is one"
)]

mod support;

use instrument::{MODULE_BYTES_MAX, Refusal, instrument};
use types::Prng;

fn refusal(text: &str) -> String {
    let wasm = wat::parse_str(text).unwrap();
    instrument(&wasm).unwrap_err().to_string()
}

#[test]
fn memories() {
    assert_eq!(
        refusal("(module)"),
        "the module defines no memory: expected one"
    );
    assert_eq!(
        refusal("(module (memory 1) (memory 1))"),
        "the module defines 2 memories: expected one"
    );
    assert_eq!(
        refusal("(module (memory i64 1))"),
        "the memory is a 64-bit one: expected a 32-bit one (target wasm32)"
    );
    assert_eq!(
        refusal("(module (memory 1 2 shared))"),
        "the memory is shared: expected one that is not shared; a step runs alone"
    );
    assert_eq!(
        refusal("(module (memory 1 (pagesize 1)))"),
        "the memory is one with a page size of its own: expected the standard page size of 64 KiB"
    );
    assert_eq!(
        refusal("(module (memory 40000))"),
        "the initial memory (in 64 KiB) is 40000: expected at most 32768"
    );
}

#[test]
fn imports() {
    assert_eq!(
        refusal(r#"(module (import "env" "memory" (memory 1)))"#),
        "the module imports the memory `env.memory`: expected only functions to be imported"
    );
    assert_eq!(
        refusal(r#"(module (import "env" "g" (global i32)) (memory 1))"#),
        "the module imports the global `env.g`: expected only functions to be imported"
    );
    assert_eq!(
        refusal(r#"(module (import "env" "t" (table 1 funcref)) (memory 1))"#),
        "the module imports the table `env.t`: expected only functions to be imported"
    );
    assert_eq!(
        refusal(r#"(module (import "env" "f" (func)) (memory 1))"#),
        "the module imports the unknown function `env.f`: expected functions of `plurix` or \
         `wasi_snapshot_preview1`"
    );
    assert_eq!(
        refusal(r#"(module (import "plurix" "log" (func (param i32))) (memory 1))"#),
        "the module imports `plurix.log` as (i32) -> (): expected (i32, i32, i32) -> ()"
    );
    assert_eq!(
        refusal(r#"(module (import "wasi_snapshot_preview1" "fd_fly" (func)) (memory 1))"#),
        "the module imports the unknown function `wasi_snapshot_preview1.fd_fly`: expected \
         functions of `plurix` or `wasi_snapshot_preview1`"
    );
    assert_eq!(
        refusal(r#"(module (import "plurix_rt" "write" (func (param i32 i32))) (memory 1))"#),
        "the module imports the unknown function `plurix_rt.write`: expected functions of \
         `plurix` or `wasi_snapshot_preview1`"
    );
}

#[test]
fn tables_that_change() {
    let bodies = [
        ("table.set", "i32.const 0 ref.null func table.set 0"),
        ("table.grow", "ref.null func i32.const 1 table.grow 0 drop"),
        (
            "table.fill",
            "i32.const 0 ref.null func i32.const 1 table.fill 0",
        ),
        (
            "table.copy",
            "i32.const 0 i32.const 1 i32.const 1 table.copy 0 0",
        ),
        (
            "table.init",
            "i32.const 0 i32.const 0 i32.const 0 table.init 0",
        ),
        ("elem.drop", "elem.drop 0"),
    ];
    for (instruction, body) in bodies {
        let text = format!("(module (memory 1) (table 2 funcref) (elem func) (func $f {body}))");
        let expected = format!(
            "function `f` uses {instruction}: expected tables that never change, because they \
             are not part of the transactional memory"
        );
        assert_eq!(refusal(&text), expected);
    }
}

#[test]
fn instructions() {
    let function = |body: &str| {
        refusal(&format!(
            r#"(module (memory 1) (data "x") (func) (func {body}))"#
        ))
    };
    let segments =
        "expected only active data segments (passive ones come from linking for threads)";
    assert_eq!(
        function("i32.const 0 i32.const 0 i32.const 0 memory.init 0"),
        format!("function 1 uses memory.init: {segments}")
    );
    assert_eq!(
        function("data.drop 0"),
        format!("function 1 uses data.drop: {segments}")
    );
    let atomics = "expected a module built without the `atomics` target feature; a step runs alone";
    for (body, name) in [
        (
            "i32.const 0 i32.const 0 i32.atomic.store",
            "i32.atomic.store",
        ),
        (
            "i32.const 0 i32.const 0 i64.const 0 memory.atomic.wait32 drop",
            "memory.atomic.wait32",
        ),
        (
            "i32.const 0 i32.const 0 i32.atomic.rmw.add drop",
            "i32.atomic.rmw.add",
        ),
        ("atomic.fence", "atomic.fence"),
    ] {
        assert_eq!(function(body), format!("function 1 uses {name}: {atomics}"));
    }
    assert_eq!(
        function("i32.const 1 ref.i31 drop"),
        "function 1 uses ref.i31 of the gc proposal: expected WebAssembly 2.0 with tail calls"
    );
    assert_eq!(
        function("(try_table)"),
        "function 1 uses try.table of the exceptions proposal: expected WebAssembly 2.0 with tail \
         calls"
    );
}

#[test]
fn types_and_values() {
    let expected = "expected i32, i64, f32, f64, v128 or funcref";
    let cases = [
        ("(type (struct))", "type 0 has the type (struct)"),
        ("(func (param externref))", "type 0 has the type externref"),
        (
            "(func $f (local externref))",
            "a local of function `f` has the type externref",
        ),
        (
            "(global (mut externref) (ref.null extern))",
            "global 0 has the type externref",
        ),
        ("(table 1 externref)", "table 0 has the type externref"),
        ("(tag)", "a tag has the type exception"),
    ];
    for (field, seen) in cases {
        assert_eq!(
            refusal(&format!("(module (memory 1) {field})")),
            format!("{seen}: {expected}")
        );
    }
    let constant = "is not a constant: expected a plain `const` instruction";
    assert_eq!(
        refusal("(module (memory 1) (global (mut funcref) (ref.null func)))"),
        format!("global 0 {constant}")
    );
    assert_eq!(
        refusal(r#"(module (memory 1) (data (i32.add (i32.const 1) (i32.const 1)) "x"))"#),
        format!("the offset of data segment 0 {constant}")
    );
    assert_eq!(
        refusal(r#"(module (memory 1) (data (i32.const 65535) "xy"))"#),
        "data segment 0 ends at address 65537: expected it within the initial memory of 65536 \
         bytes"
    );
    assert_eq!(
        refusal(r#"(module (memory 1) (func (export "__plurix_start")))"#),
        "the module exports `__plurix_start`: names that begin with `__plurix_` are reserved"
    );
}

#[test]
fn sizes() {
    let long = vec![0; MODULE_BYTES_MAX + 1];
    let message = instrument(&long).unwrap_err().to_string();
    assert_eq!(
        message,
        "the module's size is 67108865: expected at most 67108864"
    );
    let locals = "i32 ".repeat(49_001);
    assert_eq!(
        refusal(&format!("(module (memory 1) (func $big (local {locals})))")),
        "the number of locals of function `big` is 49001: expected at most 49000"
    );
}

#[test]
fn invalid_modules() {
    assert_eq!(
        instrument(b"").unwrap_err().to_string(),
        "invalid module: unexpected end-of-file (at byte 0)"
    );
    assert_eq!(
        instrument(b"\0asm\x0d\0\x01\0").unwrap_err().to_string(),
        "this is a component: expected a core module"
    );
    let wasm = wat::parse_str("(module (memory 1) (func i32.const 1))").unwrap();
    for length in 0..wasm.len() - 1 {
        let cut = instrument(&wasm[..length]).unwrap_err();
        assert!(
            matches!(cut, Refusal::Invalid { .. } | Refusal::NoMemory),
            "{length}: {cut}"
        );
    }
    let message = instrument(&wasm).unwrap_err().to_string();
    assert!(
        message.starts_with("invalid module: type mismatch"),
        "{message}"
    );
}

/// A module with a bit of everything, to be mutated.
const EVERYTHING: &str = r#"(module
    (import "plurix" "worker" (func $worker (result i64)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 2 9) (table 3 funcref) (elem (i32.const 0) $a $b)
    (global $__stack_pointer (mut i32) (i32.const 40960)) (global (mut f32) (f32.const 1))
    (data (i32.const 50000) "hello") (start $a)
    (func $a (local i32 f64)
      global.get 0 i32.const 32 i32.sub local.tee 0 global.set 0
      block loop local.get 0 f64.const 1 f64.store offset=8 local.get 0 i32.const 2
        i32.store16 offset=9 align=1 local.get 0 br_if 1 br 0 end end
      local.get 0 i32.const 32 i32.add global.set 0)
    (func $b (export "b") (param i32 i64) (result i64)
      local.get 0 if (result i64) local.get 0 local.get 1 i64.store local.get 1
      else i32.const 4 v128.const i64x2 1 2 v128.store call $worker end
      local.get 0 i32.const 1 i32.const 5 memory.fill
      local.get 0 i32.const 1 i32.const 5 memory.copy
      i32.const 1 memory.grow drop
      local.get 0 (block (param i32) br_table 0 0) call $a))"#;

#[test]
fn mutated_modules_are_refused_or_valid_but_never_panic() {
    let original = wat::parse_str(EVERYTHING).unwrap();
    instrument(&original).unwrap();
    let mut prng = Prng::new(0x696e_7374);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..30_000 {
        let mut module = original.clone();
        for _ in 0..=prng.below(3) {
            mutate(&mut module, &mut prng);
        }
        match instrument(&module) {
            Ok(_) => accepted += 1,
            Err(refusal) => {
                assert!(
                    !matches!(refusal, Refusal::Internal { .. }),
                    "{refusal}: {module:02x?}"
                );
                refused += 1;
            }
        }
    }
    assert!(
        accepted > 1000 && refused > 10_000,
        "{accepted} accepted, {refused} refused"
    );
}

fn mutate(module: &mut Vec<u8>, prng: &mut Prng) {
    let mut below = |bound: usize| usize::try_from(prng.below(bound as u64)).unwrap();
    let position = below(module.len().max(1));
    let byte = u8::try_from(below(256)).unwrap();
    match (below(5), module.len()) {
        (_, 0) => module.push(byte),
        (0, _) => module[position] ^= 1 << (byte % 8),
        (1, _) => module.truncate(position),
        (2, _) => module.insert(position, byte),
        (3, _) => drop(module.remove(position)),
        _ => module[position] = byte,
    }
}
