;; Divides by its argument, which is 0 for main. Expected: a fault of the program.
(module
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    (i64.div_s (i64.const 1) (local.get 0))))
