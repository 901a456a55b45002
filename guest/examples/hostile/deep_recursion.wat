;; Calls itself without end. Expected: stack overflow, a fault of the program.
(module
  (memory (export "memory") 1)
  (func $deeper (param i64) (result i64)
    (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
  (func (export "main") (param i64) (result i64)
    (call $deeper (i64.const 0))))
