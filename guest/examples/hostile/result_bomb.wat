;; Writes a byte at an enormous offset of its result. Expected: a fault of the program or
;; a refusal; no node runs out of memory.
(module
  (import "plurix" "result_write" (func $result_write (param i64 i32 i32)))
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    (call $result_write (i64.const 0x3fffffffffffffff) (i32.const 0) (i32.const 1))
    (i64.const 2)))
