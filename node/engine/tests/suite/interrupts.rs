//! Steps that run long are interrupted at any of their instructions, and go on as if
//! nothing had been, or stop there.
use engine::{Engine, FaultKind, GuestFault, Limits, Stop};
use linux::Ticker;
use types::Duration;

use crate::support::{LIMITS, PAGINGS, TestHost, deploy};

/// Functions that never return, each of another kind, and one that computes.
const LONG: &str = r#"(module
  (import "plurix" "random" (func $random (param i32 i32)))
  (import "plurix" "worker" (func $worker (result i64)))
  (memory 40)
  (type $few (func (param i64) (result i64)))
  (type $many (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
  (func (export "empty") (param i64) (result i64) (loop $l (br $l)) (i64.const 0))
  (func (export "storing") (param i64) (result i64) (local $i i32)
    (loop $l
      (i64.store (i32.and (local.get $i) (i32.const 0xFFF8)) (i64.load (local.get $i)))
      (local.set $i (i32.and (i32.add (local.get $i) (i32.const 56)) (i32.const 0xFFFF)))
      (br $l)) (i64.const 0))
  (func $even (param i64) (result i64)
    (if (result i64) (i64.le_s (local.get 0) (i64.const 1))
      (then (i64.const 1))
      (else (i64.add (call $odd (i64.sub (local.get 0) (i64.const 1)))
                     (call $odd (i64.sub (local.get 0) (i64.const 2)))))))
  (func $odd (param i64) (result i64)
    (if (result i64) (i64.le_s (local.get 0) (i64.const 1))
      (then (i64.const 1))
      (else (i64.add (call $even (i64.sub (local.get 0) (i64.const 1)))
                     (call $even (i64.sub (local.get 0) (i64.const 2)))))))
  (func (export "recursive") (param i64) (result i64) (call $even (i64.const 90)))
  (func (export "calling") (param i64) (result i64)
    (loop $l (drop (call $worker)) (br $l)) (i64.const 0))
  (func (export "calling_long") (param i64) (result i64)
    (loop $l (call $random (i32.const 0) (i32.const 1000000)) (br $l)) (i64.const 0))
  (func (export "filling") (param i64) (result i64)
    (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 2000000)) (br $l)) (i64.const 0))
  (func (export "copying") (param i64) (result i64)
    (loop $l (memory.copy (i32.const 0) (i32.const 100) (i32.const 300)) (br $l)) (i64.const 0))
  (func $short (type $few) (return_call $wide (local.get 0) (i64.const 1) (i64.const 2)
    (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8)
    (i64.const 9) (i64.const 10) (i64.const 11) (i64.const 12)))
  (func $wide (type $many) (return_call $short (i64.add (local.get 0) (local.get 12))))
  (func (export "tail_calling") (param i64) (result i64) (call $short (local.get 0)))
  (func $inner (param i64) (result i64) (loop $l (br $l)) (i64.const 0))
  (func $outer (export "nested") (param i64) (result i64)
    (i64.add (call $inner (local.get 0)) (i64.const 1)))
  (func (export "compute") (param i64) (result i64)
    (local $i i32) (local $x f64) (local $y f32) (local $v v128) (local $w v128) (local $h i64)
    (local.set $x (f64.const 1)) (local.set $y (f32.const 0.5))
    (local.set $v (v128.const i32x4 1 2 3 4)) (local.set $w (v128.const f64x2 1.5 2.5))
    (loop $l
      (local.set $x (f64.sqrt (f64.add (f64.mul (local.get $x) (f64.const 1.7)) (f64.const 3))))
      (local.set $y (f32.div (f32.add (local.get $y) (f32.const 1)) (f32.const 1.3)))
      (local.set $v (i32x4.add (i32x4.mul (local.get $v) (i32x4.splat (i32.const 1664525)))
                               (i32x4.splat (local.get $i))))
      (local.set $w (f64x2.add (f64x2.mul (local.get $w) (f64x2.splat (f64.const 0.75)))
                               (f64x2.splat (local.get $x))))
      (local.set $h (i64.add (i64.rotl (local.get $h) (i64.const 7))
        (i64.xor (i64.reinterpret_f64 (local.get $x))
        (i64.xor (i64.extend_i32_u (i32.reinterpret_f32 (local.get $y)))
        (i64.xor (i64x2.extract_lane 1 (local.get $v)) (i64x2.extract_lane 0 (local.get $w)))))))
      (i64.store (i32.and (local.get $i) (i32.const 0xFF8)) (local.get $h))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 1000000))))
    (i64.or (i64.and (local.get $h) (i64.const 0x0FFFFFFFFFFFFFFC)) (i64.const 2))))"#;

const ENDLESS: [&str; 9] = [
    "empty",
    "storing",
    "recursive",
    "calling",
    "calling_long",
    "filling",
    "copying",
    "tail_calling",
    "nested",
];

/// So fast that interrupts come at all kinds of instructions within a test's time.
fn fast_ticker() -> Ticker {
    Ticker::start(Duration::from_micros(50)).unwrap()
}

#[test]
fn whatever_a_step_does_for_ever_it_is_stopped() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, LONG);
    let _ticker = fast_ticker();
    let limits = Limits {
        ticks_max: 20,
        ..LIMITS
    };
    for paging in PAGINGS {
        for function in ENDLESS {
            let (mut host, mut instance) = TestHost::new(&deployed, paging);
            let stop = instance.step(&mut host, function, 0, limits).unwrap_err();
            assert_eq!(stop, Stop::TimeLimit, "{function}");
            assert!(host.interrupts >= 20, "{function}: {}", host.interrupts);
        }
    }
}

#[test]
fn an_interrupted_step_gives_what_it_gives_undisturbed() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, LONG);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    let undisturbed = host.done(&mut instance, "compute", 0);
    let memory = host.committed().clone();
    let _ticker = fast_ticker();
    host.interrupts = 0;
    while host.interrupts < 500 {
        assert_eq!(host.done(&mut instance, "compute", 0), undisturbed);
        assert_eq!(*host.committed(), memory);
    }
}

#[test]
fn a_step_stops_at_any_instruction() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, LONG);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    let value = host.done(&mut instance, "compute", 0);
    let _ticker = fast_ticker();
    for round in 0..2_000 {
        let function = ENDLESS[round % ENDLESS.len()];
        host.at_interrupt = Err(Stop::Conflict);
        assert_eq!(
            host.attempt(&mut instance, function, 0),
            Err(Stop::Conflict),
            "{function}"
        );
        host.calls.clear();
        host.asked.clear();
    }
    host.at_interrupt = Ok(());
    assert_eq!(host.done(&mut instance, "compute", 0), value);
}

#[test]
fn a_stop_knows_the_callers_of_the_function_that_was_interrupted() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, LONG);
    let _ticker = fast_ticker();
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    host.at_interrupt = Err(GuestFault::refused("enough").into());
    // The very first instructions of `inner` are those in which its caller's line is missing.
    let report = loop {
        let fault = host.fault(&mut instance, "nested");
        assert_eq!(fault.kind, FaultKind::Refused);
        if fault.report.contains("outer") {
            break fault.report;
        }
    };
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines, ["enough", "  in plurix_stop", "  in outer"]);
}
