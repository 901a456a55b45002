;; Drives the console, and tells what it has found in the fallback object: whether the word that
;; `overrunner` writes is there, and how many lines that had had.
(module
  (import "plurix" "attach" (func $attach (param i32 i32 i32 i64) (result i64)))
  (import "plurix" "object_read" (func $find (param i64 i64 i32 i32) (result i32)))
  (@custom "plurix.devices" "console")
  (memory 1)
  (data (i32.const 0) "console")
  (data (i32.const 8) "fallback")
  ;; 4096: the device, 4104: the object
  (func (export "main") (param i64) (result i64)
    (if (i64.eqz (i64.load (i32.const 4096)))
      (then
        (i64.store (i32.const 4096)
          (call $attach (i32.const 0) (i32.const 7) (i32.const 1) (i64.const 5)))
        (drop (call $find (i64.load (i32.const 4096)) (i64.const 0) (i32.const 4104) (i32.const 16)))))
    ;; wait for the event 5
    (i64.const 21))
  (func (export "found") (result i64)
    (if (result i64) (i64.eq (i64.load (i32.const 4104)) (i64.load (i32.const 8)))
      (then (i64.load (i32.const 4112)))
      (else (i64.const -1)))))
