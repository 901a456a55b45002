;; Drives the console, and falls over whenever somebody connects to it.
(module
  (import "plurix" "attach" (func $attach (param i32 i32 i32 i64) (result i64)))
  (import "plurix" "serve" (func $serve (param i32 i32 i64) (result i64)))
  (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
  (@custom "plurix.devices" "console")
  (memory 1)
  (data (i32.const 0) "consolebrittle")
  (global $event i64 (i64.const 5))
  ;; 4096: the service, 4104: a session
  (func (export "main") (param i64) (result i64)
    (if (i64.eqz (i64.load (i32.const 4096)))
      (then
        (drop (call $attach (i32.const 0) (i32.const 7) (i32.const 1) (global.get $event)))
        (i64.store (i32.const 4096)
          (call $serve (i32.const 7) (i32.const 7) (global.get $event)))))
    (loop $more
      (if (i32.eq (call $read (i64.load (i32.const 4096)) (i32.const 4104) (i32.const 8)) (i32.const 8))
        (then
          ;; what made it fall over once is lost, and does not do so again
          (if (i32.eqz (call $read (i64.load (i32.const 4104)) (i32.const 4112) (i32.const 0)))
            (then (unreachable)))
          (br $more))))
    ;; wait for the event
    (i64.or (i64.shl (global.get $event) (i64.const 2)) (i64.const 1))))
