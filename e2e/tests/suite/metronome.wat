;; Counts the ticks of a timer that ticks every 20 ms, and what the last one said.
(module
  (import "plurix" "timer" (func $timer (param i64 i64 i64) (result i64)))
  (import "plurix" "clock_ns" (func $clock (result i64)))
  (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
  (memory 1)
  (global $event i64 (i64.const 5))
  ;; 4096: the timer, 4104: ticks so far, 4112: the time of the last one, 4120: of the one before
  (func (export "main") (param i64) (result i64)
    (if (i64.eqz (i64.load (i32.const 4096)))
      (then
        (i64.store (i32.const 4096)
          (call $timer (call $clock) (i64.const 20000000) (global.get $event)))))
    (loop $more
      (i64.store (i32.const 4120) (i64.load (i32.const 4112)))
      (if (i32.eq (call $read (i64.load (i32.const 4096)) (i32.const 4112) (i32.const 8)) (i32.const 8))
        (then
          (if (i64.le_s (i64.load (i32.const 4112)) (i64.load (i32.const 4120))) (then (unreachable)))
          (i64.store (i32.const 4104) (i64.add (i64.load (i32.const 4104)) (i64.const 1)))
          (br $more))))
    ;; wait for the event
    (i64.or (i64.shl (global.get $event) (i64.const 2)) (i64.const 1)))
  (func (export "ticks") (result i64) (i64.load (i32.const 4104))))
