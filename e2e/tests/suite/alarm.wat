;; Has two timers: one that rings once, so many nanoseconds from its start on as its argument
;; says, and one that ticks every 20 ms. Counts what it reads from each.
(module
  (import "plurix" "timer" (func $timer (param i64 i64 i64) (result i64)))
  (import "plurix" "clock_ns" (func $clock (result i64)))
  (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
  (import "plurix" "arg_read" (func $argument (param i32 i32)))
  (memory 1)
  (global $event i64 (i64.const 5))
  ;; 4096: the timer that rings, 4104: how often it has, 4112: when it is to, 4120: when it has
  ;; 4128: the timer that ticks, 4136: how often it has, 4144: when, 4152: the argument, one digit
  (func (export "main") (param i64) (result i64)
    (if (i64.eqz (i64.load (i32.const 4096)))
      (then
        (call $argument (i32.const 0) (i32.const 4152))
        (i64.store (i32.const 4112)
          (i64.add (call $clock)
            (i64.mul (i64.const 1000000000)
              (i64.sub (i64.load8_u (i32.const 4152)) (i64.const 48)))))
        (i64.store (i32.const 4096)
          (call $timer (i64.load (i32.const 4112)) (i64.const 0) (global.get $event)))
        (i64.store (i32.const 4128)
          (call $timer (call $clock) (i64.const 20000000) (global.get $event)))))
    (block $silent
      (loop $more
        (br_if $silent
          (i32.ne (call $read (i64.load (i32.const 4096)) (i32.const 4120) (i32.const 8)) (i32.const 8)))
        (i64.store (i32.const 4104) (i64.add (i64.load (i32.const 4104)) (i64.const 1)))
        (br $more)))
    (loop $more
      (if (i32.eq (call $read (i64.load (i32.const 4128)) (i32.const 4144) (i32.const 8)) (i32.const 8))
        (then
          (i64.store (i32.const 4136) (i64.add (i64.load (i32.const 4136)) (i64.const 1)))
          (br $more))))
    ;; wait for the event
    (i64.or (i64.shl (global.get $event) (i64.const 2)) (i64.const 1)))
  (func (export "state") (result i64 i64 i64 i64)
    (i64.load (i32.const 4104)) (i64.load (i32.const 4112)) (i64.load (i32.const 4120))
    (i64.load (i32.const 4136))))
