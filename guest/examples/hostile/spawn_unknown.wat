;; Starts a worker whose entry does not exist. Expected: a fault of the program.
(module
  (import "plurix" "spawn" (func $spawn (param i32 i32 i64) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 4096) "nobody")
  (func (export "main") (param i64) (result i64)
    (drop (call $spawn (i32.const 4096) (i32.const 6) (i64.const 0)))
    (i64.const 2)))
