;; Every worker starts two more, twelve generations deep: 8191 workers in all. Expected: they
;; all end, or the program ends at its limit of workers; other programs go on.
(module
  (import "plurix" "spawn" (func $spawn (param i32 i32 i64) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 4096) "main")
  (func (export "main") (param $generation i64) (result i64)
    (if (i64.lt_u (local.get $generation) (i64.const 12))
      (then
        (drop (call $spawn (i32.const 4096) (i32.const 4)
          (i64.add (local.get $generation) (i64.const 1))))
        (drop (call $spawn (i32.const 4096) (i32.const 4)
          (i64.add (local.get $generation) (i64.const 1))))))
    (i64.const 2)))
