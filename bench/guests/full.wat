;; A program with a full memory: fills every word of it, then runs short steps for ever.
;; Put in: MEMORY, its size in units of 64 KiB, a power of two; PAUSE, nanoseconds between two
;; writes to pages all over it, 0 if there are to be none.
;; Words of page 0: at 0 the next page to be filled, at 8 the number of steps, at 16 the state
;; of its generator.
(module
  (import "plurix" "clock_ns" (func $clock (result i64)))
  (import "plurix" "progress" (func $progress (param i64 i64)))
  (memory (export "memory") MEMORY MEMORY)

  (func $pages (result i32) (i32.shl (memory.size) (i32.const 4)))

  (func (export "main") (param i64) (result i64)
    (if (i32.lt_u (i32.load (i32.const 0)) (call $pages))
      (then (call $fill))
      (else
        (if (i32.load (i32.const 48))
          (then (call $touch))
          (else (i64.store (i32.const 8)
            (i64.add (i64.load (i32.const 8)) (i64.const 1)))
            (if (i64.ne (i64.const PAUSE) (i64.const 0)) (then (call $dirty)))))))
    (i64.const 0))

  ;; Writes to a page if it is time to. At 72 the time of the last step, at 80 the longest time
  ;; between two, at 88 the time of the next write.
  (func $dirty
    (local $now i64) (local $gap i64) (local $seed i64)
    (local.set $now (call $clock))
    (local.set $gap (i64.sub (local.get $now) (i64.load (i32.const 72))))
    (i64.store (i32.const 72) (local.get $now))
    (if (i64.gt_u (local.get $gap) (i64.load (i32.const 80)))
      (then (i64.store (i32.const 80) (local.get $gap))))
    (if (i64.lt_u (local.get $now) (i64.load (i32.const 88)))
      (then (return)))
    (i64.store (i32.const 88) (i64.add (i64.load (i32.const 88)) (i64.const PAUSE)))
    (local.set $seed
      (i64.add
        (i64.mul (i64.load (i32.const 16)) (i64.const 6364136223846793005))
        (i64.const 1442695040888963407)))
    (i64.store (i32.const 16) (local.get $seed))
    (i64.store offset=128
      (i32.shl
        (i32.and
          (i32.wrap_i64 (i64.shr_u (local.get $seed) (i64.const 33)))
          (i32.sub (call $pages) (i32.const 1)))
        (i32.const 12))
      (local.get $seed)))

  ;; The longest time between two steps so far, in ns; from now on it is measured anew.
  (func (export "gap") (result i64)
    (local $gap i64)
    (local.set $gap (i64.load (i32.const 80)))
    (i64.store (i32.const 72) (call $clock))
    (i64.store (i32.const 80) (i64.const 0))
    (i64.store (i32.const 88) (call $clock))
    (local.get $gap))

  ;; Puts noise into all of the next 64 pages, but for the first 64 bytes of each.
  (func $fill
    (local $at i32) (local $end i32) (local $page i32) (local $noise i64)
    (local.set $page (i32.load (i32.const 0)))
    (local.set $noise (i64.or (i64.load (i32.const 16)) (i64.const 1)))
    (local.set $at (i32.shl (local.get $page) (i32.const 12)))
    (local.set $page (i32.add (local.get $page) (i32.const 64)))
    (local.set $end (i32.add (local.get $at) (i32.const 0x40000)))
    (loop $again
      (if (i32.ge_u (i32.and (local.get $at) (i32.const 0xFFF)) (i32.const 64))
        (then
          (local.set $noise (i64.xor (local.get $noise)
            (i64.shl (local.get $noise) (i64.const 13))))
          (local.set $noise (i64.xor (local.get $noise)
            (i64.shr_u (local.get $noise) (i64.const 7))))
          (local.set $noise (i64.xor (local.get $noise)
            (i64.shl (local.get $noise) (i64.const 17))))
          (i64.store (local.get $at) (local.get $noise))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $again (i32.ne (local.get $at) (local.get $end))))
    (i64.store (i32.const 16) (local.get $noise))
    (i32.store (i32.const 0) (local.get $page))
    (call $progress (i64.extend_i32_u (local.get $page)) (i64.extend_i32_u (call $pages))))

  ;; Begins to touch all pages, in the steps that follow: at 24 the next page, at 32 when it
  ;; began, at 40 how long it took, in ns.
  (func (export "touch") (result i64)
    (i64.store (i32.const 24) (i64.const 0))
    (i64.store (i32.const 32) (call $clock))
    (i64.store (i32.const 40) (i64.const 0))
    ;; Until now there was noise.
    (i64.store (i32.const 80) (i64.const 0))
    (i64.store (i32.const 72) (call $clock))
    (i64.store (i32.const 88) (call $clock))
    (i32.store (i32.const 48) (i32.const 1))
    (i64.const 0))

  (func (export "took") (result i64) (i64.load (i32.const 40)))

  ;; Reads a word of each of the next 64 pages. A step has one time, so the end is seen by
  ;; the step after it.
  (func $touch
    (local $at i32) (local $end i32) (local $sum i64) (local $page i32)
    (local.set $page (i32.load (i32.const 24)))
    (if (i32.ge_u (local.get $page) (call $pages))
      (then
        (i64.store (i32.const 40) (i64.sub (call $clock) (i64.load (i32.const 32))))
        (i32.store (i32.const 48) (i32.const 0))
        (return)))
    (local.set $at (i32.shl (local.get $page) (i32.const 12)))
    (local.set $end (i32.add (local.get $at) (i32.const 0x40000)))
    (loop $again
      (local.set $sum
        (i64.add (local.get $sum) (i64.load offset=64 (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $again (i32.ne (local.get $at) (local.get $end))))
    ;; So that it is needed.
    (i64.store (i32.const 56) (local.get $sum))
    (i32.store (i32.const 24) (i32.add (local.get $page) (i32.const 64)))))
