//! The calls of the ABI: every one exists, and guest memory is what the host gets.
use std::fmt::Write as _;

use abi::{IMPORTS, Type};
use engine::{Engine, FaultKind, Stop};

use crate::support::{PAGINGS, TestHost, deploy};

#[test]
fn every_import_of_the_abi_exists_with_its_type() {
    let mut wat = String::from("(module (memory 1)\n");
    for import in IMPORTS {
        let name = |ty: &Type| match ty {
            Type::I32 => " i32",
            Type::I64 => " i64",
        };
        let params: String = import.params.iter().map(name).collect();
        let result = import.result.as_ref().map_or("", name);
        writeln!(
            wat,
            r#"(import "plurix" "{}" (func (param{params}) (result{result})))"#,
            import.name
        )
        .unwrap();
    }
    // Imports come before what a module defines.
    let wat = wat.replacen("(memory 1)", "", 1) + "(memory 1))";
    let engine = Engine::new().unwrap();
    deploy(&engine, &wat);
}

const TALK: &str = r#"(module
  (import "plurix" "log" (func $log (param i32 i32 i32)))
  (import "plurix" "spawn" (func $spawn (param i32 i32 i64) (result i64)))
  (import "plurix" "arg_read" (func $arg_read (param i32 i32)))
  (import "plurix" "input_read" (func $input_read (param i32 i64 i32 i32) (result i32)))
  (import "plurix" "result_write" (func $result_write (param i64 i32 i32)))
  (import "plurix" "exit" (func $exit (param i32)))
  (memory 2)
  (data (i32.const 4090) "hello, world")
  (func (export "log") (param i64) (result i64)
    (call $log (i32.const 0) (i32.wrap_i64 (local.get 0)) (i32.const 12)) (i64.const 0))
  (func (export "spawn") (param i64) (result i64)
    (i64.shl (call $spawn (i32.const 4090) (i32.const 5) (i64.const 9)) (i64.const 2)))
  (func (export "arguments") (param i64) (result i64)
    (call $arg_read (i32.wrap_i64 (local.get 0)) (i32.const 8190))
    (call $result_write (i64.const 2) (i32.const 8190) (i32.const 4)) (i64.const 0))
  (func (export "input") (param i64) (result i64)
    (i64.or (i64.const 2) (i64.shl (i64.extend_i32_u
      (call $input_read (i32.const 0) (i64.const 5) (i32.const 12000) (i32.const 9000)))
      (i64.const 2))))
  (func (export "exit") (param i64) (result i64)
    (i32.store (i32.const 0) (i32.const 5))
    (call $exit (i32.wrap_i64 (local.get 0))) unreachable))"#;

#[test]
fn text_and_buffers_are_the_guests_memory() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, TALK);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        host.arguments = vec![b"none".to_vec(), b"word".to_vec()];
        host.attempt(&mut instance, "log", 4090).unwrap();
        assert_eq!(host.output, b"hello, world");
        host.attempt(&mut instance, "spawn", 0).unwrap();
        assert_eq!(
            host.calls.last().unwrap(),
            r#"Spawn { entry: "hello", argument: 9 }"#
        );
        host.attempt(&mut instance, "arguments", 1).unwrap();
        assert_eq!(host.result, b"\0\0word");
        assert_eq!(
            host.word(8190 & !3) >> 16,
            u32::from(u16::from_le_bytes(*b"wo"))
        );
        assert_eq!(host.done(&mut instance, "input", 0), 9000);
        assert_eq!(host.word(12000 + 8996), 0x5A5A_5A5A);
    }
}

#[test]
fn channels_get_what_the_guest_says() {
    let module = r#"(module
      (import "plurix" "listen" (func $listen (param i32 i32 i32 i64) (result i64)))
      (import "plurix" "timer" (func $timer (param i64 i64 i64) (result i64)))
      (import "plurix" "channel_event" (func $event (param i64 i64)))
      (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
      (import "plurix" "channel_write" (func $write (param i64 i32 i32) (result i32)))
      (import "plurix" "channel_close" (func $close (param i64)))
      (memory 2)
      (data (i32.const 4096) "[::1]:80")
      (func (export "open") (param i64) (result i64)
        (call $event (call $listen (i32.const 4096) (i32.const 8) (i32.const 1) (local.get 0))
          (i64.const 3))
        (call $close (call $timer (i64.const 1) (i64.const 2) (i64.const 3)))
        (i64.const 0))
      (func (export "talk") (param i64) (result i64)
        (i64.or (i64.const 2) (i64.shl
          (i64.extend_i32_u (i32.add
            (call $read (i64.const 7) (i32.const 8100) (i32.const 200))
            (call $write (i64.const 7) (i32.const 4096) (i32.wrap_i64 (local.get 0)))))
          (i64.const 2)))))"#;
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, module);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        host.attempt(&mut instance, "open", 9).unwrap();
        let calls = [
            r#"Listen { address: "[::1]:80", release: 1, event: 9 }"#,
            "ChannelEvent { channel: 8589934592, event: 3 }",
            "Timer { first: 1, period: 2, event: 3 }",
            "ChannelClose { channel: 17179869184 }",
        ];
        assert_eq!(host.calls, calls);
        assert_eq!(host.done(&mut instance, "talk", 8), 208);
        assert_eq!(host.word(8192), 0x5A5A_5A5A);
        let beyond = host.attempt(&mut instance, "talk", 2 << 16);
        let Err(Stop::Guest(fault)) = beyond else {
            panic!("{beyond:?}")
        };
        assert_eq!(fault.kind, FaultKind::OutOfBounds);
    }
}

#[test]
fn drivers_and_services_get_what_the_guest_says() {
    let module = r#"(module
      (import "plurix" "attach" (func $attach (param i32 i32 i32 i64) (result i64)))
      (import "plurix" "object_read" (func $read (param i64 i64 i32 i32) (result i32)))
      (import "plurix" "object_write" (func $write (param i64 i64 i32 i32) (result i32)))
      (import "plurix" "serve" (func $serve (param i32 i32 i64) (result i64)))
      (import "plurix" "connect" (func $connect (param i32 i32 i64) (result i64)))
      (memory 2)
      (data (i32.const 4096) "lampecho\ff")
      (func (export "drive") (param i64) (result i64)
        (local $lamp i64)
        (local.set $lamp
          (call $attach (i32.const 4096) (i32.const 4) (i32.const 1) (local.get 0)))
        (i64.or (i64.const 2) (i64.shl
          (i64.extend_i32_u (i32.add
            (call $read (local.get $lamp) (i64.const 70) (i32.const 8100) (i32.const 200))
            (call $write (local.get $lamp) (i64.const 80) (i32.const 4096) (i32.const 3))))
          (i64.const 2))))
      (func (export "talk") (param i64) (result i64)
        (drop (call $serve (i32.const 4100) (i32.const 4) (i64.const 6)))
        (drop (call $connect (i32.const 4100) (i32.wrap_i64 (local.get 0)) (i64.const 7)))
        (i64.const 0)))"#;
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, module);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        assert_eq!(host.done(&mut instance, "drive", 9), 203);
        assert_eq!(host.word(8192), 0x5A5A_5A5A);
        assert_eq!(
            host.calls[0],
            r#"Driver(Attach { device: "lamp", release: 1, event: 9 })"#
        );
        assert!(host.calls[2].contains("offset: 80, bytes: [108, 97, 109]"));
        host.attempt(&mut instance, "talk", 4).unwrap();
        let calls = [
            r#"Driver(Serve { label: "echo", event: 6 })"#,
            r#"Driver(Connect { label: "echo", event: 7 })"#,
        ];
        assert_eq!(host.calls[3..], calls);
        // With one byte more it is no text.
        let beyond = host.attempt(&mut instance, "talk", 5);
        let Err(Stop::Guest(fault)) = beyond else {
            panic!("{beyond:?}")
        };
        assert_eq!(fault.kind, FaultKind::Refused);
    }
}

#[test]
fn a_stop_in_a_call_ends_the_step() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, TALK);
    for stop_after in 0..3 {
        let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
        host.conflict_after = Some(stop_after);
        assert_eq!(
            host.attempt(&mut instance, "log", 4090),
            Err(Stop::Conflict)
        );
        assert!(host.attempt(&mut instance, "log", 4090).is_ok());
        assert_eq!(host.output, b"hello, world");
    }
}

#[test]
fn exit_keeps_what_the_step_has_done() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, TALK);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    assert_eq!(host.attempt(&mut instance, "exit", 3), Err(Stop::Exit(3)));
    assert_eq!(host.word(0), 5);
}

#[test]
fn arguments_out_of_bounds_are_the_guests_fault() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, TALK);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    for address in [(2 << 16) - 11, -5] {
        match host.attempt(&mut instance, "log", address) {
            Err(Stop::Guest(fault)) => {
                assert_eq!(fault.kind, FaultKind::OutOfBounds);
                assert!(fault.report.contains("in function 6"), "{}", fault.report);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        host.fault(&mut instance, "arguments").kind,
        FaultKind::Refused
    );
    assert!(host.output.is_empty());
}
