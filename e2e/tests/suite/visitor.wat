;; Connects once to `overrunner`. Its value is 1 if it was told that the session is over, 2 if
;; nobody serves there.
(module
  (import "plurix" "connect" (func $connect (param i32 i32 i64) (result i64)))
  (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "overrunner")
  ;; 4096: the session
  (func (export "main") (param i64) (result i64)
    (if (i64.eqz (i64.load (i32.const 4096)))
      (then
        (i64.store (i32.const 4096) (call $connect (i32.const 0) (i32.const 10) (i64.const 5)))
        ;; done, with 2
        (if (i64.eq (i64.load (i32.const 4096)) (i64.const -2)) (then (return (i64.const 10))))))
    (if (i32.lt_s (call $read (i64.load (i32.const 4096)) (i32.const 4112) (i32.const 8)) (i32.const 0))
      ;; done, with 1
      (then (return (i64.const 6))))
    ;; wait for the event 5
    (i64.const 21)))
