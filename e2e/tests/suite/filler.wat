;; Fills 16 MiB of its memory with bytes that cannot be made shorter, 64 KiB in each step, and
;; then waits for ever. `filled` tells how many pieces there are, `sum` what is in them.
(module
  (memory (export "memory") 257)
  (func (export "main") (param i64) (result i64)
    (local $at i32) (local $end i32)
    (if (i32.eq (i32.load (i32.const 0)) (i32.const 256))
      (then (return (i64.const 5))))
    (local.set $at (i32.mul (i32.add (i32.load (i32.const 0)) (i32.const 1)) (i32.const 65536)))
    (local.set $end (i32.add (local.get $at) (i32.const 65536)))
    (loop $more
      (i64.store (local.get $at)
        (i64.rotl
          (i64.mul
            (i64.extend_i32_u (i32.add (local.get $at) (i32.const 1)))
            (i64.const 0x9E3779B97F4A7C15))
          (i64.extend_i32_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (i64.const 0))
  (func (export "filled") (result i32)
    (i32.load (i32.const 0)))
  (func (export "sum") (result i64)
    (local $at i32) (local $sum i64)
    (local.set $at (i32.const 65536))
    (loop $more
      (local.set $sum (i64.add
        (i64.mul (local.get $sum) (i64.const 31))
        (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 16842752))))
    (local.get $sum)))
