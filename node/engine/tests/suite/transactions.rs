//! Steps as transactions: pages come in on demand, before-images are taken in time, and
//! a step that was stopped anywhere and run again gives what it gives undisturbed.
use engine::{Engine, Limits, StepReturn, Stop, Value};
use linux::Ticker;
use types::{Duration, PAGE_SIZE};

use crate::support::{Asked, LIMITS, PAGINGS, TestHost, deploy};

/// Writes, copies, fills, grows, and changes a global; returns a checksum.
const BUSY: &str = r#"(module
  (memory 2 16)
  (global $count (mut i64) (i64.const 40))
  (data (i32.const 4000)
    "some words across a page boundary "
    "...............................................................................")
  (func $done (param i64) (result i64) (i64.or (i64.shl (local.get 0) (i64.const 2)) (i64.const 2)))
  (func (export "load") (param i64) (result i64)
    (call $done (i64.load32_u (i32.wrap_i64 (local.get 0)))))
  (func (export "store") (param i64) (result i64)
    (i32.store (i32.wrap_i64 (local.get 0)) (i32.const 7)) (i64.const 0))
  (func (export "count") (param i64) (result i64)
    (global.set $count (i64.add (global.get $count) (local.get 0)))
    (call $done (global.get $count)))
  (func (export "look") (param i64) (result i64) (call $done (global.get $count)))
  (func (export "grow") (param i64) (result i64)
    (call $done (i64.extend_i32_s (memory.grow (i32.wrap_i64 (local.get 0))))))
  (func (export "size") (param i64) (result i64) (call $done (i64.extend_i32_u (memory.size))))
  (func (export "copy") (param i64) (result i64)
    (memory.copy (i32.const 20000) (i32.const 100) (i32.const 9000)) (i64.const 0))
  (func (export "busy") (param i64) (result i64) (local $i i32) (local $sum i64)
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (loop $again
      (i64.store (i32.mul (local.get $i) (i32.const 4090))
        (i64.add (i64.load (i32.mul (local.get $i) (i32.const 4090)))
                 (i64.add (local.get 0) (i64.extend_i32_u (local.get $i)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 12))))
    (drop (memory.grow (i32.const 1)))
    (memory.copy (i32.const 60000) (i32.const 3000) (i32.const 9000))
    (memory.fill (i32.const 80000) (i32.const 3) (i32.const 5000))
    (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)) (i32.const 99))
    (global.set $count (i64.mul (global.get $count) (i64.const 3)))
    (local.set $i (i32.const 0))
    (loop $again
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
                               (i64.load (i32.mul (local.get $i) (i32.const 8)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 12000))))
    (call $done (i64.shr_s (i64.shl (i64.add (local.get $sum) (global.get $count))
                                    (i64.const 2)) (i64.const 2)))))"#;

#[test]
fn a_missing_page_is_fetched_once() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        host.set_word(3 * PAGE_SIZE + 8, 4711);
        for _ in 0..2 {
            assert_eq!(host.done(&mut instance, "load", 3 * 4096 + 8), 4711);
        }
        assert_eq!(host.asked, [Asked::Read(3)]);
    }
}

#[test]
fn the_first_write_to_a_page_is_announced_before_it_happens() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        host.set_word(8192, 1);
        // The store changes the page after its before-image was kept: undone, it is 1.
        instance.step(&mut host, "store", 8192, LIMITS).unwrap();
        assert_eq!(host.asked, [Asked::Write(2)]);
        host.rollback();
        assert_eq!(host.done(&mut instance, "load", 8192), 1);
        host.attempt(&mut instance, "store", 8192).unwrap();
        assert_eq!(host.word(8192), 7);
        // Committed pages are protected again.
        host.asked.clear();
        host.attempt(&mut instance, "store", 8192 + 64).unwrap();
        assert_eq!(host.asked, [Asked::Write(2)]);
    }
}

#[test]
fn a_store_across_two_pages_announces_both() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        host.attempt(&mut instance, "store", 4094).unwrap();
        assert_eq!(host.asked, [Asked::Write(0), Asked::Write(1)]);
    }
}

#[test]
fn memory_copy_announces_its_source_and_its_target() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    for paging in PAGINGS {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        host.attempt(&mut instance, "copy", 0).unwrap();
        for page in [0, 1, 2] {
            assert!(host.asked.contains(&Asked::Read(page)), "{:?}", host.asked);
        }
        for page in [4, 5, 6, 7] {
            assert!(host.asked.contains(&Asked::Write(page)), "{:?}", host.asked);
        }
        assert_eq!(host.word(20000 + 3900), u32::from_le_bytes(*b"some"));
    }
}

#[test]
fn a_step_stopped_at_any_point_and_run_again_gives_the_same() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    for paging in PAGINGS {
        let (mut undisturbed, mut instance) = TestHost::new(&deployed, paging);
        let expected: Vec<i64> = (0..3)
            .map(|round| undisturbed.done(&mut instance, "busy", round))
            .collect();
        let questions = undisturbed.asked.len();
        assert!(questions > 30, "the step asks a lot: {questions}");
        for stop_after in 0..questions {
            let (mut host, mut instance) = TestHost::new(&deployed, paging);
            host.conflict_after = Some(stop_after);
            let mut conflicts = 0;
            for (round, &expected) in (0..).zip(&expected) {
                let value = loop {
                    match host.attempt(&mut instance, "busy", round) {
                        Err(Stop::Conflict) => conflicts += 1,
                        result => break result,
                    }
                };
                assert_eq!(
                    value,
                    Ok(StepReturn::Done(expected)),
                    "stopped after {stop_after}"
                );
            }
            assert_eq!(conflicts, 1);
            assert_eq!(
                host.committed(),
                undisturbed.committed(),
                "stopped after {stop_after}"
            );
        }
    }
}

#[test]
fn undone_growth_leaves_the_size_as_it_was() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    instance.step(&mut host, "grow", 5, LIMITS).unwrap();
    host.rollback();
    assert_eq!(host.done(&mut instance, "size", 0), 2);
    assert_eq!(host.done(&mut instance, "grow", 5), 2);
    assert_eq!(host.done(&mut instance, "size", 0), 7);
    assert_eq!(
        host.done(&mut instance, "grow", 100),
        -1,
        "beyond the type's maximum"
    );
    assert_eq!(host.done(&mut instance, "size", 0), 7);
}

#[test]
fn undone_changes_of_globals_are_undone() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    instance.step(&mut host, "count", 2, LIMITS).unwrap();
    host.rollback();
    assert_eq!(host.done(&mut instance, "look", 0), 40);
    assert_eq!(host.done(&mut instance, "count", 2), 42);
    instance.step(&mut host, "count", 100, LIMITS).unwrap();
    host.rollback();
    assert_eq!(host.done(&mut instance, "look", 0), 42);
}

#[test]
fn a_step_without_growth_or_changed_globals_leaves_the_header_alone() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    host.done(&mut instance, "look", 0);
    host.done(&mut instance, "count", 0);
    host.done(&mut instance, "grow", 0);
    assert_eq!(host.asked, []);
}

#[test]
fn another_instance_continues_with_memory_size_and_globals() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    host.done(&mut instance, "grow", 3);
    host.done(&mut instance, "count", 2);
    host.attempt(&mut instance, "store", 4 << 16).unwrap();
    let mut other = engine::Instance::new(
        deployed.module.clone(),
        platform::ViewMemory::space(&host.view),
    );
    assert_eq!(host.done(&mut other, "size", 0), 5);
    assert_eq!(host.done(&mut other, "look", 0), 42);
    assert_eq!(host.done(&mut other, "load", 4 << 16), 7);
}

#[test]
fn results_of_steps_are_decoded() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(
        &engine,
        r#"(module (memory 1) (func (export "echo") (param i64) (result i64) (local.get 0)))"#,
    );
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    assert_eq!(
        host.attempt(&mut instance, "echo", 0),
        Ok(StepReturn::Again)
    );
    assert_eq!(
        host.attempt(&mut instance, "echo", (9 << 2) | 1),
        Ok(StepReturn::Wait(9))
    );
    assert_eq!(
        host.attempt(&mut instance, "echo", -2),
        Ok(StepReturn::Done(-1))
    );
    assert!(matches!(
        host.attempt(&mut instance, "echo", 3),
        Err(Stop::Guest(_))
    ));
}

#[test]
fn two_nodes_run_on_two_threads_of_a_process() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(&engine, BUSY);
    let _ticker = Ticker::start(Duration::from_millis(1)).unwrap();
    let node = |paging| {
        let (mut host, mut instance) = TestHost::new(&deployed, paging);
        let mut values = Vec::new();
        for round in 0..12 {
            host.conflict_after = Some(usize::try_from(round).unwrap() * 3);
            while host.attempt(&mut instance, "look", 0).is_err() {}
            let value = loop {
                match host.attempt(&mut instance, "busy", round) {
                    Ok(value) => break value,
                    Err(stop) => assert_eq!(stop, Stop::Conflict),
                }
            };
            values.push(value);
        }
        values
    };
    let values = std::thread::scope(|scope| {
        let nodes: Vec<_> = [PAGINGS[0], PAGINGS[0], PAGINGS[1]]
            .map(|paging| scope.spawn(move || node(paging)))
            .into_iter()
            .collect();
        nodes
            .into_iter()
            .map(|node| node.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(values[0], values[1]);
    assert_eq!(values[0], values[2]);
}

#[test]
fn exported_functions_are_called_with_values_that_people_write() {
    let engine = Engine::new().unwrap();
    let deployed = deploy(
        &engine,
        r#"(module (memory 1)
             (func (export "scale") (param i32 f64) (result f64 i64)
               (f64.mul (f64.convert_i32_s (local.get 0)) (local.get 1))
               (i64.extend_i32_s (local.get 0))))"#,
    );
    let (mut host, mut instance) = TestHost::new(&deployed, PAGINGS[0]);
    let signature = deployed.module.signature("scale").unwrap();
    assert_eq!(signature.to_string(), "(i32, f64) -> (f64, i64)");
    let texts = ["-3", "0.5"];
    let arguments: Vec<Value> = signature
        .params
        .iter()
        .zip(texts)
        .map(|(ty, text)| ty.parse(text).unwrap())
        .collect();
    let limits = Limits::default();
    let results = instance
        .call(&mut host, "scale", &arguments, limits)
        .unwrap();
    let printed: Vec<String> = results.iter().map(ToString::to_string).collect();
    assert_eq!(printed, ["-1.5", "-3"]);
    assert!(
        instance
            .call(&mut host, "scale", &[Value::I32(1)], limits)
            .is_err()
    );
    assert!(instance.call(&mut host, "nothing", &[], limits).is_err());
}
