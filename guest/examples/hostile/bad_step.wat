;; Returns a step with a tag that does not exist. Expected: a fault of the program.
(module
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    (i64.const 3)))
