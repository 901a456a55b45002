;; Traps. Expected: a fault of the program.
(module
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    unreachable))
