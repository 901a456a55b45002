;; A program with a large memory: fills it, then runs short steps for ever, of which some
;; write to pages all over it. Put in: MEMORY, its size in units of 64 KiB, a power of
;; two; PAUSE, nanoseconds between two such writes.
;; Words of page 0: at 0 the next page to be filled, at 8 the number of steps, at 16 the
;; time of the next write, at 24 the state of its generator.
(module
  (import "plurix" "clock_ns" (func $clock (result i64)))
  (import "plurix" "progress" (func $progress (param i64 i64)))
  (memory (export "memory") MEMORY MEMORY)

  (func $pages (result i32) (i32.shl (memory.size) (i32.const 4)))

  (func (export "main") (param i64) (result i64)
    (if (i32.lt_u (i32.load (i32.const 0)) (call $pages))
      (then (call $fill))
      (else (call $work)))
    (i64.const 0))

  ;; Puts something into each of the next 64 pages.
  (func $fill
    (local $page i32) (local $end i32)
    (local.set $page (i32.load (i32.const 0)))
    (local.set $end (i32.add (local.get $page) (i32.const 64)))
    (loop $again
      (call $put (local.get $page) (i64.extend_i32_u (local.get $page)))
      (local.set $page (i32.add (local.get $page) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $page) (local.get $end))))
    (i32.store (i32.const 0) (local.get $end))
    (call $progress (i64.extend_i32_u (local.get $end)) (i64.extend_i32_u (call $pages))))

  (func $put (param $page i32) (param $value i64)
    (i64.store offset=64
      (i32.shl (local.get $page) (i32.const 12)) (local.get $value)))

  (func $work
    (local $seed i64) (local $now i64)
    (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
    (local.set $now (call $clock))
    (if (i64.lt_u (local.get $now) (i64.load (i32.const 16)))
      (then (return)))
    (i64.store (i32.const 16) (i64.add (local.get $now) (i64.const PAUSE)))
    (local.set $seed
      (i64.add
        (i64.mul (i64.load (i32.const 24)) (i64.const 6364136223846793005))
        (i64.const 1442695040888963407)))
    (i64.store (i32.const 24) (local.get $seed))
    (call $put
      (i32.and
        (i32.wrap_i64 (i64.shr_u (local.get $seed) (i64.const 33)))
        (i32.sub (call $pages) (i32.const 1)))
      (local.get $seed))))
