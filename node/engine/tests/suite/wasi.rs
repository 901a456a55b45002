//! Programs of standard toolchains, as far as they need no files.
use engine::{Engine, Stop, Value};

use crate::support::{LIMITS, PAGINGS, TestHost, deploy};

const HELLO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 100) "hello, \0acluster")
  (data (i32.const 200) "\6b\00\00\00\08\00\00\00" "\64\00\00\00\08\00\00\00")
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 200) (i32.const 2) (i32.const 300)))
    (call $proc_exit (i32.load (i32.const 300))))
  (func (export "arguments") (result i32 i32 i32)
    (drop (call $args_sizes_get (i32.const 4094) (i32.const 400)))
    (drop (call $args_get (i32.const 404) (i32.const 500)))
    (i32.load (i32.const 4094)) (i32.load (i32.const 400))
    (i32.load (i32.load (i32.const 408))))
  (func (export "clock") (result i64)
    (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 600)))
    (i64.load (i32.const 600)))
  (func (export "open") (result i32)
    (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0))))"#;

#[test]
fn hello_world_prints_and_exits() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, HELLO);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        let stop = instance
            .start(&mut host, abi::ENTRY_WASI, LIMITS)
            .unwrap_err();
        assert_eq!(stop, Stop::Exit(16));
        assert_eq!(
            host.output,
            b"\ncluster"
                .iter()
                .chain(b"hello, \n")
                .copied()
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn arguments_begin_with_the_programs_name() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, HELLO);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    host.arguments = vec![b"abc".to_vec()];
    let results = instance.call(&mut host, "arguments", &[], LIMITS).unwrap();
    let abc = i32::from_le_bytes(*b"abc\0");
    assert_eq!(results, [Value::I32(2), Value::I32(8 + 4), Value::I32(abc)]);
}

#[test]
fn the_clock_is_the_hosts_and_files_are_not_supported() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, HELLO);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    let clock = instance.call(&mut host, "clock", &[], LIMITS).unwrap();
    assert_eq!(clock, [Value::I64(1_234_567_890)]);
    let open = instance.call(&mut host, "open", &[], LIMITS).unwrap();
    assert_eq!(open, [Value::I32(abi::wasi_errno::NOSYS)]);
}
