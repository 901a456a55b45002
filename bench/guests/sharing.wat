;; A worker on each of up to 8 nodes that counts its steps on a page of its node, and now and then
;; works with other nodes. Put in: OFFSET, so that a node's position is its slot plus that,
;; modulo 8; MODE: 0 = two groups by position, 0 to 3 and 4 to 7, that count on a page each;
;; 1 = a chain: each position copies what the one before has put out; 2 = as 0, but the
;; first four share nothing; PAUSE, nanoseconds between two steps that share.
;; Pages: 0 the phase of the measurement; 1 to 8 of the slots; 32 on what is shared.
;; Words of a slot's page: at 0 the steps, at 8 the time of the last one, at 16 the time of
;; the next that shares, at 24 the phase of the last step, at 64 on, per phase, the longest
;; time between two steps.
(module
  (import "plurix" "node" (func $node (result i32)))
  (import "plurix" "node_count" (func $node_count (result i32)))
  (import "plurix" "clock_ns" (func $clock (result i64)))
  (import "plurix" "spawn" (func $spawn (param i32 i32 i64) (result i64)))
  (import "plurix" "result_write" (func $result_write (param i64 i32 i32)))
  (memory (export "memory") 4 4)
  (data (i32.const 3000) "work")

  (func $own (param $slot i32) (result i32)
    (i32.shl (i32.add (local.get $slot) (i32.const 1)) (i32.const 12)))

  (func $count (param $own i32)
    (i64.store (local.get $own) (i64.add (i64.load (local.get $own)) (i64.const 1))))

  ;; A worker per node, then it waits for an event that nobody signals.
  (func (export "main") (param i64) (result i64)
    (local $left i32)
    (call $count (call $own (call $node)))
    (local.set $left (call $node_count))
    (loop $again
      (drop (call $spawn (i32.const 3000) (i32.const 4) (i64.const 0)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (i64.const 1))

  (func (export "work") (param i64) (result i64)
    (local $own i32) (local $now i64) (local $phase i64) (local $gap i64) (local $at i32)
    (local.set $own (call $own (call $node)))
    (local.set $now (call $clock))
    (local.set $phase (i64.load (i32.const 0)))
    (call $count (local.get $own))
    (local.set $gap (i64.sub (local.get $now) (i64.load offset=8 (local.get $own))))
    (i64.store offset=8 (local.get $own) (local.get $now))
    (local.set $at
      (i32.add (local.get $own) (i32.shl (i32.wrap_i64 (local.get $phase)) (i32.const 3))))
    (if (i64.eq (local.get $phase) (i64.load offset=24 (local.get $own)))
      (then
        (if (i64.gt_s (local.get $gap) (i64.load offset=64 (local.get $at)))
          (then (i64.store offset=64 (local.get $at) (local.get $gap)))))
      (else (i64.store offset=24 (local.get $own) (local.get $phase))))
    ;; In the last phase it waits for an event that nobody signals.
    (if (i64.eq (local.get $phase) (i64.const 3)) (then (return (i64.const 1))))
    (if (i64.ge_u (local.get $now) (i64.load offset=16 (local.get $own)))
      (then
        (i64.store offset=16 (local.get $own) (i64.add (local.get $now) (i64.const PAUSE)))
        (call $share)))
    (i64.const 0))

  (func $share
    (local $position i32) (local $from i32) (local $to i32)
    (local.set $position
      (i32.and (i32.add (call $node) (i32.const OFFSET)) (i32.const 7)))
    (if (i32.and (i32.eq (i32.const MODE) (i32.const 2))
                 (i32.lt_u (local.get $position) (i32.const 4)))
      (then (return)))
    (if (i32.eq (i32.const MODE) (i32.const 1))
      (then
        (local.set $to (local.get $position))
        (local.set $from
          (i32.sub (local.get $position) (i32.ne (local.get $position) (i32.const 0)))))
      (else
        (local.set $to (i32.shr_u (local.get $position) (i32.const 2)))
        (local.set $from (local.get $to))))
    (i64.store
      (i32.shl (i32.add (local.get $to) (i32.const 32)) (i32.const 12))
      (i64.add
        (i64.load (i32.shl (i32.add (local.get $from) (i32.const 32)) (i32.const 12)))
        (i64.const 1))))

  ;; Begins a phase.
  (func (export "turn") (param $phase i64) (result i64)
    (i64.store (i32.const 0) (local.get $phase))
    (i64.const 0))

  ;; 96 bytes of each slot's page.
  (func (export "figures") (result i64)
    (local $slot i32)
    (loop $again
      (call $result_write
        (i64.extend_i32_u (i32.mul (local.get $slot) (i32.const 96)))
        (call $own (local.get $slot))
        (i32.const 96))
      (local.set $slot (i32.add (local.get $slot) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $slot) (i32.const 8))))
    (i64.const 0)))
