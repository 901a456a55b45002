;; A step that never ends. Expected: it is stopped at the time limit, and only its program.
(module
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    (loop $forever (br $forever))
    unreachable))
