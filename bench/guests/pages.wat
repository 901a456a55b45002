;; Writes to pages of a large memory. MEMORY is put in: its size in units of 64 KiB, a
;; power of two. No mutable globals, no growth: all its state is in linear memory.
(module
  (memory (export "memory") MEMORY MEMORY)

  ;; Writes 8 bytes to each of some pseudo-random pages. Argument: the number of pages
  ;; in the low 8 bits, a seed above.
  (func (export "scatter") (param $argument i64) (result i64)
    (local $left i64) (local $seed i64)
    (local.set $left (i64.and (local.get $argument) (i64.const 255)))
    (local.set $seed (local.get $argument))
    (loop $again
      (local.set $seed
        (i64.add
          (i64.mul (local.get $seed) (i64.const 6364136223846793005))
          (i64.const 1442695040888963407)))
      (i64.store
        (i32.shl
          (i32.and
            (i32.wrap_i64 (i64.shr_u (local.get $seed) (i64.const 33)))
            (i32.sub (i32.shl (memory.size) (i32.const 4)) (i32.const 1)))
          (i32.const 12))
        (local.get $seed))
      (local.set $left (i64.sub (local.get $left) (i64.const 1)))
      (br_if $again (i64.ne (local.get $left) (i64.const 0))))
    (i64.const 0))

  ;; Adds to a word of one page. Argument: the page.
  (func (export "write") (param $page i64) (result i64)
    (local $at i32)
    (local.set $at (i32.shl (i32.wrap_i64 (local.get $page)) (i32.const 12)))
    (i64.store (local.get $at)
      (i64.add (i64.load (local.get $at)) (i64.const 1)))
    (i64.const 0))

  ;; Reads a word of one page. Argument: the page.
  (func (export "read") (param $page i64) (result i64)
    (drop (i64.load (i32.shl (i32.wrap_i64 (local.get $page)) (i32.const 12))))
    (i64.const 0))

  ;; Moves an amount between two accounts, words of memory STRIDE bytes apart, if there
  ;; is so much. Argument: from in the low 16 bits, to in the next, the amount above.
  (func (export "transfer") (param $argument i64) (result i64)
    (local $from i32) (local $to i32) (local $amount i64)
    (local.set $from
      (i32.mul (i32.const STRIDE)
        (i32.and (i32.wrap_i64 (local.get $argument)) (i32.const 0xFFFF))))
    (local.set $to
      (i32.mul (i32.const STRIDE)
        (i32.and
          (i32.wrap_i64 (i64.shr_u (local.get $argument) (i64.const 16)))
          (i32.const 0xFFFF))))
    (local.set $amount (i64.shr_u (local.get $argument) (i64.const 32)))
    (if (i64.ge_s (i64.load (local.get $from)) (local.get $amount))
      (then
        (i64.store (local.get $from)
          (i64.sub (i64.load (local.get $from)) (local.get $amount)))
        (i64.store (local.get $to)
          (i64.add (i64.load (local.get $to)) (local.get $amount)))))
    (i64.const 0))

  ;; Adds to the balance of an account. Argument: the account in the low 16 bits, the
  ;; amount above.
  (func (export "deposit") (param $argument i64) (result i64)
    (local $at i32)
    (local.set $at
      (i32.mul (i32.const STRIDE)
        (i32.and (i32.wrap_i64 (local.get $argument)) (i32.const 0xFFFF))))
    (i64.store (local.get $at)
      (i64.add (i64.load (local.get $at)) (i64.shr_u (local.get $argument) (i64.const 16))))
    (i64.const 0)))
