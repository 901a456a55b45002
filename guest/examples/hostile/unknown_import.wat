;; Wants a function that no host has. Expected: the module is refused before it runs.
(module
  (import "plurix" "launch" (func (param i32)))
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    (i64.const 2)))
