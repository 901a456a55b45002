//! What a guest cannot do: leave its memory, run for ever, use all memory or stack; and
//! what it is told when it tries.
use engine::{Engine, FaultKind, Limits, Stop};
use linux::Ticker;
use types::Duration;

use crate::support::{Asked, LIMITS, PAGINGS, TestHost, deploy};

const WILD: &str = r#"(module
  (memory 1 65536)
  (table 2 funcref)
  (type $plain (func))
  (func $inner_part unreachable)
  (func $outer_part (call $inner_part))
  (func (export "panic") (param i64) (result i64) (call $outer_part) (i64.const 0))
  (func (export "divide") (param i64) (result i64) (i64.div_s (i64.const 1) (local.get 0)))
  (func (export "jump") (param i64) (result i64)
    (call_indirect (type $plain) (i32.wrap_i64 (local.get 0))) (i64.const 0))
  (func (export "load") (param i64) (result i64) (i64.load (i32.wrap_i64 (local.get 0))))
  (func (export "store") (param i64) (result i64)
    (i64.store (i32.wrap_i64 (local.get 0)) (i64.const 1)) (i64.const 0))
  (func (export "far") (param i64) (result i64)
    (i64.store offset=4294967295 (i32.wrap_i64 (local.get 0)) (i64.const 1)) (i64.const 0))
  (func (export "copy") (param i64) (result i64)
    (memory.copy (i32.wrap_i64 (local.get 0)) (i32.const 0) (i32.const 100)) (i64.const 0))
  (func (export "fill") (param i64) (result i64)
    (memory.fill (i32.wrap_i64 (local.get 0)) (i32.const 0) (i32.const 100)) (i64.const 0))
  (func $deeper (param i64) (result i64)
    (i64.add (i64.const 1) (call $deeper (i64.add (local.get 0) (i64.const 1)))))
  (export "recurse" (func $deeper))
  (func (export "spin") (param i64) (result i64) (loop $for_ever (br $for_ever)) (i64.const 0))
  (func (export "spin_writing") (param i64) (result i64)
    (loop $for_ever
      (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
      (br $for_ever)) (i64.const 0))
  (func (export "bomb") (param i64) (result i64)
    (loop $for_ever
      (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
      (br $for_ever)) (i64.const 0))
  (func (export "modest") (param i64) (result i64)
    (drop (memory.grow (i32.const 60000)))
    (i64.or (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 2)) (i64.const 2))))"#;

#[test]
fn a_fault_is_reported_with_the_functions_on_the_stack() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, WILD);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    let fault = host.fault(&mut instance, "panic");
    assert_eq!(fault.kind, FaultKind::Unreachable);
    let lines: Vec<&str> = fault.report.lines().collect();
    assert_eq!(lines[0], "unreachable code reached");
    assert_eq!(lines[1..3], ["  in inner_part", "  in outer_part"]);
    let divided = host.fault(&mut instance, "divide");
    assert_eq!(divided.kind, FaultKind::DivisionByZero);
    assert_eq!(host.fault(&mut instance, "jump").kind, FaultKind::BadCall);
    assert_eq!(
        host.fault(&mut instance, "recurse").kind,
        FaultKind::StackOverflow
    );
    assert_eq!(
        host.done(&mut instance, "modest", 0),
        60001,
        "the instance is usable still"
    );
}

#[test]
fn memory_ends_at_its_current_size() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, WILD);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        for function in ["load", "store", "far", "copy", "fill"] {
            for address in [65536 - 7, 65536, 1 << 20, 0xFFFF_FFF0] {
                match host.attempt(&mut instance, function, address) {
                    Err(Stop::Guest(fault)) => {
                        assert_eq!(
                            fault.kind,
                            FaultKind::OutOfBounds,
                            "{function} {address:#x}"
                        );
                    }
                    other => panic!("{function} {address:#x}: {other:?}"),
                }
            }
        }
        let beyond = |asked: &&Asked| match asked {
            Asked::Read(page) | Asked::Write(page) => *page >= 16,
            Asked::HeaderWrite(_) => true,
        };
        assert_eq!(host.asked.iter().find(beyond), None);
    }
}

#[test]
fn an_endless_loop_hits_the_time_limit() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, WILD);
    let _ticker = Ticker::start(Duration::from_millis(1)).unwrap();
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    let limits = Limits {
        ticks_max: 5,
        ..LIMITS
    };
    for function in ["spin", "spin_writing"] {
        host.interrupts = 0;
        let stop = instance.step(&mut host, function, 0, limits).unwrap_err();
        assert_eq!(stop, Stop::TimeLimit);
        assert_eq!(
            host.interrupts, 5,
            "the host looked up at every tick before the last"
        );
        host.rollback();
    }
    assert_eq!(host.done(&mut instance, "modest", 0), 60001);
}

#[test]
fn a_memory_bomb_hits_the_limit() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, WILD);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    let limits = Limits {
        memory_64k_max: 100,
        ..LIMITS
    };
    assert_eq!(
        instance.step(&mut host, "bomb", 0, limits),
        Err(Stop::MemoryLimit)
    );
    host.rollback();
    // A refusal alone is no fault: memory.grow tells the program, which may cope.
    let value = instance.step(&mut host, "modest", 0, limits);
    assert_eq!(value, Ok(engine::StepReturn::Done(1)));
}

#[test]
fn a_module_that_needs_what_does_not_exist_is_not_loaded() {
    let engine = Engine::new().unwrap();
    let artefact = engine
        .compile(br#"(module (import "env" "missing" (func)))"#)
        .or_else(|_| {
            let wat = r#"(module (import "env" "missing" (func)))"#;
            engine.compile(&wat::parse_str(wat).unwrap())
        })
        .unwrap();
    let error = engine
        .load(&artefact, &engine::ModuleInfo::default())
        .unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(
        engine
            .load(b"no artefact", &engine::ModuleInfo::default())
            .is_err()
    );
    assert!(engine.compile(b"no module").is_err());
}
