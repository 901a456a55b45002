;; Two workers, one on each of two nodes, that take turns: in its turn each adds to a word of each
;; of 256 pages, a page per step, all of which the other has just written. So each step fetches a
;; page, from a node that has nothing else to do.
;; At 0 whose turn it is; at the beginning of page 1 + worker: how many pages it has done.
(module
  (import "plurix" "spawn" (func $spawn (param i32 i32 i64) (result i64)))
  (import "plurix" "signal" (func $signal (param i64)))
  (memory (export "memory") 32 32)
  (data (i32.const 16) "work")

  ;; Starts them, then waits for an event that nobody signals.
  (func (export "main") (param i64) (result i64)
    (i64.store (i32.const 0) (i64.const 0))
    (drop (call $spawn (i32.const 16) (i32.const 4) (i64.const 0)))
    (drop (call $spawn (i32.const 16) (i32.const 4) (i64.const 1)))
    (call $wait (i64.const 0)))

  ;; What a step returns that waits for an event.
  (func $wait (param $event i64) (result i64)
    (i64.or (i64.shl (local.get $event) (i64.const 2)) (i64.const 1)))

  ;; A worker waits for the event that is its number and 1.
  (func (export "work") (param $worker i64) (result i64)
    (local $own i32) (local $done i32) (local $at i32)
    (if (i64.ne (i64.load (i32.const 0)) (local.get $worker))
      (then (return (call $wait (i64.add (local.get $worker) (i64.const 1))))))
    (local.set $own
      (i32.shl (i32.add (i32.wrap_i64 (local.get $worker)) (i32.const 1)) (i32.const 12)))
    (local.set $done (i32.load (local.get $own)))
    (local.set $at (i32.shl (i32.add (local.get $done) (i32.const 256)) (i32.const 12)))
    (i64.store (local.get $at) (i64.add (i64.load (local.get $at)) (i64.const 1)))
    (local.set $done (i32.and (i32.add (local.get $done) (i32.const 1)) (i32.const 255)))
    (i32.store (local.get $own) (local.get $done))
    (if (i32.eqz (local.get $done))
      (then
        (i64.store (i32.const 0) (i64.sub (i64.const 1) (local.get $worker)))
        (call $signal (i64.sub (i64.const 2) (local.get $worker)))))
    (i64.const 0)))
