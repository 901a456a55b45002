;; Writes behind the end of its memory, after a write that must not last. Expected: a fault
;; of the program; the byte at 4096 is still 0.
(module
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    (i32.store8 (i32.const 4096) (i32.const 1))
    (i64.store (i32.const 65532) (i64.const -1))
    (i64.const 2)))
