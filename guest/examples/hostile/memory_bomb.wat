;; Grows its memory as far as it may and writes to every page of it. Expected: growth is
;; refused at the limit (-1) and the program ends with the number of 64 KiB pages it has got.
(module
  (memory (export "memory") 1)
  (func (export "main") (param i64) (result i64)
    (local $page i32)
    (loop $more
      (local.set $page (memory.grow (i32.const 16)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then
          (memory.fill
            (i32.mul (local.get $page) (i32.const 65536))
            (i32.const 255)
            (i32.const 1048576))
          (br $more))))
    (i64.or
      (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 2))
      (i64.const 2))))
