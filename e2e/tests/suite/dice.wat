;; Every 20 ms throws the dice and looks at the clock, and writes both down in two places that
;; are far from each other.
(module
  (import "plurix" "timer" (func $timer (param i64 i64 i64) (result i64)))
  (import "plurix" "clock_ns" (func $clock (result i64)))
  (import "plurix" "random" (func $random (param i32 i32)))
  (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
  (memory 40)
  (global $event i64 (i64.const 5))
  (global $second i32 (i32.const 1310720))
  ;; 0: the timer, 8: the time of a tick, 16: how many throws there are, 24: a throw, 32: its time
  ;; behind 4096, and behind the second place: throws and their times
  (func $place (param i64) (result i32)
    (i32.add (i32.const 4096) (i32.shl (i32.wrap_i64 (local.get 0)) (i32.const 4))))
  (func (export "main") (param i64) (result i64)
    (local $at i32)
    (if (i64.eqz (i64.load (i32.const 0)))
      (then
        (i64.store (i32.const 0)
          (call $timer (call $clock) (i64.const 20000000) (global.get $event)))))
    (if (i32.eq (call $read (i64.load (i32.const 0)) (i32.const 8) (i32.const 8)) (i32.const 8))
      (then
        (if (i64.ge_u (i64.load (i32.const 16)) (i64.const 70000)) (then (unreachable)))
        (local.set $at (call $place (i64.load (i32.const 16))))
        (call $random (i32.const 24) (i32.const 8))
        (i64.store (local.get $at) (i64.load (i32.const 24)))
        (i64.store (i32.add (local.get $at) (i32.const 8)) (call $clock))
        (local.set $at (i32.add (local.get $at) (global.get $second)))
        (i64.store (local.get $at) (i64.load (i32.const 24)))
        (i64.store (i32.add (local.get $at) (i32.const 8)) (call $clock))
        (i64.store (i32.const 16) (i64.add (i64.load (i32.const 16)) (i64.const 1)))
        ;; again
        (return (i64.const 0))))
    ;; wait for the event
    (i64.or (i64.shl (global.get $event) (i64.const 2)) (i64.const 1)))
  (func (export "count") (result i64) (i64.load (i32.const 16)))
  ;; The throw of this number and its time, from both places.
  (func (export "throw") (param i64) (result i64 i64 i64 i64)
    (local $at i32)
    (local.set $at (call $place (local.get 0)))
    (i64.load (local.get $at))
    (i64.load (i32.add (local.get $at) (i32.const 8)))
    (local.set $at (i32.add (local.get $at) (global.get $second)))
    (i64.load (local.get $at))
    (i64.load (i32.add (local.get $at) (i32.const 8)))))
