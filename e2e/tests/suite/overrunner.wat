;; Drives the console, and never comes back when somebody connects to it. Its fallback object is
;; a word and how many lines to the device it has had.
(module
  (import "plurix" "attach" (func $attach (param i32 i32 i32 i64) (result i64)))
  (import "plurix" "serve" (func $serve (param i32 i32 i64) (result i64)))
  (import "plurix" "channel_read" (func $read (param i64 i32 i32) (result i32)))
  (import "plurix" "object_write" (func $keep (param i64 i64 i32 i32) (result i32)))
  (@custom "plurix.devices" "console")
  (memory 1)
  (data (i32.const 0) "consoleoverrunner")
  (data (i32.const 4120) "fallback")
  (global $event i64 (i64.const 5))
  ;; 4096: the device, 4104: the service, 4112: a line or session, 4120: the object
  (func (export "main") (param i64) (result i64)
    (if (i64.eqz (i64.load (i32.const 4096)))
      (then
        (i64.store (i32.const 4096)
          (call $attach (i32.const 0) (i32.const 7) (i32.const 1) (global.get $event)))
        (i64.store (i32.const 4104)
          (call $serve (i32.const 7) (i32.const 10) (global.get $event)))))
    (if (i32.eq (call $read (i64.load (i32.const 4096)) (i32.const 4112) (i32.const 8)) (i32.const 8))
      (then
        (i64.store (i32.const 4128) (i64.add (i64.load (i32.const 4128)) (i64.const 1)))
        (drop (call $keep (i64.load (i32.const 4096)) (i64.const 0) (i32.const 4120) (i32.const 16)))
        ;; again
        (return (i64.const 0))))
    (if (i32.eq (call $read (i64.load (i32.const 4104)) (i32.const 4112) (i32.const 8)) (i32.const 8))
      (then
        ;; a session in which it was stopped is lost, and does not stop it again
        (if (i32.ne (call $read (i64.load (i32.const 4112)) (i32.const 4136) (i32.const 0)) (i32.const 0))
          (then (return (i64.const 0))))
        ;; what it does to the object in a step that does not end is not done
        (drop (call $keep (i64.load (i32.const 4096)) (i64.const 0) (i32.const 0) (i32.const 16)))
        (loop $forever (br $forever))))
    ;; wait for the event
    (i64.or (i64.shl (global.get $event) (i64.const 2)) (i64.const 1)))
  (func (export "lines") (result i64) (i64.load (i32.const 4128))))
