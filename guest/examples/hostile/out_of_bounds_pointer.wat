;; Passes the host a text that reaches beyond the end of its memory. Expected: a fault of
;; the program.
(module
  (import "plurix" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    (call $log (i32.const 0) (i32.const 65000) (i32.const -1))
    (i64.const 2)))
