;; Sends a datagram to somebody in the machine's network who is not there, then one to port 0 of
;; the machine that runs this one: the test puts another number there.
(module
  (import "plurix" "listen" (func $listen (param i32 i32 i32 i64) (result i64)))
  (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
  (import "plurix" "channel_write" (func $write (param i64 i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "udp:0.0.0.0:0")
  (data (i32.const 64)
    "\01" "\00\00\00\00\00\00\00\00\00\00\ff\ff\0a\00\02\4d" "\09\00" "\04\00" "lost"
    "\01" "\00\00\00\00\00\00\00\00\00\00\ff\ff\7f\00\00\01" "PORT" "\04\00" "here")
  ;; 128: the port, 136: its line
  (func (export "main") (param i64) (result i64)
    (if (i64.eqz (i64.load (i32.const 128)))
      (then
        (i64.store (i32.const 128)
          (call $listen (i32.const 0) (i32.const 13) (i32.const 1) (i64.const 5)))))
    (if (i32.eq (call $read (i64.load (i32.const 128)) (i32.const 136) (i32.const 8)) (i32.const 8))
      (then (drop (call $write (i64.load (i32.const 136)) (i32.const 64) (i32.const 50)))))
    ;; wait for the event 5
    (i64.const 21)))
