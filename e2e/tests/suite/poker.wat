;; Connects to `brittle` until nobody serves there; its value is how many sessions it has had.
(module
  (import "plurix" "connect" (func $connect (param i32 i32 i64) (result i64)))
  (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
  (import "plurix" "channel_close" (func $close (param i64)))
  (memory 1)
  (data (i32.const 0) "brittle")
  (global $event i64 (i64.const 5))
  ;; 4096: the session, 4104: sessions so far
  (func (export "main") (param i64) (result i64)
    (if (i64.eqz (i64.load (i32.const 4096)))
      (then
        (i64.store (i32.const 4096) (call $connect (i32.const 0) (i32.const 7) (global.get $event)))
        (if (i64.eq (i64.load (i32.const 4096)) (i64.const -2))
          ;; done, with that value
          (then (return (i64.or (i64.shl (i64.load (i32.const 4104)) (i64.const 2)) (i64.const 2)))))
        (i64.store (i32.const 4104) (i64.add (i64.load (i32.const 4104)) (i64.const 1)))))
    (if (i32.lt_s (call $read (i64.load (i32.const 4096)) (i32.const 4112) (i32.const 8)) (i32.const 0))
      (then
        (call $close (i64.load (i32.const 4096)))
        (i64.store (i32.const 4096) (i64.const 0))
        ;; again
        (return (i64.const 0))))
    ;; wait for the event
    (i64.or (i64.shl (global.get $event) (i64.const 2)) (i64.const 1))))
